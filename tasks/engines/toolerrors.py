"""What it means when a tool or the server gives up: the archive's fault, or the drill's."""

from __future__ import annotations

import re

from tasks.model.errors import PermanentError
from tasks.model.findings import Finding
from tasks.model.rules import finding
from tasks.model.sandbox import Sandbox
from tasks.sandbox import classify_death

_ENVIRONMENT: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern), rule)
    for pattern, rule in (
        (r"No space left on device|Disk quota exceeded|could not (?:extend|write to) file", "disk-full"),
        (r"[Oo]ut of (?:shared )?memory|shared memory segment|invalid memory alloc", "out-of-memory"),
    )
)
_ARCHIVE: tuple[tuple[re.Pattern[str], str, str], ...] = tuple(
    (re.compile(pattern), rule, meaning)
    for pattern, rule, meaning in (
        (
            (
                r"end of file|input file is too short|unexpected end|incomplete tar header|could not find "
                r"header"
                r"|could not find file|could not find block ID"
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
_SAID = 3


def tool_finding(said: tuple[str, ...], where: str) -> Finding:
    """Return what pg_restore's own errors mean: a damaged archive, until something else is known.

    Args:
        said: its error lines, masked.
        where: the archive.
    """
    text = " / ".join(said[:_SAID])
    for pattern, rule in _ENVIRONMENT:
        if any(pattern.search(line) for line in said):
            return finding(
                rule, f"pg_restore stopped: {text}. Nothing is said about the backup.", where=where
            )
    for line in said:
        for pattern, rule, meaning in _ARCHIVE:
            if pattern.search(line):
                return finding(rule, f"{meaning}, pg_restore says: {text}.", where=where)
    return finding("restore-error", f"pg_restore could not go on: {text}.", where=where)


def raise_if_dead(sandbox: Sandbox, said: tuple[str, ...] = ()) -> None:
    """Raise where the server died or met the end of its disk or memory: then nothing speaks about the backup.

    Raises:
        PermanentError: `disk-full`, `out-of-memory`, `postgres-failed`.
    """
    died = classify_death(sandbox)
    rule = next((rule for pattern, rule in _ENVIRONMENT for line in said if pattern.search(line)), died)
    if rule is None and said:
        rule = "postgres-failed"
    if rule is not None:
        words = f": {said[0]}" if said else ""
        raise PermanentError(
            f"The sandbox's server gave up during the restore{words}. Nothing is said about the backup.",
            rule=rule,
        )
