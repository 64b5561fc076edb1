"""pgBackRest's repositories, read by the tool itself: it alone knows bundles, blocks and ciphers of its own.

`program` finds the tool, `access` says by which options and secrets it reaches a repository, `run` runs it
behind a wall, `failures` says what its words mean, `catalogue` reads what it tells of backups, `restoring`
lets it fill the data folder, and `wal` asks it for single files of WAL.
"""
