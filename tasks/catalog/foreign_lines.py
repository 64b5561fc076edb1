"""Lines of another program round a script: what kubectl, compose, ssh or `time` said into the same file.

psql takes them for the beginning or the end of a statement, reports one error and goes on; nothing of the
dump is lost. They are left out, here and in the recorded commands, and named by whose they look like: what
they say is not repeated.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from tasks.catalog import script
from tasks.catalog.not_sql import may_be_sql
from tasks.catalog.script import ScriptFacts
from tasks.model.backup import Extent
from tasks.model.errors import PermanentError
from tasks.model.findings import Finding
from tasks.model.rules import finding

_MOST_CHARS = 8192
_PROGRAMS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"Defaulted container|Unable to use a TTY|If you don't see a command prompt"), "kubectl"),
    (
        re.compile(r'time="[^"]{0,60}" level=|WARN\[\d|\s?(?:Container|Network|Volume) \S{1,200} '),
        "docker compose",
    ),
    (re.compile(r"Warning: Permanently added|Pseudo-terminal will not"), "ssh"),
    (
        re.compile(r"(?:real|user|sys)\s|\d[\d.]{0,20}user |\s{0,8}\d{1,12}inputs\+|Command being timed"),
        "time",
    ),
    (re.compile(r"pg_dump(?:all)?: "), "pg_dump itself"),
    (re.compile(r"sudo: |mesg: |bash: |sh: |stdin: is not a tty"), "a shell"),
    (re.compile(r"\s{0,8}\d{1,12}(?:[.,]\d{1,3})?\s?[kKMGT]?i?B |\d{1,12}\+\d records "), "pv or dd"),
)
_NOT_CODE = re.compile(r"[\\;$]|/\*")


@dataclass(frozen=True, slots=True)
class Trimmed:
    """A script without what others wrote into it.

    Attributes:
        extent: where the dump lies in the file.
        facts: of the dump alone.
        findings: warnings that name what was left out.
    """

    extent: Extent
    facts: ScriptFacts
    findings: tuple[Finding, ...] = ()


def trim(head_text: str, facts: ScriptFacts, where: str) -> Trimmed:
    """Return where the dump lies in a script that pg_dump or pg_dumpall wrote.

    Args:
        head_text: the script's first part.
        facts: of the whole script.
        where: the backup, for messages.

    Raises:
        PermanentError: `archive-corrupt`: psql would take the dump for part of what stands before it.
    """
    before, behind = _before(head_text), _behind(facts.tail)
    if before and _swallows(before):
        raise PermanentError(
            f"{_lines(before)} of {_whose(before)} before the dump open a quote or bracket: psql takes what "
            "follows for part of it, and restores by luck.",
            where,
            rule="archive-corrupt",
        )
    mark = head_text[:1] if before and head_text.startswith("\ufeff") else ""
    start = len(f"{mark}{before}".encode("utf-8", "surrogateescape"))
    end = facts.size - len(behind.encode("utf-8", "surrogateescape")) if behind else None
    if behind:
        facts = replace(facts, tail=facts.tail.removesuffix(behind))
    places = [
        f"{_lines(text)} of {_whose(text)} {'stands' if _count(text) == 1 else 'stand'} {place}"
        for text, place in ((before, "before the dump"), (behind, "behind the dump's end"))
        if text
    ]
    return Trimmed(Extent(start, end, before.count("\n")), facts, _warning(places, where))


def _warning(places: list[str], backup_name: str) -> tuple[Finding, ...]:
    if not places:
        return ()
    message = f"{' and '.join(places)}. psql reports an error there and goes on; they were left out."
    return (finding("foreign-lines", message, where=backup_name),)


def _before(head_text: str) -> str:
    """Return what stands before the dump's first comment, if it is lines that are neither SQL nor psql's."""
    text = head_text.removeprefix("\ufeff")
    start = script.dump_begins(text)
    if start is None or start > _MOST_CHARS:
        return ""
    before = text[:start]
    return before if _is_foreign(before) else ""


def _behind(tail: str) -> str:
    """Return what stands behind the last end marker, from the first line that cannot be the dump's."""
    end = script.dump_ends(tail)
    if end is None:
        return ""
    at = end
    for line in tail[end:].splitlines(keepends=True):
        if line.strip() and not script.may_follow(line):
            behind = tail[at:]
            return behind if len(behind) <= _MOST_CHARS and _is_foreign(behind) else ""
        at += len(line)
    return ""


def _is_foreign(text: str) -> bool:
    """Tell whether *text* holds lines, and none that could be a statement or a command of somebody's."""
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("--")]
    return bool(lines) and not any(may_be_sql(line) or _NOT_CODE.search(line) for line in lines)


def _swallows(text: str) -> bool:
    unclosed = any(text.count(opening) != text.count(closing) for opening, closing in ("()", "[]"))
    return unclosed or any(text.count(quote) % 2 for quote in "'\"")


def _whose(text: str) -> str:
    lines = [line for line in text.splitlines() if line.strip()]
    programs = (name for line in lines for pattern, name in _PROGRAMS if pattern.match(line))
    return next(programs, "another program")


def _count(text: str) -> int:
    return sum(1 for line in text.splitlines() if line.strip())


def _lines(text: str) -> str:
    count = _count(text)
    return "A line" if count == 1 else f"{count} lines"
