"""Whatever a script holds and wherever its chunks end, no byte is lost and the cuts are the same."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from tasks.engines.scanner import Kind, scan

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
