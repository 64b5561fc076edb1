"""Which base backup of a catalogue is drilled, and why not the others."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tasks.discovery.catalogued import from_catalogue
from tasks.model.backup import Candidate, Discovery
from tasks.model.base_point import BasePoint
from tasks.model.errors import StageFailed
from tasks.model.findings import Finding
from tasks.model.target import DumpBackup, Selection, Target
from tests.unit.stores.fake import NOW, FakeStore

TARGET = Target(fleet="f", name="o", evidence="/e", backup=DumpBackup(at="/b/%Y", window="3d"))


def base(days: float) -> BasePoint:
    return BasePoint(
        at=NOW - timedelta(days=days), uri=f"s3://b/base/{days}d/", bytes=10, dated_by="catalogue"
    )


def chosen(
    *points: BasePoint, rejected: tuple[Candidate, ...] = (), **selection: object
) -> Discovery[BasePoint]:
    wanted = Selection.model_validate(selection)
    return from_catalogue(points, TARGET, FakeStore(), NOW, wanted, rejected)


def refused(*points: BasePoint, **selection: Any) -> Finding:
    with pytest.raises(StageFailed) as failure:
        chosen(*points, **selection)
    return failure.value.findings[0]


def test_the_newest_is_taken_and_every_other_says_why_not() -> None:
    torn = Candidate("s3://b/base/torn/", 1, None, taken=False, reason="unfinished")
    found = chosen(base(2), base(1), base(4), rejected=(torn,))
    assert [point.label for point in found.points] == ["1d"]
    assert [(item.taken, item.reason) for item in found.candidates] == [
        (True, "the newest that matches"),
        (False, "older than the newest"),
        (False, "older than the window"),
        (False, "unfinished"),
    ]
    assert found.points_at == (base(2).at, base(1).at)
    assert found.findings == ()


def test_a_time_takes_the_newest_that_had_stopped_by_then() -> None:
    found = chosen(base(2), base(1), kind="at", at=NOW - timedelta(days=1.5))
    assert [point.label for point in found.points] == ["2d"]
    assert found.candidates[-1].reason == "later than the time asked for"


def test_a_key_is_found_whatever_the_window() -> None:
    assert [point.label for point in chosen(base(1), base(9), kind="key", key="9d").points] == ["9d"]


def test_one_in_the_future_is_not_taken_and_said() -> None:
    found = chosen(base(-1), base(1))
    assert [point.label for point in found.points] == ["1d"]
    assert [item.rule for item in found.findings] == ["backup-in-future"]


@pytest.mark.parametrize(
    ("points", "selection", "rule", "words"),
    [
        ((), {}, "no-backup-found", "holds no base backup"),
        ((base(5),), {}, "backup-too-old", "the backup job has not produced anything since"),
        ((base(1),), {"kind": "key", "key": "2d"}, "no-backup-found", "the newest there: 1d"),
        ((base(1),), {"kind": "at", "at": NOW - timedelta(days=2)}, "no-backup-found", "holds no base"),
    ],
)
def test_nothing_to_drill_says_why(
    points: tuple[BasePoint, ...], selection: dict[str, object], rule: str, words: str
) -> None:
    finding = refused(*points, **selection)
    assert finding.rule == rule
    assert words in finding.message
