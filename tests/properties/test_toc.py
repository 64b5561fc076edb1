from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.catalog.toc import TocCutError, TocParser, parse_toc
from tasks.model.backup import Toc
from tasks.model.errors import PermanentError
from tests.strategies import tocs, write_toc


@given(tocs())
def test_a_toc_that_was_written_is_read_back_whole(toc: Toc) -> None:
    data = write_toc(toc)
    parsed = parse_toc(data, "x")
    assert parsed.toc.entries == toc.entries
    assert vars(parsed.toc) == vars(toc)
    assert parsed.end == len(data)


@given(tocs(), st.data())
def test_a_toc_cut_anywhere_asks_for_more_and_goes_on_when_it_comes(toc: Toc, data: st.DataObject) -> None:
    whole = write_toc(toc)
    at = data.draw(st.integers(0, len(whole) - 1))
    parser = TocParser("x")
    parser.feed(whole[:at])
    with pytest.raises(TocCutError):
        parser.parse()
    parser.feed(whole[at:])
    assert parser.parse().toc.entries == toc.entries


@given(st.binary(max_size=200))
def test_nonsense_after_the_magic_is_never_anything_but_a_finding_of_the_archive(noise: bytes) -> None:
    with suppress(TocCutError), ends_as_finding():
        parse_toc(b"PGDMP" + noise, "x")


@given(tocs(), st.data())
def test_a_flipped_bit_never_escapes_as_another_error(toc: Toc, data: st.DataObject) -> None:
    broken = bytearray(write_toc(toc))
    broken[data.draw(st.integers(5, len(broken) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    with suppress(TocCutError), ends_as_finding():
        parse_toc(bytes(broken), "x")


@contextmanager
def ends_as_finding() -> Iterator[None]:
    """Let pass what is judged, and nothing else."""
    rule = "archive-corrupt"
    with suppress(PermanentError):
        try:
            yield
        except PermanentError as error:
            rule = error.rule
            raise
    assert rule in {"archive-corrupt", "archive-version-unsupported"}
