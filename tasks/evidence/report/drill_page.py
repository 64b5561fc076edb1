"""What a drill's page shows, in the order in which somebody woken at night needs it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from tasks.evidence.databases import database_rows, object_counts, tables_of
from tasks.evidence.markdown import SPELLED_OUT
from tasks.evidence.report.plots import phase_bars, sparkline
from tasks.evidence.report.summary import Summary, database_row
from tasks.evidence.report.words import duration, number, percent, second, size
from tasks.evidence.sentence import Document, cause, cause_class, caveat, restored_bytes
from tasks.model.printable import printable

MOST_PLOTS = 15
MOST_NULLS = 4
MOST_AGES = 3
MOST_TABLES = 60
_OF_A_SUITE = re.compile(r"([^:]+:)?suite\.")
_BEFORE_OTHERS = ("failed", "not_run", "passed")
_POINT = (
    "uri",
    "version_id",
    "at",
    "dated_by",
    "bytes",
    "sha256",
    "integrity",
    "format",
    "wrappers",
    "server_version",
)
_CLASS_WORDS = {
    "data": "what is in the backup is wrong or incomplete",
    "path": "the way back is broken",
    "stale": "too old",
    "slow": "too slow",
}
_EXPECTATIONS = {
    "passed": ("Pass", "passed"),
    "failed": ("Fail", "failed"),
    "errored": ("Could not run", "not_run"),
    "table_missing": ("Table missing", "failed"),
    "no_history": ("No history yet", "not_configured"),
}


def drill_context(
    evidence: Document,
    stem: str,
    *,
    history: Sequence[Summary],
    acceptances: Sequence[Mapping[str, Any]],
    suites: Mapping[str, Mapping[str, Any]],
) -> dict[str, Any]:
    """Return the variables of the page of *evidence*.

    Args:
        evidence: the document.
        stem: the beginning of its files' names.
        history: the drills of the database up to this one, oldest first, this one last.
        acceptances: what people accepted afterwards.
        suites: file name to the results that it holds, as far as they could be read.
    """
    klass = cause_class(evidence)
    objects = object_counts(evidence)
    tables = _tables(evidence)
    return {
        "ev": evidence,
        "point": dict.fromkeys(_POINT) | dict(evidence["recovery_point"] or {}),
        "here": stem,
        "klass": klass,
        "klass_words": _CLASS_WORDS.get(klass or "", ""),
        "headline": cause(evidence),
        "caveat": caveat(evidence),
        "findings": [{"names": (), **item} for item in evidence["findings"]],
        "data_lost": _data_lost(evidence),
        "checks": _checks(evidence, shown_elsewhere=bool(suites)),
        "idle": [check for check in evidence["checks"] if check["outcome"] == "not_configured"],
        "suites": [
            _suite(entry, suites[entry["file"]]) for entry in evidence["suites"] if entry["file"] in suites
        ],
        "spelled_out": SPELLED_OUT
        if any(printable(item["command"]) != item["command"] for item in evidence["recovery_commands"])
        else "",
        "phases": phase_bars(evidence["phases_s"]),
        "plots": _plots(evidence, history) if len(history) > 1 else [],
        "drills": history,
        "acceptances": acceptances,
        "recoverable": _recoverable(evidence, history),
        "restored_bytes": restored_bytes(evidence),
        "databases": database_rows(evidence),
        "tables": tables[:MOST_TABLES],
        "table_count": len(tables),
        "tables_left": max(0, len(tables) - MOST_TABLES),
        "objects": objects,
        "object_count": sum(count for _, count in objects),
        "not_restored": evidence.get("not_restored", ()),
        "rejected": [
            item for item in (evidence["recovery_point"] or {}).get("candidates", ()) if not item["taken"]
        ],
        "receipt": receipt(evidence["sandbox"]),
        "recovery": evidence.get("recovery"),
    }


def receipt(sandbox: Mapping[str, Any] | None) -> str:
    """Return what became of the sandbox, one sentence."""
    if sandbox is None:
        return "No sandbox was made, so there was nothing to tear down."
    if sandbox["left_behind"]:
        return "Left behind, for `restore-drill sweep` to remove:"
    if sandbox["destroyed_at"] is None:
        return "There is no receipt: whether the sandbox was destroyed is not known."
    at = second(sandbox["destroyed_at"])
    return f"Everything that the drill made was destroyed at {at}; nothing was left behind."


def _recoverable(evidence: Document, history: Sequence[Summary]) -> dict[str, Any]:
    """The newest point that came back, and the drill that has its commands: what trouble reaches for."""
    row = database_row(evidence["database"], tuple(reversed(history)))
    own = evidence["newest_recoverable"] or {}
    uri, at = own.get("uri") or row.recoverable_uri, own.get("at") or row.recoverable_at
    drills = [drill for drill in row.drills if drill.point_uri == uri and drill.verdict == "verified"]
    return {"uri": uri, "at": at, "stem": drills[0].stem if drills else None}


def _checks(evidence: Document, *, shown_elsewhere: bool) -> list[Mapping[str, Any]]:
    """Checks that say something, failed ones first; expectations have a section of their own if they can."""
    checks = [
        check
        for check in evidence["checks"]
        if check["outcome"] in _BEFORE_OTHERS and not (shown_elsewhere and _OF_A_SUITE.match(check["name"]))
    ]
    return sorted(checks, key=lambda check: _BEFORE_OTHERS.index(check["outcome"]))


def _data_lost(evidence: Document) -> bool:
    return any(
        item["severity"] == "failure" and item["class"] == "data" and item["rule"] != "expectation-failed"
        for item in evidence["findings"]
    )


# --- suites


def _suite(entry: Mapping[str, Any], stored: Mapping[str, Any]) -> dict[str, Any]:
    results = [_expectation(item) for item in stored.get("results", ())]
    tables = dict.fromkeys(item["table"] for item in results)
    return {
        "name": entry["name"],
        "file": entry["file"],
        "gate": stored.get("gate"),
        "failed": any(item["row_class"] == "failed" for item in results),
        "counts": _counted(results),
        "tables": [
            {"name": name, "results": _worst_first(item for item in results if item["table"] == name)}
            for name in tables
        ],
    }


def _expectation(item: Mapping[str, Any]) -> dict[str, Any]:
    word, row_class = _EXPECTATIONS.get(str(item.get("outcome")), (str(item.get("outcome")), "not_run"))
    return {
        "table": item.get("table") or "",
        "says": item.get("expected") or item.get("type") or "",
        "observed": item.get("message") if item.get("observed") is None else item.get("observed"),
        "severity": item.get("severity"),
        "why": item.get("why"),
        "owner": item.get("owner"),
        "word": word,
        "row_class": row_class,
    }


def _worst_first(items: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    order = (*_BEFORE_OTHERS, "not_configured")
    return sorted(items, key=lambda item: order.index(item["row_class"]))


def _counted(results: Sequence[Mapping[str, Any]]) -> str:
    counts = Counter(item["row_class"] for item in results)
    words = {
        "passed": "hold",
        "failed": "do not hold",
        "not_run": "could not be evaluated",
        "not_configured": "have no history yet",
    }
    phrases = [f"{counts[key]} {word}" for key, word in words.items() if counts[key]]
    return f"Of {len(results)} expectations {', '.join(phrases)}" if results else "It holds no expectation"


# --- what came back


def _tables(evidence: Document) -> list[tuple[str, Mapping[str, Any]]]:
    return sorted(tables_of(evidence).items(), key=lambda item: (-(item[1]["bytes"] or 0), item[0]))


# --- plots


def _plots(evidence: Document, history: Sequence[Summary]) -> list[dict[str, Any]]:
    good = [drill.verdict == "verified" for drill in history]
    plots = [
        _plot("Backup as stored", [drill.stored_bytes for drill in history], good, size),
        _plot("Recovery time", [drill.objectives["achieved_rto_s"] for drill in history], good, duration),
        _plot(
            "Age of the newest row", [drill.objectives["content_age_s"] for drill in history], good, duration
        ),
    ]
    plots += [
        _plot(f"NULLs in {column}", [drill.nulls.get(column) for drill in history], good, percent)
        for column in _plotted_nulls(history)
    ]
    plots += [
        _plot(f"Age of the newest {column}", [drill.ages_s.get(column) for drill in history], good, duration)
        for column in list(history[-1].ages_s)[:MOST_AGES]
    ]
    plots += [
        _plot(f"Rows of {table}", [drill.rows.get(table) for drill in history], good, number)
        for table in _plotted_tables(evidence, history)
    ]
    return [plot for plot in plots if plot["drawing"]][:MOST_PLOTS]


def _plotted_nulls(history: Sequence[Summary]) -> list[str]:
    """The columns that have ever held NULLs, those that moved most first; a line of zeros says nothing."""
    shares_by_column = {
        column: [drill.nulls[column] for drill in history if column in drill.nulls]
        for column in history[-1].nulls
    }
    moved = {column: max(shares) - min(shares) for column, shares in shares_by_column.items() if any(shares)}
    return sorted(moved, key=lambda column: (-moved[column], column))[:MOST_NULLS]


def _plotted_tables(evidence: Document, history: Sequence[Summary]) -> list[str]:
    """The tables that findings name come first, then the largest."""
    rows_by_table = {table: rows for drill in history for table, rows in drill.rows.items()}
    named = [item["where"] for item in evidence["findings"] if item["where"] in rows_by_table]
    largest = sorted(rows_by_table, key=lambda table: -rows_by_table[table])
    return list(dict.fromkeys([*named, *largest]))


def _plot(
    title: str, values: Sequence[float | None], good: Sequence[bool], show: Callable[[Any], str]
) -> dict[str, Any]:
    measured_values = [value for value in values if value is not None]
    enough = len(measured_values) > 1
    last = show(values[-1]) if values[-1] is not None else "not measured"
    return {
        "title": title,
        "drawing": sparkline(values, good, f"{title}: {', '.join(show(value) for value in measured_values)}")
        if enough
        else "",
        "last": last,
        "change": _change(values),
    }


def _change(values: Sequence[float | None]) -> str:
    if len(values) < 2 or values[-1] is None or not values[-2]:  # noqa: PLR2004  a change needs two
        return ""
    moved = 100 * (values[-1] - values[-2]) / values[-2]
    return "unchanged" if abs(moved) < 0.05 else f"{moved:+.1f} %"  # noqa: PLR2004  rounds to nothing
