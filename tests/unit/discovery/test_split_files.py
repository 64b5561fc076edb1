"""A split file is told from rotated backups, and named with its parts."""

from __future__ import annotations

from string import ascii_lowercase

import pytest

from tasks.discovery import discover
from tasks.discovery.split_files import split_files
from tasks.model.errors import StageFailed
from tests.unit.stores.fake import BUCKET, NOW, FakeStore, target

WHOLE = f"{BUCKET}prod/orders_{NOW:%Y%m%d}.dump"


@pytest.mark.parametrize(
    "suffixes",
    [
        (".partaa", ".partab", ".partac"),
        (".aa", ".ab"),
        ("aa", "ab", "ac", "ad"),
        (".part00", ".part01"),
        (".001", ".002", ".003"),
        ("-00", "-01"),
        (*(f".a{letter}" for letter in ascii_lowercase), ".ba"),
    ],
)
def test_parts_are_found_with_the_whole_that_they_make(suffixes: tuple[str, ...]) -> None:
    sizes = dict.fromkeys((WHOLE + suffix for suffix in suffixes), 1000) | {WHOLE + suffixes[-1]: 7}
    assert split_files(sizes) == {WHOLE: [WHOLE + suffix for suffix in suffixes]}


@pytest.mark.parametrize(
    "sizes",
    [
        {".1": 1000, ".2": 1000},  # logrotate's: each is whole
        {".01": 1000, ".02": 1007, ".03": 1003},  # days of a month
        {".aa": 1000},
        {".aa": 1000, ".ac": 1000},
        {".ab": 1000, ".ac": 7},
        {".aa": 7, ".ab": 1000},
        {".aa": 1000, ".ab": 0},
        {"": 1000, ".sha256": 64, ".inventory.json": 700},
    ],
)
def test_rotated_and_other_files_are_no_parts(sizes: dict[str, int]) -> None:
    assert split_files({WHOLE + suffix: size for suffix, size in sizes.items()}) == {}


@pytest.mark.parametrize("at", ["", ".part*", ".partaa", "*"])
def test_a_backup_that_lies_in_parts_is_named_and_not_called_lost(at: str) -> None:
    store = FakeStore()
    for number, suffix in enumerate((".partaa", ".partab", ".partac")):
        store.put(WHOLE + suffix, 5 if number == 2 else 1000)
    with pytest.raises(StageFailed) as caught:
        discover(target(f"{BUCKET}prod/orders_%Y%m%d.dump{at}"), store, NOW)
    (finding,) = caught.value.findings
    assert (finding.rule, finding.klass.value, finding.where) == ("format-unsupported", "drill", WHOLE)
    assert "3 parts" in finding.message
    assert "orders_20261122.dump.partab" in finding.message


def test_a_whole_backup_beside_old_parts_is_drilled() -> None:
    store = FakeStore()
    for suffix in (".partaa", ".partab"):
        store.put(f"{BUCKET}prod/orders_20261101.dump{suffix}", 1000)
    store.put(WHOLE)
    assert discover(target(f"{BUCKET}prod/orders_%Y%m%d.dump"), store, NOW).points[0].uri == WHOLE
