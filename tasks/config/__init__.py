"""The fleet file: its strict schema and its loader."""
