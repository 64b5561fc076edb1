"""What can be done while the last jobs of a parallel restore build and a core has nothing to do.

The largest index holds up the end of a restore, alone, while most tables have been finished for long. Their
statistics are gathered then, and whoever reads ahead is told of them (`tasks/sandbox/settled.py`). Nothing
here can fail a restore or make it wait: a lock that is not free is given up, and what was not done is done
when the restore is over.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator, Sequence

import psycopg

from tasks.engines.context import Connection, Job
from tasks.engines.finished import Name, behind_rows, finished
from tasks.engines.objects_present import list_objects
from tasks.model.backup import TocEntry
from tasks.sandbox.settled import tell_settled

_LOOK_EVERY_S = 0.1
_SHARE = 10
"""Looking takes at most this part of the time: it is slow where there are thousands of objects."""
_PATIENCE = "SET lock_timeout = '50ms'"
_BUSY = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND state = 'active' AND pid <> pg_backend_pid()
"""
_ALONE = """
SELECT n.nspname::text, c.relname::text, quote_ident(n.nspname) || '.' || quote_ident(c.relname)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND NOT c.relispartition AND NOT c.relhassubclass AND pg_get_userbyid(c.relowner) = %s
"""
"""Tables whose rows are their own alone."""


@contextlib.contextmanager
def finishing(job: Job, entries: Sequence[TocEntry]) -> Iterator[None]:
    """See to the tables of *entries* that are finished while the block, a run of the tool, still works."""
    behind = behind_rows(job.toc, entries) if job.jobs > 1 else {}
    if not behind:
        yield
        return
    over = threading.Event()
    thread = threading.Thread(target=_watch, args=(job, behind, over), name="meanwhile", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _watch(job: Job, behind: dict[Name, set[int]], over: threading.Event) -> None:
    pause_s, idle = _LOOK_EVERY_S, False
    with contextlib.suppress(psycopg.Error), job.superuser() as session, job.owner() as owner:
        owner.execute(f"{_PATIENCE}; SET statement_timeout = {job.deadline.statement_ms}".encode())
        while behind and not over.wait(pause_s):
            was_idle, idle = idle, _is_idle(job, session)
            if not (was_idle and idle):  # between two entries a job is idle for a moment
                continue
            started = time.monotonic()
            done = finished(job.toc, behind, list_objects(session))
            pause_s = max(_LOOK_EVERY_S, _SHARE * (time.monotonic() - started))
            _settle(job, session, owner, done, over)
            for name in done:
                del behind[name]


def _is_idle(job: Job, session: Connection) -> bool:
    (busy,) = session.execute(_BUSY).fetchone() or (job.jobs,)
    return bool(busy < job.jobs)


def _settle(
    job: Job, session: Connection, owner: Connection, names: list[Name], over: threading.Event
) -> None:
    """Gather the statistics of *names* and tell who reads ahead."""
    alone = {
        (schema, table): quoted for schema, table, quoted in session.execute(_ALONE, (job.sandbox.owner,))
    }
    for schema, table in names:
        quoted = alone.get((schema, table))
        if quoted is None or over.is_set():
            continue
        started = time.monotonic()
        try:
            owner.execute(f"ANALYZE {quoted}".encode())
        except psycopg.Error:
            if owner.broken:
                raise
            continue
        job.analyzed[quoted] = time.monotonic() - started
        tell_settled(job.sandbox.workspace, job.database, f"{schema}.{table}")
