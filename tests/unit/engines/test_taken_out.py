"""What somebody took out of a script is told from what a script lost."""

from __future__ import annotations

import pytest

from tasks.engines.sql.classifier import commented_out, read_entries
from tasks.engines.taken_out import TakenOut, taken_out_findings
from tasks.model.backup import TocEntry


def header(desc: str, tag: str = "thing") -> bytes:
    return f"\n--\n-- Name: {tag}; Type: {desc}; Schema: -; Owner: -\n--\n\n".encode()


COMMENTED = b"-- CREATE EXTENSION IF NOT EXISTS google_vacuum_mgmt WITH SCHEMA google_vacuum_mgmt;\n\n"
LINES = b"-- CREATE INDEX a\n--    ON b (c);\n"


def gone_of(gap: bytes, *, stated: bool = False) -> list[str]:
    """Walk over the entries that *gap* announces, of which the last has a statement if *stated*."""
    entries = read_entries(gap, 1)
    taken_out = TakenOut()
    taken_out.announced(entries, gap)
    taken_out.stated(entries[-1] if stated else None)
    held, gone = taken_out.part(entries)
    assert sorted(entry.dump_id for entry in (*held, *gone)) == [entry.dump_id for entry in entries]
    return [entry.desc for entry in gone]


@pytest.mark.parametrize(
    ("gap", "gone"),
    [
        (header("EXTENSION") + COMMENTED, ["EXTENSION"]),
        (header("EXTENSION"), ["EXTENSION"]),  # its line was deleted
        (header("INDEX") + LINES, ["INDEX"]),
        (header("INDEX"), []),
        (header("TRIGGER"), []),
        (header("TABLE DATA"), []),  # of an empty table among INSERTs
        (header("EXTENSION") + COMMENTED + header("TABLE"), ["EXTENSION"]),
        (header("TABLE") + header("EXTENSION") + COMMENTED, ["EXTENSION"]),
        (header("TABLE", "CREATE TABLE"), []),
    ],
)
def test_extensions_without_a_statement_and_statements_that_are_comments_were_taken_out(
    gap: bytes, gone: list[str]
) -> None:
    assert gone_of(gap) == gone


@pytest.mark.parametrize(
    "gap", [header("EXTENSION"), header("INDEX") + LINES, header("EXTENSION") + COMMENTED]
)
def test_what_has_a_statement_was_not(gap: bytes) -> None:
    assert gone_of(gap, stated=True) == []


def test_each_entry_of_a_gap_is_told_of() -> None:
    gap = header("TABLE") + header("INDEX") + LINES + header("VIEW")
    assert commented_out(gap) == [False, True, False]
    assert commented_out(b"\n-- CREATE TABLE by hand\n") == []


def test_the_warning_names_a_few_and_counts_the_rest() -> None:
    entries = [TocEntry(number, "EXTENSION", f"e{number}", "", "", "none") for number in range(1, 31)]
    (warning,) = taken_out_findings(entries)
    assert warning.rule == "statement-taken-out"
    assert "30 entries" in warning.message
    assert "EXTENSION e1" in warning.message
    assert "e30" not in warning.message
    assert taken_out_findings([]) == []
