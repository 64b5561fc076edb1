"""Messages between a flow and the process of its drill: over a socket, each whole, none larger than a limit.

The limit keeps what a drill's process bloats to from bloating the flow's.
"""

from __future__ import annotations

import pickle
import socket
import struct
import threading
import time
from typing import Any

_LENGTH = struct.Struct("!Q")
_CHUNK = 1 << 20
_FIRST_LIMIT_BYTES = 16 << 20


class MessageTooLarge(Exception):  # noqa: N818  what went wrong, in the field's words
    """A message is larger than either side takes."""

    def __init__(self, size_bytes: int) -> None:
        super().__init__(size_bytes)
        self.size_bytes = size_bytes


class Channel:
    """One end of a socket; several threads may send, one receives.

    Attributes:
        limit_bytes: of one message; either side keeps to it.
    """

    def __init__(self, end: socket.socket, limit_bytes: int = _FIRST_LIMIT_BYTES) -> None:
        self.limit_bytes = limit_bytes
        self._end = end
        self._sending = threading.Lock()
        self._pending = bytearray()

    def send(self, message: object, timeout_s: float | None = None) -> None:
        """Send *message* whole.

        Raises:
            MessageTooLarge: it is not sent.
            OSError: the other side has gone, or does not listen for *timeout_s*.
        """
        raw = pickle.dumps(message, protocol=pickle.HIGHEST_PROTOCOL)
        if len(raw) > self.limit_bytes:
            raise MessageTooLarge(len(raw))
        with self._sending:
            self._end.settimeout(timeout_s)
            self._end.sendall(_LENGTH.pack(len(raw)))
            self._end.sendall(raw)

    def receive(self, timeout_s: float | None = None) -> Any:  # noqa: ANN401  whatever was sent
        """Return the next message; what came of it before a time-out is kept for the next call.

        Raises:
            TimeoutError: it has not come whole.
            EOFError: the other side has gone.
            MessageTooLarge: it announces more bytes than are taken.
        """
        ends_at = None if timeout_s is None else time.monotonic() + timeout_s
        self._fill(_LENGTH.size, ends_at)
        (length,) = _LENGTH.unpack_from(self._pending)
        if length > self.limit_bytes:
            raise MessageTooLarge(length)
        self._fill(_LENGTH.size + length, ends_at)
        raw = bytes(memoryview(self._pending)[_LENGTH.size : _LENGTH.size + length])
        del self._pending[: _LENGTH.size + length]
        return pickle.loads(raw)  # noqa: S301  from a process of our own

    def interrupt(self) -> None:
        """Let whoever waits for a message here, on any thread, see the end of it."""
        try:
            self._end.shutdown(socket.SHUT_RDWR)
        except OSError:  # it has gone already
            return

    def close(self) -> None:
        """Let the other side see that nobody listens any more."""
        self._end.close()

    def _fill(self, length: int, ends_at: float | None) -> None:
        while len(self._pending) < length:
            self._end.settimeout(None if ends_at is None else max(0.001, ends_at - time.monotonic()))
            try:
                chunk = self._end.recv(_CHUNK)
            except ConnectionError as error:
                raise EOFError from error
            if not chunk:
                raise EOFError
            self._pending += chunk
