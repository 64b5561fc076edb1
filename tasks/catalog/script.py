"""Plain scripts: what their first comments say, and whether their last lines are there.

A cut script is silent: psql exits 0 on it, with ON_ERROR_STOP too. pg_dump and pg_dumpall therefore write
an end marker, and only the last lines are looked at for it, because rows may hold the same text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from tasks.catalog.not_sql import must_be_sql
from tasks.catalog.script_edges import Edges
from tasks.model.backup import ArchiveHead, Format, Toc
from tasks.model.errors import PermanentError
from tasks.model.findings import Finding
from tasks.model.rules import finding

HEAD_BYTES = 64 << 10
CLUSTER_HEAD_BYTES = 4 << 20
"""pg_dumpall writes the roles first; versions stand where the first database begins."""
_TAIL_BYTES = 16 << 10
_OVERLAP = 512
_MOST_DATABASES = 10_000

_SERVER = re.compile(r"^-- Dumped from database version ([^\r\n]{1,200})", re.MULTILINE)
_DUMPER = re.compile(r"^-- Dumped by pg_dump(?:all)? version ([^\r\n]{1,200})", re.MULTILINE)
_ENCODING = re.compile(r"^SET client_encoding = '([^']*)';", re.MULTILINE)
_STARTED = re.compile(r"^-- Started on (\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)", re.MULTILINE)
_RESTRICT = re.compile(r"^\\restrict (\w+)", re.MULTILINE)
_CONNECT = re.compile(rb"\n\\c(?:onnect)? ([^\n]+)\n")
_DBNAME = re.compile(r"dbname='((?:[^'\\]|\\.)*)'")
_DUMP_HEADER = re.compile(r"^-- PostgreSQL database dump\s*$", re.MULTILINE)
_CLUSTER_HEADER = re.compile(r"^-- PostgreSQL database cluster dump\s*$", re.MULTILINE)
_TOOL_SAYS = re.compile(r"^pg_dump(?:all)?: ", re.MULTILINE)
_HEADERS = frozenset({"-- PostgreSQL database dump", "-- PostgreSQL database cluster dump"})
_DUMP_END = "-- PostgreSQL database dump complete"
_CLUSTER_END = "-- PostgreSQL database cluster dump complete"


@dataclass(frozen=True, slots=True)
class ScriptFacts:
    """What one pass over a whole script shows.

    Attributes:
        databases: what it connects to, in order, each once.
        tail: its last bytes.
        cluster_end_at: where the last end marker of pg_dumpall begins, bytes; -1 if there is none.
        end_at: where the marker begins that ended all that was begun; -1 where something still goes on.
        size: bytes of the unwrapped script.
    """

    databases: tuple[str, ...]
    tail: str
    cluster_end_at: int
    size: int
    end_at: int = -1

    @property
    def ends_early(self) -> bool:
        """Tell whether all that was begun ends, by bytes that look like it, before the tail."""
        return 0 <= self.end_at < self.size - _TAIL_BYTES


def read_script_head(text: str, *, whole: bool, where: str) -> ArchiveHead:
    """Return what the first part of a script tells.

    Args:
        text: the first `HEAD_BYTES`, decoded.
        whole: that is all there is.
        where: the backup, for messages.

    Raises:
        PermanentError: `archive-tiny`, `not-a-backup`, `archive-corrupt`.
    """
    text = text.removeprefix("\ufeff")
    cluster, dump = _CLUSTER_HEADER.search(text), _DUMP_HEADER.search(text)
    if cluster is None and dump is None:
        must_be_sql(text, whole=whole, where=where)
        return ArchiveHead(Format.PLAIN, toc=_toc(text) if _SERVER.search(text) else None)
    _must_begin_clean(text[: min(match.start() for match in (cluster, dump) if match)], where)
    is_cluster = cluster is not None and (dump is None or cluster.start() < dump.start())
    return ArchiveHead(
        Format.CLUSTER if is_cluster else Format.PLAIN,
        toc=_toc(text),
        databases=connected_databases(text.encode("utf-8", "surrogateescape")),
        written_by="pg_dumpall" if is_cluster else "pg_dump",
    )


_AFTER_END = re.compile(
    r"--|\\(?:unrestrict|q|quit|echo|qecho|timing|pset|set|unset|connect|c|encoding)\b"
    r"|(?:COMMIT|END|ANALYZE|VACUUM|SET|RESET)\b[^;]*;\s*\Z",
    re.IGNORECASE,
)


def may_follow(line: str) -> bool:
    """Tell whether *line* may stand behind an end marker and bring nothing back that could be lost."""
    return _AFTER_END.match(line) is not None


def dump_begins(text: str) -> int | None:
    """Return where the first comment of pg_dump or pg_dumpall begins; None where neither wrote *text*."""
    offsets = [match.start() for match in (_CLUSTER_HEADER.search(text), _DUMP_HEADER.search(text)) if match]
    if not offsets:
        return None
    line = text.rfind("\n", 0, max(0, min(offsets) - 1)) + 1
    return line if text[line : min(offsets)].strip() == "--" else min(offsets)


def dump_ends(tail: str) -> int | None:
    """Return where the last end marker and the comment's end below it are over; None without one."""
    last = max(tail.rfind(f"\n{marker}") for marker in (_DUMP_END, _CLUSTER_END))
    below = tail.find("\n--", last + 1) if last >= 0 else -1
    over = tail.find("\n", below + 1) if below >= 0 else -1
    return None if over < 0 else over + 1


def names_its_versions(text: str) -> bool:
    """Say whether the part of a script read so far names the server that was dumped."""
    return _SERVER.search(text) is not None


def is_cluster_script(text: str) -> bool:
    """Say whether the script begins as pg_dumpall's do."""
    return _CLUSTER_HEADER.search(text) is not None


def scan_script(pieces: Iterable[bytes], where: str = "") -> ScriptFacts:
    """Return what one pass over the *pieces* of a whole script shows, holding no more than its tail.

    Raises:
        PermanentError: `format-unsupported`; it connects to more databases than anybody has.
    """
    databases: dict[str, None] = {}
    tail, size, cluster_end_at, end_at = b"\n", 0, -1, -1
    script_edges = Edges()
    for piece in pieces:
        window = tail[-_OVERLAP:] + piece
        databases.update(dict.fromkeys(connected_databases(window)))
        if len(databases) > _MOST_DATABASES:
            raise PermanentError(
                f"The script connects to more than {_MOST_DATABASES:,} databases. Its own is not looked for "
                "among so many.",
                where,
                rule="format-unsupported",
            )
        for match in script_edges.follow(window):
            end_at = size + len(piece) - len(window) + match.start()
            cluster_end_at = end_at if match["cluster"] else cluster_end_at
        size += len(piece)
        tail = (tail + piece)[-_TAIL_BYTES:]
    text = tail.decode("utf-8", "surrogateescape")
    return ScriptFacts(tuple(databases), text, cluster_end_at, size, end_at if script_edges.ended else -1)


def end_findings(head: ArchiveHead, facts: ScriptFacts, head_text: str, where: str) -> tuple[Finding, ...]:
    r"""Return what the end of a script shows: nothing where it is complete.

    Args:
        head: of the same script.
        facts: of the same script.
        head_text: its first part, which says whether an `\unrestrict` line has to follow the end marker.
        where: the backup.
    """
    end, is_last = _end_marker(facts.tail)
    if not head.written_by:
        if end is not None:
            return ()
        return (finding("end-marker-unknown", _UNKNOWN_END, where=where),)
    if end is None and facts.ends_early:
        return (finding("end-marker-unknown", _MORE_BEHIND, where=where),)
    if end is None or not _closes(head, facts, head_text, end):
        writer = head.written_by
        return (
            finding(
                "end-marker-missing",
                f"The script ends at byte {facts.size} without the line that {writer} writes last. What it "
                "would have written after that is lost, and no tool says so.",
                where=where,
            ),
        )
    if not is_last:
        return (finding("end-marker-unknown", _MORE_BEHIND, where=where),)
    return ()


def connected_databases(text: bytes) -> tuple[str, ...]:
    r"""Return the databases that the `\connect` lines in *text* name, each once, `template1` left out."""
    names = (
        _database_of(match[1].decode("utf-8", "surrogateescape").strip()) for match in _CONNECT.finditer(text)
    )
    return tuple(dict.fromkeys(name for name in names if name and name != "template1"))


_MORE_BEHIND = (
    "The end marker is there, and more that pg_dump did not write follows it. Whether the last of that "
    "is there cannot be proven."
)
_UNKNOWN_END = (
    "The script was not written by pg_dump and has no end marker. Whether its end is there cannot be proven."
)


def _closes(head: ArchiveHead, facts: ScriptFacts, head_text: str, end: str) -> bool:
    """Say whether the end marker that was found is the end of what was begun."""
    if head.format is Format.CLUSTER:
        # A dump may follow a globals file in one script. A pg_dumpall cut between two databases ends like
        # that too, but its own marker is nowhere.
        return end == _CLUSTER_END or facts.cluster_end_at >= 0
    key = _RESTRICT.search(head_text)
    if key is None or end == _CLUSTER_END:
        return True
    _, _, after = facts.tail.rpartition(_DUMP_END)
    line = next((line for line in after.splitlines(keepends=True) if line.startswith("\\unrestrict ")), "")
    return line.endswith("\n") or line.split(" ", 1)[-1] == key[1]


def _end_marker(tail: str) -> tuple[str | None, bool]:
    """Return the last end marker with no other dump behind it, and whether all may follow it that does."""
    lines = [line.strip() for line in tail.splitlines() if line.strip()]
    is_last = True
    for at in range(len(lines) - 2, 0, -1):
        line = lines[at]
        if line in {_DUMP_END, _CLUSTER_END} and lines[at - 1] == lines[at + 1] == "--":
            return line, is_last
        if line in _HEADERS:
            return None, False
        is_last = is_last and may_follow(line)
    return None, False


def _must_begin_clean(before: str, backup_name: str) -> None:
    """Refuse a script that holds what pg_dump said besides what it wrote: psql takes it for SQL."""
    if _TOOL_SAYS.search(before) is None:
        return
    raise PermanentError(
        "The script begins with messages of pg_dump itself. psql fails at them: it restores only by luck.",
        backup_name,
        "Keep 2>&1 out of the backup job's redirection: messages belong into its log.",
        rule="archive-corrupt",
    )


def _database_of(argument: str) -> str:
    """Return the name in `shop`, `"my db"` or `-reuse-previous=on "dbname='my db'"`."""
    named = _DBNAME.search(argument)
    if named is not None:
        return re.sub(r"\\(.)", r"\1", named[1])
    argument = argument.rstrip("; ")
    if argument.startswith('"') and argument.endswith('"'):
        return argument[1:-1].replace('""', '"')
    return argument.split(None, 1)[0] if not argument.startswith("-") else ""


def _toc(text: str) -> Toc:
    server, dumper, encoding = _SERVER.search(text), _DUMPER.search(text), _ENCODING.search(text)
    names = connected_databases(text.encode("utf-8", "surrogateescape"))
    started = _STARTED.search(text)
    return Toc(
        (),
        server_version=server[1].rstrip() if server else "",
        dump_version=dumper[1].rstrip() if dumper else "",
        database=names[0] if len(names) == 1 and not _CLUSTER_HEADER.search(text) else "",
        made_at=_made_at(started[1]) if started else None,
        encoding=encoding[1] if encoding else "",
    )


def _made_at(text: str) -> datetime | None:
    """Return a time, local to the dumping host; None for digits that are none."""
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None
