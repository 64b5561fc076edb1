from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from deployments.samples import SAMPLES
from deployments.samples.dumping import cut_in_the_middle, dated
from deployments.samples.history import LINES, NIGHTS, STOPPED_NIGHTS_AGO, last_night
from tasks.catalog.toc import parse_toc
from tasks.model.backup import Toc, TocEntry
from tests.strategies import CUSTOM, write_header, write_int

AT = datetime(2026, 11, 20, 3, 4, 5, tzinfo=UTC)


def read(archive: bytes) -> Toc:
    return parse_toc(archive, "x.dump").toc


@pytest.mark.parametrize("version", [(1, 13), (1, 14), (1, 15), (1, 16)])
def test_the_header_s_clock_is_set_and_nothing_else(version: tuple[int, int]) -> None:
    empty: tuple[TocEntry, ...] = ()
    toc = Toc(empty, archive_version=version, database="orders", server_version="17.11", dump_version="17.11")
    archive = write_header(toc, CUSTOM) + write_int(0)
    played = read(dated(archive, AT))
    assert played.made_at == AT.replace(tzinfo=None)
    assert (played.database, played.server_version, played.archive_version) == ("orders", "17.11", version)
    assert len(dated(archive, AT)) == len(archive)


def test_only_archives_have_a_clock() -> None:
    with pytest.raises(ValueError, match="no archive of pg_dump"):
        dated(b"-- PostgreSQL database dump", AT)


def test_a_cut_file_keeps_its_first_half(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"abcdef")
    cut_in_the_middle(path)
    assert path.read_bytes() == b"abc"


@pytest.mark.parametrize(("now", "night"), [("12:00", 0), ("03:09", -1), ("03:10", 0), ("02:00", -1)])
def test_last_night_is_past(now: str, night: int) -> None:
    hour, minute = map(int, now.split(":"))
    at = AT.replace(hour=hour, minute=minute, second=0)
    assert last_night(at) == AT.replace(hour=3, minute=0, second=0) + timedelta(days=night)


def test_each_line_has_its_keys_and_its_fate() -> None:
    assert [line.key(AT) for line in LINES] == [
        "nightly/orders/2026/11/20/orders_20261120T030405Z.dump",
        "nightly/library/2026/11/20/library_20261120T030405Z/",
        "nightly/tickets/2026/11/20/tickets_20261120T030405Z.sql.gz",
        "nightly/billing/2026/11/20/billing_20261120T030405Z.dump",
    ]
    assert [min(line.nights) for line in LINES] == [0, 0, 0, STOPPED_NIGHTS_AGO]
    assert all(max(line.nights) == NIGHTS - 1 for line in LINES)
    assert [bool(line.happened) for line in LINES] == [False, True, True, True]
    assert tuple(line.sample for line in LINES) == SAMPLES
