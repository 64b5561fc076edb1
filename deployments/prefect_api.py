"""The Prefect server of an ad-hoc run: the configured one, else one of our own that ends with this process.

Prefect's own temporary server gives up after 20 s and outlives a killed client. Ours waits longer, dies
with its starter (`with_starter`), and has a database of its own: two servers on one SQLite file lock each
other out. The tables are made once and copied, which takes five seconds off every start.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import random
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from deployments import with_starter
from tasks.jail.kernel import hide_process
from tasks.model.child_python import child_python
from tasks.model.errors import TransientError
from tasks.sandbox.paths import postgres_dir

if TYPE_CHECKING:
    import uvicorn

START_DEADLINE_S = 120.0
CONFIGURED_DEADLINE_S = 30.0
_POLL_S = 0.1
_DRAIN_S = 5.0
_PORTS = (21000, 31000)
OUR_LOGGERS = "deployments,flows,tasks,expectations"
_QUIET = {
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_SERVER_UI_API_URL": "/api",
    "PREFECT_LOGGING_SERVER_LEVEL": "ERROR",
}


@contextmanager
def prefect_api() -> Iterator[str]:
    """Give the URL of a Prefect API that answers, and point Prefect at it, for the time of the block.

    Raises:
        TransientError: the configured server does not answer, or our own did not come up in time.
    """
    _set_defaults()
    configured = configured_url()
    if configured is not None:
        require_api(configured)
        yield configured
        return
    from prefect.settings import (  # noqa: PLC0415  two seconds: not for --help
        PREFECT_API_URL,
        PREFECT_FLOWS_HEARTBEAT_FREQUENCY,
        temporary_settings,
    )

    # Heartbeats tell a server of dead runs, and this one dies with its run; each flow would wait up to a
    # second for its last one.
    alone = {PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}
    with _own_server() as url, temporary_settings(updates=alone | {PREFECT_API_URL: url}):
        yield url


def _set_defaults() -> None:
    """Let Prefect keep our log lines with the run and leave the terminal to us; the user's settings win."""
    os.environ.setdefault("PREFECT_LOGGING_EXTRA_LOGGERS", OUR_LOGGERS)
    os.environ.setdefault("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "CRITICAL")
    os.environ.setdefault("DO_NOT_TRACK", "1")
    if home := os.environ.get("PREFECT_HOME"):
        os.environ["PREFECT_HOME"] = str(Path(home).expanduser().absolute())  # our server works elsewhere


def configured_url() -> str | None:
    """Return the API that the environment or the active Prefect profile names."""
    from prefect.settings import get_current_settings  # noqa: PLC0415

    return get_current_settings().api.url


@contextmanager
def _own_server() -> Iterator[str]:
    port = _free_port()
    url = f"http://127.0.0.1:{port}/api"
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)
    server = subprocess.Popen(
        with_starter.command(child_python("-m", "deployments.prefect_api", str(port))),
        cwd="/",  # Prefect reads settings from files in the current folder, and settings can name code
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,  # Ctrl-C is for the drill: it still has to record
    )
    try:
        importlib.import_module("flows.fleet_drill")  # what the run needs anyway, while the server starts
        _await(server, url)
        yield url
    finally:
        _hand_over()
        _end(server)


def _hand_over() -> None:
    """Send what Prefect's threads still hold (logs, events) while the server can take it."""
    from prefect.events.worker import EventsWorker  # noqa: PLC0415
    from prefect.logging.handlers import APILogWorker  # noqa: PLC0415

    for service in (APILogWorker, EventsWorker):
        service.drain_all(timeout=_DRAIN_S)


def _await(server: subprocess.Popen[bytes], url: str) -> None:
    ends_at = time.monotonic() + START_DEADLINE_S
    while not _answers(url):
        if server.poll() is not None:
            said = (server.stderr.read() if server.stderr else b"").decode(errors="replace").strip()
            raise TransientError(
                f"Prefect's temporary server ended while starting: {said[-400:] or 'it said nothing'}",
                hint="Run `prefect server start` and set PREFECT_API_URL to see more.",
            )
        if time.monotonic() > ends_at:
            raise TransientError(
                f"Prefect's temporary server did not answer within {START_DEADLINE_S:g} s",
                hint="Start one with `prefect server start` and set PREFECT_API_URL.",
            )
        time.sleep(_POLL_S)


def require_api(url: str) -> None:
    """Wait for the configured server: one that is just starting takes a while.

    Raises:
        TransientError: it does not answer.
    """
    ends_at = time.monotonic() + CONFIGURED_DEADLINE_S
    while not _answers(url):
        if time.monotonic() > ends_at:
            raise TransientError(
                "the configured Prefect server does not answer",
                url.rsplit("@", maxsplit=1)[-1],
                "Start it with `prefect server start`, or unset PREFECT_API_URL for a temporary one.",
            )
        time.sleep(1.0)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/health", timeout=5.0) as answer:  # noqa: S310  http by construction
            return bool(answer.status == 200)  # noqa: PLR2004
    except urllib.error.HTTPError as refused:
        return refused.code in {401, 403}  # a server that wants a key is there; Prefect's client has it
    except (OSError, ValueError):
        return False


def _end(server: subprocess.Popen[bytes]) -> None:
    server.terminate()
    try:
        server.wait(10)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()
    if server.stderr is not None:
        server.stderr.close()


def _free_port() -> int:
    """Return a port that is free now, drawn at random: two runs that start at once must not meet."""
    for _ in range(100):
        port = random.randrange(*_PORTS)  # noqa: S311  no secret
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise TransientError("no free port on the loopback for Prefect's temporary server")


def _serve(port: int) -> None:
    """Run the server in this process until its starter ends; its database goes with it."""
    hide_process()  # it was given the drill's environment
    # uvicorn raises the signal that stopped it once more; by default that ends us before the folder goes.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with tempfile.TemporaryDirectory(prefix="restore-drill-prefect-") as folder:
        database = Path(folder) / "prefect.db"
        template = _template()
        if template.exists():
            shutil.copyfile(template, database)
        os.environ["PREFECT_SERVER_DATABASE_CONNECTION_URL"] = f"sqlite+aiosqlite:///{database}"
        _run_server(port, None if template.exists() else lambda: _keep(database, template))


def _run_server(port: int, once_up: Callable[[], None] | None) -> None:
    import uvicorn  # noqa: PLC0415  only the server's process needs these
    from prefect.server.api.server import create_app  # noqa: PLC0415

    server = uvicorn.Server(
        uvicorn.Config(
            create_app(), host="127.0.0.1", port=port, log_level="error", timeout_graceful_shutdown=3
        )
    )
    if once_up is not None:
        threading.Thread(target=_when_up, args=(server, once_up), daemon=True).start()
    server.run()


def _when_up(server: uvicorn.Server, then: Callable[[], None]) -> None:
    while not server.started:
        time.sleep(_POLL_S)
    then()


def _template() -> Path:
    """Return where the empty database of this Prefect version is kept."""
    return postgres_dir().parent / f"prefect-{metadata.version('prefect')}.db"


def _keep(database: Path, template: Path) -> None:
    """Copy the freshly made tables, whole or not at all; without the copy the next start is only slower."""
    draft = template.with_suffix(f".{os.getpid()}")
    with contextlib.suppress(OSError, sqlite3.Error):
        template.parent.mkdir(parents=True, exist_ok=True)
        with (
            contextlib.closing(sqlite3.connect(database)) as source,
            contextlib.closing(sqlite3.connect(draft)) as copy,
        ):
            source.backup(copy)
        draft.replace(template)


if __name__ == "__main__":
    _serve(int(sys.argv[1]))
