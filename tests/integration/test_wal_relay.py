"""The relay against real servers in the product's own jail: what recovery gets; no error is an end."""

from __future__ import annotations

import bz2
import gzip
import lzma
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lz4.frame
import pytest
import zstandard

from tasks.model.clock import utc_now
from tasks.model.findings import Finding
from tasks.model.sandbox import Workspace
from tasks.stores.local import LocalStore
from tasks.wal.answers import Answers
from tasks.wal.archive import Answer, StoredWal, list_wal
from tasks.wal.findings import end_findings, window_findings
from tasks.wal.names import parse_lsn
from tasks.wal.relay import Relay
from tasks.wal.windows import Archive, BaseBackup, Window, window
from tests.fix_wal import Archived, Recovery, adopt, marks, recover, rewrite

STOPPED = "child process exited with exit code 255"
Damage = Callable[[Archived, Path, str], None]
LAST_RECORD = re.compile(r"redo done at ([0-9A-F]+/[0-9A-F]+)")
START = re.compile(r"START WAL LOCATION: ([0-9A-F]+/[0-9A-F]+)")


def stored(archive: Archived, folder: Path) -> StoredWal:
    return StoredWal(LocalStore(f"{folder}/x"), folder.as_uri(), archive.cluster.segment_bytes)


def relayed(
    workspace: Workspace, archive: Archived, folder: Path, **settings: str
) -> tuple[Recovery, Answers]:
    """Recover the base backup through the relay from the WAL in *folder*."""
    with Relay(workspace, stored(archive, folder), archive.cluster) as relay:
        adopt(workspace, archive.base, restore_command=relay.restore_command, **settings)
        recovery = recover(workspace, archive.install)
    return recovery, relay.answers


def window_of(archive: Archived, folder: Path) -> Window:
    listing = list_wal(LocalStore(f"{folder}/x"), folder.as_uri())
    match = START.search((archive.base / "backup_label").read_text())
    assert match
    start = parse_lsn(match[1])
    base = BaseBackup("base", 1, start, start + 0x100)
    return window(Archive(listing, archive.cluster.segment_bytes), base)


def judged(archive: Archived, recovery: Recovery, answers: Answers, folder: Path) -> list[str]:
    """Return the rules under which a recovery to latest is judged."""
    match = LAST_RECORD.search(recovery.log)
    reached = parse_lsn(match[1]) + 1 if match else 0
    along = window_of(archive, folder)
    findings: tuple[Finding, ...] = end_findings(answers, reached, along, archive.cluster.segment_bytes)
    return [finding.rule for finding in (*window_findings(along, utc_now()), *findings)]


@pytest.mark.essential
@pytest.mark.parametrize("major", [14, 15, 16, 17, 18])
def test_a_healthy_archive_is_replayed_to_its_end(
    workspace: Workspace, archived: Callable[[int], Archived], major: int
) -> None:
    archive = archived(major)
    recovery, answers = relayed(workspace, archive, archive.wal)
    assert recovery.promoted, recovery.log
    assert answers.troubles == []
    assert answers.last == archive.marked[4]
    assert answers.absent[0] == "00000002.history"
    assert judged(archive, recovery, answers, archive.wal) == []
    assert [path for path in workspace.root.iterdir() if path.name.startswith("wal-")] == []
    assert list(workspace.scratch_dir.iterdir()) == []
    assert marks(workspace, archive.install) == [1, 2, 3, 4]


PACKERS: dict[str, Callable[[bytes], bytes]] = {
    ".gz": lambda body: gzip.compress(body, 1),
    ".zst": lambda body: zstandard.ZstdCompressor(level=1).compress(body),
    ".lz4": lz4.frame.compress,
    ".bz2": lambda body: bz2.compress(body, 1),
    ".xz": lambda body: lzma.compress(body, preset=0),
    "": lambda body: gzip.compress(body, 1),  # as a Barman server stores it
}


@pytest.mark.parametrize("suffix", PACKERS)
def test_packed_segments_are_unpacked_by_what_they_hold(
    workspace: Workspace, archived: Callable[[int], Archived], tmp_path: Path, suffix: str
) -> None:
    archive, folder = archived(17), tmp_path / "wals"
    for name in archive.names:
        packed = folder / name[:16] / f"{name}{suffix}"
        packed.parent.mkdir(parents=True, exist_ok=True)
        packed.write_bytes(PACKERS[suffix]((archive.wal / name).read_bytes()))
    recovery, answers = relayed(workspace, archive, folder)
    assert recovery.promoted, recovery.log
    assert answers.last == archive.marked[4]
    assert marks(workspace, archive.install) == [1, 2, 3, 4]


def cut(archive: Archived, folder: Path, name: str) -> None:
    rewrite(folder / name, (archive.wal / name).read_bytes()[: 8 << 20])


def empty(archive: Archived, folder: Path, name: str) -> None:
    rewrite(folder / name, b"")


def zeroes(archive: Archived, folder: Path, name: str) -> None:
    rewrite(folder / name, bytes(archive.cluster.segment_bytes))


def noise(archive: Archived, folder: Path, name: str) -> None:
    rewrite(folder / name, b"\x07" * archive.cluster.segment_bytes)


def another_segment(archive: Archived, folder: Path, name: str) -> None:
    rewrite(folder / name, (archive.wal / archive.marked[2]).read_bytes())


def cut_gzip(archive: Archived, folder: Path, name: str) -> None:
    packed = gzip.compress((archive.wal / name).read_bytes(), 1)
    rewrite(folder / name, packed[: len(packed) // 2])


def flipped_gzip(archive: Archived, folder: Path, name: str) -> None:
    packed = bytearray(gzip.compress((archive.wal / name).read_bytes(), 1))
    packed[len(packed) - 6] ^= 0x10
    rewrite(folder / name, bytes(packed))


def bomb(archive: Archived, folder: Path, name: str) -> None:
    whole = (archive.wal / name).read_bytes()
    rewrite(folder / name, gzip.compress(whole + bytes(archive.cluster.segment_bytes), 1))


BROKEN: list[Damage] = [cut, empty, zeroes, noise, another_segment, cut_gzip, flipped_gzip, bomb]


@pytest.mark.essential
@pytest.mark.parametrize("damage", BROKEN)
def test_what_is_broken_stops_recovery_and_never_promotes(
    workspace: Workspace, archived: Callable[[int], Archived], tmp_path: Path, damage: Damage
) -> None:
    archive = archived(17)
    folder, name = archive.copy(tmp_path / "wal"), archive.marked[3]
    damage(archive, folder, name)
    recovery, answers = relayed(workspace, archive, folder)
    assert not recovery.promoted
    assert STOPPED in recovery.log
    assert answers.last == archive.marked[2]
    assert [(trouble.name, trouble.rule) for trouble in answers.troubles] == [(name, "wal-corrupt")]
    assert judged(archive, recovery, answers, folder) == ["wal-corrupt"]


@pytest.mark.parametrize("major", [15, 18])
def test_another_clusters_segment_stops_recovery(
    workspace: Workspace, archived: Callable[[int], Archived], tmp_path: Path, major: int
) -> None:
    archive, other = archived(major), archived(17)
    folder, name = archive.copy(tmp_path / "wal"), archive.marked[3]
    rewrite(folder / name, (other.wal / other.marked[3]).read_bytes())
    recovery, answers = relayed(workspace, archive, folder)
    assert not recovery.promoted
    assert "another cluster" in answers.troubles[0].message


@pytest.mark.parametrize("mark", [3, 4])
def test_a_flipped_record_ends_recovery_and_is_named(
    workspace: Workspace, archived: Callable[[int], Archived], tmp_path: Path, mark: int
) -> None:
    """PostgreSQL promotes there without an error; that it never asked for the next segment gives it away."""
    archive = archived(17)
    folder, name = archive.copy(tmp_path / "wal"), archive.marked[mark]
    body = bytearray((archive.wal / name).read_bytes())
    body[60] ^= 0xFF  # in the first record behind the page's header
    rewrite(folder / name, bytes(body))
    recovery, answers = relayed(workspace, archive, folder)
    assert recovery.promoted, recovery.log
    assert answers.troubles == []
    assert judged(archive, recovery, answers, folder) == ["wal-corrupt"]
    assert marks(workspace, archive.install) == list(range(1, mark))


def test_a_segment_missing_in_the_middle_is_a_gap_that_the_window_names(
    workspace: Workspace, archived: Callable[[int], Archived], tmp_path: Path
) -> None:
    archive = archived(17)
    folder, name = archive.copy(tmp_path / "wal"), archive.marked[3]
    (folder / name).unlink()
    recovery, answers = relayed(workspace, archive, folder)
    assert recovery.promoted  # the archive's end as far as anybody can get
    assert answers.last == archive.marked[2]
    assert answers.end == name
    along = window_of(archive, folder)
    assert (along.missing, along.last) == (name, archive.marked[2])
    assert end_findings(answers, along.end_lsn, along, archive.cluster.segment_bytes) == ()
    assert marks(workspace, archive.install) == [1, 2]


def test_a_missing_segment_that_the_backup_needs_leaves_nothing(
    workspace: Workspace, archived: Callable[[int], Archived], tmp_path: Path
) -> None:
    archive = archived(17)
    folder = archive.copy(tmp_path / "wal")
    match = START.search((archive.base / "backup_label").read_text() or "")
    assert match
    needed = Archive({}, archive.cluster.segment_bytes).name(
        1, parse_lsn(match[1]) // archive.cluster.segment_bytes
    )
    (folder / needed).unlink()
    recovery, answers = relayed(workspace, archive, folder)
    assert not recovery.promoted
    assert needed in answers.absent
    assert [finding.rule for finding in window_findings(window_of(archive, folder), utc_now())] == [
        "wal-missing-for-backup"
    ]


class Dying:
    """An archive whose second file ends the relay's thread."""

    def __init__(self, archive: StoredWal) -> None:
        self._archive = archive

    def open(self, name: str, into: Path) -> Answer:
        if "00000000" in name[8:16] and not name.endswith(".history"):
            raise MemoryError
        return self._archive.open(name, into)


@pytest.mark.essential
def test_a_relay_that_dies_stops_the_server(
    workspace: Workspace, archived: Callable[[int], Archived]
) -> None:
    archive = archived(17)
    with Relay(workspace, Dying(stored(archive, archive.wal)), archive.cluster) as relay:
        adopt(workspace, archive.base, restore_command=relay.restore_command)
        recovery = recover(workspace, archive.install)
        assert not relay.alive()
    assert not recovery.promoted
    assert STOPPED in recovery.log
    assert [trouble.rule for trouble in relay.answers.troubles] == ["drill-crashed"]


@pytest.mark.essential
def test_a_relay_that_is_gone_stops_the_server(
    workspace: Workspace, archived: Callable[[int], Archived]
) -> None:
    archive = archived(17)
    with Relay(workspace, stored(archive, archive.wal), archive.cluster) as relay:
        command = relay.restore_command
    adopt(workspace, archive.base, restore_command=command)
    recovery = recover(workspace, archive.install)
    assert not recovery.promoted
    assert STOPPED in recovery.log


class Stalling:
    """An archive that does not answer for a while."""

    def open(self, name: str, into: Path) -> Answer:
        import time  # noqa: PLC0415

        time.sleep(3)
        raise AssertionError(name, into)


def test_an_archive_that_stalls_stops_the_server(
    workspace: Workspace, archived: Callable[[int], Archived]
) -> None:
    archive = archived(17)
    with Relay(workspace, Stalling(), archive.cluster, answer_s=0.5) as relay:
        adopt(workspace, archive.base, restore_command=relay.restore_command)
        recovery = recover(workspace, archive.install)
    assert not recovery.promoted
    assert STOPPED in recovery.log
    assert relay.answers.troubles[0].rule == "stage-deadline"


def test_a_second_start_is_served_by_the_same_relay(
    workspace: Workspace, archived: Callable[[int], Archived]
) -> None:
    """As where the first one lacks a setting that only the WAL shows to be needed."""
    archive = archived(17)
    with Relay(workspace, stored(archive, archive.wal), archive.cluster) as relay:
        adopt(workspace, archive.base, restore_command=relay.restore_command, recovery_target_name="nowhere")
        first = recover(workspace, archive.install)
        assert "recovery ended before configured recovery target was reached" in first.log
        adopt(workspace, archive.base, restore_command=relay.restore_command)
        second = recover(workspace, archive.install)
    assert not first.promoted
    assert second.promoted, second.log


@pytest.mark.essential
def test_the_recovering_server_may_run_the_shell_and_nothing_else(
    workspace: Workspace, archived: Callable[[int], Archived]
) -> None:
    archive = archived(17)
    marker = workspace.scratch_dir / "marker"
    attempts = {
        f"/usr/bin/touch {marker} || exit 200": "exit code 200",
        f"exec /usr/bin/touch {marker}": "command not executable",
        f"/lib64/ld-linux-x86-64.so.2 /usr/bin/touch {marker} || exit 202": "exit code 202",
        f"/bin/cp /dev/null {marker} || exit 203": "exit code 203",
    }
    for command, ending in attempts.items():
        adopt(workspace, archive.base, restore_command=command)
        assert ending in recover(workspace, archive.install).log
        assert not marker.exists()
    adopt(workspace, archive.base, restore_command=f"echo > {marker}; exit 201")
    assert "exit code 201" in recover(workspace, archive.install).log
    assert marker.exists()  # the shell ran, and it alone


def test_no_link_of_the_sandbox_is_followed(
    workspace: Workspace, archived: Callable[[int], Archived], tmp_path: Path
) -> None:
    archive = archived(17)
    outside = tmp_path / "outside"
    outside.mkdir()
    with Relay(workspace, stored(archive, archive.wal), archive.cluster) as relay:
        adopt(workspace, archive.base, restore_command=relay.restore_command)
        wal = workspace.data_dir / "pg_wal"
        for path in wal.iterdir():
            path.rmdir()
        wal.rmdir()
        wal.symlink_to(outside)
        assert relay._serve(archive.names[0]) == "X"
    assert list(outside.iterdir()) == []
    assert relay.answers.troubles[0].rule == "workspace-unusable"


@pytest.mark.parametrize("name", ["../../etc/passwd", "0" * 23, "00000001.history ", "a\nb", "\xff" * 24])
def test_what_is_no_name_of_wal_is_not_looked_for(
    workspace: Workspace, archived: Callable[[int], Archived], name: str
) -> None:
    class Asked:
        def open(self, name: str, into: Path) -> Any:
            raise AssertionError(name, into)

    with Relay(workspace, Asked(), archived(17).cluster) as relay:
        assert relay._serve(name) == "X"
    assert relay.answers.troubles[0].rule == "hostile-content"
