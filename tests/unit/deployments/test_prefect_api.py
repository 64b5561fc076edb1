"""The configured Prefect server: when it counts as there, and what is said when it is not."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from deployments import prefect_api
from deployments.prefect_api import require_api
from tasks.model.errors import TransientError


@pytest.fixture
def server() -> Iterator[Callable[[int], str]]:
    """Start a server whose health is the given status; return its API's URL."""
    started: list[HTTPServer] = []

    def start(status: int) -> str:
        class Health(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(status if self.path == "/api/health" else 404)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        started.append(HTTPServer(("127.0.0.1", 0), Health))
        threading.Thread(target=started[-1].serve_forever, args=(0.01,), daemon=True).start()
        return f"http://127.0.0.1:{started[-1].server_port}/api"

    yield start
    for each in started:
        each.shutdown()
        each.server_close()


@pytest.mark.parametrize("status", [200, 401, 403])
def test_a_server_that_answers_or_wants_a_key_is_there(server: Callable[[int], str], status: int) -> None:
    require_api(server(status))


@pytest.mark.parametrize("status", [404, 500, 503])
def test_a_server_that_is_ill_is_waited_for_and_then_told(
    server: Callable[[int], str], monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    monkeypatch.setattr(prefect_api, "CONFIGURED_DEADLINE_S", 0.0)
    with pytest.raises(TransientError, match="does not answer") as failure:
        require_api(server(status))
    assert "PREFECT_API_URL" in failure.value.hint


@pytest.mark.parametrize("url", ["http://ops:planted@127.0.0.1:9/api", "no address"])
def test_a_server_that_is_not_there_is_told_without_its_password(
    monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    monkeypatch.setattr(prefect_api, "CONFIGURED_DEADLINE_S", 0.0)
    with pytest.raises(TransientError) as failure:
        require_api(url)
    assert "planted" not in str(failure.value)
