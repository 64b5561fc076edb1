"""WAL-G's catalogue in a folder: which backups there are, which is drilled, and what speaks against it."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import brotli
import lz4.frame
import pytest

from tasks.model.backup import Discovery
from tasks.model.base_point import BasePoint
from tasks.model.errors import PermanentError
from tasks.model.target import Selection, Target, WalgBackup
from tasks.physical.target import Aim, RecoveryTarget
from tasks.recovery.walg import WalgRepository
from tests.corpus.walg import tar_of
from tests.unit.physical.test_walg import WHOLE

NOW = datetime(2026, 12, 2, 12, 0, tzinfo=UTC)
NEWEST, OLDER = "base_000000010000000000000009", "base_000000010000000000000004"
REPOSITORY = WalgRepository()
GPG = bytes.fromhex("85020c03") + bytes(200)
Put = Callable[..., Path]


@pytest.fixture
def put(tmp_path: Path) -> Put:
    """Put a backup that ended some hours ago into the repository; without *sentinel*, one unfinished."""
    folder = tmp_path / "walg"  # not where tests of empty folders look around: beside them

    def one(
        name: str,
        hours: float,
        *,
        sentinel: dict[str, object] | None = None,
        control: bytes | None = None,
        suffix: str = "lz4",
    ) -> Path:
        at = NOW - timedelta(hours=hours)
        parts = folder / "basebackups_005" / name / "tar_partitions"
        parts.mkdir(parents=True)
        tar = (
            lz4.frame.compress(tar_of({"/global/pg_control": Path(__file__)})) if control is None else control
        )
        for stem in ("part_001", "pg_control"):
            (parts / f"{stem}.tar.{suffix}").write_bytes(tar)
        if sentinel is not None:
            document = {**WHOLE, "FinishTime": f"{at:%Y-%m-%dT%H:%M:%SZ}", **sentinel}
            path = parts.parents[1] / f"{name}_backup_stop_sentinel.json"
            path.write_text(json.dumps(document))
            os.utime(path, (at.timestamp(), at.timestamp()))
        for path in parts.iterdir():
            os.utime(path, (at.timestamp(), at.timestamp()))
        return folder

    return one


def target_of(folder: Path, **keys: object) -> Target:
    backup = WalgBackup.model_validate({"at": str(folder), **keys})
    return Target(fleet="f", name="orders", evidence="/e", backup=backup)


def found(folder: Path, selection: Selection | None = None, **keys: object) -> Discovery[BasePoint]:
    target = target_of(folder, **keys)
    return REPOSITORY.points(target, REPOSITORY.reach(target), NOW, selection or Selection())


def refused(folder: Path) -> PermanentError:
    target = target_of(folder)
    store = REPOSITORY.reach(target)
    (point,) = REPOSITORY.points(target, store, NOW, Selection()).points
    with pytest.raises(PermanentError) as refusal:
        REPOSITORY.preflight(point, store, target)
    return refusal.value


def test_the_newest_is_drilled_and_is_what_its_sentinel_says(put: Put) -> None:
    put(OLDER, 30, sentinel={})
    folder = put(NEWEST, 6, sentinel={})
    (point,) = found(folder).points
    assert (point.label, point.at, point.dated_by) == (NEWEST, NOW - timedelta(hours=6), "catalogue")
    assert (point.major, point.type, point.start_lsn) == (17, "full", 0x4000028)
    assert len(point.members) == 2
    target = target_of(folder)
    assert REPOSITORY.preflight(point, REPOSITORY.reach(target), target) == ()


def test_a_backup_is_found_by_its_name_and_by_its_moment(put: Put) -> None:
    put(OLDER, 30, sentinel={})
    folder = put(NEWEST, 6, sentinel={})
    by_key = found(folder, Selection(kind="key", key=OLDER))
    by_time = found(folder, Selection(kind="at", at=NOW - timedelta(hours=20)))
    assert [point.label for point in (*by_key.points, *by_time.points)] == [OLDER, OLDER]


def test_older_sentinels_are_dated_by_the_metadata(put: Put) -> None:
    folder = put(NEWEST, 6, sentinel={"FinishTime": None, "StartTime": None})
    times = {"start_time": "2026-12-02T05:00:00Z", "finish_time": "2026-12-02T05:30:00Z"}
    (folder / "basebackups_005" / NEWEST / "metadata.json").write_text(json.dumps(times))
    assert found(folder).points[0].at == datetime(2026, 12, 2, 5, 30, tzinfo=UTC)


def test_what_is_older_than_the_window_is_named(put: Put) -> None:
    folder = put(OLDER, 24 * 60, sentinel={})
    with pytest.raises(PermanentError) as refusal:
        found(folder, window="7d")
    assert refusal.value.rule == "backup-too-old"


def test_one_without_a_sentinel_was_not_finished_and_is_the_newest_all_the_same(put: Put) -> None:
    put(OLDER, 30, sentinel={})
    assert refused(put(NEWEST, 6)).rule == "backup-unfinished"


def test_one_that_is_being_taken_is_passed_by_and_said(put: Put) -> None:
    put(OLDER, 30, sentinel={})
    discovery = found(put(NEWEST, 0.1))
    assert [point.label for point in discovery.points] == [OLDER]
    assert ["still being taken" in item.reason for item in discovery.candidates if NEWEST in item.uri] == [
        True
    ]


@pytest.mark.parametrize(
    ("name", "sentinel"),
    [(f"{NEWEST}_D_{OLDER[5:]}", {}), (NEWEST, {"DeltaFrom": OLDER, "DeltaFullName": OLDER})],
)
def test_a_delta_is_not_put_together_here(put: Put, name: str, sentinel: dict[str, object]) -> None:
    put(OLDER, 30, sentinel={})
    refusal = refused(put(name, 6, sentinel=sentinel))
    assert (refusal.rule, "delta" in refusal.what) == ("format-unsupported", True)


def test_a_sentinel_that_was_cut_is_no_reason_to_take_an_older_one(put: Put) -> None:
    put(OLDER, 30, sentinel={})
    folder = put(NEWEST, 6, sentinel={})
    path = folder / "basebackups_005" / f"{NEWEST}_backup_stop_sentinel.json"
    moment = path.stat().st_mtime
    path.write_text(path.read_text()[:40])
    os.utime(path, (moment, moment))
    assert refused(folder).rule == "backup-record-corrupt"


@pytest.mark.parametrize("suffix", ["lz4", "zst", "br"])
@pytest.mark.parametrize(("bytes_", "word"), [(GPG, "gpg"), (bytes(range(7, 250)), "libsodium")])
def test_what_is_encrypted_says_nothing_about_the_backup(
    put: Put, bytes_: bytes, word: str, suffix: str
) -> None:
    refusal = refused(put(NEWEST, 6, sentinel={}, control=bytes_, suffix=suffix))
    assert (refusal.rule, word in refusal.what) == ("format-unsupported", True)


def test_brotli_is_known_by_what_it_unfolds_to(put: Put) -> None:
    tar = brotli.compress(tar_of({"/global/pg_control": Path(__file__)}))
    folder = put(NEWEST, 6, sentinel={}, control=tar, suffix="br")
    (point,) = found(folder).points
    target = target_of(folder)
    assert REPOSITORY.preflight(point, REPOSITORY.reach(target), target) == ()


@pytest.mark.parametrize(
    ("at", "variable"), [("s3://acme/prod/", "WALG_S3_PREFIX"), ("/srv/walg", "WALG_FILE_PREFIX")]
)
def test_a_person_is_told_wal_gs_own_commands(put: Put, at: str, variable: str) -> None:
    (point,) = found(put(NEWEST, 6, sentinel={})).points
    target = Target(fleet="f", name="orders", evidence="/e", backup=WalgBackup(at=at))
    first, *_, last = REPOSITORY.commands(point, target, RecoveryTarget(Aim.LATEST))
    assert first == f"export {variable}={at.rstrip('/')}; wal-g backup-fetch DATA {NEWEST}"
    assert "wal-g wal-fetch %f %p" in last
