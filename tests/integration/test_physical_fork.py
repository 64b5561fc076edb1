"""A test restore that archived its timeline into production's repository: a trap for who restores next."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tasks.model.deadline import Deadline
from tasks.physical.archived import reach
from tasks.physical.bring_up import bring_up, window_base
from tasks.physical.target import RecoveryTarget
from tasks.sandbox import find_postgres
from tasks.stores.local import LocalStore
from tasks.stores.uris import file_uri
from tasks.wal.listed import listed_wal
from tests.corpus.base_backups import Production, production
from tests.fix_physical import DEADLINE_S, Drilled, rows
from tests.fix_postgres import wait_for
from tests.integration.test_physical_archive import Repository, archive_all

MAJOR = 17


@pytest.fixture(scope="module")
def forked() -> Iterator[Repository]:
    """Marks 1 to 3 before the fork, 4 after it on timeline 1, and `wrong` on the stray timeline 2."""
    with production(
        find_postgres(MAJOR), archive_mode="on", archive_command="'cp %p ../archive/%f'"
    ) as source:
        folder = source.base_backup("base", "-Ft", "-X", "none")
        for name in ("m1", "m2", "m3"):
            mark(source, name)
        stray_restore(source, folder)
        mark(source, "m4")
        yield Repository(MAJOR, folder, source.archive, datetime.now(UTC))


def mark(source: Production, name: str) -> None:
    source.execute(f"INSERT INTO shop.marks VALUES ('{name}')", "shop")
    archive_all(source)


def stray_restore(source: Production, base: Path) -> None:
    """Restore *base* as somebody in a hurry would: with production's own archive_command."""
    folder = source.new_folder("stray")
    stray = Production(source.install, folder)
    stray.new_folder("data").chmod(0o700)
    shutil.unpack_archive(base / "base.tar", stray.data_dir)
    (stray.data_dir / "recovery.signal").touch()
    if os.geteuid() == 0:
        for path in stray.data_dir.rglob("*"):
            shutil.chown(path, "nobody")
    archive = {"archive_mode": "on", "archive_command": f"'cp %p {source.archive}/%f'"}
    stray.start(**archive, restore_command=f"'cp {source.archive}/%f %p'")
    try:
        assert wait_for(lambda: promoted(stray))
        with stray.connect("shop") as session:
            session.execute("INSERT INTO shop.marks VALUES ('wrong')")
            (name,) = session.execute("SELECT pg_walfile_name(pg_switch_wal())").fetchone() or ("",)
        assert wait_for((source.archive / name).is_file)
    finally:
        stray.stop()
        shutil.rmtree(folder)


def promoted(stray: Production) -> bool:
    with stray.connect() as session:
        return session.execute("SELECT pg_is_in_recovery()").fetchone() == (False,)


@pytest.mark.parametrize(
    ("timeline", "rules", "marks"),
    [
        ("latest", ["timeline-fork"], None),
        ("current", [], ["m1", "m2", "m3", "m4"]),
        ("1", [], ["m1", "m2", "m3", "m4"]),
        ("2", ["timeline-fork"], ["m1", "m2", "m3", "wrong"]),
    ],
)
def test_the_stray_timeline_is_told_and_the_backups_own_brings_all(
    timeline: str, rules: list[str], marks: list[str] | None, forked: Repository, drilled: Drilled
) -> None:
    copy, adopted = drilled.adopted(forked.folder, MAJOR)
    size, deadline = adopted.control.segment_bytes, Deadline.within(DEADLINE_S)
    wal = listed_wal(LocalStore(str(forked.archive)), f"{file_uri(forked.archive)}/", size, deadline)
    reached = reach(wal, window_base(copy, "base"), size, timeline, datetime.now(UTC))
    assert [item.rule for item in reached.findings if item.severity == "failure"] == rules
    if marks is not None:
        up = bring_up(copy, adopted, RecoveryTarget(timeline=timeline), deadline, reached)
        assert sorted(name for (name,) in rows(up.adopted.sandbox, "SELECT name FROM shop.marks")) == marks
