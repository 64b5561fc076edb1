"""Loads the fixture plugins; each lives in its own tests/fix_*.py."""

from __future__ import annotations

pytest_plugins = [
    "pytester",
    "tests.fix_essential",
    "tests.fix_hostile_folder",
    "tests.fix_postgres",
    "tests.fix_physical",
    "tests.fix_prefect",
    "tests.fix_proxy",
    "tests.fix_restore",
    "tests.fix_s3",
    "tests.fix_wal",
    "tests.fix_drill",  # imports others, which must be known as plugins by then
    "tests.fix_worker",
]
