"""What servers and tools say while restoring: read, classed, traced to its cause."""
