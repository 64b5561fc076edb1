"""A disk that runs full ends the sandbox, not the worker, and is named as the cause."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest

from tasks.model.clock import utc_now
from tasks.model.errors import PermanentError
from tasks.model.sandbox import Sandbox
from tasks.model.target import SandboxConfig
from tasks.sandbox import (
    alive,
    classify_death,
    connect,
    destroy,
    find_postgres,
    open_workspace,
    start_sandbox,
)
from tests.fix_postgres import wait_for


@pytest.fixture
def small_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], Path]]:
    """Mount a disk of a given size and drill on it."""
    disk = tmp_path / "disk"
    disk.mkdir()

    def mount(size: str) -> Path:
        if (
            os.geteuid() != 0
            or subprocess.run(["/usr/bin/unshare", "-m", "true"], check=False).returncode != 0
        ):
            pytest.skip("a small disk can be mounted by root only")
        subprocess.run(
            ["/usr/bin/mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(disk)], check=True
        )
        monkeypatch.setenv("RESTORE_DRILL_DIR", str(disk))
        return disk

    yield mount
    subprocess.run(["/usr/bin/umount", str(disk)], check=False, stderr=subprocess.DEVNULL)


@pytest.fixture
def box(small_disk: Callable[[str], Path]) -> Iterator[Sandbox]:
    disk = small_disk("160m")
    workspace = open_workspace("t", "full", "full", "preferred", utc_now() + timedelta(hours=1), wait_s=1)
    yield start_sandbox(workspace, find_postgres(17), SandboxConfig(), 60)
    assert destroy(workspace) == ()
    assert list(disk.iterdir()) == []


def fill(box: Sandbox) -> None:
    with connect(box) as session:
        session.execute("CREATE TABLE public.t (x text)")
        for _ in range(1000):
            session.execute("INSERT INTO public.t SELECT repeat('x', 1000) FROM generate_series(1, 20000)")


def test_a_restore_that_fills_the_disk_is_ended_and_named(box: Sandbox) -> None:
    with pytest.raises(psycopg.Error):
        fill(box)
    assert wait_for(lambda: not alive(box))
    assert classify_death(box) == "disk-full"


def test_a_cluster_that_does_not_fit_on_the_disk_says_so(small_disk: Callable[[str], Path]) -> None:
    disk = small_disk("8m")
    workspace = open_workspace("t", "tiny", "tiny", "preferred", utc_now() + timedelta(hours=1), wait_s=1)
    with pytest.raises(PermanentError) as caught:
        start_sandbox(workspace, find_postgres(17), SandboxConfig(), 60)
    assert caught.value.rule == "disk-full"
    assert destroy(workspace) == ()
    assert list(disk.iterdir()) == []
