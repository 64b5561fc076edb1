"""How far a physical copy recovered, in markdown: what the drill's page shows under the same heading."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tasks.evidence.markup import code, text
from tasks.evidence.sentence import minute
from tasks.model.units import format_bytes

TITLE = "How far it recovered"
_MOST_GAPS = 5
_MOST_WINDOWS = 10

Facts = Mapping[str, Any]


def recovery_lines(recovery: Facts | None) -> Iterator[str]:
    """Yield the lines on the evidence's `recovery`; none where a backup has no such thing."""
    if recovery is None:
        return
    base, reached, wal = recovery["base"], recovery["reached"], recovery["wal"]
    yield (
        f"Asked for: {text(recovery['target'])}, from base {code(base['label'])}, timeline {base['timeline']}"
    )
    if base.get("chain"):
        yield f"Put together with {', '.join(map(code, base['chain']))}"
    yield "Nothing was recovered: the drill ended before" if reached is None else _last_commit(reached)
    if wal is not None:
        yield from _wal_lines(wal)
    windows = recovery.get("windows", ())
    yield from map(_window_line, windows[:_MOST_WINDOWS])
    if len(windows) > _MOST_WINDOWS:
        yield f"{len(windows) - _MOST_WINDOWS} older base backups are in the evidence"


def _window_line(window: Facts) -> str:
    base = code(window["base"])
    if window["usable"] is False:
        return f"**Base {base} cannot be recovered**: {text(window['why'])}"
    reach = f"Base {base} brings back {minute(window['from'])} to {minute(window['to'])}"
    return reach if window["usable"] else f"{reach}, if it holds its own WAL"


def _last_commit(reached: Facts) -> str:
    if reached["last_commit_at"] is None:
        return f"No transaction came back after the base; recovery ended at {code(reached['lsn'])}"
    until = f"; the next was at {reached['next_commit_at']}" if reached["next_commit_at"] else ""
    return f"Last commit that came back: {reached['last_commit_at']}, at {code(reached['lsn'])}{until}"


def _wal_lines(wal: Facts) -> Iterator[str]:
    segments = "1 segment" if wal["segments"] == 1 else f"{wal['segments']} segments"
    yield f"WAL replayed: {segments} to {code(wal['last'])}, {format_bytes(wal['bytes'])}"
    if wal["newest_archived"] is None:
        yield "Nothing is archived"
    else:
        at = minute(wal["newest_archived_at"])
        yield f"The archive's newest: {code(wal['newest_archived'])}, archived {at}"
    for gap in wal["gaps"][:_MOST_GAPS]:
        absent = "1 segment is" if gap["count"] == 1 else f"{gap['count']} segments are"
        newer = "1 newer one is" if gap["newer"] == 1 else f"{gap['newer']} newer ones are"
        yield (
            f"**Gap** on timeline {gap['timeline']}: {absent} absent from {code(gap['first'])} on, "
            f"and {newer} there"
        )
    if len(wal["gaps"]) > _MOST_GAPS:
        yield f"{len(wal['gaps']) - _MOST_GAPS} more gaps are in the evidence"
