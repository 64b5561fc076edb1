"""A drill's evidence as markdown, short enough for a run's artifact: the verdict, then what it rests on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from tasks.evidence.databases import database_rows
from tasks.evidence.markup import cell, code, fenced, link, text
from tasks.evidence.recovery_text import TITLE, recovery_lines
from tasks.evidence.sentence import Document, cause, cause_class, caveat, minute, state_message
from tasks.model.printable import printable
from tasks.model.units import format_bytes, format_duration

__all__ = ["check_rows", "markdown", "state_message"]

_WORDS = {"passed": "PASS", "failed": "FAIL", "not_run": "NOT RUN", "not_configured": "not configured"}
_ORDER = ("failed", "not_run", "passed", "not_configured")
_MOST_CHECKS = 200
_MOST_CHARS = 500
_NOTHING = "-"
SPELLED_OUT = (
    "Names with characters that do not show are spelled out here; the evidence has the exact commands."
)


def markdown(evidence: Document, report_url: str | None = None) -> str:
    """Return the report of one drill in markdown.

    Args:
        evidence: from `build_evidence`.
        report_url: where the full report can be read, linked if given.
    """
    parts = (
        _headline(evidence, report_url),
        _findings(evidence),
        _objectives(evidence),
        _databases(evidence),
        _section("Checks", _table(("check", "outcome", "observed", "expected"), _rows_of_checks(evidence))),
        _section("Not proven", _bullets(map(text, evidence["not_proven"]))),
        _section(TITLE, _bullets(recovery_lines(evidence.get("recovery")))),
        _commands(evidence),
    )
    return "\n\n".join(part for part in parts if part) + "\n"


def check_rows(evidence: Document) -> list[dict[str, str]]:
    """Return the checks as rows of a table artifact: short cells, words for outcomes."""
    return [
        {
            "check": _text(check["name"]),
            "stage": check["stage"],
            "outcome": _WORDS[check["outcome"]],
            "observed": _text(check["observed"]),
            "expected": _text(check["expected"]),
            "why": _text(check["why"]),
        }
        for check in evidence["checks"]
    ]


def _headline(evidence: Document, report_url: str | None) -> str:
    klass = cause_class(evidence)
    verdict = evidence["verdict"].upper()
    verdict += f" ({klass})" if klass and evidence["verdict"] == "failed" else ""
    lines = [
        f"# {text(evidence['fleet'])}/{text(evidence['database'])}: {text(verdict)}",
        text(cause(evidence)),
        *_caveats(evidence),
        _recovery_point(evidence["recovery_point"]),
    ]
    if report_url:
        lines.append(link("Full report", report_url))
    return "\n\n".join(lines)


def _caveats(evidence: Document) -> list[str]:
    caveat_text = caveat(evidence)
    return [] if caveat_text is None else [f"**{text(caveat_text)}**"]


def _recovery_point(point: Mapping[str, Any] | None) -> str:
    if point is None or point["uri"] is None:
        return "Recovery point: none"
    return f"Recovery point: {code(point['uri'])}, {minute(point['at'])}, {format_bytes(point['bytes'])}"


def _findings(evidence: Document) -> str:
    return _section("Findings", _bullets(_finding_line(item) for item in evidence["findings"]))


def _finding_line(item: Mapping[str, Any]) -> str:
    place = f" at {code(item['where'])}" if item["where"] else ""
    hint = f" Next: {text(item['hint'])}" if item["hint"] else ""
    return (
        f"**{text(item['severity'])}** {code(item['rule'])} ({text(item['class'])}){place}: "
        f"{text(item['message'])}{hint}"
    )


def _objectives(evidence: Document) -> str:
    facts = evidence["objectives"]
    sign = ">= " if facts["rto_basis"] == "lower_bound" else ""
    rows = [
        ("RPO", _seconds(facts["achieved_rpo_s"]), _seconds(facts["rpo_s"]), facts["rpo_basis"] or _NOTHING),
        (
            "RTO",
            _seconds(facts["achieved_rto_s"], sign),
            _seconds(facts["rto_s"]),
            facts["rto_basis"] or _NOTHING,
        ),
    ]
    if facts.get("worst_rto_s") is not None:
        worst = _seconds(facts["worst_rto_s"], sign)
        rows.append(("RTO, just before the next base backup", worst, _seconds(facts["rto_s"]), "forecast"))
    return _section("Objectives", _table(("objective", "achieved", "limit", "basis"), rows))


def _databases(evidence: Document) -> str:
    rows = [
        (row["name"], str(row["tables"]), f"{row['rows']:,}", format_bytes(row["bytes"]), row["checks"])
        for row in database_rows(evidence)
    ]
    return _section("Databases", _table(("database", "tables", "rows", "size", "checks"), rows))


def _rows_of_checks(evidence: Document) -> Iterator[Sequence[str]]:
    worst_first = sorted(evidence["checks"], key=lambda check: _ORDER.index(check["outcome"]))
    for check in worst_first[:_MOST_CHECKS]:
        observed = check["why"] if check["observed"] is None else check["observed"]
        yield check["name"], _WORDS[check["outcome"]], _text(observed), _text(check["expected"])
    left = len(evidence["checks"]) - _MOST_CHECKS
    if left > 0:
        yield f"{left} more in the evidence", _NOTHING, _NOTHING, _NOTHING


def _commands(evidence: Document) -> str:
    commands = evidence["recovery_commands"]
    if not commands:
        return ""
    lines = [f"{printable(item['command'])}  # {format_duration(item['seconds'])}" for item in commands]
    spelled = any(printable(item["command"]) != item["command"] for item in commands)
    note = f"\n\n{SPELLED_OUT}" if spelled else ""
    return _section("The commands that recovered it", fenced("\n".join(lines), "sh") + note)


def _section(title: str, body: str) -> str:
    return f"## {title}\n\n{body}" if body else ""


def _bullets(lines: Iterable[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    body = [f"| {' | '.join(map(cell, row))} |" for row in rows]
    if not body:
        return ""
    return "\n".join((f"| {' | '.join(head)} |", f"|{' --- |' * len(head)}", *body))


def _text(value: object) -> str:
    return _NOTHING if value is None else printable(str(value), _MOST_CHARS)


def _seconds(value: float | None, sign: str = "") -> str:
    return _NOTHING if value is None else f"{sign}{format_duration(value)}"
