"""Points in time: what was reached is proven by the server's own words; a target that was missed is named."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tasks.model.errors import PermanentError
from tasks.physical.bring_up import BroughtUp
from tasks.physical.target import Aim, RecoveryTarget
from tasks.sandbox import find_postgres
from tasks.wal.names import parse_lsn
from tests.corpus.base_backups import Production, production
from tests.fix_physical import Drilled, rows

MAJORS = (15, 17, 18)


@dataclass(frozen=True)
class Marked:
    """A backup that holds marks in its own WAL, and where each of them is.

    Attributes:
        between: a moment after m1 was committed and before m2.
    """

    major: int
    folder: Path
    began_at: datetime
    between: datetime
    before_m3: int


@pytest.fixture(scope="module", params=MAJORS)
def marked(request: pytest.FixtureRequest) -> Iterator[Marked]:
    with production(find_postgres(request.param)) as source:
        yield with_marks(source)


def with_marks(source: Production) -> Marked:
    """Take a backup, write marks after it, and put the WAL that holds them into it."""
    began_at = datetime.now(UTC)
    folder = source.base_backup("marked", "-Fp", "-X", "stream", "--no-manifest")
    mark(source, "m1")
    between = moment(source)
    mark(source, "m2")
    source.execute("SELECT pg_create_restore_point('before_m3')", "shop")
    before_m3 = lsn(source)
    mark(source, "m3")
    source.execute("SELECT pg_switch_wal()")
    for segment in (source.data_dir / "pg_wal").glob("[0-9A-F]" * 24):
        (folder / "pg_wal" / segment.name).write_bytes(segment.read_bytes())
    return Marked(source.major, folder, began_at, between, before_m3)


def mark(source: Production, name: str) -> None:
    with source.connect("shop") as session:
        session.execute("INSERT INTO shop.marks VALUES (%s)", (name,))


def value(source: Production, query: str) -> str:
    with source.connect("shop") as session:
        return str((session.execute(query).fetchone() or ("",))[0])


def moment(source: Production) -> datetime:
    """Return a moment that lies strictly between two commits."""
    time.sleep(0.05)
    at = datetime.fromisoformat(value(source, "SELECT clock_timestamp()"))
    time.sleep(0.05)
    return at


def lsn(source: Production) -> int:
    return parse_lsn(value(source, "SELECT pg_current_wal_lsn()"))


def recovered(drilled: Drilled, marked: Marked, target: RecoveryTarget) -> BroughtUp:
    return drilled.up(marked.folder, marked.major, target)


def missed(drilled: Drilled, marked: Marked, target: RecoveryTarget) -> str:
    with pytest.raises(PermanentError) as failure:
        drilled.up(marked.folder, marked.major, target)
    return failure.value.rule


def marks(copy: BroughtUp) -> list[str]:
    return [name for (name,) in rows(copy.adopted.sandbox, "SELECT name FROM shop.marks ORDER BY name")]


def test_the_latest_state_has_every_mark_and_ends_where_the_archive_does(
    drilled: Drilled, marked: Marked
) -> None:
    copy = recovered(drilled, marked, RecoveryTarget())
    assert marks(copy) == ["m1", "m2", "m3"]
    assert copy.recovered.stopped == ""
    assert copy.recovered.timeline == 2
    assert copy.recovered.last_commit_at is not None


def test_a_moment_between_two_commits_has_the_one_and_not_the_other(drilled: Drilled, marked: Marked) -> None:
    copy = recovered(drilled, marked, RecoveryTarget(Aim.TIME, marked.between))
    assert marks(copy) == ["m1"]
    assert copy.recovered.last_commit_at is not None
    assert copy.recovered.next_commit_at is not None
    assert copy.recovered.last_commit_at <= marked.between < copy.recovered.next_commit_at


def test_immediate_is_the_state_at_the_backups_end(drilled: Drilled, marked: Marked) -> None:
    copy = recovered(drilled, marked, RecoveryTarget(Aim.IMMEDIATE))
    assert marks(copy) == []
    assert "consistency" in copy.recovered.stopped


def test_a_restore_point_is_reached_by_its_name(drilled: Drilled, marked: Marked) -> None:
    copy = recovered(drilled, marked, RecoveryTarget(Aim.NAME, name="before_m3"))
    assert marks(copy) == ["m1", "m2"]
    assert '"before_m3"' in copy.recovered.stopped


def test_a_place_in_the_wal_is_reached(drilled: Drilled, marked: Marked) -> None:
    copy = recovered(drilled, marked, RecoveryTarget(Aim.LSN, lsn=marked.before_m3))
    assert marks(copy) == ["m1", "m2"]


def test_a_name_that_nobody_gave_is_not_reached(drilled: Drilled, marked: Marked) -> None:
    target = RecoveryTarget(Aim.NAME, name="nobody")
    assert missed(drilled, marked, target) == "pitr-target-not-reached"


def test_a_place_behind_the_wal_is_not_reached(drilled: Drilled, marked: Marked) -> None:
    target = RecoveryTarget(Aim.LSN, lsn=marked.before_m3 + (1 << 32))
    assert missed(drilled, marked, target) == "pitr-target-not-reached"


def test_a_moment_behind_the_wal_is_not_reached(drilled: Drilled, marked: Marked) -> None:
    target = RecoveryTarget(Aim.TIME, datetime.now(UTC) + timedelta(days=1))
    assert missed(drilled, marked, target) == "pitr-target-not-reached"


def test_a_moment_before_the_backup_is_refused(drilled: Drilled, marked: Marked) -> None:
    target = RecoveryTarget(Aim.TIME, marked.began_at - timedelta(hours=1))
    assert missed(drilled, marked, target) == "pitr-target-before-backup"


def test_a_place_before_the_backup_is_refused(drilled: Drilled, marked: Marked) -> None:
    assert missed(drilled, marked, RecoveryTarget(Aim.LSN, lsn=0x100)) == "pitr-target-before-backup"
