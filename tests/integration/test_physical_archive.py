"""Base backups without their WAL, recovered through an archive: to its end, or the reason is named."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tasks.model.deadline import Deadline
from tasks.model.errors import PermanentError
from tasks.physical.archived import Reach, reach
from tasks.physical.bring_up import Adopted, BroughtUp, Copy, bring_up, window_base
from tasks.physical.target import Aim, RecoveryTarget
from tasks.sandbox import find_postgres
from tasks.stores.local import LocalStore
from tasks.stores.uris import file_uri
from tasks.wal.listed import listed_wal
from tests.corpus.base_backups import Production, production
from tests.fix_physical import DEADLINE_S, Drilled, rows
from tests.fix_postgres import wait_for

MAJORS = (15, 17, 18)


@dataclass(frozen=True)
class Repository:
    """A base backup and the archive that it needs; *quiet_at* is after its last commit."""

    major: int
    folder: Path
    archive: Path
    quiet_at: datetime


@pytest.fixture(scope="module", params=MAJORS)
def healthy(request: pytest.FixtureRequest) -> Iterator[Repository]:
    with production(
        find_postgres(request.param), archive_mode="on", archive_command="'cp %p ../archive/%f'"
    ) as source:
        folder = source.base_backup("base", "-Ft", "-z", "-X", "none")
        for name in ("m1", "m2", "m3"):
            with source.connect("shop") as session:
                session.execute("INSERT INTO shop.marks VALUES (%s)", (name,))
            archive_all(source)
        time.sleep(0.1)
        quiet_at = datetime.now(UTC)
        time.sleep(0.1)
        source.execute("CREATE TEMP TABLE nothing (); SELECT txid_current()", "shop")
        archive_all(source)
        yield Repository(source.major, folder, source.archive, quiet_at)


@pytest.fixture
def repository(healthy: Repository, tmp_path: Path) -> Repository:
    """A copy of the healthy one, to break."""
    shutil.copytree(healthy.archive, tmp_path / "archive")
    return Repository(healthy.major, healthy.folder, tmp_path / "archive", healthy.quiet_at)


def archive_all(source: Production) -> None:
    """Finish the segment and wait until it is archived."""
    with source.connect() as session:
        (name,) = session.execute("SELECT pg_walfile_name(pg_switch_wal())").fetchone() or ("",)
    assert wait_for(lambda: (source.archive / name).is_file() and not unfinished(source))


def unfinished(source: Production) -> list[Path]:
    return list((source.data_dir / "pg_wal" / "archive_status").glob("*.ready"))


def reached_by(drilled: Drilled, repository: Repository) -> tuple[Copy, Adopted, Reach]:
    copy, adopted = drilled.adopted(repository.folder, repository.major)
    store, size = LocalStore(str(repository.archive)), adopted.control.segment_bytes
    wal = listed_wal(store, f"{file_uri(repository.archive)}/", size, Deadline.within(DEADLINE_S))
    reached = reach(wal, window_base(copy, "base"), size, "latest", datetime.now(UTC))
    return copy, adopted, reached


def up(drilled: Drilled, repository: Repository, target: RecoveryTarget | None = None) -> BroughtUp:
    copy, adopted, reached = reached_by(drilled, repository)
    return bring_up(copy, adopted, target or RecoveryTarget(), Deadline.within(DEADLINE_S), reached)


def failed(drilled: Drilled, repository: Repository, target: RecoveryTarget | None = None) -> PermanentError:
    with pytest.raises(PermanentError) as failure:
        up(drilled, repository, target)
    return failure.value


def marks(copy: BroughtUp) -> list[str]:
    return [name for (name,) in rows(copy.adopted.sandbox, "SELECT name FROM shop.marks ORDER BY name")]


def segments(repository: Repository) -> list[Path]:
    return sorted(repository.archive.glob("[0-9A-F]" * 24))


def test_the_archives_end_is_reached(drilled: Drilled, repository: Repository) -> None:
    copy, adopted, reached = reached_by(drilled, repository)
    assert reached.window.usable
    assert reached.window.last == segments(repository)[-1].name
    assert reached.findings == ()
    brought = bring_up(copy, adopted, RecoveryTarget(), Deadline.within(DEADLINE_S), reached)
    assert marks(brought) == ["m1", "m2", "m3"]
    assert brought.answers is not None
    assert brought.answers.last == reached.window.last
    assert [found.rule for found in brought.findings if found.severity != "info"] == []


def test_a_quiet_night_is_no_failure(drilled: Drilled, repository: Repository) -> None:
    copy = up(drilled, repository, RecoveryTarget(Aim.TIME, repository.quiet_at))
    assert marks(copy) == ["m1", "m2", "m3"]


def test_a_moment_after_the_archives_end_is_not_reached(drilled: Drilled, repository: Repository) -> None:
    target = RecoveryTarget(Aim.TIME, datetime.now(UTC))
    assert failed(drilled, repository, target).rule == "pitr-target-not-reached"


def test_a_missing_segment_is_a_gap_before_anything_runs(drilled: Drilled, repository: Repository) -> None:
    segments(repository)[-2].unlink()
    _, _, reached = reached_by(drilled, repository)
    assert reached.window.gaps[0].count == 1
    assert reached.window.last == segments(repository)[-2].name


def test_wal_without_the_backups_own_segment_makes_it_useless(
    drilled: Drilled, repository: Repository
) -> None:
    for segment in segments(repository)[:-1]:
        segment.unlink()
    _, _, reached = reached_by(drilled, repository)
    assert not reached.window.usable
    assert "wal-missing-for-backup" in {found.rule for found in reached.findings}


def test_a_segment_that_was_cut_stops_recovery_by_its_name(drilled: Drilled, repository: Repository) -> None:
    with segments(repository)[-2].open("r+b") as file:
        file.truncate(1 << 20)
    failure = failed(drilled, repository)
    assert failure.rule == "wal-corrupt"


def test_a_segment_of_zeroes_is_never_taken_for_the_end(drilled: Drilled, repository: Repository) -> None:
    segments(repository)[-2].write_bytes(bytes(16 << 20))
    assert failed(drilled, repository).rule == "wal-corrupt"


def test_a_flipped_byte_ends_recovery_early_and_is_named(drilled: Drilled, repository: Repository) -> None:
    path = segments(repository)[-2]
    data = bytearray(path.read_bytes())
    for at in range(64, 4096, 64):
        data[at] ^= 0xFF
    path.write_bytes(bytes(data))
    assert failed(drilled, repository).rule == "wal-corrupt"
