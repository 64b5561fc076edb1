"""What a page shows of a database's newest self test: its score, the matrix, what went by and what to do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from tasks.evidence.selftest_text import JUDGED, place, rows_in_order, share, survivors
from tasks.model.selftest import Ability

_STATES = {
    Ability.CAN_FAIL.value: ("verified", "Can fail"),
    Ability.CANNOT_FAIL.value: ("failed", "Cannot fail"),
    Ability.INCONCLUSIVE.value: ("inconclusive", "Not known"),
}
_FAMILIES = {"data": "the restored data", "backup": "the backup"}
MOST_SURVIVORS = 40


@dataclass(frozen=True, slots=True)
class Mark:
    """What the fleet's page says of a self test.

    Attributes:
        state: the verdict whose colour and shape it has.
        text: `Can fail`, `Cannot fail` or `Not known`.
        score: in words, "" where nothing was judged.
    """

    uri: str
    state: str
    text: str
    score: str
    why: str
    at: str

    def as_dict(self) -> dict[str, Any]:
        """Return the mark as the site's cache holds it."""
        return asdict(self)


def mark_of(document: Mapping[str, Any], uri: str) -> Mark:
    """Return the mark of the self test *document* that lies at *uri*."""
    state, text = _STATES[document["ability"]]
    score = document["score"]
    return Mark(
        uri, state, text, share(score) if score["judged"] else "", document["why"], document["started_at"]
    )


def selftest_context(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return the variables of a page's section on the self test *document*."""
    state, text = _STATES[document["ability"]]
    rows: Sequence[Mapping[str, Any]] = document["rows"]
    missed = survivors(rows)
    return {
        "state": state,
        "text": text,
        "why": document["why"],
        "at": document["started_at"],
        "seed": document["seed"],
        "seconds": document["seconds"],
        "quick": document["quick"],
        "point_at": (document["recovery_point"] or {}).get("at"),
        "score": document["score"],
        "share": share(document["score"]),
        "families": _families(rows),
        "tables": _tables(document["tables"]),
        "survivors": [_survivor(row) for row in missed[:MOST_SURVIVORS]],
        "survivors_left": max(0, len(missed) - MOST_SURVIVORS),
        "rows": [{**row, "place": place(row)} for row in rows_in_order(rows) if row["outcome"] in JUDGED],
        "left_out": [row for row in rows if row["outcome"] == "not_applicable"],
    }


def _families(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    families = []
    for family, name in _FAMILIES.items():
        family_rows = [row for row in rows if row["family"] == family and row["outcome"] in JUDGED]
        kinds = dict.fromkeys(row["kind"] for row in family_rows)
        if family_rows:
            families.append({"name": name, "kinds": [_kind(kind, family_rows) for kind in kinds]})
    return families


def _kind(kind: str, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    kind_rows = [row for row in rows if row["kind"] == kind]
    counts = {fate: sum(row["outcome"] == fate for row in kind_rows) for fate in JUDGED}
    caught = [name for row in kind_rows if row["outcome"] == "caught" for name in row["by"]]
    return {"kind": kind, "by": list(dict.fromkeys(name.split(" ", 1)[0] for name in caught)), **counts}


def _tables(tables: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    judged = [
        {"name": name, "words": share(score), **score} for name, score in tables.items() if score["judged"]
    ]
    return sorted(judged, key=lambda table: (table["share"], table["name"]))


def _survivor(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "place": place(row),
        "what": row["what"],
        "noticed": row["outcome"] == "noticed",
        "by": row["by"],
        "why": row["why"],
        "expectation": row["expectation"],
    }
