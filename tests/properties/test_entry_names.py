"""Names of any kind come out of a script as they went in: pg_dump's comments hold them in one line only."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.engines.context import Job
from tasks.engines.script_record import ScriptRecord
from tasks.engines.sql.splitter import Kind, scan
from tasks.model.backup import Toc, TocEntry
from tasks.model.deadline import Deadline
from tasks.model.sandbox import Sandbox
from tasks.model.target import DumpBackup, Target

ODD = (
    "line\nend",
    "\n",
    "\r\n",
    " ",
    "--",
    ";",
    "'",
    '"',
    "\\",
    "\\\\.",
    "Ümlaut",
    "(",
    "$1",
    "/*",
    "; Type: TABLE",
)
names = st.lists(st.one_of(st.sampled_from(ODD), st.text("ab.", min_size=1)), min_size=1, max_size=3).map(
    "".join
)


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def in_one_line(name: str) -> str:
    return name.replace("\n", " ").replace("\r", " ")


def written(desc: str, tag: str, schema: str, owner: str, *statements: str) -> str:
    """Return an entry as pg_dump writes it."""
    names = (in_one_line(name) or "-" for name in (schema, owner))
    header = "--\n-- Name: {}; Type: {}; Schema: {}; Owner: {}\n--\n\n".format(in_one_line(tag), desc, *names)
    return header + "".join(f"{statement};\n" for statement in statements) + "\n"


def script(schema: str, table: str, own: str, owner: str) -> Iterator[str]:
    """Yield entries of each kind with these names."""
    place, it, role = f"{quoted(schema)}.{quoted(table)}", quoted(own), quoted(owner)
    yield written(
        "SCHEMA",
        schema,
        "",
        owner,
        f"CREATE SCHEMA {quoted(schema)}",
        f"ALTER SCHEMA {quoted(schema)} OWNER TO {role}",
    )
    yield written(
        "TABLE",
        table,
        schema,
        owner,
        "SET default_tablespace = ''",
        f"CREATE TABLE {place} (\n    {it} integer\n)",
        f"ALTER TABLE {place} OWNER TO {role}",
    )
    yield written("VIEW", own, schema, owner, f"CREATE VIEW {quoted(schema)}.{it} AS\n SELECT 1")
    yield written(
        "FUNCTION",
        f"{own}(integer)",
        schema,
        owner,
        f"CREATE FUNCTION {quoted(schema)}.{it}(integer) RETURNS integer\n LANGUAGE sql AS 'SELECT 1'",
    )
    yield written("SEQUENCE", own, schema, owner, f"CREATE SEQUENCE {quoted(schema)}.{it}\n    START WITH 1")
    yield written("TABLE DATA", table, schema, owner, f"INSERT INTO {place} VALUES (1)")
    in_string = f"{quoted(schema)}.{it}".replace("'", "''")
    yield written("SEQUENCE SET", own, schema, owner, f"SELECT pg_catalog.setval('{in_string}', 7, true)")
    yield written(
        "CONSTRAINT",
        f"{table} {own}",
        schema,
        owner,
        f"ALTER TABLE ONLY {place}\n    ADD CONSTRAINT {it} PRIMARY KEY (id)",
    )
    yield written("INDEX", own, schema, owner, f"CREATE INDEX {it} ON {place} USING btree (id)")
    yield written(
        "TRIGGER",
        f"{table} {own}",
        schema,
        owner,
        f"CREATE TRIGGER {it} BEFORE INSERT ON {place} FOR EACH ROW EXECUTE FUNCTION f()",
    )
    yield written(
        "DEFAULT",
        f"{table} {own}",
        schema,
        owner,
        f"ALTER TABLE ONLY {place} ALTER COLUMN {it} SET DEFAULT 1",
    )
    yield written("POLICY", f"{table} {own}", schema, owner, f"CREATE POLICY {it} ON {place}")
    yield written("ACL", f"TABLE {table}", schema, owner, f"GRANT SELECT ON TABLE {place} TO {role}")


def entries_of(text: str) -> list[TocEntry]:
    """Walk through *text* as a restore does, and return what it announces."""
    record = ScriptRecord(is_by_hand=False)
    for piece in scan([text.encode()]):
        if piece.kind is Kind.GAP:
            record.comments(piece.data, 1, restored=True)
            continue
        assert piece.kind is Kind.STATEMENT, piece
        record.name(piece.data)
        (record.owner if b"OWNER TO" in piece.data else record.note)(piece.data)
    target = Target(fleet="test", name="shop", backup=DumpBackup(at="unused"), evidence="unused")
    job = Job(cast("Sandbox", None), target, Deadline.within(60), lambda _: None, Toc(()))
    record.hand_over(job)
    return list(job.toc.entries)


@given(names, names, names, names)
def test_an_entry_is_called_what_its_statement_calls_it(
    schema: str, table: str, own: str, owner: str
) -> None:
    entries = {entry.desc: entry for entry in entries_of("".join(script(schema, table, own, owner)))}
    called = {desc: (entry.namespace, entry.tag) for desc, entry in entries.items()}
    assert called.pop("SCHEMA") == ("", schema)
    assert called.pop("TABLE") == called.pop("TABLE DATA") == (schema, table)
    assert called.pop("FUNCTION") == (schema, f"{own}(integer)")
    assert called.pop("ACL") == (schema, f"TABLE {in_one_line(table)}")
    assert called.pop("DEFAULT") == (schema, f"{table} {in_one_line(own)}")
    assert called.pop("INDEX")[0] == schema
    for desc in ("CONSTRAINT", "TRIGGER", "POLICY"):
        assert called.pop(desc) == (schema, f"{table} {own}"), desc
    assert set(called.values()) == {(schema, own)}
    assert entries["TABLE"].owner == entries["SCHEMA"].owner == owner


@pytest.mark.parametrize("other", ["two lines", "two\rlines"])
def test_names_that_differ_in_their_blanks_alone_stay_apart(other: str) -> None:
    texts = [
        written("TABLE", name, "public", "", f"CREATE TABLE public.{quoted(name)} ()")
        for name in (other, "two\nlines")
    ]
    assert [entry.tag for entry in entries_of("".join(texts))] == [other, "two\nlines"]


def test_a_statement_of_another_entry_renames_nothing() -> None:
    text = written("TABLE", "a b", "public", "", 'CREATE TABLE public."other\none" ()')
    assert [entry.tag for entry in entries_of(text)] == ["a b"]
