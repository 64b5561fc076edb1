"""The outside switch is told, and its address stays a secret."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from tasks.coverage.heartbeat import HeartbeatError, beat

VARIABLE = "DRILLS_HEARTBEAT"


class Switch(HTTPServer):
    """Remembers what it was asked for, and answers `answer`."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.asked: list[str] = []
        self.answer = 200

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/ping/s3cret"


class _Handler(BaseHTTPRequestHandler):
    server: Switch

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        self.send_response(self.server.answer)
        self.send_header("Location", "/elsewhere")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def switch(monkeypatch: pytest.MonkeyPatch) -> Iterator[Switch]:
    with Switch() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        monkeypatch.setenv(VARIABLE, server.address)
        yield server
        server.shutdown()
        thread.join()


def test_good_and_bad_are_told_apart(switch: Switch) -> None:
    beat(VARIABLE, good=True)
    beat(VARIABLE, good=False)
    assert switch.asked == ["/ping/s3cret", "/ping/s3cret/fail"]


@pytest.mark.parametrize("answer", [302, 404, 500])
def test_any_other_answer_is_an_error_and_no_redirect_is_followed(switch: Switch, answer: int) -> None:
    switch.answer = answer
    with pytest.raises(HeartbeatError, match=str(answer)) as refused:
        beat(VARIABLE, good=True)
    assert "s3cret" not in str(refused.value)
    assert len(switch.asked) == 1


@pytest.mark.parametrize("address", ["", "file:///etc/passwd", "s3cret", "http://"])
def test_what_is_no_address_is_not_asked(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    monkeypatch.setenv(VARIABLE, address)
    with pytest.raises(HeartbeatError, match=f"{VARIABLE} holds no http") as refused:
        beat(VARIABLE, good=True)
    assert "s3cret" not in str(refused.value)


def test_nobody_there_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    with HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as gone:
        port = gone.server_port
    monkeypatch.setenv(VARIABLE, f"http://127.0.0.1:{port}/s3cret")
    with pytest.raises(HeartbeatError, match="did not answer: ConnectError") as refused:
        beat(VARIABLE, good=True)
    assert "s3cret" not in str(refused.value)
