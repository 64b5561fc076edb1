"""Rebuilding a database: one module per way to restore."""
