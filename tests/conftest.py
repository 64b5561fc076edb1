"""Loads the fixture plugins; each lives in its own tests/fix_*.py."""

from __future__ import annotations

import signal
import threading

import pytest
from hypothesis import HealthCheck, settings

# How fast a busy machine makes inputs and tries them says nothing about what is tested.
settings.register_profile("drills", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("drills")
pytest_plugins = [
    "pytester",
    "tests.fix_chain",
    "tests.fix_essential",
    "tests.fix_hostile_folder",
    "tests.fix_postgres",
    "tests.fix_physical",
    "tests.fix_prefect",
    "tests.fix_proxy",
    "tests.fix_restore",
    "tests.fix_s3",
    "tests.fix_tls",
    "tests.fix_wal",
    "tests.fix_barman",  # imports others, which must be known as plugins by then
    "tests.fix_drill",
    "tests.fix_recovered",
    "tests.fix_pgbackrest",
    "tests.fix_worker",
]


@pytest.fixture(autouse=True, scope="session")
def _interrupts_arrive() -> None:
    """Let SIGINT interrupt, as in a terminal: a shell's background job is started to ignore it."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, signal.default_int_handler)
