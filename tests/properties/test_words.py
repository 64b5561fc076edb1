"""Whatever a server, a tool or a store says, no value of it is kept, and reading it takes no time."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.engines.errors.classes import Meaning, meaning_of
from tasks.engines.errors.failure import Failure
from tasks.engines.errors.pg_restore_stderr import functions_in, place_in, read_transcript
from tasks.model.backup import Toc, TocEntry
from tasks.model.redact import redact
from tasks.model.server_words import Refusal, names_in, was_raised
from tasks.model.sqlstates import SENTENCES, STATES
from tasks.sandbox.stderr import masked

CANARY = "zqplanted"
SHAPES = [line[6:].partition(" = ")[0] for line in SENTENCES.strip().splitlines()]
QUOTES = st.sampled_from(
    [CANARY, f"a\n{CANARY}", f'{CANARY}" b "{CANARY}', f"{CANARY}: 1", f"public.{CANARY}(int)"]
)
WORDS = st.one_of(
    st.tuples(st.sampled_from(SHAPES), QUOTES).map(lambda pair: fill(*pair)),
    st.tuples(QUOTES, st.sampled_from(SHAPES)).map(lambda pair: f"{pair[0]} {fill(pair[1], pair[0])}"),
    QUOTES,
)
CODES = st.sampled_from(["", "P0001", "22CAN", "ZQPLA", *STATES])
PIECES = (
    "postgres://", "a.", "a:b@", "://", "'", '"', "''", "password ", "password='", 'token="', "value ", "%",
    "-----BEGIN PRIVATE KEY-----", "psql:", "ERROR:  ", "PL/pgSQL function ", "E'", "\\", "$a$", "/*", "--",
    "x", "\n", " ", "invalid input syntax for type ", 'relation "', "permission denied for ", "https://h?X-Amz-",
)  # fmt: skip


def fill(shape: str, value: str) -> str:
    for slot in ("%n", "%t", "%w", "%v"):
        shape = shape.replace(slot, f'"{value}"' if slot == "%n" else value)
    return shape


@given(WORDS, CODES, st.booleans())
def test_no_value_is_told_whatever_the_words_are(words: str, sqlstate: str, raised: bool) -> None:
    told = Refusal(words, sqlstate, raised).told({"orders", "public"})
    assert CANARY not in told
    assert "zqpla" not in told.lower()
    assert "\n" not in told


@given(WORDS, CODES)
def test_no_value_is_kept_of_a_tools_stream(words: str, code: str) -> None:
    entry = TocEntry(
        1, "TABLE", "orders", "public", "app", "pre-data", f"CREATE TABLE x (c text DEFAULT '{CANARY}');"
    )
    lines = [
        f"pg_restore: error: could not execute query: ERROR:  {words}",
        f"DETAIL:  Key (a)=({words}) is there.",
        f"CONTEXT:  COPY orders, line 3, column {CANARY}: {words}",
        f"Command was: {entry.defn}",
    ]
    stream = "\n".join(lines)
    assert CANARY not in masked(stream)
    said = read_transcript(stream.splitlines(), Toc((entry,)))
    assert all(CANARY not in failure.told({"orders", code}) for failure in said.failures)


@given(WORDS)
def test_a_value_or_a_function_of_the_backup_cannot_read_as_something_else(words: str) -> None:
    entry = TocEntry(1, "TABLE DATA", "orders", "public", "app", "data")
    made_up = Failure(entry, 'schema "public" already exists', raised=True)
    assert meaning_of(made_up) is Meaning.ROWS
    quoted = Failure(entry, f'invalid input syntax for type integer: "{words} No space left on device"')
    assert meaning_of(quoted) is Meaning.ROWS
    unknown = Failure(entry, f'some new sentence "{words} permission denied" of a later major')
    assert meaning_of(unknown) is Meaning.ROWS


@given(st.lists(st.sampled_from([*PIECES, CANARY]), max_size=30).map("".join))
def test_what_stands_in_a_literal_is_no_name(text: str) -> None:
    closed = text.replace("'", "''").replace("\\", "")
    assert not any(CANARY in name for name in names_in(f"SELECT '{closed}{CANARY}' FROM orders"))


@pytest.mark.parametrize("piece", PIECES)
def test_a_text_of_any_length_takes_no_time(piece: str) -> None:
    text = piece * (300_000 // len(piece))
    entry = TocEntry(1, "TABLE", "orders", "public", "app", "pre-data", text)
    started = time.process_time()
    redact(text)
    masked(text)
    names_in(text)
    was_raised(text)
    place_in(text[:16384])
    functions_in(text[:16384])
    for words in (text, f'"{text}', f'relation "{text}'):
        meaning_of(Failure(entry, words))
        Failure(entry, words, sqlstate="22P02").told({"a"})
    read_transcript([f"pg_restore: error: {text[:65536]}", text[:65536]], Toc((entry,)))
    assert time.process_time() - started < 10.0  # minutes where it grows with the square
