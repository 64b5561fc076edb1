"""What pg_restore's error stream says, by archive entry.

Its exit code is one bit: 1 both for a missing role and for a lost table. The stream holds the error and the
command that met it; only pg_restore 14 names the entry too. So an error belongs to the entry whose
definition the command is, which also holds where the lines of parallel workers interleave. They do so within
a line too: its beginning (`pg_restore:`, a blank, `error:`) is written piece by piece, what follows at once.
So an error begins with its first words, whoever's beginnings stand before them. The command's text is used
for the entry and never kept.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from tasks.engines.errors.failure import Failure
from tasks.model.backup import Toc, TocEntry
from tasks.model.server_words import WORDS_CHARS, Refusal, was_raised

_OURS = "pg_restore: "
_ERROR = re.compile(r"pg_restore: (?:error|fatal): ")
_FAILED = re.compile(r"(?:pg_restore:|error:|fatal:| )*(?=could not execute query: |COPY failed for table )")
_ENTRY = re.compile(r"pg_restore: from TOC entry (\d{1,18}); ")
_IGNORED = re.compile(r"pg_restore: warning: errors ignored on restore: (\d{1,18})\b")
# Of what follows `pg_restore: error: `: patterns with that in them would try each of its occurrences anew.
_COPY = re.compile(r'COPY failed for table "(?P<table>.*)": ERROR:\s+(?P<said>.*)')
_QUERY = re.compile(r"\bERROR:\s+(?P<said>.*)")
_SERVER = re.compile(
    r"\b(?:FATAL|PANIC):.*|server closed the connection unexpectedly.*"
    r"|no connection to the server.*|could not (?:send data to|receive data from) .*|connection to server .*"
    r"|connection not open.*"
)
_SERVERS_OWN = re.compile(r"(?:FATAL|PANIC): +")
_COMMAND = "Command was: "
_FUNCTION = re.compile(
    r'(?:CONTEXT: +)?(?:PL/\w+|SQL) function (?:"(?P<sql>[^"]*)"|(?P<name>(?:"[^"]*"|[^\s("])+)(?:\(| line ))'
)
_PLACE = re.compile(r"(?:CONTEXT: +)?COPY [^\n]{1,200}?, line (\d{1,15})(?:, column ([^\s:]{1,200}))?")
_CONTEXT = "CONTEXT:  "
_COMMAND_LINES = 40
_COMPARED = 20
_FURTHER_LINES = 200


@dataclass(frozen=True, slots=True)
class Transcript:
    """What was said, to be classified; `tool` and `failures` hold words that are not for keeping.

    Attributes:
        failures: of single entries, in order.
        tool: errors of pg_restore itself: the archive cannot be read on.
        server: the server went away, in our words.
        reported: how many errors pg_restore says it ignored; None where it did not get that far.
            With parallel jobs it counts some twice.
        timed_out: it was stopped at the deadline.
    """

    failures: tuple[Failure, ...] = ()
    tool: tuple[str, ...] = ()
    server: tuple[str, ...] = ()
    reported: int | None = None
    timed_out: bool = False

    @property
    def is_over(self) -> bool:
        """Whether nothing more can be restored."""
        return bool(self.tool or self.server) or self.timed_out

    def __add__(self, other: Transcript) -> Transcript:
        """Return what two runs said, one after the other."""
        counts = [count for count in (self.reported, other.reported) if count is not None]
        return Transcript(
            self.failures + other.failures,
            self.tool + other.tool,
            self.server + other.server,
            sum(counts) if counts else None,
            self.timed_out or other.timed_out,
        )


@dataclass(slots=True)
class _Open:
    """An error whose further lines are still being read."""

    entry: TocEntry | None
    words: str
    functions: list[str] = field(default_factory=list)
    line: int | None = None
    column: str = ""
    raised: bool = False
    command: list[str] = field(default_factory=list)
    lines: int = 0


class Reader:
    """Reads the stream line by line; feed it, then ask for the transcript."""

    def __init__(self, toc: Toc) -> None:
        self._entries = {entry.dump_id: entry for entry in toc.entries}
        self._by_command = _by_first_line(toc)
        self._by_text: dict[str, dict[tuple[str, ...], TocEntry]] = {}
        self._rows_of: dict[str, list[TocEntry]] = {}
        for entry in toc.of("TABLE DATA"):
            self._rows_of.setdefault(entry.tag, []).append(entry)
        self._current: TocEntry | None = None
        self._open: _Open | None = None
        self._failures: list[Failure] = []
        self._tool: list[str] = []
        self._server: list[str] = []
        self._reported: int | None = None

    def feed(self, line: str) -> None:
        """Take the next line of the stream, without its line end."""
        if begun := _FAILED.match(line):
            self._close()
            self._error(line[begun.end() :])
        elif _OURS in line:
            self._close()
            self._own_line(line)
        elif self._open is not None:
            _further_line(self._open, line)

    def transcript(self) -> Transcript:
        """Return what was read so far."""
        self._close()
        return Transcript(tuple(self._failures), tuple(self._tool), tuple(self._server), self._reported)

    def _own_line(self, line: str) -> None:
        if match := _ENTRY.search(line):
            self._current = self._entries.get(int(match[1]))
        elif match := _IGNORED.search(line):
            self._reported = int(match[1])
        elif match := _ERROR.search(line):
            self._error(line[match.end() :])

    def _error(self, words: str) -> None:
        if match := _COPY.match(words):
            self._open = _Open(self._copied(match["table"]), match["said"][:WORDS_CHARS])
        elif match := _QUERY.search(words):
            self._open = _Open(self._current, match["said"][:WORDS_CHARS])
        elif match := _SERVER.search(words):
            self._server.append(_server_said(match[0]))
        else:
            self._tool.append(words[:WORDS_CHARS])

    def _copied(self, table: str) -> TocEntry | None:
        """Return the entry whose rows failed: the current one, unless another table is named."""
        if self._current is not None and self._current.tag == table:
            return self._current
        return next(iter(self._rows_of.get(table, ())), None)

    def _close(self) -> None:
        if self._open is None:
            return
        error, self._open = self._open, None
        entry = self._commanded(error.command) or error.entry
        functions = tuple(error.functions)
        self._failures.append(
            Failure(entry, error.words, functions, error.line, raised=error.raised, column=error.column)
        )

    def _commanded(self, command: list[str]) -> TocEntry | None:
        """Return the entry whose definition begins as the command does."""
        candidates = self._by_command.get(command[0], []) if command else []
        if len(candidates) > _COMPARED:
            entry = self._alike(command[0], candidates).get(tuple(command))
            if entry is not None:
                return entry
        for entry in candidates[:_COMPARED]:
            if all(a == b for a, b in zip(_lines(entry), command, strict=False)):
                return entry
        return candidates[0] if candidates else None

    def _alike(self, first: str, candidates: list[TocEntry]) -> dict[tuple[str, ...], TocEntry]:
        """Return the many *candidates* that begin alike by their text, so that none is compared twice."""
        if first not in self._by_text:
            self._by_text[first] = {_lines(entry): entry for entry in reversed(candidates)}
        return self._by_text[first]


def read_transcript(lines: Iterable[str], toc: Toc) -> Transcript:
    """Return what pg_restore's *lines* say about the restore of *toc*."""
    reader = Reader(toc)
    for line in lines:
        reader.feed(line)
    return reader.transcript()


def functions_in(context: str) -> tuple[str, ...]:
    """Return the functions that an error's CONTEXT names."""
    matches = (_FUNCTION.match(line) for line in context.splitlines())
    return tuple(match["sql"] or match["name"] for match in matches if match)


def place_in(context: str) -> tuple[int | None, str]:
    """Return line and column of a COPY that an error's CONTEXT names; the column may be anything there."""
    match = next(filter(None, map(_PLACE.match, context.splitlines())), None)
    return (None, "") if match is None else (int(match[1]), match[2] or "")


def _server_said(words: str) -> str:
    return Refusal(_SERVERS_OWN.sub("", words[:WORDS_CHARS])).told()


def _further_line(error: _Open, line: str) -> None:
    if line.startswith(_COMMAND):
        error.command.append(line.removeprefix(_COMMAND).strip())
    elif error.command:
        if len(error.command) < _COMMAND_LINES:
            error.command.append(line.strip())
    elif error.lines < _FURTHER_LINES:
        error.lines += 1
        _context_line(error, line[:WORDS_CHARS])


def _context_line(error: _Open, line: str) -> None:
    if line.startswith(_CONTEXT):
        error.raised = error.raised or was_raised(line.removeprefix(_CONTEXT))
    place = _PLACE.match(line)
    if place is not None and error.line is None:
        error.line, error.column = int(place[1]), place[2] or ""
    elif function := _FUNCTION.match(line):
        error.functions.append(function["sql"] or function["name"])


def _by_first_line(toc: Toc) -> dict[str, list[TocEntry]]:
    entries_by_line: dict[str, list[TocEntry]] = {}
    for entry in toc.entries:
        first = _text(entry).partition("\n")[0].strip()
        if first:
            entries_by_line.setdefault(first, []).append(entry)
    return entries_by_line


def _lines(entry: TocEntry) -> tuple[str, ...]:
    return tuple(line.strip() for line in _text(entry).split("\n", _COMMAND_LINES)[:_COMMAND_LINES])


def _text(entry: TocEntry) -> str:
    """Return what pg_restore sends for an entry: a COPY that does not begin is told like a definition."""
    return entry.defn or entry.copy_stmt
