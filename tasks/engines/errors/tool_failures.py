"""What it means when a tool or the server gives up: the archive's fault, or the drill's.

Of a tool's words only those are kept that are its own: what our patterns hold, and names of a dump's files.
"""

from __future__ import annotations

import re

from tasks.model.errors import PermanentError
from tasks.model.exhausted import DISK_FULL, OUT_OF_MEMORY
from tasks.model.findings import Finding
from tasks.model.rules import finding
from tasks.model.sandbox import Sandbox
from tasks.sandbox import classify_death

_ENVIRONMENT: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern), rule)
    for pattern, rule in (
        (
            DISK_FULL + r"|could not (?:extend|write to) file"
            r"|file could not be (?:extended|written)|the disk is full",
            "disk-full",
        ),
        (
            OUT_OF_MEMORY + r"|shared memory segment|memory is used up|memory was asked for",
            "out-of-memory",
        ),
    )
)
_ARCHIVE: tuple[tuple[re.Pattern[str], str, str], ...] = tuple(
    (re.compile(pattern), rule, meaning)
    for pattern, rule, meaning in (
        (
            (
                r"end of file|input file is too short|unexpected end|incomplete tar header"
                r"|could not find (?:header|file|block ID)"
            ),
            "archive-truncated",
            "The archive ends before it is complete",
        ),
        (
            r"could not open (?:input file|large object|file|directory)|No such file or directory",
            "archive-incomplete",
            "A file of the archive is missing",
        ),
        (r"unsupported version", "archive-version-unsupported", "The tools here are older than the archive"),
        (
            r"does not support compression|compression is not supported|not built with|no built-in support",
            "host-feature-missing",
            "The tools here were built without what the archive needs",
        ),
        (
            (
                r"could not (?:un|de)compress|corrupt|unexpected (?:block|data|section|object)|invalid"
                r"|incorrect data|unrecognized|could not determine|compressed"
            ),
            "archive-corrupt",
            "The archive's structure is damaged",
        ),
    )
)
_FILE = re.compile(
    r"\b(?:\d{1,10}\.dat|toc\.dat|blobs?(?:_\d{1,10})?\.toc|blob_\d{1,10}\.dat)(?:\.(?:gz|lz4|zst))?\b"
)
_EXIT = re.compile(r"pg_restore ended with -?\d{1,3}")
_LINES = 100
_END_PATIENCE_S = 5.0
"""How long a server whose client lost it gets to end. A lost one is gone in milliseconds, on a busy machine
in a second. Where one lives on, a drill that has failed ends so much later."""


def tool_finding(lines: tuple[str, ...], where: str) -> Finding:
    """Return what pg_restore's own errors mean: a damaged archive, until something else is known.

    Args:
        lines: its errors.
        where: the archive.
    """
    for pattern, rule in _ENVIRONMENT:
        for line in lines[:_LINES]:
            if words := pattern.search(line):
                message = f"pg_restore stopped: {words.group()}. Nothing is said about the backup."
                return finding(rule, message, where=where)
    for line in lines[:_LINES]:
        for pattern, rule, meaning in _ARCHIVE:
            if words := pattern.search(line):
                file = _FILE.search(line)
                place = f" ({file.group()})" if file else ""
                return finding(rule, f'{meaning}, pg_restore says: "{words.group()}"{place}.', where=where)
    return finding("restore-error", f"pg_restore could not go on{_ending(lines)}.", where=where)


def _ending(lines: tuple[str, ...]) -> str:
    ended = next(filter(None, map(_EXIT.fullmatch, lines)), None)
    return f": {ended.group()}" if ended else ", for a reason that the drill does not know"


def raise_if_dead(sandbox: Sandbox, said: tuple[str, ...] = ()) -> None:
    """Raise where the server died or met the end of its disk or memory: then nothing speaks about the backup.

    Args:
        said: what the server said, in our words.

    Raises:
        PermanentError: `disk-full`, `out-of-memory`, `postgres-failed`.
    """
    rule = next((rule for pattern, rule in _ENVIRONMENT for line in said if pattern.search(line)), None)
    if rule is None:
        rule = classify_death(sandbox, patience_s=_END_PATIENCE_S if said else 0.0)
    if rule is None and said:
        rule = "postgres-failed"
    if rule is not None:
        words = f": {said[0]}" if said else ""
        raise PermanentError(
            f"The sandbox's server gave up during the restore{words}. Nothing is said about the backup.",
            rule=rule,
        )
