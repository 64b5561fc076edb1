"""What a drill costs, measured."""
