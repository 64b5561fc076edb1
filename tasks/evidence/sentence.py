"""What a drill shows in one sentence: for a terminal, a run's state and a report's row."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from tasks.evidence.databases import tables_of
from tasks.model.findings import FindingClass
from tasks.model.printable import printable
from tasks.model.units import format_bytes, format_duration

Document = Mapping[str, Any]

_WEIGHT = {
    FindingClass.DATA.value: 0,
    FindingClass.PATH.value: 0,
    FindingClass.STALE.value: 1,
    FindingClass.SLOW.value: 2,
    FindingClass.DRILL.value: 3,
}
_LONGEST = 1000
CAVEATS = frozenset(("isolation-off",))
"""Rules whose findings stand in the first lines of whatever tells of a drill."""
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+(?=[A-Z0-9\"'(])")


def sentence(evidence: Document) -> str:
    """Return the drill in one line.

    Such as `orders: verified — 1.2 GiB restored in 41 s from 2026-11-22 03:00 UTC (age 4 h, RPO 26 h)`.
    """
    return f"{printable(evidence['database'])}: {state_message(evidence)}"


def state_message(evidence: Document) -> str:
    """Return verdict and cause in one line, as a run's state says it."""
    klass = cause_class(evidence)
    verdict = evidence["verdict"] + (f" ({klass})" if klass and evidence["verdict"] == "failed" else "")
    return printable(
        f"{verdict} — {cause(evidence).rstrip('.')}{_accepted(evidence)}{_caveat(evidence)}", _LONGEST
    )


def cause(evidence: Document) -> str:
    """Return why the verdict is what it is, one sentence; what was recovered if it is `verified`."""
    if evidence["verdict"] == "verified":
        return _recovered(evidence)
    leading = leading_finding(evidence)
    if leading is None:
        return _without_finding(evidence)
    others = len(failures(evidence)) - 1
    more = f" (and {others} more)" if others else ""
    return f"{first_sentence(leading['message']).rstrip('.')}{more}."


def cause_class(evidence: Document) -> str | None:
    """Return the class of the finding that decided: `data`, `path`, `stale`, `slow` or `drill`."""
    leading = leading_finding(evidence)
    return None if leading is None else str(leading["class"])


def leading_finding(evidence: Document) -> Mapping[str, Any] | None:
    """Return the failure that a person should read first; None if there is none.

    Lost data and a broken way back weigh more than age, age more than speed; among equals the earliest stage
    comes first, since what follows is often its consequence.
    """
    return min(failures(evidence), key=lambda item: _WEIGHT[item["class"]], default=None)


def caveat(evidence: Document) -> str | None:
    """Return what has to be known before anything else of a drill is believed, one or two sentences."""
    return next((str(item["message"]) for item in evidence["findings"] if item["rule"] in CAVEATS), None)


def failures(evidence: Document) -> list[Mapping[str, Any]]:
    """Return the findings that moved the verdict, in drill order."""
    return [item for item in evidence["findings"] if item["severity"] == "failure"]


def first_sentence(text: str) -> str:
    """Return the sentence of fact of a message: its first."""
    return _SENTENCE_END.split(text.strip().replace("\n", " "), maxsplit=1)[0]


def restored_bytes(evidence: Document) -> int | None:
    """Return the bytes of all tables and large objects that came back; None where they were not measured."""
    inventory = evidence.get("inventory")
    if not inventory:
        return None
    sizes = [t["bytes"] for t in tables_of(evidence).values() if not t.get("partition_of")]
    sizes.append(inventory.get("large_objects", {}).get("bytes"))
    measured_sizes = [size for size in sizes if size is not None]
    return sum(measured_sizes) if measured_sizes else None


def minute(at: str | None) -> str:
    """Return a stored time to the minute, `2026-11-22 03:00 UTC`."""
    return "unknown" if at is None else f"{datetime.fromisoformat(at):%Y-%m-%d %H:%M} UTC"


def _recovered(evidence: Document) -> str:
    size, seconds = restored_bytes(evidence), _recovery_s(evidence)
    point, objectives = evidence["recovery_point"] or {}, evidence["objectives"]
    what = "restored" if size is None else f"{format_bytes(size)} restored"
    took = "" if seconds is None else f" in {format_duration(seconds)}"
    age = f"age {format_duration(objectives['age_s'])}"
    rpo = "" if objectives["rpo_s"] is None else f", RPO {format_duration(objectives['rpo_s'])}"
    return f"{what}{took} from {minute(point.get('at'))} ({age}{rpo})"


def _recovery_s(evidence: Document) -> float | None:
    achieved = evidence["objectives"]["achieved_rto_s"]
    return None if achieved is None else achieved - (evidence["objectives"]["overhead_s"] or 0.0)


def _without_finding(evidence: Document) -> str:
    skipped = [check for check in evidence["checks"] if check["outcome"] == "not_run"]
    if not skipped:
        return "Nothing of the restored database was checked."
    first = skipped[0]
    why = f": {first['why']}" if first["why"] else ""
    more = f" (and {len(skipped) - 1} more)" if len(skipped) > 1 else ""
    return f"The check {first['name']} did not run{why.rstrip('.')}{more}."


def _caveat(evidence: Document) -> str:
    caveat_text = caveat(evidence)
    return "" if caveat_text is None else f"; {first_sentence(caveat_text).rstrip('.')}"


def _accepted(evidence: Document) -> str:
    count = len(evidence["accepted"])
    return "" if not count else f"; {count} accepted exception{'s' if count > 1 else ''}"
