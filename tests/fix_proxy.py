"""A proxy before a store that does what networks do: drops, stalls, cuts, corrupts, answers 503."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import urlsplit

import pytest

from deployments.local_s3 import free_ports

Kind = Literal["refuse", "drop", "stall", "drip", "truncate", "corrupt", "throttle", "error"]
_CHUNK = 64 << 10
_CONTENT_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)


@dataclass
class Fault:
    """What happens to requests whose first line holds *match*.

    Attributes:
        kind: `refuse` closes at once; `drop` resets after *after_bytes* of the body; `stall` sends no more
            after them; `drip` sends single bytes; `truncate` ends the body there; `corrupt` flips the
            byte there; `throttle` and `error` answer 503 and 500.
        times: so many requests; None: all.
        range_start: only requests for bytes from there on.
        range_end: only requests for bytes up to there, the last one included.
    """

    kind: Kind
    match: str = "GET "
    after_bytes: int = 1000
    times: int | None = None
    range_start: int | None = None
    range_end: int | None = None
    hits: int = 0

    def applies(self, head: str) -> bool:
        if self.match not in head.split("\r\n", 1)[0]:
            return False
        if self.range_start is not None and f"bytes={self.range_start}-" not in head:
            return False
        if self.range_end is not None and f"-{self.range_end}\r\n" not in head:
            return False
        if self.times is not None and self.hits >= self.times:
            return False
        self.hits += 1
        return True


@dataclass
class FaultProxy:
    """One request per connection, so that a fault hits exactly what it is meant for."""

    upstream: str
    faults: list[Fault] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    on_request: Callable[[str], None] | None = None
    _stop: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", free_ports(1)[0]))
        self._listener.settimeout(0.1)
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def add(self, kind: Kind, **more: object) -> Fault:
        fault = Fault(kind, **more)  # type: ignore[arg-type]
        self.faults.append(fault)
        return fault

    def heal(self) -> None:
        self.faults.clear()

    def count(self, match: str) -> int:
        return sum(match in request for request in self.requests)

    def close(self) -> None:
        self._stop.set()
        self._thread.join()
        self._listener.close()

    def _accept(self) -> None:
        while not self._stop.is_set():
            try:
                client, _ = self._listener.accept()
            except TimeoutError:
                continue
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client:
            client.settimeout(30)
            try:
                self._exchange(client)
            except OSError:
                return  # the client hung up: that is its right

    def _exchange(self, client: socket.socket) -> None:
        head, rest = _read_head(client)
        if not head:
            return
        text = head.decode("latin-1")
        with self._lock:
            self.requests.append(text.split("\r\n", 1)[0])
            fault = next((fault for fault in self.faults if fault.applies(text)), None)
        if self.on_request is not None:
            self.on_request(text)
        if fault is not None and fault.kind == "refuse":
            _reset(client)
        elif fault is not None and fault.kind in {"throttle", "error"}:
            client.sendall(_answer(fault.kind))
        else:
            self._forward(client, head, rest, fault)

    def _forward(self, client: socket.socket, head: bytes, rest: bytes, fault: Fault | None) -> None:
        where = urlsplit(self.upstream)
        with socket.create_connection((where.hostname, where.port), timeout=30) as server:
            server.sendall(_closing(head) + rest)
            length = _CONTENT_LENGTH.search(head)
            left = (int(length[1]) if length else 0) - len(rest)
            while left > 0 and (chunk := client.recv(min(_CHUNK, left))):
                server.sendall(chunk)
                left -= len(chunk)
            answer, body = _read_head(server)
            client.sendall(answer)
            self._pass_body(client, server, body, fault)

    def _pass_body(
        self, client: socket.socket, server: socket.socket, body: bytes, fault: Fault | None
    ) -> None:
        sent = 0
        chunk = body or server.recv(_CHUNK)
        while chunk:
            if fault is not None and sent + len(chunk) > fault.after_bytes:
                keep = max(0, fault.after_bytes - sent)
                if fault.kind == "corrupt":
                    chunk = chunk[:keep] + bytes([chunk[keep] ^ 1]) + chunk[keep + 1 :]
                    fault = None
                else:
                    client.sendall(chunk[:keep])
                    self._break(client, chunk[keep:], fault)
                    return
            client.sendall(chunk)
            sent += len(chunk)
            chunk = server.recv(_CHUNK)

    def _break(self, client: socket.socket, rest: bytes, fault: Fault) -> None:
        if fault.kind == "drop":
            _reset(client)
        elif fault.kind == "stall":
            self._stop.wait(60)
        elif fault.kind == "drip":
            for byte in rest:
                if self._stop.wait(0.2):
                    return
                client.sendall(bytes([byte]))


def _read_head(connection: socket.socket) -> tuple[bytes, bytes]:
    data = b""
    while b"\r\n\r\n" not in data:
        chunk = connection.recv(_CHUNK)
        if not chunk:
            return data, b""
        data += chunk
    head, _, rest = data.partition(b"\r\n\r\n")
    return head + b"\r\n\r\n", rest


def _closing(head: bytes) -> bytes:
    """The request as the server gets it: one per connection; the signature does not cover these lines."""
    first, *lines = head.split(b"\r\n")
    kept = [line for line in lines if not line.lower().startswith((b"connection:", b"expect:"))]
    return b"\r\n".join([first, b"Connection: close", *kept])


def _answer(kind: str) -> bytes:
    code, status = (
        ("SlowDown", b"503 Slow Down") if kind == "throttle" else ("InternalError", b"500 Internal")
    )
    body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>Try later.</Message></Error>".encode()
    return b"HTTP/1.1 %b\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%b" % (status, len(body), body)


def _reset(client: socket.socket) -> None:
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
    client.close()


@pytest.fixture
def proxied() -> Iterator[Callable[[str], FaultProxy]]:
    """Put a fault proxy before an endpoint."""
    made: list[FaultProxy] = []

    def make(upstream: str) -> FaultProxy:
        made.append(FaultProxy(upstream))
        return made[-1]

    yield make
    for proxy in made:
        proxy.close()
