"""Sending a script's statements and rows to the server, with a deadline that holds inside them."""

from __future__ import annotations

import contextlib
import os
import queue
import socket
import threading
from collections.abc import Iterable, Iterator

import psycopg
from psycopg.pq import DiagnosticField, ExecStatus, TransactionStatus
from psycopg.pq.abc import PGresult

from tasks.engines.failure import Failure
from tasks.engines.job import Job
from tasks.engines.transcript import MESSAGE_CHARS, functions_in, line_in
from tasks.model.redact import mask_values

_READ_AHEAD = 8
_CANCEL_EVERY_S = 0.5
_CANCELS = 10
_ENDED = object()


class Expired(Exception):  # noqa: N818  what happened
    """The deadline passed while a script was running."""


class Feeder:
    """A connection of the restoring role that takes statements as they stand in a script.

    Attributes:
        copying: the last statement was a COPY that waits for rows.
    """

    def __init__(self, job: Job) -> None:
        self._session = job.owner()
        self._session.add_notice_handler(lambda _: None)
        self._pg = self._session.pgconn
        self._ended = threading.Event()
        self._expired = False
        self.copying = False
        self._watch = threading.Thread(target=self._expire_after, args=(job.remaining_s,), daemon=True)
        self._watch.start()

    @property
    def in_transaction(self) -> bool:
        """Tell whether the script has opened a transaction."""
        return self._pg.transaction_status != TransactionStatus.IDLE

    def statement(self, text: bytes) -> Failure | None:
        """Run one statement; what was said against it, or None."""
        if b"\0" in text:
            return Failure(None, "invalid byte sequence for encoding: a zero byte")
        result = self._pg.exec_(text)
        self.copying = result.status == ExecStatus.COPY_IN
        if result.status == ExecStatus.COPY_OUT:
            self._discard_rows()
        return self._failure(result)

    def rows(self, data: bytes) -> None:
        """Send rows of the COPY under way."""
        self._pg.put_copy_data(data)

    def rows_end(self) -> Failure | None:
        """End the COPY under way; what was said against it, or None."""
        self.copying = False
        self._pg.put_copy_end()
        failure: Failure | None = None
        while (result := self._pg.get_result()) is not None:
            failure = self._failure(result) or failure
        return failure

    def check_deadline(self) -> None:
        """Raise where the deadline has passed.

        Raises:
            Expired: it has.
        """
        if self._expired:
            raise Expired

    def close(self) -> str:
        """Close the connection; return the search_path that the script left behind."""
        path = ""
        self._ended.set()
        with contextlib.suppress(psycopg.Error):
            if not self._expired and not self.copying:
                if self.in_transaction:
                    self._pg.exec_(b"COMMIT")
                result = self._pg.exec_(b"SHOW search_path")
                path = (result.get_value(0, 0) or b"").decode("utf-8", "replace") if result.ntuples else ""
        self._session.close()
        return path

    def _failure(self, result: PGresult) -> Failure | None:
        if result.status != ExecStatus.FATAL_ERROR:
            return None
        self.check_deadline()
        primary = result.error_field(DiagnosticField.MESSAGE_PRIMARY) or result.error_message
        context = (result.error_field(DiagnosticField.CONTEXT) or b"").decode("utf-8", "replace")
        message = mask_values(primary.decode("utf-8", "replace"))[:MESSAGE_CHARS]
        return Failure(None, message, functions_in(context), line_in(context))

    def _discard_rows(self) -> None:
        while self._pg.get_copy_data(0)[0] > 0:
            pass
        while self._pg.get_result() is not None:
            pass

    def _expire_after(self, seconds: float) -> None:
        if self._ended.wait(seconds):
            return
        self._expired = True
        with contextlib.suppress(psycopg.Error):
            cancel = self._pg.get_cancel()
            for _ in range(_CANCELS):
                cancel.cancel()
                if self._ended.wait(_CANCEL_EVERY_S):
                    return
        with contextlib.suppress(OSError, psycopg.Error):
            socket.socket(fileno=os.dup(self._pg.socket)).shutdown(socket.SHUT_RDWR)


def reading_ahead(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield *chunks*, unpacked on another thread while the server works."""
    waiting: queue.Queue[object] = queue.Queue(_READ_AHEAD)
    stop = threading.Event()
    thread = threading.Thread(target=_read, args=(chunks, waiting, stop), daemon=True)
    thread.start()
    try:
        while (item := waiting.get()) is not _ENDED:
            if isinstance(item, BaseException):
                raise item
            yield item  # type: ignore[misc]
    finally:
        stop.set()
        with contextlib.suppress(queue.Empty):
            while True:
                waiting.get_nowait()
        thread.join(1.0)


def _read(chunks: Iterable[bytes], waiting: queue.Queue[object], stop: threading.Event) -> None:
    item: object
    try:
        for item in chunks:
            if not _put(waiting, item, stop):
                return
        item = _ENDED
    except BaseException as error:  # noqa: BLE001  raised again in the caller's thread
        item = error
    _put(waiting, item, stop)


def _put(waiting: queue.Queue[object], item: object, stop: threading.Event) -> bool:
    while not stop.is_set():
        with contextlib.suppress(queue.Full):
            waiting.put(item, timeout=0.2)
            return True
    return False
