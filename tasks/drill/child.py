"""The process of one drill, from inside: it does what its flow calls for, one step after the other."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import socket
import threading
import time
import traceback
from collections.abc import Mapping
from typing import NoReturn

from tasks.drill.channel import Channel, MessageTooLarge
from tasks.drill.limits import call_itself
from tasks.drill.messages import Call, Done, Hello, Logged, Raised, Ready, Told
from tasks.drill.progress import Progress, listening
from tasks.jail.kernel import hide_process
from tasks.jail.limits import die_first
from tasks.model.errors import DrillError, PermanentError
from tasks.model.units import format_bytes
from tasks.sandbox.extensions import known_extensions

OUT_OF_MEMORY = "The drill's own process ran out of memory. Nothing is said about the backup."
_TELL_EVERY_S = 0.1
_log = logging.getLogger(__name__)


def serve(end: socket.socket) -> NoReturn:
    """Do what comes over *end* until the flow closes it."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    channel = Channel(end)
    with contextlib.suppress(EOFError, OSError):
        _settle_in(channel.receive(), channel)
        channel.send(Ready(os.getpid()))
        with listening(_Teller(channel)):
            while True:
                _answer(channel, channel.receive())
    os._exit(0)


def _settle_in(hello: Hello, channel: Channel) -> None:
    channel.limit_bytes = hello.limit_bytes
    known_extensions.update(hello.extensions)
    os.environ.clear()
    os.environ.update(hello.environ)
    time.tzset()
    with contextlib.suppress(OSError):  # it may have been removed, and no step needs it
        os.chdir(hello.cwd)
    call_itself(hello.name)
    die_first()
    hide_process()  # what runs in a sandbox may be of the same user; the environment holds credentials
    _log_to(channel, hello.levels)


def _log_to(channel: Channel, levels: Mapping[str, int]) -> None:
    root = logging.getLogger()
    for handler in list(root.handlers):
        root.removeHandler(handler)
    root.addHandler(_Forward(channel))
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)


def _answer(channel: Channel, call: Call) -> None:
    try:
        channel.send(_do(call))
    except OSError:
        raise
    except MessageTooLarge as error:
        channel.send(Raised(_too_large(error.size_bytes)))
    except Exception as error:  # noqa: BLE001  it cannot be pickled
        channel.send(Raised(_unforeseen(error)))


def _do(call: Call) -> Done | Raised:
    try:
        return Done(call.work(*call.args, **call.kwargs), known_extensions)
    except DrillError as error:
        return Raised(error)
    except MemoryError:
        return Raised(PermanentError(OUT_OF_MEMORY, rule="drill-out-of-memory"))
    except BaseException as error:  # noqa: BLE001  nobody above would hear of it
        return Raised(_unforeseen(error))


def _unforeseen(error: BaseException) -> PermanentError:
    """Return what an error that nothing foresaw is to the flow: its text may quote a row."""
    what = f"The drill met an unknown error: {type(error).__name__}."
    _log.error("%s\n%s", what, "".join(traceback.format_tb(error.__traceback__)))
    return PermanentError(what, rule="drill-crashed")


def _too_large(size: int) -> PermanentError:
    return PermanentError(
        f"What a step of the drill came to takes {format_bytes(size)}, more than a drill may hand on. "
        "Nothing is said about the backup.",
        rule="drill-out-of-memory",
    )


class _Forward(logging.Handler):
    """Hands log lines to the flow, finished: what they were made from may not travel."""

    def __init__(self, channel: Channel) -> None:
        super().__init__()
        self._channel = channel

    def emit(self, record: logging.LogRecord) -> None:
        fields = {
            "name": record.name,
            "levelno": record.levelno,
            "levelname": record.levelname,
            "msg": record.getMessage(),
            "created": record.created,
            "threadName": record.threadName,
            "pathname": record.pathname,
            "lineno": record.lineno,
            "funcName": record.funcName,
            "exc_text": logging.Formatter().formatException(record.exc_info) if record.exc_info else None,
        }
        with contextlib.suppress(OSError, MessageTooLarge):
            self._channel.send(Logged(fields))


class _Teller:
    """Hands progress to the flow, the countless steps of a counter only now and then."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._told_at = 0.0
        self._lock = threading.Lock()

    def __call__(self, progress: Progress) -> None:
        if progress.done is not None and progress.done != progress.total:
            with self._lock:
                now = time.monotonic()
                if now - self._told_at < _TELL_EVERY_S:
                    return
                self._told_at = now
        self._channel.send(Told(progress))
