"""A recovery point has what every kind of backup has; the stored object is a dump's alone."""

from __future__ import annotations

import pickle
from dataclasses import fields
from datetime import UTC, datetime

import pytest

from tasks.model.backup import DumpPoint, RecoveryPoint, StoredObject, dump_point
from tasks.model.errors import PermanentError

AT = datetime(2026, 11, 22, 3, tzinfo=UTC)
STORED = StoredObject("s3://b/orders.dump", 412, AT, version_id="3HL4", storage_class="STANDARD_IA")
MOMENT = RecoveryPoint(at=AT, uri="s3://b/wal/", bytes=0)


def test_a_dump_is_named_by_the_facts_of_its_object() -> None:
    point = DumpPoint.of(STORED, AT, "modified")
    facts = {field.name: getattr(point, field.name) for field in fields(RecoveryPoint)}
    assert facts == {
        "at": AT,
        "uri": "s3://b/orders.dump",
        "bytes": 412,
        "dated_by": "modified",
        "version_id": "3HL4",
        "storage_class": "STANDARD_IA",
    }
    assert point.stored is STORED


@pytest.mark.parametrize("point", [MOMENT, DumpPoint.of(STORED, AT)])
def test_a_point_travels_between_processes(point: RecoveryPoint) -> None:
    assert pickle.loads(pickle.dumps(point)) == point  # noqa: S301  our own


@pytest.mark.parametrize(
    ("uri", "label"),
    [("s3://b/prod/orders.dump", "orders.dump"), ("file:///b/orders-20261122/", "orders-20261122")],
)
def test_a_run_is_called_by_the_last_part_of_the_key(uri: str, label: str) -> None:
    assert RecoveryPoint(at=AT, uri=uri, bytes=1).label == label


def test_another_kind_of_point_never_reaches_a_dumps_code() -> None:
    with pytest.raises(PermanentError) as caught:
        dump_point(MOMENT)
    assert caught.value.rule == "drill-crashed"
    assert dump_point(point := DumpPoint.of(STORED, AT)) is point
