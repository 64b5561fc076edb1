"""What came back of one database or of a cluster's several, read out of a document in one way."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tasks.model.located import located

Document = Mapping[str, Any]
Figures = Mapping[str, Any]

_DECIDED = ("failed", "not_run")


def tables_of(evidence: Document) -> dict[str, Figures]:
    """Return the figures of every table, of several databases by `database:schema.table`."""
    return {
        located(database, name): figures
        for database, held in _each(evidence)
        for name, figures in held["tables"].items()
    }


def object_counts(evidence: Document) -> list[tuple[str, int]]:
    """Return how many objects of each kind there are, of all databases together."""
    counts: dict[str, int] = {}
    for _, held in _each(evidence):
        for kind, names in held.get("objects", {}).items():
            counts[kind] = counts.get(kind, 0) + len(names)
    return [(kind, count) for kind, count in counts.items() if count]


def database_rows(evidence: Document) -> list[dict[str, Any]]:
    """Return what each of several databases came to, by name; nothing for one by itself.

    `checks` says in words how its checks came out; `row_class` is the worst of their outcomes.
    """
    return [
        {
            "name": str(database),
            "tables": len(held["tables"]),
            "rows": sum(figures["rows"] or 0 for figures in _whole(held)),
            "bytes": sum(figures["bytes"] or 0 for figures in _whole(held)),
            **_checks(evidence, str(database)),
        }
        for database, held in _each(evidence)
        if database is not None
    ]


def _each(evidence: Document) -> Iterator[tuple[str | None, Figures]]:
    inventory = evidence.get("inventory")
    if not inventory:
        return
    if inventory.get("databases"):
        yield from sorted(inventory["databases"].items())
    else:
        yield None, inventory


def _whole(held: Figures) -> Iterator[Figures]:
    return (figures for figures in held["tables"].values() if not figures.get("partition_of"))


def _checks(evidence: Document, database: str) -> dict[str, str]:
    own = [check for check in evidence["checks"] if check["name"].startswith(located(database, ""))]
    counts = {outcome: sum(check["outcome"] == outcome for check in own) for outcome in ("passed", *_DECIDED)}
    words = [f"{count} {outcome.replace('_', ' ')}" for outcome, count in counts.items() if count]
    worst = next((outcome for outcome in _DECIDED if counts[outcome]), "passed")
    return {"checks": ", ".join(words), "row_class": worst}
