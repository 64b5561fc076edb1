"""Stamps, leases and owners."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tasks.sandbox.stamp import (
    LEASE_FILE,
    Stamp,
    kept,
    new_stamp,
    owner_lives,
    process_started,
    read_stamp,
    try_lock,
    write_stamp,
)
from tasks.sandbox.workspace import folder_name
from tests.fix_postgres import wait_for

NOW = datetime(2026, 1, 2, tzinfo=UTC)


@pytest.fixture
def stamp() -> Stamp:
    return new_stamp(
        "d1",
        "shop",
        "orders",
        os_user="x",
        isolation=("user",),
        created_at=NOW,
        expires_at=NOW + timedelta(hours=1),
    )


def test_a_stamp_reads_back_as_it_was_written(tmp_path: Path, stamp: Stamp) -> None:
    root = tmp_path / "d1"
    root.mkdir()
    write_stamp(root, stamp)
    assert read_stamp(root) == stamp
    write_stamp(root, kept(stamp, NOW))
    assert read_stamp(root) == replace(stamp, keep_until=NOW.isoformat())
    assert [path.name for path in root.iterdir()] == ["stamp.json"]


def test_the_stamp_of_an_earlier_version_tells_its_isolation(tmp_path: Path, stamp: Stamp) -> None:
    root = tmp_path / "d1"
    root.mkdir()
    write_stamp(root, stamp)
    text = (root / "stamp.json").read_text()
    fields = json.loads(text) | {"isolation": "network+user+mount"}
    (root / "stamp.json").write_text(json.dumps(fields))
    assert read_stamp(root) == replace(stamp, isolation=("mount", "network", "user"))


@pytest.mark.parametrize(
    "text", ["", "[]", "null", '{"schema": "restore-drill/stamp/v1"}', '{"schema": 1}', "\xff"]
)
def test_what_is_not_a_whole_stamp_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "stamp.json").write_text(text, encoding="latin-1")
    assert read_stamp(tmp_path) is None


def test_an_owner_lives_while_the_lease_is_held(tmp_path: Path, stamp: Stamp) -> None:
    dead = replace(stamp, pid=1, started="0")
    lease = try_lock(tmp_path / LEASE_FILE)
    assert lease is not None
    assert owner_lives(tmp_path, dead)
    assert not owner_lives(tmp_path, kept(dead, NOW))
    os.close(lease)
    assert not owner_lives(tmp_path, dead)


def test_without_a_lock_pid_and_start_time_decide(tmp_path: Path, stamp: Stamp) -> None:
    assert owner_lives(tmp_path, stamp)
    assert not owner_lives(tmp_path, replace(stamp, started="1"))
    assert not owner_lives(tmp_path, replace(stamp, boot="another"))
    assert not owner_lives(tmp_path, replace(stamp, host="another"))
    assert not owner_lives(tmp_path, replace(stamp, started=""))


def test_a_process_that_is_gone_has_no_start() -> None:
    assert process_started(os.getpid())
    assert process_started(2**30) == ""


def test_a_process_that_ended_and_was_never_asked_for_has_no_start() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        assert process_started(child.pid)
        child.kill()
        assert wait_for(lambda: process_started(child.pid) == ""), "a zombie passes for a living owner"
        assert Path(f"/proc/{child.pid}").exists()


def test_a_lock_whose_file_was_removed_meanwhile_is_taken_anew(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    first = try_lock(path)
    assert first is not None
    assert try_lock(path) is None
    path.unlink()
    second = try_lock(path)
    assert second is not None
    assert path.exists()
    os.close(first)
    os.close(second)


@pytest.mark.parametrize("plain", ["a", "20260102T030405Z_ab12", "x.y-z", "A" * 64])
def test_a_plain_id_is_its_own_folder(plain: str) -> None:
    assert folder_name(plain) == plain


@pytest.mark.parametrize("odd", ["", ".", "..", "a/b", ".hidden", "a b", "ä", "A" * 65, "a\n"])
def test_an_odd_id_becomes_a_plain_folder(odd: str) -> None:
    assert folder_name(odd).startswith("d-")
    assert folder_name(odd) != folder_name(odd + "x")
