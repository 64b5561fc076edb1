"""What the fleet file says of base backups, and what is asked of their kind without a cluster."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from pydantic import ValidationError

from tasks.model.backup import DumpPoint, StoredObject
from tasks.model.errors import ConfigInvalid, PermanentError
from tasks.model.target import BaseBackup, DumpBackup, Recover, Target
from tasks.physical.target import Aim, RecoveryTarget
from tasks.recovery.basebackup import as_folders, base_point, parts_of
from tasks.recovery.physical import database_of, recovery_target
from tasks.recovery.repository import start_commands

MOMENT = datetime(2026, 11, 25, 16, 15, 28, tzinfo=UTC)


def target_of(**backup: object) -> Target:
    given = BaseBackup.model_validate({"at": "/b/%Y%m%d", **backup})
    return Target(fleet="f", name="orders", evidence="/e", backup=given)


@pytest.mark.parametrize(
    ("to", "aim"),
    [
        ("latest", Aim.LATEST),
        ("immediate", Aim.IMMEDIATE),
        ({"time": "2026-11-25T16:15:28Z"}, Aim.TIME),
        ({"name": "before"}, Aim.NAME),
        ({"lsn": "0/16B3748"}, Aim.LSN),
    ],
)
def test_each_target_of_the_fleet_file_is_the_recoverys(to: object, aim: Aim) -> None:
    target = recovery_target(target_of(recover={"to": to, "timeline": 3}))
    assert (target.aim, target.timeline) == (aim, "3")
    assert target.time == (MOMENT if aim is Aim.TIME else None)


@pytest.mark.parametrize(
    "recover",
    [
        {"to": "newest"},
        {"to": {"time": "2026-11-25T16:15:28"}},
        {"to": {"time": "soon"}},
        {"to": {"lsn": "16B3748"}},
        {"to": {"name": ""}},
        {"to": {"name": "a", "lsn": "0/1"}},
        {"timeline": "newest"},
        {"timeline": 0},
    ],
)
def test_anything_else_is_refused(recover: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Recover.model_validate(recover)


def test_the_pattern_is_a_folders_and_window_and_zone_are_the_same() -> None:
    target = as_folders(target_of(window="3d", timezone="Europe/Berlin"))
    assert isinstance(target.backup, DumpBackup)
    assert target.backup.at == "/b/%Y%m%d/"
    assert (target.backup.window, target.backup.timezone) == (3 * 86400.0, "Europe/Berlin")


def test_the_database_is_the_one_that_is_asked_for_or_the_only_one() -> None:
    assert database_of(target_of(), ("shop",)) == "shop"
    assert database_of(target_of(), ("orders", "shop")) == "orders"
    assert database_of(target_of(database="shop"), ("orders", "shop")) == "shop"


@pytest.mark.parametrize(
    ("database", "databases"), [(None, ("shop", "crm")), (None, ()), ("nobody", ("orders",))]
)
def test_where_it_could_be_several_or_none_the_fleet_file_must_say(
    database: str | None, databases: tuple[str, ...]
) -> None:
    with pytest.raises(ConfigInvalid):
        database_of(target_of(database=database), databases)


def test_a_folder_without_a_base_backup_is_none() -> None:
    member = StoredObject("file:///b/1/orders.dump", 1, MOMENT)
    point = base_point(DumpPoint.of(StoredObject("file:///b/1/", 1, MOMENT, members=(member,)), MOMENT))
    with pytest.raises(PermanentError) as failure:
        parts_of(point)
    assert failure.value.rule == "not-a-backup"


def test_what_a_drill_reads_is_the_backups_and_their_wal() -> None:
    assert target_of(wal="s3://b/wal/").backup.patterns == ("/b/%Y%m%d/", "s3://b/wal/*")
    assert target_of().backup.patterns == ("/b/%Y%m%d/", None)


def test_a_folder_becomes_a_base_backup_of_which_only_its_names_are_known() -> None:
    stored = StoredObject(
        "file:///b/1/", 7, MOMENT, members=(StoredObject("file:///b/1/base.tar", 7, MOMENT),)
    )
    point = base_point(DumpPoint.of(stored, MOMENT))
    assert (point.at, point.label, point.bytes, point.members) == (MOMENT, "1", 7, stored.members)
    assert (point.start_lsn, point.stop_lsn, point.major) == (None, None, None)


def test_by_hand_a_copy_is_started_with_none_of_its_own_settings() -> None:
    first, start = start_commands(RecoveryTarget(Aim.IMMEDIATE), "get %f %p")
    assert "postgresql.auto.conf aside" in first
    assert "-c recovery_target=immediate" in start
    assert "-c 'restore_command=get %f %p'" in start


def test_the_shared_code_of_physical_kinds_refuses_a_dumps_target() -> None:
    target = target_of()
    assert target.physical is target.backup
    dumps = Target(fleet="f", name="o", evidence="/e", backup=DumpBackup(at="/b/%Y"))
    with pytest.raises(PermanentError, match="PhysicalBackup was given another kind"):
        _ = dumps.physical
