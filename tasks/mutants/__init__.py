"""Damage, seeded and reproducible: to a copy of a restored database, and to copies of the backup itself."""
