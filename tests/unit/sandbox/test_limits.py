"""How much of its worker a sandbox may take, and that it is nobody else on it."""

from __future__ import annotations

import os
import secrets
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tasks.model.sandbox import Workspace
from tasks.sandbox import cgroup, limits, users
from tasks.sandbox.cgroup import make_groups, remove_groups
from tasks.sandbox.host import Host
from tasks.sandbox.limits import auto_memory_bytes, process_limits
from tasks.sandbox.users import COUNT, FIRST, take_user

GIB = 1 << 30
NOW = datetime(2026, 1, 2, tzinfo=UTC)


def workspace(*isolation: str, os_user: str | None = None, memory_bytes: int = 0) -> Workspace:
    return Workspace(
        root=Path("/drills/x"),
        drill_id="x",
        created_at=NOW,
        expires_at=NOW,
        isolation=frozenset(isolation),
        os_user=os_user,
        memory_bytes=memory_bytes,
    )


@pytest.mark.parametrize(
    ("isolation", "os_user", "alone"),
    [
        (("user", "own-user"), "rd-1", True),
        (("user",), "nobody", False),
        (("network", "mount"), None, True),
        ((), None, False),
    ],
)
def test_processes_are_counted_narrowly_where_nobody_else_counts(
    isolation: tuple[str, ...], os_user: str | None, alone: bool
) -> None:
    processes = process_limits(workspace(*isolation, os_user=os_user), server=True)["processes"]
    assert processes == (1024 if alone else 8192)


def test_a_tools_file_may_be_as_large_as_the_database_a_servers_may_not() -> None:
    assert "file_bytes" not in process_limits(workspace(), server=False)
    assert process_limits(workspace(), server=True)["file_bytes"] > GIB


def test_memory_is_what_the_fleet_file_says_else_half_of_the_worker_within_bounds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert process_limits(workspace(memory_bytes=3 * GIB), server=False)["data_bytes"] == 3 * GIB
    for machine, share in ((2 * GIB, GIB), (100 * GIB, 4 * GIB), (GIB // 4, GIB // 4)):
        monkeypatch.setattr(limits, "memory_bytes", lambda machine=machine: machine)
        assert auto_memory_bytes() == share


def test_a_group_bounds_memory_and_processes_and_goes_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parents = (tmp_path / "memory", tmp_path / "pids")
    for parent in parents:
        parent.mkdir()
    monkeypatch.setattr(cgroup, "look_at_host", lambda: Host(frozenset(), parents))
    groups = make_groups("abc", 5 * GIB)
    assert groups == tuple(parent / "restore-drill-abc" for parent in parents)
    assert remove_groups(groups) == ()
    assert not any(group.exists() for group in groups)
    assert remove_groups(groups) == (), "what is gone already is no trouble"


def test_groups_that_cannot_all_be_had_are_none_and_leave_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cgroup, "look_at_host", lambda: Host(frozenset(), (tmp_path, tmp_path / "none")))
    assert make_groups("abc", GIB) == ()
    assert list(tmp_path.iterdir()) == []


def test_a_group_that_is_still_in_use_is_told_as_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cgroup, "_REMOVE_S", 0.05)
    (tmp_path / "restore-drill-abc" / "child").mkdir(parents=True)
    assert remove_groups([tmp_path / "restore-drill-abc"]) == (str(tmp_path / "restore-drill-abc"),)


def test_two_drills_never_get_one_user_and_a_freed_one_can_be_had_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(users, "is_mapped", lambda _: True)
    monkeypatch.setattr(secrets, "randbelow", lambda _: 7)
    taken = take_user(tmp_path / "locks")
    assert taken is not None
    number, lock, path = taken
    assert (number, path) == (FIRST + 7, tmp_path / "locks" / f"user-{FIRST + 7}.lock")
    assert take_user(tmp_path / "locks") is None, "the only number that is ever drawn is taken"
    os.close(lock)
    again = take_user(tmp_path / "locks")
    assert again is not None
    assert again[0] == number
    os.close(again[1])


def test_numbers_that_this_container_does_not_have_are_not_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(users, "is_mapped", lambda name: name == "uid_map")
    assert take_user(tmp_path / "locks") is None
    assert FIRST + COUNT < 2_147_352_576
