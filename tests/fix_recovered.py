"""Clusters that `recover` left: started, asked and stopped as their owner would, without the product."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that the recovered cluster's user may pass, as pytest's own is not."""
    folder = Path(tempfile.mkdtemp(prefix="recover-", dir="/tmp"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def as_owner(document: dict[str, Any], *argv: str) -> subprocess.CompletedProcess[str]:
    """Run a program of the recovered cluster's PostgreSQL as the user who owns it."""
    identity = {"user": document["uid"], "extra_groups": []} if os.geteuid() == 0 else {}
    return subprocess.run(
        [f"{document['bindir']}/{argv[0]}", *argv[1:]],
        stdin=subprocess.DEVNULL,
        capture_output=argv[0] != "pg_ctl",
        text=True,
        cwd="/",
        check=False,
        timeout=120,
        **identity,  # type: ignore[call-overload]
    )


@contextmanager
def stopped_after(document: dict[str, Any]) -> Iterator[None]:
    try:
        yield
    finally:
        assert (
            as_owner(document, "pg_ctl", "-D", document["data"], "-w", "-m", "fast", "stop").returncode == 0
        )


def let_in(document: dict[str, Any]) -> None:
    (Path(document["data"]) / "pg_hba.conf").write_text("local all all trust\n")


@contextmanager
def running(document: dict[str, Any], port: int = 5499) -> Iterator[str]:
    """Start the recovered cluster as it was left, but for who may connect; yield how to reach it."""
    let_in(document)
    folder = Path(document["data"]).parent
    options = f"-p {port} -k {folder} -c listen_addresses="
    log = str(folder / "server.log")
    started = as_owner(document, "pg_ctl", "-D", document["data"], "-l", log, "-o", options, "-w", "start")
    assert started.returncode == 0, Path(log).read_text()
    with stopped_after(document):
        yield f"host={folder} port={port} user={document['superuser']}"
