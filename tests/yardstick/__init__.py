"""The yardstick: what a superuser's psql or pg_restore brings back, held against what a drill does."""
