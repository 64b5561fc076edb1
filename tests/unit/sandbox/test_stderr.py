"""What is kept of a tool's error stream."""

from __future__ import annotations

from tasks.sandbox.stderr import Masker


def kept(text: str) -> list[str]:
    mask = Masker()
    return [line for raw in text.splitlines() if (line := mask(raw)) is not None]


def test_a_value_with_line_ends_is_dropped_whole() -> None:
    said = kept(
        "pg_restore: error: could not execute query: ERROR:  could not create unique index\n"
        "DETAIL:  Key (name)=(planted one\nplanted two\nplanted three) is duplicated.\n"
        "Command was: ALTER TABLE ONLY public.t\n    ADD CONSTRAINT t_pkey PRIMARY KEY (name);\n"
    )
    assert said == [
        "pg_restore: error: could not execute query: ERROR:  could not create unique index",
        "DETAIL: ***",
        "Command was: ALTER TABLE ONLY public.t",
        "    ADD CONSTRAINT t_pkey PRIMARY KEY (name);",
    ]


def test_the_context_of_a_copy_keeps_where_and_loses_what() -> None:
    said = kept(
        'ERROR:  invalid input syntax for type integer: "planted\nrest of planted"\n'
        'CONTEXT:  COPY orders, line 3, column id: "planted\nagain"\n'
    )
    assert said[-1] == "CONTEXT: COPY orders, line 3, column id"
    assert "planted" not in "\n".join(said)


def test_messages_without_values_stay_as_they_are() -> None:
    lines = [
        "pg_restore: connecting to database for restore",
        "pg_restore: warning: errors ignored on restore: 1",
        'psql:<stdin>:12: NOTICE:  extension "x" already exists, skipping',
        "HINT:  Try again.",
    ]
    assert kept("\n".join(lines)) == lines


def test_what_follows_an_unmasked_message_is_kept() -> None:
    assert kept("gpg: encrypted with rsa key\n      a name\n") == [
        "gpg: encrypted with rsa key",
        "      a name",
    ]
