"""Schedules fire: server, deployment and worker as in the README, and a drill that nobody started."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from deployments.local_s3 import free_ports
from tests.fix_drill import PROGRAM, REPOSITORY, Fleet
from tests.fix_postgres import wait_for
from tests.fix_prefect import stop

FIRES_WITHIN_S = 150.0
BERLIN = ZoneInfo("Europe/Berlin")
_BLOCK = re.compile(r"^```sh\n(export PREFECT_API_URL=(?:(?!```)[^\n]*\n)*)```", re.MULTILINE)


@dataclass(frozen=True)
class Site:
    """A Prefect server, a deployed fleet and a worker.

    Attributes:
        url: of the server's API.
        server_log: all that the server says from warnings on.
    """

    url: str
    server_log: Path
    worker_log: Path

    def ask(self, kind: str) -> list[dict[str, Any]]:
        """Return every entry of one kind that the server has."""
        return list(json.loads(self._post(f"{kind}/filter", {"limit": 200})))

    def calm_down(self) -> None:
        """Start nothing more, and let what runs come to its end: a killed worker would leave it running."""
        for deployment in self.ask("deployments"):
            self._post(f"deployments/{deployment['id']}/pause_deployment", {})
        assert wait_for(lambda: not any(map(is_at_work, self.ask("flow_runs"))), FIRES_WITHIN_S)

    def _post(self, path: str, body: dict[str, Any]) -> bytes:
        request = urllib.request.Request(  # noqa: S310  our own server
            f"{self.url}/{path}",
            data=json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
            return bytes(answer.read())

    def logs(self) -> str:
        return f"--- server\n{self.server_log.read_text()}\n--- worker\n{self.worker_log.read_text()[-4000:]}"


def is_at_work(run: dict[str, Any]) -> bool:
    return run["state"]["type"] in {"PENDING", "RUNNING"}


def lines_of_the_readme() -> list[str]:
    """Return the commands of the README that put a fleet on a schedule."""
    (block,) = _BLOCK.findall((REPOSITORY / "README.md").read_text(encoding="utf-8"))
    return [line.split(" #")[0].strip() for line in block.splitlines()]


@pytest.fixture
def site(fleet: Fleet, orders_dump: Path, tmp_path: Path, drill_folder: Path) -> Iterator[Site]:
    """What the README's commands start, on a port of the test's own."""
    fleet.keys["schedules"] = [
        {"name": "often", "cron": "* * * * *", "timezone": "UTC"},
        {"name": "nightly", "cron": "0 3 * * *", "timezone": "Europe/Berlin", "select": "random"},
    ]
    fleet.add("orders", orders_dump)
    (port,) = free_ports(1)
    exported, serve, deploy, work = lines_of_the_readme()
    environment = own_environment(tmp_path, drill_folder, exported, port)
    site = Site(environment["PREFECT_API_URL"], tmp_path / "server.log", tmp_path / "worker.log")
    with ExitStack() as stack:
        serve = serve.removesuffix(" --background")  # the log is looked at
        start(stack, serve, site.server_log, environment, fleet.folder)
        subprocess.run(shlex.split(deploy), env=environment, cwd=fleet.folder, check=True, timeout=120)
        start(stack, work, site.worker_log, environment, fleet.folder)
        stack.callback(site.calm_down)
        yield site


def own_environment(folder: Path, drills: Path, exported: str, port: int) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PREFECT_", "AWS_"))}
    name, _, url = exported.removeprefix("export ").partition("=")
    return {
        **kept,
        name: url.replace("4200", str(port)),
        "PREFECT_SERVER_API_PORT": str(port),
        "PREFECT_HOME": str(folder / "prefect"),
        "PREFECT_SERVER_LOGGING_LEVEL": "WARNING",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
        "RESTORE_DRILL_DIR": str(drills),
        "PATH": f"{PROGRAM.parent}{os.pathsep}{kept['PATH']}",
    }


def start(stack: ExitStack, line: str, log: Path, environment: dict[str, str], folder: Path) -> None:
    """Start a command that stays, its words in *log*, and end it with the block."""
    with log.open("wb") as out:
        process = subprocess.Popen(
            shlex.split(line), env=environment, cwd=folder, stdin=subprocess.DEVNULL, stdout=out, stderr=out
        )
    stack.callback(stop, process)


@pytest.mark.slow
@pytest.mark.essential
def test_a_cron_of_every_minute_leaves_evidence_of_a_drill_that_nobody_started(
    site: Site, fleet: Fleet
) -> None:
    document = evidence_of_a_drill(site, fleet)
    assert (document["database"], document["verdict"]) == ("orders", "verified"), site.logs()

    deployments = {deployment["id"]: deployment["name"] for deployment in site.ask("deployments")}
    runs = [run for run in site.ask("flow_runs") if run["deployment_id"]]
    assert all(run["auto_scheduled"] and run["created_by"]["type"] == "SCHEDULE" for run in runs)
    (fired,) = (run for run in runs if run["state"]["name"] == "Verified")
    assert deployments[fired["deployment_id"]] == "tests"
    assert fired["created_by"]["display_value"] == "tests-often"
    assert fired["start_time"] <= document["started_at"] <= document["finished_at"] <= fired["end_time"]

    planned = [run for run in runs if run["state"]["type"] == "SCHEDULED"]
    nightly = [run for run in planned if run["created_by"]["display_value"] == "tests-nightly"]
    assert len(nightly) >= 2
    assert {at_of(run).astimezone(BERLIN).strftime("%H:%M") for run in nightly} == {"03:00"}
    parameters = {"fleet": str(fleet.path), "select": "random"}
    assert all(parameters.items() <= run["parameters"].items() for run in nightly)
    assert {at_of(run).minute for run in planned if deployments[run["deployment_id"]] == "sweep"} == {17}

    assert failures(site.server_log.read_text()) == []


def failures(server_log: str) -> list[str]:
    """Return what the server's loops failed with; two that meet on one SQLite file try again."""
    errors = re.findall(r"^[\w.]*(?:Error|Exception)\b.*", server_log, re.MULTILINE)
    return [error for error in errors if "database is locked" not in error]


def evidence_of_a_drill(site: Site, fleet: Fleet) -> dict[str, Any]:
    """Wait for the evidence of one drill, and for the end of its fleet's run."""
    ends_at = time.monotonic() + FIRES_WITHIN_S
    while time.monotonic() < ends_at:
        recorded = fleet.recorded("orders")
        if recorded and any(run["end_time"] and run["deployment_id"] for run in site.ask("flow_runs")):
            return recorded[0]
        time.sleep(1.0)
    return pytest.fail(f"no drill within {FIRES_WITHIN_S:g} s: {site.logs()}")


def at_of(run: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(run["expected_start_time"])
