"""One Prefect server for all tests of a session, with a home and a database of its own."""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from deployments.local_s3 import free_ports
from tasks.model.child_python import child_python

START_DEADLINE_S = 120.0
STOP_S = 15.0
SCHEDULER = "PREFECT_SERVER_SERVICES_SCHEDULER_ENABLED"
"""The one setting of the server that a test may choose."""
QUIET = {
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_LOGGING_SERVER_LEVEL": "ERROR",
    "PREFECT_SERVER_LOGGING_LEVEL": "ERROR",
}


@dataclass(frozen=True)
class PrefectServer:
    """A running server.

    Attributes:
        url: of its API.
        home: PREFECT_HOME of whoever talks to it.
        database: its SQLite file.
    """

    url: str
    home: Path
    database: Path
    process: subprocess.Popen[bytes]

    def environment(self) -> dict[str, str]:
        """What a client's process needs; nothing of this machine's Prefect and AWS settings."""
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("PREFECT_", "AWS_"))}
        return {**kept, **QUIET, "PREFECT_HOME": str(self.home), "PREFECT_API_URL": self.url}


@contextlib.contextmanager
def running_server(folder: Path) -> Iterator[PrefectServer]:
    """Run a server as an ad-hoc run does, with everything in *folder*; end it by its pid.

    It starts from the empty database that the worker keeps, which saves half a minute of migrations.
    """
    (port,) = free_ports(1)
    url = f"http://127.0.0.1:{port}/api"
    home = folder / "home"
    home.mkdir()
    environment = {
        **{k: v for k, v in os.environ.items() if not k.startswith("PREFECT_") or k == SCHEDULER},
        **QUIET,
        "PREFECT_HOME": str(home),
        "TMPDIR": str(folder),
    }
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen(
            child_python("-m", "deployments.prefect_api", str(port)),
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        _await(url, process, folder / "server.log")
        (database,) = folder.glob("restore-drill-prefect-*/prefect.db")
        yield PrefectServer(url, home, database, process)
        _hand_over()
    finally:
        stop(process)


def _hand_over() -> None:
    """Send what Prefect's threads of this process still hold: once the server has gone they wait for it."""
    from prefect.events.worker import EventsWorker  # noqa: PLC0415
    from prefect.logging.handlers import APILogWorker  # noqa: PLC0415

    for service in (APILogWorker, EventsWorker):
        service.drain_all(timeout=5.0)


def stop(process: subprocess.Popen[bytes]) -> None:
    """End a process of ours, gently first."""
    process.terminate()
    try:
        process.wait(STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@pytest.fixture(scope="session")
def prefect_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrefectServer]:
    """A Prefect server; whoever asks for it shares it."""
    with running_server(tmp_path_factory.mktemp("prefect")) as server:
        yield server


@pytest.fixture
def on_prefect(prefect_server: PrefectServer) -> Iterator[PrefectServer]:
    """Let flows that this very process runs talk to the session's server."""
    from prefect.settings import (  # noqa: PLC0415  seconds that only these tests pay
        PREFECT_API_URL,
        PREFECT_HOME,
        temporary_settings,
    )

    updates: Mapping[Any, Any] = {PREFECT_API_URL: prefect_server.url, PREFECT_HOME: prefect_server.home}
    with temporary_settings(updates=updates):
        yield prefect_server


def _await(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    ends_at = time.monotonic() + START_DEADLINE_S
    while time.monotonic() < ends_at:
        assert process.poll() is None, f"the Prefect server ended: {log.read_text()[-2000:]}"
        with (
            contextlib.suppress(OSError),
            urllib.request.urlopen(f"{url}/health", timeout=5.0) as answer,  # noqa: S310  our own server
        ):
            if answer.status == 200:
                return
        time.sleep(0.1)
    pytest.fail(f"no Prefect server within {START_DEADLINE_S:g} s: {log.read_text()[-2000:]}")
