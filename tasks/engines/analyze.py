"""Statistics of what came back, gathered as the tables' owner: ANALYZE runs index expressions of the dump's.

Before that, what the dump set for sessions of its database or of the restoring role is taken back.
"""

from __future__ import annotations

import queue
import threading
import time

import psycopg
from psycopg import sql

from tasks.engines.context import Connection, Job
from tasks.engines.errors.failure import Failure
from tasks.model.backup import TocEntry
from tasks.model.server_words import Refusal
from tasks.model.shell import database_argument

SYSTEM_TABLES = (
    "pg_class", "pg_attribute", "pg_type", "pg_proc", "pg_constraint", "pg_depend", "pg_index", "pg_attrdef",
    "pg_trigger", "pg_inherits", "pg_namespace",
)  # fmt: skip
_TABLES = """
SELECT quote_ident(n.nspname) || '.' || quote_ident(c.relname)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'm') AND pg_get_userbyid(c.relowner) = %s AND n.nspname !~ '^pg_'
ORDER BY pg_relation_size(c.oid) DESC
"""


def forget_settings(job: Job, session: Connection) -> None:
    """Take back what the dump set for sessions of its database or of the restoring role: ours come next."""
    database, owner = sql.Identifier(job.database), sql.Identifier(job.sandbox.owner)
    session.execute(sql.SQL("ALTER DATABASE {} RESET ALL").format(database))
    session.execute(sql.SQL("ALTER ROLE {} RESET ALL").format(owner))
    session.execute(sql.SQL("ALTER ROLE {} IN DATABASE {} RESET ALL").format(owner, database))


def analyze(job: Job) -> None:
    """Gather statistics of every table as its owner, several at a time: a recovery is slow without them."""
    started = time.monotonic()
    job.progress("gathering statistics")
    with job.superuser() as session:
        tables = [name for (name,) in session.execute(_TABLES, (job.sandbox.owner,)).fetchall()]
        names = [name for name in tables if name not in job.analyzed]
        for name in SYSTEM_TABLES:
            _analyze_one(job, session, f"pg_catalog.{name}")
    waiting: queue.SimpleQueue[str] = queue.SimpleQueue()
    for name in names:
        waiting.put(name)
    workers = [
        threading.Thread(target=_analyze_some, args=(job, waiting), daemon=True)
        for _ in range(min(job.sandbox.jobs, len(names)))
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    job.analyze_s = time.monotonic() - started
    jobs, name = str(job.sandbox.jobs), database_argument(job.database)
    earlier_s = sum(job.analyzed.values())
    job.command(started - earlier_s, ["vacuumdb", "--analyze-only", "-j", jobs, "-d", name])


def _analyze_some(job: Job, waiting: queue.SimpleQueue[str]) -> None:
    try:
        with job.owner() as session:
            session.execute(f"SET statement_timeout = {job.deadline.statement_ms}".encode())
            while not job.deadline.passed:
                try:
                    name = waiting.get_nowait()
                except queue.Empty:
                    return
                _analyze_one(job, session, name)
    except psycopg.OperationalError:
        return  # the server is gone, which the next step meets and names


def _analyze_one(job: Job, session: Connection, name: str) -> None:
    try:
        session.execute(f"ANALYZE {name}".encode())
    except psycopg.OperationalError:
        if session.broken:
            raise
    except psycopg.Error as error:
        entry = TocEntry(-1, "STATISTICS DATA", name, "", "", "none")
        job.failures.append(Failure.of(entry, Refusal.of(error)))
