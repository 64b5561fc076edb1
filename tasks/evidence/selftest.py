"""The document of a self test: what was damaged, what caught it, and whether the drill can fail at all.

It lies in a folder of its own, `<fleet>/<database>/selftest/`, one level below the drills' evidence, so that
no history, report or `accept` takes it for a drill's.

Decided here when a drill is said to be unable to fail: a damage to the backup that every drill has to notice
was not caught, or not one damage to rows or values was. Single survivors are told, and are no verdict: which
of them matter, the data team knows.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from expectations.json_text import read_object
from tasks.evidence.host_facts import describe_host, tool_versions
from tasks.evidence.stored import SELFTEST
from tasks.evidence.verdict import settle
from tasks.model.bounded_list import listing
from tasks.model.canonical_json import to_json
from tasks.model.clock import iso, stamp
from tasks.model.drill import Drill
from tasks.model.errors import DrillError
from tasks.model.findings import Severity
from tasks.model.redact import redact
from tasks.model.selftest import Ability, Fate, Judged, Score
from tasks.model.target import StoreConfig
from tasks.stores.blobs import list_blobs, read_blob, write_blob

SCHEMA = "restore-drill/selftest/v1"
FOLDER = "selftest"
_NAME = re.compile(
    r"(?:.*/)?(?P<fleet>[^/]+)/(?P<database>[^/]+)/" + FOLDER + r"/(?P<stem>\d{8}T\d{6}Z_[\w.-]+)\.json",
    re.ASCII,
)
_MOST_NAMED = 3

_log = logging.getLogger(__name__)

Document = dict[str, Any]


def build_selftest(
    facts: Drill,
    rows: Sequence[Judged],
    *,
    seed: int,
    wanted: int,
    quick: bool,
    finished_at: datetime,
    gate: str | None = None,
) -> Document:
    """Return the document of one self test.

    Args:
        facts: of the drill of the healthy backup, torn down.
        rows: the matrix; empty where the healthy backup could not be verified.
        seed: of the damage.
        wanted: how many mutants were asked for.
        quick: only those that matter most were made.
        finished_at: aware UTC.
        gate: of the suite, None without one.
    """
    findings = [item for item in settle(facts.findings, facts.checks) if item.severity is Severity.FAILURE]
    ability, why = conclude(rows, [redact(item.message) for item in findings])
    point = facts.point
    return {
        "schema": SCHEMA,
        "selftest_id": facts.drill_id,
        "fleet": facts.target.fleet,
        "database": facts.target.name,
        "started_at": iso(facts.started_at),
        "finished_at": iso(finished_at),
        "seconds": round((finished_at - facts.started_at).total_seconds(), 3),
        "as_of": iso(facts.judged_at),
        "recovery_point": None
        if point is None
        else {
            "uri": point.uri,
            "at": iso(point.at),
            "bytes": point.bytes,
            "sha256": None if facts.backup is None else facts.backup.sha256,
            "format": None if facts.backup is None else facts.backup.format,
        },
        "seed": seed,
        "wanted": wanted,
        "quick": quick,
        "ability": ability.value,
        "why": why,
        "findings": [{"rule": item.rule, "where": item.where and redact(item.where)} for item in findings],
        "score": score(rows).as_dict(),
        "families": _scores(rows, lambda row: row.mutant.family.value),
        "kinds": _scores(rows, lambda row: row.mutant.kind),
        "tables": _scores(rows, lambda row: row.mutant.table),
        "rows": [_row(row) for row in rows],
        "suite": {"sha256": facts.suites_sha256.get(None), "gate": gate},
        "sandbox": {
            "postgres_version": None if facts.sandbox is None else facts.sandbox.postgres.version,
            "destroyed_at": iso(facts.destroyed_at),
            "left_behind": list(facts.left_behind),
        },
        "config": {"fleet_sha256": facts.target.fleet_sha256},
        "actor": facts.actor,
        "host": describe_host(),
        "tool": tool_versions(),
    }


def conclude(rows: Sequence[Judged], trouble: Sequence[str]) -> tuple[Ability, str]:
    """Return whether the drill can fail, and a plain sentence on it.

    Args:
        rows: the matrix.
        trouble: why the healthy backup was not verified, if it was not.
    """
    counted = score(rows)
    if not rows or not counted.judged:
        reason = trouble[0] if trouble else "not one mutant could be judged"
        return Ability.INCONCLUSIVE, f"The self test could not conclude: {reason}"
    missed = [row for row in rows if row.mutant.must and row.fate in (Fate.SURVIVED, Fate.NOTICED)]
    if missed:
        named = listing([*dict.fromkeys(map(describe, missed))], _MOST_NAMED, place="")
        return Ability.CANNOT_FAIL, f"The drill cannot fail: it verified a damaged backup ({named})."
    content = [row for row in rows if row.mutant.content and row.fate in (Fate.SURVIVED, Fate.NOTICED)]
    caught = any(row.mutant.content and row.fate is Fate.CAUGHT for row in rows)
    if content and not caught:
        return (
            Ability.CANNOT_FAIL,
            f"The drill cannot fail: not one of {len(content)} damages to rows and values was caught.",
        )
    return Ability.CAN_FAIL, _can_fail(counted)


def score(rows: Iterable[Judged]) -> Score:
    """Return how many of *rows* had which fate."""
    counted = Score()
    for row in rows:
        counted.add(row.fate)
    return counted


def describe(one: Judged) -> str:
    """Return kind and place of a mutant."""
    place = one.mutant.table or ""
    return f"{one.mutant.kind} {place}".strip()


def document_place(document: Mapping[str, Any]) -> str:
    """Return where the document lies below the evidence location."""
    started = stamp(datetime.fromisoformat(document["started_at"]))
    folder = f"{document['fleet']}/{document['database']}/{FOLDER}"
    return f"{folder}/{started}_{document['selftest_id']}.json"


def write_selftest(document: Document, location: str, store: StoreConfig) -> str:
    """Write *document* below *location*, whole or not at all; return its URI.

    Raises:
        DrillError: rule `evidence-unwritable`.
    """
    uri = f"{location.rstrip('/')}/{document_place(document)}"
    write_blob(store, uri, to_json(document).encode(), content_type="application/json")
    return uri


def newest_selftests(
    location: str, store: StoreConfig, fleet: str | None = None
) -> dict[tuple[str, str], str]:
    """Return the URI of the newest self test of each database below *location*, by fleet and database.

    Raises:
        DrillError: rule `history-unreadable`.
    """
    below = f"{location.rstrip('/')}/{fleet}/" if fleet else f"{location.rstrip('/')}/"
    newest: dict[tuple[str, str], str] = {}
    for uri in list_blobs(store, below):
        match = _NAME.fullmatch(uri)
        if match is None:
            continue
        key = match["fleet"], match["database"]
        newest[key] = max(newest.get(key, ""), uri, key=lambda candidate: candidate.rsplit("/", 1)[-1])
    return newest


def read_selftest(uri: str, store: StoreConfig) -> Document | None:
    """Return the document at *uri*; None, with a line in the log, if it is none or cannot be read."""
    try:
        document = read_object(read_blob(store, uri))
        SELFTEST(document)
    except (ValueError, DrillError) as exc:
        _log.warning("%s is not shown: %s", uri, exc)
        return None
    return document


def _row(judged: Judged) -> dict[str, Any]:
    row = judged.as_dict()
    row["by"] = [redact(text) for text in row["by"]]
    row["why"] = row["why"] and redact(row["why"])
    return row


def _scores(rows: Sequence[Judged], group: Callable[[Judged], str | None]) -> dict[str, Any]:
    names = dict.fromkeys(group(row) for row in rows)
    return {
        name: score(row for row in rows if group(row) == name).as_dict() for name in names if name is not None
    }


def _can_fail(counted: Score) -> str:
    caught, judged = counted.counts[Fate.CAUGHT.value], counted.judged
    missed = judged - caught
    sentence = f"The drill can fail: it caught {caught} of {judged} damages"
    return (
        f"{sentence}."
        if not missed
        else f"{sentence}; {missed} went by, and are listed with what would catch them."
    )
