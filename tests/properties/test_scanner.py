"""Whatever a script holds and wherever its chunks end, no byte is lost and the cuts are the same."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tasks.catalog.lexer import PIECE_BYTES
from tasks.engines.sql.splitter import Kind, is_copy_in, is_server_file, scan
from tasks.engines.sql.tokens import tokens
from tests.growth import assert_linear, peak_bytes

PARTS = st.sampled_from(
    [
        "SELECT 1", ";", "'", "''", '"', "$$", "$a$", "--", "\n", "/*", "*/", "\\", "E'", "e'\\'", "(", ")",
        "COPY t FROM stdin;\n", "\\.\n", "1\t2\n", "\r\n", "CREATE FUNCTION f() ", "BEGIN ATOMIC ",
        " ", "END", "CASE ", "SET standard_conforming_strings = off;", "é", "-", "/", "x",
        "-- Name: x; Type: TABLE; Schema: s; Owner: o\n",
    ]
)  # fmt: skip
SCRIPTS = st.lists(PARTS, max_size=40).map("".join)


def chunked(data: bytes, cuts: list[int]) -> list[bytes]:
    edges = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    return [data[start:end] for start, end in pairwise(edges)]


def joined_rows(chunks: list[bytes]) -> list[tuple[Kind, bytes]]:
    """Return the pieces, with rows, which may be cut anywhere, joined."""
    found: list[tuple[Kind, bytes]] = []
    for piece in scan(chunks):
        if piece.kind is Kind.ROWS and found and found[-1][0] is Kind.ROWS:
            found[-1] = (Kind.ROWS, found[-1][1] + piece.data)
        else:
            found.append((piece.kind, piece.data))
    return found


@given(SCRIPTS)
def test_the_pieces_joined_are_the_script(script: str) -> None:
    assert b"".join(piece.data for piece in scan([script.encode()])) == script.encode()


@given(SCRIPTS, st.lists(st.integers(0, 10_000), max_size=30))
def test_where_chunks_end_changes_nothing(script: str, cuts: list[int]) -> None:
    data = script.encode()
    assert joined_rows(chunked(data, cuts)) == joined_rows([data])


@given(SCRIPTS)
def test_one_byte_at_a_time_is_the_same(script: str) -> None:
    data = script.encode()
    assert joined_rows([data[at : at + 1] for at in range(len(data))]) == joined_rows([data])


@given(st.binary(max_size=300))
def test_any_bytes_pass_through(data: bytes) -> None:
    assert b"".join(piece.data for piece in scan([data])) == data


@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20), max_size=6))
def test_statements_made_of_quoted_text_are_found_again(texts: list[str]) -> None:
    quoted = ["SELECT '" + text.replace("'", "''") + "';" for text in texts]
    found = [
        piece.data.decode() for piece in scan(["\n".join(quoted).encode()]) if piece.kind is Kind.STATEMENT
    ]
    assert found == quoted


UNITS = st.lists(PARTS, min_size=1, max_size=3).map("".join)


def scanned(text: bytes) -> None:
    for piece in scan([text]):
        is_server_file(piece.data)


@settings(max_examples=25, deadline=None)
@given(st.sampled_from(["", "SELECT ", "COPY t ", "CREATE FUNCTION f() ", "SELECT '", "SELECT E'"]), UNITS)
@example("COPY t ", "/**/ ")
@example("COPY t ", "(")
@example("SELECT ", "'")
@example("SELECT E'a'", "\n ")
@example("SELECT ", "$a")
def test_whatever_is_repeated_the_time_grows_with_the_length_only(begin: str, unit: str) -> None:
    assert_linear(lambda n: scanned((begin + unit * n).encode()), 4000)


@settings(max_examples=25, deadline=None)
@given(UNITS)
@example("E'\\'")
@example("'")
def test_tokens_of_anything_take_time_with_its_length_only(unit: str) -> None:
    assert_linear(lambda n: sum(1 for _ in tokens(unit * n)), 2000)


@given(SCRIPTS)
def test_tokens_are_parts_of_the_text_in_order(script: str) -> None:
    at = 0
    for token in tokens(script):
        at = script.index(token, at) + len(token)


@pytest.mark.parametrize("comment", ["/* x */ ", "-- x\n", "/* /* x */ */"])
def test_comments_before_a_copys_rows_are_no_burden(comment: str) -> None:
    assert is_copy_in(f"COPY t {comment * 30} FROM stdin;".encode())
    assert not is_copy_in(f"COPY t {comment * 30} TO stdout;".encode())


def test_a_long_statement_is_held_once() -> None:
    size = 24 * PIECE_BYTES

    def scanned_whole() -> None:
        chunks = [b"INSERT INTO t VALUES ('", *[b"x" * PIECE_BYTES] * 24, b"');\n"]
        assert max(len(piece.data) for piece in scan(chunks)) > size

    assert peak_bytes(scanned_whole) < 1.3 * size + 4 * PIECE_BYTES


def test_a_statement_without_an_end_ends_the_scan_at_the_limit() -> None:
    def endless() -> list[Kind]:
        return [piece.kind for piece in scan((b"x" * 4096 for _ in range(10**9)), longest=2 * PIECE_BYTES)]

    assert endless() == [Kind.TOO_LONG]


def test_rows_and_comments_without_an_end_pass_through() -> None:
    def script() -> Iterator[bytes]:
        yield b"COPY t FROM stdin;\n"
        yield from [b"1\t2\n" * 10_000] * 200
        yield b"\\.\n/*"
        yield from [b"* / " * 10_000] * 200
        yield b"*/ -- "
        yield from [b"x" * 30_000] * 200
        yield b"\nSELECT 1;"

    total = sum(len(chunk) for chunk in script())

    def longest() -> int:
        lengths = [len(piece.data) for piece in scan(script(), longest=3 * PIECE_BYTES)]
        assert sum(lengths) == total
        return max(lengths)

    assert longest() <= 3 * PIECE_BYTES
    assert peak_bytes(longest) < 10 * PIECE_BYTES
