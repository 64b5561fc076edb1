"""What is kept of a tool's error stream."""

from __future__ import annotations

import pytest

from tasks.sandbox.stderr import LINE_CHARS, masked


def kept(text: str) -> list[str]:
    return masked(text).splitlines()


def test_a_value_with_line_ends_is_dropped_whole_and_so_is_the_command() -> None:
    said = kept(
        'pg_restore: error: could not execute query: ERROR:  could not create unique index "t_pkey"\n'
        "DETAIL:  Key (name)=(planted one\nplanted two\nplanted three) is duplicated.\n"
        "Command was: ALTER TABLE ONLY public.t\n    ALTER COLUMN c SET DEFAULT 'planted';\n"
        "pg_restore: warning: errors ignored on restore: 1\n"
    )
    assert said == [
        'pg_restore: error: could not execute query: ERROR:  could not create unique index "***"',
        "DETAIL: ***",
        "Command was: ***",
        "pg_restore: warning: errors ignored on restore: 1",
    ]


@pytest.mark.parametrize(
    "words",
    [
        "planted",
        'invalid input syntax for type integer: "planted"',
        "bad card number planted\nand planted again",
        'relation "planted" does not exist',
        "a\nHINT:  planted\nplanted",
    ],
)
@pytest.mark.parametrize(
    "lead", ["ERROR:  ", "pg_dump: error: query failed: ERROR:  ", "psql:<stdin>:12: ERROR:  ", "FATAL:  "]
)
def test_the_servers_own_words_are_not_kept(lead: str, words: str) -> None:
    said = "\n".join(kept(f"{lead}{words}\n"))
    assert lead.strip() in said
    assert "planted" not in said


@pytest.mark.parametrize(
    "kind", ["NOTICE", "WARNING", "LOG", "HINT", "CONTEXT", "STATEMENT", "DETAIL", "QUERY"]
)
def test_what_a_function_can_write_is_not_kept(kind: str) -> None:
    assert kept(f"{kind}:  planted\nplanted") == [f"{kind}: ***"]
    assert kept(f"psql:x.sql:3: {kind}:  planted") == [f"psql:x.sql:3: {kind}: ***"]


def test_a_tools_own_messages_stay_as_they_are() -> None:
    lines = ["pg_restore: connecting to database for restore", "gpg: encrypted with rsa key", "      a name"]
    assert kept("\n".join(lines)) == lines


def test_a_line_is_cut() -> None:
    (line,) = kept("gpg: " + "x" * 100_000)
    assert len(line) == LINE_CHARS
