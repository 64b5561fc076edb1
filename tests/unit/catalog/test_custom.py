from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tasks.catalog import custom
from tasks.catalog.custom import verify_blocks, verify_custom
from tasks.catalog.toc import parse_toc
from tasks.model.errors import PermanentError
from tasks.model.findings import Finding, Severity
from tests.corpus import archives
from tests.corpus.damage import flip_bit
from tests.strategies import write_toc


def verify(data: bytes, whole: bytes | None = None) -> tuple[Finding, ...]:
    return verify_blocks(data, parse_toc(whole or data, "x.dump"), "x.dump")


@pytest.mark.parametrize("compression", ["none", "gzip", "lz4", "zstd"])
@pytest.mark.parametrize("seekable", [True, False])
def test_a_whole_archive_yields_nothing(compression: str, *, seekable: bool, tmp_path: Path) -> None:
    path = tmp_path / "x.dump"
    path.write_bytes(archives.custom(compression, seekable=seekable))
    assert verify_custom(path, parse_toc(path.read_bytes(), "x"), "x") == ()


@pytest.mark.parametrize("hop", [True, False])
@pytest.mark.parametrize("seekable", [True, False])
def test_a_cut_at_any_place_of_the_data_is_truncated(
    *, seekable: bool, hop: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if hop:
        monkeypatch.setattr(custom, "_LARGE", 0)
    data = archives.custom("none", seekable=seekable)
    begin = parse_toc(data, "x").end
    for at in sorted({*range(begin, len(data), 11), *range(begin, begin + 30), len(data) - 1}):
        with pytest.raises(PermanentError, match=f"ends at byte {at}") as failure:
            verify(data[:at], data)
        assert failure.value.rule == "archive-truncated"


def test_a_cut_names_the_first_entry_that_is_lost_and_how_many_more() -> None:
    data = archives.custom()
    begin = parse_toc(data, "x").end
    with pytest.raises(PermanentError, match=r"where TABLE DATA shop\.orders and 2 more should be"):
        verify(data[: begin + 40], data)
    with pytest.raises(PermanentError, match=r"where BLOBS 16400\.\.16401 should be"):
        verify(data[:-1], data)


def test_bytes_appended_are_a_warning_for_all_rows_are_there() -> None:
    (found,) = verify(archives.custom() + b"uploaded by backup.sh\n", archives.custom())
    assert (found.rule, found.severity) == ("archive-corrupt", Severity.WARNING)
    assert "22 bytes" in found.message


def test_the_second_toc_that_pg_dump_appends_on_standard_output_is_of_the_archive() -> None:
    data = archives.custom(seekable=False)
    parsed = parse_toc(data, "x")
    again = data[parsed.begin : parsed.end]
    assert verify(data + again, data) == ()
    for lost in (1, 100, len(again) - 1):
        with pytest.raises(
            PermanentError, match="inside the table of contents that pg_dump writes last"
        ) as cut:
            verify(data + again[:-lost], data)
        assert cut.value.rule == "archive-truncated"


def test_the_second_toc_may_be_of_another_length_than_the_first() -> None:
    """pg_dump 18 writes the statistics' statements into one of the two only."""
    data = archives.custom(seekable=False)
    listed = archives.toc()
    listed.entries = tuple(replace(entry, defn="") for entry in listed.entries)
    shorter = write_toc(listed)
    assert verify(data + shorter[parse_toc(shorter, "x").begin :], data) == ()


def test_a_second_toc_of_other_entries_is_no_sign_of_a_whole_archive() -> None:
    data = archives.custom(seekable=False)
    other = write_toc(archives.toc()).replace(archives.text_of("orders"), archives.text_of("OTHERS"))
    (found,) = verify(data + other[parse_toc(other, "x").begin :], data)
    assert (found.rule, found.severity) == ("archive-corrupt", Severity.WARNING)


@pytest.mark.parametrize("hop", [True, False])
@pytest.mark.parametrize("again", [True, False])
@pytest.mark.parametrize("between", [b"", b"pg_dump: warning: ...\n"])
def test_a_second_archive_behind_the_first_is_named_and_fails(
    between: bytes, *, again: bool, hop: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if hop:
        monkeypatch.setattr(custom, "_LARGE", 0)
    first = archives.custom("none")
    if again:
        parsed = parse_toc(first, "x")
        first += first[parsed.begin : parsed.end]
    with pytest.raises(PermanentError, match=f"begins at byte {len(first) + len(between)},") as failure:
        verify(first + between + archives.custom(), first)
    assert failure.value.rule == "archive-doubled"


OTHERS = {
    "tar": archives.tar(),
    "plain": archives.script().encode(),
    "gzip": archives.COMPRESS["gzip"](archives.script().encode()),
    "zstd": archives.COMPRESS["zstd"](archives.custom()),
    "xz": archives.COMPRESS["xz"](archives.custom()),
    "lz4": archives.COMPRESS["lz4"](archives.custom()),
}


@pytest.mark.parametrize("kind", OTHERS)
@pytest.mark.parametrize("between", [b"", b"\n", b"\0" * 512])
def test_a_dump_of_another_kind_behind_the_first_is_one_too(kind: str, between: bytes) -> None:
    first = archives.custom()
    with pytest.raises(PermanentError, match=f"Another {kind} dump") as failure:
        verify(first + between + OTHERS[kind], first)
    assert failure.value.rule == "archive-doubled"


@pytest.mark.parametrize("hop", [True, False])
def test_a_block_header_of_nonsense_is_corrupt(*, hop: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if hop:
        monkeypatch.setattr(custom, "_LARGE", 0)
    data = archives.custom("none")
    begin = parse_toc(data, "x").end
    for at in (begin, begin + 1, begin + 2):
        with pytest.raises(PermanentError) as failure:
            verify(flip_bit(data, at), data)
        assert failure.value.rule == "archive-corrupt"


def test_a_negative_chunk_is_corrupt() -> None:
    data = archives.custom("none")
    begin = parse_toc(data, "x").end
    with pytest.raises(PermanentError, match="negative") as failure:
        verify(flip_bit(data, begin + 6, 0), data)
    assert failure.value.rule == "archive-corrupt"


def test_a_schema_without_data_has_nothing_to_lose() -> None:
    data = archives.custom(listed=archives.toc(sections=("pre-data", "post-data")))
    assert verify(data) == ()
