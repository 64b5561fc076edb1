"""Reading backups: recovery points out of keys, and one module per stored format."""
