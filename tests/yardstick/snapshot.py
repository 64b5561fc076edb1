"""A database in a form that can be compared: every definition that pg_dump writes, every table's digest.

Definitions are pg_dump's own text, entry by entry, so that no kind of object can be forgotten: owners,
grants and comments are entries too. Rows are compared by a digest of their sorted texts.
"""

from __future__ import annotations

import hashlib
import re
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import sql

_HEADER = re.compile(r"^-- (?:Data for )?Name: (.*); Type: (.*); Schema: (.*); Owner: ?(.*)$")
_NOISE = re.compile(r"^(?:--.*|SET .*|SELECT pg_catalog\.set_config\('search_path'.*|\\(?:un)?restrict .*|)$")
_LENT = re.compile(
    r"^(?:GRANT|REVOKE) [^;]* drill_owner\b[^;]*;\n?|^(?:RE)?SET SESSION AUTHORIZATION[^;]*;\n?", re.MULTILINE
)
_SUPERUSER = re.compile(r"\bdrill_[0-9a-f]{12}\b")
_EVENT_TRIGGER_OFF = re.compile(r"\nALTER EVENT TRIGGER (?:\w+|\"(?:[^\"]|\"\")*\") DISABLE;")
_ROWS = """
SELECT n.nspname, c.relname
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'm') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
  AND (c.relkind = 'r' OR c.relispopulated)
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_catalog.pg_class'::regclass
                  AND d.objid = c.oid AND d.deptype = 'e')
ORDER BY 1, 2
"""
_DIGEST = """
SELECT pg_catalog.count(*), coalesce(pg_catalog.md5(pg_catalog.string_agg(
    pg_catalog.md5(t::pg_catalog.text), ',' ORDER BY pg_catalog.md5(t::pg_catalog.text) COLLATE "C")), '')
FROM {} AS t
"""
_LARGE_OBJECTS = """
SELECT m.oid, pg_catalog.md5(pg_catalog.lo_get(m.oid)) FROM pg_catalog.pg_largeobject_metadata m ORDER BY 1
"""


@dataclass(frozen=True)
class Snapshot:
    """What a database holds.

    Attributes:
        entries: (type, schema, name) to pg_dump's text of it, its own comments left out.
        rows: (schema, table) to count and digest; large objects under ("", oid).
    """

    entries: dict[tuple[str, str, str], str]
    rows: dict[tuple[str, str], tuple[int, str]]


def take_snapshot(session: psycopg.Connection[tuple[object, ...]], schema_text: str) -> Snapshot:
    """Return what the database of *session*, whose definitions are *schema_text*, holds."""
    session.execute("SET search_path = pg_catalog")
    session.execute("SET extra_float_digits = 3")
    rows: dict[tuple[str, str], tuple[int, str]] = {}
    for schema, table in session.execute(_ROWS).fetchall():
        name = sql.Identifier(str(schema), str(table))
        row = session.execute(sql.SQL(_DIGEST).format(name)).fetchone()
        assert row is not None
        rows[str(schema), str(table)] = (int(str(row[0])), str(row[1]))
    for oid, digest in session.execute(_LARGE_OBJECTS).fetchall():
        rows["", str(oid)] = (1, str(digest))
    return Snapshot(split_entries(schema_text), rows)


def schema_text(pg_dump: Path, dsn: str) -> str:
    """Return every definition of a database, as *pg_dump* writes it."""
    done = subprocess.run(
        [str(pg_dump), "--schema-only", "--no-tablespaces", "-d", dsn],
        capture_output=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr.decode(errors="replace")
    return done.stdout.decode("utf-8", "surrogateescape")


def split_entries(text: str) -> dict[tuple[str, str, str], str]:
    """Return *text* of pg_dump by the (type, schema, name) that its comments announce."""
    entries: dict[tuple[str, str, str], list[str]] = {}
    lines: list[str] = []
    for line in _SUPERUSER.sub("postgres", text).split("\n"):
        header = _HEADER.match(line)
        if header is not None:
            name, desc, schema, owner = header.groups()
            lines = entries.setdefault((desc, schema, name), [f"-- owner {owner}"])
        elif not _NOISE.match(line):
            lines.append(line)
    return {key: "\n".join(sorted(body) if key[0] == "ACL" else body) for key, body in entries.items()}


def differences(truth: Snapshot, drilled: Snapshot) -> tuple[str, ...]:
    """Return in words what of *truth* the other lacks, has besides, or has otherwise; () where they agree.

    What the sandbox's reader may do with PostgreSQL's own functions, and what is lent to the restoring role,
    is the sandbox's, not the dump's, and event triggers are switched off in it.
    """
    own = {key: text for key, text in drilled.entries.items() if key[:2] != ("ACL", "pg_catalog")}
    own |= {key: drilled.entries[key] for key in truth.entries.keys() & drilled.entries.keys()}
    own = {key: text for key, text in own.items() if key in truth.entries or not _is_only_lent(key, text)}
    own = {key: _without_lent(_EVENT_TRIGGER_OFF.sub("", text)) for key, text in own.items()}
    return (*_compared("", truth.entries, own), *_compared("rows of ", truth.rows, drilled.rows))


def _is_only_lent(key: tuple[str, str, str], text: str) -> bool:
    return key[0] == "ACL" and "drill_owner" in text


def _without_lent(text: str) -> str:
    return _LENT.sub("", text).rstrip("\n") if " drill_owner" in text else text


def _compared(what: str, truth: dict, drilled: dict) -> Iterable[str]:  # type: ignore[type-arg]
    for key in sorted(truth.keys() | drilled.keys()):
        name = " ".join(part for part in key if part and part != "-")
        if key not in drilled:
            yield f"lacks {what}{name}"
        elif key not in truth:
            yield f"has besides {what}{name}"
        elif truth[key] != drilled[key]:
            yield f"differs in {what}{name}: {_digest(truth[key])} / {_digest(drilled[key])}"


def _digest(value: object) -> str:
    text = str(value)
    return text if len(text) < 200 else hashlib.sha256(text.encode(errors="replace")).hexdigest()[:12]
