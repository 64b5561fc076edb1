"""Where C stands in for a locale that this host lacks: what text comparisons refuse then says nothing.

A check, a bound of a partition or a key of a nondeterministic collation may hold at the source and not here:
which text comes first, and which texts are one, is the locale's. Only tables whose own rules compare text by
what was replaced are excused, and only from refusals by such rules.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from tasks.engines.context import Connection, Job
from tasks.engines.errors.failure import Failure
from tasks.model.backup import TocEntry

_DEFAULT = "default"
"""The collation of the database itself, in pg_catalog."""
_REFUSED = re.compile(
    r"violates (?:check|partition) constraint|no partition of relation|is violated by some row"
    r"|would overlap partition"
)
_NO_SUCH_KEY = re.compile(r"violates foreign key constraint")
_REPLACED = """
SELECT c.oid FROM pg_collation c JOIN pg_namespace n ON n.oid = c.collnamespace
WHERE n.nspname || '.' || c.collname = ANY(%s)
"""
_OF_TABLE = """
SELECT c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname || '.' || c.relname = %s AND c.relkind IN ('r', 'p')
"""
_RULES_COMPARE = """
SELECT EXISTS (
    SELECT FROM pg_attribute a
    WHERE a.attrelid = %(table)s AND a.attnum > 0 AND a.attcollation = ANY(%(replaced)s) AND EXISTS (
        SELECT FROM pg_constraint k WHERE k.contype = 'c'
            AND (k.conrelid = a.attrelid AND a.attnum = ANY(k.conkey) OR k.contypid = a.atttypid)
    )
) OR EXISTS (
    SELECT FROM pg_partition_ancestors(%(table)s) p JOIN pg_partitioned_table t ON t.partrelid = p.relid,
    unnest(t.partcollation) c WHERE c = ANY(%(replaced)s)
)
"""
_COLUMNS_COMPARE = """
SELECT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = %(table)s AND a.attnum > 0
               AND a.attcollation = ANY(%(replaced)s))
"""


def note_default(job: Job) -> None:
    """Note that the database's own locale was replaced."""
    job.stand_ins.add(f"pg_catalog.{_DEFAULT}")


def note_collation(job: Job, namespace: str, name: str) -> None:
    """Note that a collation was replaced."""
    job.stand_ins.add(f"{namespace}.{name}")


def excused(job: Job, session: Connection) -> list[Failure]:
    """Return the job's failures, those marked that a stand-in may have made."""
    own = {name for name in job.stand_ins if name != f"pg_catalog.{_DEFAULT}"}
    rules, keys = _oids(session, job.stand_ins), _oids(session, own)
    return [
        replace(failure, by_locale=True)
        if (_REFUSED.search(failure.words) and _any_compares(job, session, failure, _RULES_COMPARE, rules))
        or (
            _NO_SUCH_KEY.search(failure.words)
            and _any_compares(job, session, failure, _COLUMNS_COMPARE, keys)
        )
        else failure
        for failure in job.failures
    ]


def _oids(session: Connection, names: set[str]) -> list[int]:
    return [oid for (oid,) in session.execute(_REPLACED, (sorted(names),)).fetchall()]


def _any_compares(job: Job, session: Connection, failure: Failure, query: str, replaced: list[int]) -> bool:
    return bool(replaced) and any(
        session.execute(query.encode(), {"table": table, "replaced": replaced}).fetchone() == (True,)
        for name in dict.fromkeys(_tables(job, failure))
        for (table,) in session.execute(_OF_TABLE.encode(), (name,)).fetchall()
    )


def _tables(job: Job, failure: Failure) -> Iterator[str]:
    """Yield the tables that what failed is about."""
    yield from failure.about
    if failure.entry is None:
        return
    yield _name(failure.entry)
    needed = frozenset(failure.entry.dependencies)
    yield from (_name(entry) for entry in job.toc.of("TABLE") if entry.dump_id in needed)


def _name(entry: TocEntry) -> str:
    return f"{entry.namespace}.{entry.tag}"
