from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import chain

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.catalog import toc as module
from tasks.catalog.toc import TocCutError, parse_toc, read_toc_pieces
from tasks.model.backup import Toc
from tasks.model.errors import PermanentError
from tests.growth import assert_linear, peak_bytes
from tests.strategies import CUSTOM, tocs, write_header, write_int, write_text, write_toc


@given(tocs())
def test_a_toc_that_was_written_is_read_back_whole(toc: Toc) -> None:
    data = write_toc(toc)
    parsed = parse_toc(data, "x")
    assert parsed.toc.entries == toc.entries
    assert vars(parsed.toc) == vars(toc)
    assert parsed.end == len(data)


@given(tocs(), st.data())
def test_a_toc_cut_anywhere_says_where_and_is_read_in_any_pieces(toc: Toc, data: st.DataObject) -> None:
    whole = write_toc(toc)
    at = data.draw(st.integers(0, len(whole) - 1))
    with pytest.raises(TocCutError) as error:
        parse_toc(whole[:at], "x")
    assert error.value.read_bytes == at
    assert read_toc_pieces((whole[:at], b"", whole[at:]), "x").toc.entries == toc.entries


@given(tocs(), st.integers(1, 40))
def test_where_pieces_end_changes_nothing_and_no_more_are_taken_than_it_takes(toc: Toc, step: int) -> None:
    whole = write_toc(toc)
    data = whole + b"\0" * 500
    pieces = iter([data[at : at + step] for at in range(0, len(data), step)])
    parsed = read_toc_pieces(pieces, "x")
    assert (parsed.toc.entries, parsed.end) == (toc.entries, len(whole))
    assert len(whole) + sum(map(len, pieces)) + step > len(data)


@given(st.binary(max_size=200))
def test_nonsense_after_the_magic_is_never_anything_but_a_finding_of_the_archive(noise: bytes) -> None:
    archive = b"PGDMP" + noise
    with suppress(TocCutError), ends_as_finding(archive):
        parse_toc(archive, "x")


@given(tocs(), st.data())
def test_a_flipped_bit_never_escapes_as_another_error(toc: Toc, data: st.DataObject) -> None:
    broken = bytearray(write_toc(toc))
    broken[data.draw(st.integers(5, len(broken) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    with suppress(TocCutError), ends_as_finding(bytes(broken)):
        parse_toc(bytes(broken), "x")


@contextmanager
def ends_as_finding(archive: bytes) -> Iterator[None]:
    """Let pass what is judged as the version of *archive* decides, and nothing else."""
    major, minor = archive[5:7] if len(archive) > 6 else (0, 0)
    unread = major in {1, 2} and not module.OLDEST <= (major, minor) <= module.NEWEST
    try:
        yield
    except PermanentError as error:
        assert error.rule == ("archive-version-unsupported" if unread else "archive-corrupt")  # noqa: PT017
    else:
        assert not unread, "an archive of a version that nobody knows was read"


def toc_of(count: int, text: str = "CREATE TABLE public.t (id integer);\n") -> bytes:
    """A custom archive's TOC of *count* entries, made faster than `write_toc` would."""
    toc = Toc((), archive_version=(1, 16), database="shop", server_version="17.1", dump_version="17.1")
    body = write_text("16384") + write_text("t") + write_text("TABLE") + write_int(2) + write_text(text)
    body += write_text("DROP TABLE t;") + write_text("") + write_text("public") + write_text("")
    body += write_text("heap") + write_int(114) + write_text("app") + write_text("false") + write_text("1")
    body += write_text(None) + b"\3" + bytes(8)
    entries = (write_int(number) + write_int(0) + write_text("1259") + body for number in range(1, count + 1))
    return write_header(toc, CUSTOM) + write_int(count) + b"".join(entries)


def test_the_time_for_a_toc_grows_with_its_length_only() -> None:
    def read(count: int) -> None:
        data = toc_of(count)
        read_toc_pieces((data[at : at + 4096] for at in range(0, len(data), 4096)), "x")

    assert_linear(read, 2000)


def test_a_long_entry_in_many_pieces_is_read_once() -> None:
    def read(length: int) -> None:
        data = toc_of(3, "x" * length)
        read_toc_pieces((data[at : at + 1000] for at in range(0, len(data), 1000)), "x")

    assert_linear(read, 500_000)


def test_an_entry_costs_a_few_hundred_bytes() -> None:
    data = toc_of(20_000)
    assert peak_bytes(lambda: parse_toc(data, "x")) < 20_000 * 600


def test_more_entries_than_any_database_has_are_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_ENTRIES", 100)
    assert len(parse_toc(toc_of(100), "x").toc.entries) == 100
    with pytest.raises(PermanentError, match="more than 100 entries") as error:
        parse_toc(toc_of(101), "x")
    assert error.value.rule == "archive-contents-too-large"


def test_more_bytes_than_any_database_has_are_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_BYTES", 1 << 20)
    data = toc_of(200, "x" * 10_000)
    with pytest.raises(PermanentError) as error:
        read_toc_pieces((data[at : at + 4096] for at in range(0, len(data), 4096)), "x")
    assert error.value.rule == "archive-contents-too-large"


@pytest.mark.parametrize(
    ("length", "rule"), [(100 << 20, "archive-contents-too-large"), (2 << 30, "archive-corrupt")]
)
def test_a_text_longer_than_any_is_not_kept(length: int, rule: str) -> None:
    data = toc_of(1)
    at = data.index(write_text("CREATE TABLE public.t (id integer);\n"))
    pieces = chain((data[:at], write_int(length)), (b"x" * (1 << 20) for _ in range(101)))

    def read() -> None:
        with pytest.raises(PermanentError) as error:
            read_toc_pieces(pieces, "x")
        assert error.value.rule == rule

    assert peak_bytes(read) < 8 << 20


@pytest.mark.parametrize("length", [100 << 20, 30 << 20])
def test_a_length_beyond_the_end_is_an_archive_that_was_cut(length: int) -> None:
    data = toc_of(1)
    at = data.index(write_text("CREATE TABLE public.t (id integer);\n"))
    with pytest.raises(TocCutError):
        parse_toc(data[:at] + write_int(length) + data[at + 5 :], "x")


@pytest.mark.parametrize("digits", ["9" * 5000, "²", "12x", ""])
def test_a_dependency_that_is_no_number_is_damage(digits: str) -> None:
    data = toc_of(1).replace(write_text("1") + write_text(None), write_text(digits) + write_text(None))
    with pytest.raises(PermanentError) as error:
        parse_toc(data, "x")
    assert error.value.rule == "archive-corrupt"


def test_a_date_of_any_number_is_no_date() -> None:
    data = bytearray(toc_of(0))
    at = len(b"PGDMP") + 6 + 1
    data[at : at + 35] = b"".join(write_int(2**31 - 1) for _ in range(7))
    assert parse_toc(bytes(data), "x").toc.made_at is None
