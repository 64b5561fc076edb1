"""Sending a script's statements and rows to the server, with a deadline that holds inside them.

libpq is used without blocking: its blocking calls keep Python's lock, so that nothing could end a COPY that
hangs (measured: psycopg 3.3's put_copy_data). Rows go in pieces of 64 KiB, each flushed before the next:
with larger ones libpq moves its buffer about, which took three times psql's time (119 MB of rows: 19 s
against 5 to 8 s).
"""

from __future__ import annotations

import contextlib
import queue
import select
import threading
from collections.abc import Iterable, Iterator

import psycopg
from psycopg.pq import DiagnosticField, ExecStatus, TransactionStatus
from psycopg.pq.abc import PGresult

from tasks.engines.context import Job
from tasks.engines.errors.failure import Failure
from tasks.engines.errors.pg_restore_stderr import functions_in, place_in
from tasks.model.server_words import WORDS_CHARS, was_raised

ROWS_BYTES = 64 << 10
_READ_AHEAD = 8
_WAIT_MS = 1000
_ENDED = object()
_FIELD_BYTES = 1 << 14


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
        self._pg.nonblocking = 1
        self._deadline = job.deadline
        self.copying = False

    @property
    def has_failed(self) -> bool:
        """Tell whether a statement failed in a transaction of the script's: none of it will stay."""
        return self._pg.transaction_status == TransactionStatus.INERROR

    @contextlib.contextmanager
    def outside_transaction(self) -> Iterator[None]:
        """End the script's transaction, if it has opened one, and begin it again: others are to see it."""
        inside = self._pg.transaction_status == TransactionStatus.INTRANS
        if inside:
            self.statement(b"COMMIT")
        yield
        if inside:
            self.statement(b"BEGIN")

    def statement(self, text: bytes) -> Failure | None:
        """Run one statement; what was said against it, or None.

        Raises:
            Expired: the deadline passed; the statement was cancelled.
        """
        if b"\0" in text:
            return Failure(None, "invalid byte sequence for encoding: a zero byte")
        self._pg.send_query(text)
        return self._collect()

    def rows(self, data: bytes) -> None:
        """Send rows of the COPY under way."""
        view = memoryview(data)
        for start in range(0, len(data), ROWS_BYTES):
            self._pg.put_copy_data(view[start : start + ROWS_BYTES])
            self._flush()

    def rows_end(self) -> Failure | None:
        """End the COPY under way; what was said against it, or None."""
        self.copying = False
        self._pg.put_copy_end()
        return self._collect()

    def check_deadline(self) -> None:
        """Raise where the deadline has passed, and stop what runs.

        Raises:
            Expired: it has.
        """
        if not self._deadline.passed:
            return
        with contextlib.suppress(psycopg.Error):
            self._pg.get_cancel().cancel()
        raise Expired

    def current_schema(self) -> str | None:
        """Return where an object without a schema's name would go now; None where that is nowhere."""
        return self._value(b"SELECT pg_catalog.current_schema()")

    def search_path(self) -> str:
        """Return the search_path as it is now."""
        return self._value(b"SHOW search_path") or ""

    def relation(self, name: str) -> int | None:
        """Return the oid of the relation that *name* means at this place of the script; None without one."""
        literal = name.replace("'", "''").encode()
        value = self._value(
            b"SELECT pg_catalog.to_regclass(E'" + literal.replace(b"\\", b"\\\\") + b"')::oid"
        )
        return None if value is None else int(value)

    def reset(self) -> None:
        """Forget what was set, and the transaction under way."""
        if self._pg.transaction_status != TransactionStatus.IDLE:
            self.statement(b"ROLLBACK")
        self.statement(b"DISCARD ALL")

    def close(self) -> str:
        """Close the connection; return the search_path that the script left behind."""
        path = ""
        with contextlib.suppress(psycopg.Error, Expired):
            if self._pg.transaction_status in (TransactionStatus.INTRANS, TransactionStatus.INERROR):
                self.statement(b"COMMIT")
            if self._pg.transaction_status == TransactionStatus.IDLE:
                path = self.search_path()
        self._session.close()
        return path

    def _value(self, query: bytes) -> str | None:
        """Return the one value of *query*; None where it is NULL or fails."""
        value: bytes | None = None
        self._pg.send_query(query)
        for result in self._results():
            if result.ntuples:
                value = result.get_value(0, 0)
        return None if value is None else value.decode("utf-8", "replace")

    def _collect(self) -> Failure | None:
        failure: Failure | None = None
        for result in self._results():
            failure = self._failure(result) or failure
        return failure

    def _results(self) -> Iterator[PGresult]:
        """Yield the results of what was sent; the last one is a COPY's where rows are to follow."""
        self._flush()
        while True:
            while self._pg.is_busy():
                self._wait(write=False)
            result = self._pg.get_result()
            if result is None:
                return
            if result.status == ExecStatus.COPY_OUT:
                self._discard_rows()
                continue
            self.copying = result.status == ExecStatus.COPY_IN
            yield result
            if self.copying:
                return

    def _failure(self, result: PGresult) -> Failure | None:
        if result.status != ExecStatus.FATAL_ERROR:
            return None
        primary = result.error_field(DiagnosticField.MESSAGE_PRIMARY) or result.error_message
        context = _text(result.error_field(DiagnosticField.CONTEXT))
        line, column = place_in(context)
        return Failure(
            None,
            _text(primary)[:WORDS_CHARS],
            functions_in(context),
            line,
            sqlstate=_text(result.error_field(DiagnosticField.SQLSTATE)),
            raised=was_raised(context),
            column=column,
        )

    def _discard_rows(self) -> None:
        """Take the rows of a COPY to stdout, for which nobody asked."""
        while (size := self._pg.get_copy_data(1)[0]) >= 0:
            if size == 0:
                self._wait(write=False)

    def _flush(self) -> None:
        while self._pg.flush():
            self._wait(write=True)

    def _wait(self, *, write: bool) -> None:
        """Wait until the server says something or, if asked for, takes something."""
        poll = select.poll()
        poll.register(self._pg.socket, select.POLLIN | (select.POLLOUT if write else 0))
        if any(event & ~select.POLLOUT for _, event in poll.poll(_WAIT_MS)):
            self._pg.consume_input()
        self.check_deadline()


def _text(field: bytes | None) -> str:
    """Return a field of an error as text, cut: a function of the backup decides how long it is."""
    return (field or b"")[:_FIELD_BYTES].decode("utf-8", "replace")


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
