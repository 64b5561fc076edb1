"""`metrics` as an exporter runs it: a file replaced whole, or a page on loopback."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner

from deployments.cli import app
from deployments.commands.metrics import address_of
from tasks.model.errors import ConfigInvalid
from tests.unit.coverage.records import days, fleet, left

RUNNER = CliRunner()
LINE = 'restore_drill_last_verdict{database="orders",fleet="shop",verdict="verified"} 1.0'


def test_the_file_is_replaced_whole(tmp_path: Path) -> None:
    fleet(tmp_path, "orders")
    left(tmp_path, "orders", "verified", days(1))
    ran = RUNNER.invoke(app, ["metrics", str(tmp_path / "fleet.yaml"), "--textfile", str(tmp_path)])
    assert ran.exit_code == 0
    assert LINE in (tmp_path / "restore_drill.prom").read_text()
    assert not list(tmp_path.glob("*.prom.*"))


def test_without_an_option_it_is_printed(tmp_path: Path) -> None:
    fleet(tmp_path, "orders")
    left(tmp_path, "orders", "verified", days(1))
    assert LINE in RUNNER.invoke(app, ["metrics", str(tmp_path / "fleet.yaml")]).stdout


def test_each_scrape_reads_the_evidence_anew(tmp_path: Path) -> None:
    fleet(tmp_path, "orders")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    program = str(Path(sys.executable).with_name("restore-drill"))
    command = [program, "metrics", str(tmp_path / "fleet.yaml"), "--listen", f"127.0.0.1:{port}"]
    with subprocess.Popen(command, stderr=subprocess.PIPE) as exporter:
        try:
            assert LINE not in scraped(port)
            left(tmp_path, "orders", "verified", days(1))
            assert LINE in scraped(port)
        finally:
            exporter.send_signal(signal.SIGTERM)
            exporter.wait(20)


def scraped(port: int) -> str:
    for _ in range(300):
        try:
            return httpx.get(f"http://127.0.0.1:{port}/metrics", timeout=10).text
        except httpx.ConnectError:
            time.sleep(0.1)
    raise AssertionError("nobody listens")


@pytest.mark.parametrize("text", ["9187", ":9187", "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:0", "h:70000"])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ConfigInvalid, match="no address"):
        address_of(text)


def test_an_address_is_host_and_port() -> None:
    assert address_of("127.0.0.1:9187") == ("127.0.0.1", 9187)


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    fleet(tmp_path, "orders")
    ran = RUNNER.invoke(app, ["metrics", str(tmp_path / "fleet.yaml"), "--textfile", str(tmp_path / "no")])
    assert isinstance(ran.exception, ConfigInvalid)
