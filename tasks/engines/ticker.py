"""How far a restore has got, said every few seconds while a tool works."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

import psycopg

from tasks.engines.context import Job
from tasks.model.units import format_bytes

INTERVAL_S = 5.0
_SO_FAR = """
SELECT pg_database_size(current_database()),
       (SELECT count(*) FROM pg_class WHERE relkind IN ('r', 'p') AND relnamespace >= 16384::oid OR relkind
       IN ('r', 'p')
        AND relnamespace = 'public'::regnamespace)
"""


@contextlib.contextmanager
def ticking(job: Job) -> Iterator[None]:
    """Report the database's growth while the block runs."""
    ended = threading.Event()
    thread = threading.Thread(target=_tick, args=(job, ended), daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(INTERVAL_S)


def so_far(job: Job) -> str:
    """Return how far the restore has got, in words; "" where the server does not say."""
    try:
        with job.superuser() as session:
            size, tables = session.execute(_SO_FAR).fetchone() or (0, 0)
    except psycopg.Error:
        return ""
    table_count = len(job.toc.of("TABLE"))
    return f"{format_bytes(size)} on disk, {tables}" + (
        f" of {table_count} tables made" if table_count else " tables made"
    )


def _tick(job: Job, ended: threading.Event) -> None:
    while not ended.wait(INTERVAL_S):
        message = so_far(job)
        if message:
            job.progress(message)
