"""A draft as a file that people edit: written once, and proposed again without touching what they wrote.

Decisions: each drafted entry carries a fingerprint of itself in its meta. As long as it fits, the entry is
the draft's and may be renewed; once it does not, the entry is its reader's and stays as it is, comments
included. What a reader throws out he lists under `declined`, so that it is not proposed again. The file is
cut at the lines where entries start, and what stays is not touched: a library's round trip writes the whole
file anew, re-indents it, and gives the comment above an entry that goes to the entry below it.
"""

from __future__ import annotations

import difflib
import fnmatch
import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from expectations.draft import Draft
from expectations.yaml_text import Document, as_mapping, flow, read_yaml

_HEAD = """\
# Drafted from {points}. It reports and fails nothing until somebody has read it:
# go through it, correct what you know better, drop what says nothing, then write `gate: fail`.
# A line that you change is yours and is kept when the suite is drafted again. To keep an expectation from
# being proposed again, list it under `declined`, such as
# ["public.orders expect_column_mean_to_be_between amount"].
suite: {name}
gate: report
tables:
"""
_INDENT = 4
_FINGERPRINT = "draft"
_RENEWED = (_FINGERPRINT, "observed")


@dataclass(frozen=True, slots=True)
class Proposal:
    """A suite's file as the draft proposes it.

    Attributes:
        diff: unified, empty when nothing changes.
        added, changed, removed: names of drafted expectations.
        kept: names of those that people wrote or changed.
    """

    text: str
    diff: str
    added: tuple[str, ...]
    changed: tuple[str, ...]
    removed: tuple[str, ...]
    kept: tuple[str, ...]


def propose(
    name: str, drafts: Sequence[Draft], points: Sequence[datetime], existing: str | None = None
) -> Proposal:
    """Return the file of suite *name* with *drafts* in it.

    Args:
        name: of a new suite; an existing one keeps its own.
        drafts: what the profile suggests.
        points: the recovery points that were profiled, for the head of a new file.
        existing: text of the file as it is, a valid suite in YAML.

    Raises:
        ValueError: *existing* is not written in blocks, one expectation below the other.
    """
    if existing is None:
        head = _HEAD.format(
            name=json.dumps(name) if re.search(r"[^\w.-]", name) else name, points=_say(points)
        )
        file = _File([head.rstrip("\n")], [], [])
    else:
        file = _read(existing)
    merged = _merge(file, drafts)
    before = [] if existing is None else existing.splitlines(keepends=True)
    diff = "".join(difflib.unified_diff(before, merged.text.splitlines(keepends=True), "now", "proposed"))
    return Proposal(merged.text, diff, merged.added, merged.changed, merged.removed, merged.kept)


def entry_lines(entry: Mapping[str, object], indent: int) -> list[str]:
    """Return an expectation as it stands in a suite's file, a line for each of its keys."""
    pad = " " * indent
    parts = [f"{key}: {flow(value)}" for key, value in entry.items()]
    return [f"{pad}- {parts[0]}", *(f"{pad}  {part}" for part in parts[1:])]


def identity(table: str, kind: str, kwargs: Mapping[str, object]) -> str:
    """Return which expectation it is, whatever its bounds: `public.orders expect_... column`."""
    columns = [kwargs.get(key) for key in ("column", "column_A", "column_B")]
    column_list = kwargs.get("column_list")
    columns += column_list if isinstance(column_list, list) else []
    query = re.sub(r"\d[\d.]*", "#", str(kwargs.get("unexpected_rows_query", "")))
    about = [str(part) for part in (*columns, kwargs.get("regex"), query) if part]
    return " ".join((table, kind, *about))


@dataclass(frozen=True, slots=True)
class _Entry:
    """An expectation in the file: its lines, and what they say."""

    lines: list[str]
    data: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class _Block:
    """A table in the file: the lines of its name, and its entries."""

    table: str
    lines: list[str]
    entries: list[_Entry]
    indent: int = _INDENT


@dataclass(frozen=True, slots=True)
class _File:
    """A suite's file in pieces that add up to it."""

    head: list[str]
    blocks: list[_Block]
    tail: list[str]
    declined: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Merged:
    text: str
    added: tuple[str, ...]
    changed: tuple[str, ...]
    removed: tuple[str, ...]
    kept: tuple[str, ...]


def _merge(file: _File, drafts: Sequence[Draft]) -> _Merged:
    drafts_by_identity = {
        identity(drafted.table, drafted.type, drafted.kwargs): drafted
        for drafted in drafts
        if not _declined(drafted, file.declined)
    }
    lines = list(file.head)
    added: list[str] = []
    changed: list[str] = []
    removed: list[str] = []
    kept_names: list[str] = []
    blocks = [*file.blocks]
    written_tables = {block.table for block in blocks}
    blocks += [
        _Block(table, [f"  {flow(table)}:"], []) for table in _tables(drafts) if table not in written_tables
    ]
    for block in blocks:
        entries: list[str] = []
        for entry in block.entries:
            name = identity(block.table, str(entry.data.get("type")), _mapping(entry.data.get("kwargs")))
            draft = drafts_by_identity.pop(name, None)
            if not _is_ours(entry.data):
                kept_names.append(name)
                entries += entry.lines
            elif draft is None:
                removed.append(name)
            elif _plain(draft.kwargs) == _plain(_mapping(entry.data.get("kwargs"))):
                entries += entry.lines
            else:
                changed.append(name)
                entries += _render(draft, block.indent)
        for name in [name for name, draft in drafts_by_identity.items() if draft.table == block.table]:
            added.append(name)
            entries += _render(drafts_by_identity.pop(name), block.indent)
        if entries:
            lines += block.lines + entries
    text = "\n".join([*lines, *file.tail]).rstrip("\n") + "\n"
    return _Merged(text, tuple(added), tuple(changed), tuple(removed), tuple(kept_names))


def _render(draft: Draft, indent: int) -> list[str]:
    entry: dict[str, object] = {"type": draft.type, "kwargs": _plain(draft.kwargs)}
    if draft.severity != "critical":
        entry["severity"] = draft.severity
    meta = {"why": draft.why, "observed": draft.observed}
    entry["meta"] = {**meta, _FINGERPRINT: _fingerprint({**entry, "meta": meta})}
    return entry_lines(entry, indent)


def _fingerprint(entry: Mapping[str, object]) -> str:
    meta = {key: value for key, value in _mapping(entry.get("meta")).items() if key not in _RENEWED}
    text = json.dumps(_plain({**entry, "meta": meta}), sort_keys=True, default=str)
    return "d" + hashlib.sha256(text.encode()).hexdigest()[:10]


def _is_ours(entry: Mapping[str, object]) -> bool:
    return _mapping(entry.get("meta")).get(_FINGERPRINT) == _fingerprint(entry)


def _declined(draft: Draft, patterns: Sequence[str]) -> bool:
    name = identity(draft.table, draft.type, draft.kwargs)
    return any(fnmatch.fnmatchcase(name, pattern) or name.startswith(f"{pattern} ") for pattern in patterns)


def _read(text: str) -> _File:
    """Cut a file into its pieces at the lines where tables and entries start."""
    document = read_yaml(text)
    data = _mapping(document.data)
    lines = text.splitlines()
    if _flows(document, ()):
        raise ValueError("the suite is not written in blocks")
    if _flows(document, ("tables",)) or ("tables", "<<") in document.lines:
        raise ValueError("its tables are not written in blocks")
    head = document.line(("tables",))
    after = [line for key in data if (line := document.line((key,))) > head]
    end = _above(lines, min(after) - 1) if after else len(lines)
    content = _mapping(data.get("tables"))
    starts = [_above(lines, document.line(("tables", table)) - 1) for table in content]
    blocks = [
        _block(lines, table, document, entries, (start, stop))
        for (table, entries), start, stop in zip(content.items(), starts, [*starts[1:], end], strict=True)
    ]
    declined = data.get("declined")
    return _File(
        head=lines[: starts[0]] if starts else lines[:end],
        blocks=blocks,
        tail=lines[end:],
        declined=tuple(str(name) for name in declined) if isinstance(declined, list) else (),
    )


def _block(
    lines: list[str], table: str, document: Document, entries: object, span: tuple[int, int]
) -> _Block:
    path, (start, stop) = ("tables", table), span
    if _flows(document, path) or not isinstance(entries, list):
        raise ValueError(f"the expectations of {table} are not written in blocks")
    indent = document.shapes[path].column
    dashes = [_dash(lines, document.line((*path, at)) - 1, indent, start) for at in range(len(entries))]
    starts = [_above(lines, dash) for dash in dashes]
    if starts != sorted(starts) or not all(start < at < stop for at in starts):
        raise ValueError(f"the expectations of {table} are not written where they stand")
    cut = zip(starts, [*starts[1:], stop], entries, strict=True)
    entries_there = [_Entry(lines[first:last], _mapping(entry)) for first, last, entry in cut]
    return _Block(table, lines[start : starts[0]], entries_there, indent)


def _flows(document: Document, path: tuple[str, ...]) -> bool:
    """Say whether *path* is no list or mapping written in blocks."""
    shape = document.shapes.get(path)
    return shape is None or shape.flow


def _dash(lines: list[str], row: int, indent: int, top: int) -> int:
    """Return the row of the dash in front of an entry whose content begins in *row*."""
    while row > top and not lines[row].startswith("-", indent):
        row -= 1
    return row


def _above(lines: list[str], line: int) -> int:
    """Return where the comment above *line* starts, else *line*."""
    while line > 0 and lines[line - 1].lstrip().startswith("#"):
        line -= 1
    return line


def _tables(drafts: Sequence[Draft]) -> Iterator[str]:
    yield from dict.fromkeys(draft.table for draft in drafts)


def _plain(value: object) -> object:
    """Return *value* as a file gives it back: times are text."""
    return json.loads(json.dumps(value, default=str))


def _mapping(value: object) -> Mapping[str, object]:
    return as_mapping(value) or {}


def _say(points: Sequence[datetime]) -> str:
    days = sorted(f"{point:%Y-%m-%d %H:%M}" for point in points)
    if len(days) == 1:
        return f"the recovery point of {days[0]} UTC"
    return f"{len(days)} recovery points, {days[0]} to {days[-1]} UTC"
