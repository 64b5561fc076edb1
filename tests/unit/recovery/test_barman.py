"""Barman's catalogue in a folder: which backups there are, which is drilled, and what speaks against it."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import ValidationError

from tasks.model.backup import Discovery
from tasks.model.base_point import BasePoint
from tasks.model.errors import PermanentError
from tasks.model.target import BarmanBackup, Selection, Target
from tasks.physical.target import Aim, RecoveryTarget
from tasks.recovery.barman import BarmanRepository, chain_to
from tests.unit.physical.test_barman_info import WHOLE

NOW = datetime(2026, 12, 2, 12, 0, tzinfo=UTC)
NEWEST, OLDER = "20261202T010000", "20261201T010000"
REPOSITORY = BarmanRepository()


def record(backup_id: str, **values: str) -> str:
    moment = datetime.strptime(backup_id, "%Y%m%dT%H%M%S")  # noqa: DTZ007
    given = {"begin_time": f"{moment}+00:00", "end_time": f"{moment + timedelta(minutes=9)}+00:00", **values}
    given = {"tablespaces": "[]", **given}
    text = WHOLE
    for key, value in given.items():
        text = "".join(line for line in text.splitlines(keepends=True) if not line.startswith(f"{key}="))
        text += f"{key}={value}\n"
    return text


@pytest.fixture
def put(tmp_path: Path) -> Callable[..., Path]:
    """Put a backup of a Barman server into the folder; without a *text* it has no record."""

    def one(backup_id: str, text: str | None = "", at: datetime = NOW - timedelta(hours=8)) -> Path:
        server = tmp_path / "orders"
        control = server / "base" / backup_id / "data" / "global" / "pg_control"
        control.parent.mkdir(parents=True)
        control.write_bytes(b"x")
        (server / "meta").mkdir(exist_ok=True)
        if text is not None:
            (server / "meta" / f"{backup_id}-backup.info").write_text(text or record(backup_id))
        os.utime(control, (at.timestamp(), at.timestamp()))
        return server

    return one


def target_of(folder: Path, **keys: object) -> Target:
    backup = BarmanBackup.model_validate({"at": str(folder), "server": "orders", **keys})
    return Target(fleet="f", name="orders", evidence="/e", backup=backup)


def found(folder: Path, selection: Selection | None = None, **keys: object) -> Discovery[BasePoint]:
    target = target_of(folder, **keys)
    return REPOSITORY.points(target, REPOSITORY.reach(target), NOW, selection or Selection())


def refused(folder: Path, **keys: object) -> PermanentError:
    target = target_of(folder, **keys)
    store = REPOSITORY.reach(target)
    (point,) = REPOSITORY.points(target, store, NOW, Selection()).points
    with pytest.raises(PermanentError) as refusal:
        REPOSITORY.preflight(point, store, target)
    return refusal.value


def test_the_newest_is_drilled_and_is_what_its_record_says(put: Callable[..., Path], tmp_path: Path) -> None:
    put(OLDER)
    put(NEWEST)
    (point,) = found(tmp_path).points
    assert (point.label, point.at) == (NEWEST, datetime(2026, 12, 2, 1, 9, tzinfo=UTC))
    assert (point.major, point.type, point.dated_by) == (17, "full", "catalogue")
    assert [member.uri.rpartition("/")[2] for member in point.members] == ["pg_control"]
    assert (point.start_lsn, point.stop_lsn, point.bytes) == (0x2000028, 0x2000158, 4134721)
    target = target_of(tmp_path)
    assert REPOSITORY.preflight(point, REPOSITORY.reach(target), target) == ()


def test_the_record_beside_the_backup_is_read_as_well(put: Callable[..., Path], tmp_path: Path) -> None:
    put(NEWEST, None)
    (tmp_path / "orders" / "base" / NEWEST / "backup.info").write_text(record(NEWEST, size="77"))
    assert found(tmp_path).points[0].bytes == 77


def test_a_backup_is_found_by_its_id_and_by_its_moment(put: Callable[..., Path], tmp_path: Path) -> None:
    put(OLDER)
    put(NEWEST)
    by_key = found(tmp_path, Selection(kind="key", key=OLDER))
    by_time = found(tmp_path, Selection(kind="at", at=NOW - timedelta(days=1)))
    assert [point.label for point in (*by_key.points, *by_time.points)] == [OLDER, OLDER]


def test_what_is_older_than_the_window_is_not_drilled_and_named(
    put: Callable[..., Path], tmp_path: Path
) -> None:
    put("20250101T010000")
    with pytest.raises(PermanentError) as refusal:
        found(tmp_path, window="7d")
    assert refusal.value.rule == "backup-too-old"


@pytest.mark.parametrize("status", ["FAILED", "STARTED", "EMPTY"])
def test_one_that_was_not_finished_is_the_newest_all_the_same(
    put: Callable[..., Path], tmp_path: Path, status: str
) -> None:
    put(OLDER)
    put(NEWEST, record(NEWEST, status=status))
    refusal = refused(tmp_path)
    assert (refusal.rule, status in refusal.what) == ("backup-unfinished", True)


def test_one_without_a_record_was_not_finished(put: Callable[..., Path], tmp_path: Path) -> None:
    put(OLDER)
    put(NEWEST, None)
    assert refused(tmp_path).rule == "backup-unfinished"


@pytest.mark.parametrize("text", ["STARTED", None])
def test_one_that_is_being_taken_is_passed_by_and_said(
    put: Callable[..., Path], tmp_path: Path, text: str | None
) -> None:
    put(OLDER)
    put(NEWEST, None if text is None else record(NEWEST, status=text), NOW - timedelta(minutes=5))
    discovery = found(tmp_path)
    assert [point.label for point in discovery.points] == [OLDER]
    (reason,) = [item.reason for item in discovery.candidates if NEWEST in item.uri]
    assert "still being taken" in reason


def test_one_that_failed_is_not_being_taken_however_new(put: Callable[..., Path], tmp_path: Path) -> None:
    put(NEWEST, record(NEWEST, status="FAILED"), NOW)
    assert refused(tmp_path).rule == "backup-unfinished"


def test_one_that_waits_for_its_wal_is_copied(put: Callable[..., Path], tmp_path: Path) -> None:
    put(NEWEST, record(NEWEST, status="WAITING_FOR_WALS"))
    (point,) = found(tmp_path).points
    target = target_of(tmp_path)
    assert REPOSITORY.preflight(point, REPOSITORY.reach(target), target) == ()


@pytest.mark.parametrize(
    ("key", "value", "word"),
    [("snapshots_info", "{'provider': 'gcp'}", "snapshots"), ("encryption", "gpg", "encrypted")],
)
def test_what_is_not_read_here_says_nothing_about_the_backup(
    put: Callable[..., Path], tmp_path: Path, key: str, value: str, word: str
) -> None:
    put(NEWEST, record(NEWEST, **{key: value}))
    refusal = refused(tmp_path)
    assert (refusal.rule, word in refusal.what) == ("format-unsupported", True)


def test_a_record_that_cannot_be_read_is_no_reason_to_take_an_older_one(
    put: Callable[..., Path], tmp_path: Path
) -> None:
    put(OLDER)
    put(NEWEST, record(NEWEST)[:400])
    assert refused(tmp_path).rule == "backup-record-corrupt"


def test_an_increment_is_put_together_with_those_before_it(put: Callable[..., Path], tmp_path: Path) -> None:
    put("20261130T010000")
    put(OLDER, record(OLDER, parent_backup_id="20261130T010000"))
    put(NEWEST, record(NEWEST, parent_backup_id=OLDER))
    (point,) = found(tmp_path).points
    target = target_of(tmp_path)
    chain = chain_to(point, REPOSITORY.reach(target), target)
    assert [part.name for part in chain] == ["20261130T010000", OLDER, NEWEST]
    assert (point.type, point.chain) == ("incr", (OLDER,))


def test_an_increment_whose_parent_is_gone_is_broken(put: Callable[..., Path], tmp_path: Path) -> None:
    put(NEWEST, record(NEWEST, parent_backup_id=OLDER))
    refusal = refused(tmp_path)
    assert (refusal.rule, OLDER in refusal.what) == ("chain-broken", True)


def test_a_chain_that_leads_to_itself_ends(put: Callable[..., Path], tmp_path: Path) -> None:
    put(NEWEST, record(NEWEST, parent_backup_id=OLDER))
    put(OLDER, record(OLDER, parent_backup_id=NEWEST))
    assert refused(tmp_path).rule == "chain-broken"


@pytest.mark.parametrize("server", ["", " ", "..", "a/b"])
def test_a_server_is_one_folder(server: str) -> None:
    with pytest.raises(ValidationError):
        BarmanBackup.model_validate({"at": "/b", "server": server})


def test_a_person_is_told_barmans_own_commands(put: Callable[..., Path], tmp_path: Path) -> None:
    put(NEWEST)
    (point,) = found(tmp_path).points
    aim = RecoveryTarget(Aim.LATEST)
    assert REPOSITORY.commands(point, target_of(tmp_path), aim)[0] == f"barman restore orders {NEWEST} DATA"
    backup = BarmanBackup(at="s3://acme/prod/", server="orders")
    cloud = Target(fleet="f", name="orders", evidence="/e", backup=backup)
    first, *_, last = REPOSITORY.commands(point, cloud, aim)
    assert first == f"barman-cloud-restore s3://acme/prod orders {NEWEST} DATA"
    assert "barman-cloud-wal-restore s3://acme/prod orders %f %p" in last
