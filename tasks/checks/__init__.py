"""What a restored database is held against: its archive, its history, its own constraints."""
