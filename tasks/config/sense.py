"""Well-formed values that make no sense: an empty window, a table without a schema, an endless exception."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from datetime import date, timedelta

from tasks.config.schema import Exempt
from tasks.config.yaml_source import KeyPath, Problem
from tasks.model.rules import RULES
from tasks.model.rules.content import ACCEPTABLE
from tasks.model.target import Accepted, Backup, Database, DumpBackup, Expectations, PhysicalBackup

ACCEPT_DAYS = 180
"""An exception that nobody looks at for longer is no exception any more."""


def senseless(database: Database, today: date) -> list[Problem]:
    """Return what is wrong with a well-formed database as of *today*."""
    return [
        *_zeros(database),
        *_tables(database),
        *_databases(database),
        *_acceptances(database, today),
        *_keys(database),
    ]


def endless(exempt: Iterable[Exempt], today: date) -> Iterator[Problem]:
    """Yield the exemptions that end later than anybody should wait before looking again."""
    for i, entry in enumerate(exempt):
        yield from _endless(entry.until, ("exempt", i), today)


def _endless(until: date, path: KeyPath, today: date) -> Iterator[Problem]:
    latest = today + timedelta(days=ACCEPT_DAYS)
    if until > latest:
        sentence = f'"{until}" is more than {ACCEPT_DAYS} days ahead; write {latest} at the latest'
        yield Problem((*path, "until"), sentence)


def _zeros(database: Database) -> Iterator[Problem]:
    limits: tuple[tuple[KeyPath, float | None, str], ...] = (
        (("backup", "window"), database.backup.window, "30d"),
        (("deadline",), database.deadline, "4h"),
        (("verified_within",), database.verified_within, "8d"),
        (("rpo",), database.rpo, "26h"),
        (("rto", "objective"), database.rto.objective if database.rto else None, "1h"),
    )
    for path, limit, usual in limits:
        if limit == 0:
            yield Problem(path, f"0 can never be met; write a duration such as {usual}")


def _tables(database: Database) -> Iterator[Problem]:
    yield from _tables_of(database.expect, ("expect",))
    for name, expect in database.expect.databases.items():
        yield from _tables_of(expect, ("expect", "databases", name))


def _tables_of(expect: Expectations, above: KeyPath) -> Iterator[Problem]:
    for i, name in enumerate(expect.required_tables):
        yield from _table(name, (*above, "required_tables", i))
    if expect.freshness:
        yield from _table(expect.freshness.table, (*above, "freshness", "table"))
    for pattern in expect.drift.tables:
        if "*" not in pattern:
            yield from _table(pattern, (*above, "drift", "tables", pattern))


def _databases(database: Database) -> Iterator[Problem]:
    """Yield what of several databases is said where there is one, or of one where there are several."""
    backup: Backup = database.backup
    several, named = database.several, database.expect.databases
    if named and not isinstance(backup, PhysicalBackup):
        text = "a dump is of one database, a physical backup of several; take the names out"
        yield Problem(("expect", "databases"), text)
    elif named and isinstance(backup, PhysicalBackup) and backup.database is not None:
        yield Problem(
            ("backup", "database"),
            "one database is named and expect.databases names several; take one of them out",
        )
    elif isinstance(several, tuple):
        for name in sorted(set(named) - set(several)):
            text = f'"{name}" is not among backup.databases; add it there, or take it out here'
            yield Problem(("expect", "databases", name), text)
    if several is not None:
        for key in ("suite", "required_tables", "freshness"):
            if getattr(database.expect, key):
                text = "of which of the cluster's databases is not said; write it below expect.databases"
                yield Problem(("expect", key), text)


def _table(name: str, path: KeyPath) -> Iterator[Problem]:
    schema, dot, table = name.partition(".")
    if not (schema and dot and table):
        yield Problem(path, f'"{name}" has no schema; write public.{name.strip(".") or "orders"}')
    elif '"' in name:
        yield Problem(path, f"'{name}' is quoted; write the catalogue's name: {name.replace(chr(34), '')}")


def _acceptances(database: Database, today: date) -> Iterator[Problem]:
    for i, entry in enumerate(database.accept):
        yield from _acceptance(entry, ("accept", i), today)


def _acceptance(entry: Accepted, path: KeyPath, today: date) -> Iterator[Problem]:
    if entry.rule not in RULES:
        near = difflib.get_close_matches(entry.rule, sorted(ACCEPTABLE), 1)
        hint = f'did you mean "{near[0]}"?' if near else f"write one of {', '.join(sorted(ACCEPTABLE))}"
        yield Problem((*path, "rule"), f'"{entry.rule}" is no rule; {hint}')
    elif entry.rule not in ACCEPTABLE:
        acceptable = ", ".join(sorted(ACCEPTABLE))
        sentence = (
            f'"{entry.rule}" cannot be accepted, only drift can; take the entry out (drift: {acceptable})'
        )
        yield Problem((*path, "rule"), sentence)
    yield from _endless(entry.until, path, today)


def _keys(database: Database) -> Iterator[Problem]:
    backup: Backup = database.backup
    decrypt = backup.decrypt if isinstance(backup, DumpBackup) else None
    age = decrypt.age if decrypt else None
    if age and not (age.identity_file or age.identity_env or age.passphrase_env):
        yield Problem(
            ("backup", "decrypt", "age"),
            "no key is named; write identity_file, identity_env or passphrase_env",
        )
