"""Known exceptions: what an accepted change does to findings.

Only drift can be accepted (`ACCEPTABLE`): never truncation, access or age. A dated entry of the fleet file
turns its findings into information until its day has passed. What was taken in with `restore-drill accept`
is not looked at here: it moves the baseline itself (`baseline.adopt`), so that a further loss is still seen.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import date, datetime
from fnmatch import fnmatchcase
from typing import Any

from tasks.model.findings import Finding, Severity, Verdict
from tasks.model.history import History, PastDrill
from tasks.model.rules import finding
from tasks.model.rules.content import ACCEPTABLE
from tasks.model.target import Accepted

ACCEPTABLE_RULES = ACCEPTABLE


def apply_acceptances(
    findings: Iterable[Finding], entries: Iterable[Accepted], history: History, today: date
) -> tuple[tuple[Finding, ...], tuple[dict[str, Any], ...]]:
    """Return *findings* with the accepted ones as information, and the acceptances that were made use of.

    *entries* are the fleet file's. One that has expired, and would have covered a finding, is ignored with a
    warning. Those recorded in *history* since the last verified drill are in use.
    """
    entries = tuple(entries)
    current = [_as_dict(entry) for entry in entries if entry.until >= today]
    expired = [_as_dict(entry) for entry in entries if entry.until < today]
    judged: list[Finding] = []
    used: list[dict[str, Any]] = recorded(history)
    for change in findings:
        cover = _covering(change, current)
        if cover is None:
            judged.append(change)
            judged += _expiry_of(_covering(change, expired))
            continue
        judged.append(
            replace(change, severity=Severity.INFO, message=f"{change.message} Accepted: {cover['why']}.")
        )
        if cover not in used:
            used.append(cover)
    return tuple(dict.fromkeys(judged)), tuple(used)


def recorded(history: History) -> list[dict[str, Any]]:
    """Return the changes taken in since the last verified drill: they are what the next is compared with."""
    verified = history.verified
    since = _order(verified[-1]) if verified else None
    used: list[dict[str, Any]] = []
    for record in history.records:
        if record.verdict is Verdict.VERIFIED or (since is not None and _order(record) < since):
            continue
        used += [dict(entry) for entry in record.taken_in if dict(entry) not in used]
    return used


def _order(record: PastDrill) -> tuple[datetime, datetime]:
    return record.recovery_point_at, record.finished_at


def _covering(finding: Finding, entries: Iterable[dict[str, Any]]) -> dict[str, Any] | None:
    if finding.rule not in ACCEPTABLE or finding.severity is Severity.INFO:
        return None
    place = finding.where or ""
    return next(
        (
            entry
            for entry in entries
            if entry["rule"] == finding.rule
            and (place == entry["where"] or fnmatchcase(place, entry["where"]))
        ),
        None,
    )


def _expiry_of(entry: dict[str, Any] | None) -> list[Finding]:
    if entry is None:
        return []
    return [
        finding(
            "acceptance-expired",
            f"The exception for {entry['rule']} at {entry['where']} ended on {entry['until']}.",
            where=str(entry["where"]),
        )
    ]


def _as_dict(entry: Accepted) -> dict[str, Any]:
    return {
        "rule": entry.rule,
        "where": entry.where,
        "until": entry.until.isoformat(),
        "why": entry.why.rstrip("."),
    }
