"""What earlier evidence remembers: the baselines of drift, read back from where the drills wrote them.

Only names are listed; documents are read newest first, until enough verified drills are found or none is
left: a database that has failed for months must still be compared with its last good drill, or the loss would
become the new baseline. Files that are not ours, or are damaged, are passed over with a line in the log.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any

from tasks.evidence.document import Evidence
from tasks.evidence.store import ACCEPTANCE_SCHEMA, EvidenceName, list_evidence, read_evidence
from tasks.model.errors import ConfigInvalid
from tasks.model.findings import Verdict
from tasks.model.history import History, PastDrill, inventory_from_dict, load_seed
from tasks.model.target import StoreConfig, Target
from tasks.stores.blobs import BlobMissing, read_blob

ENOUGH_VERIFIED = 30
"""Verified drills to remember: a month of nights, so that a slow loss shows too."""
_BATCH = 32
_READERS = 8

_log = logging.getLogger(__name__)


def load_history(target: Target, before: datetime | None = None) -> History:
    """Return what the earlier drills of *target* found, with its seed file.

    Args:
        target: names evidence location, fleet and database.
        before: leave out drills that began at this time or later.

    Raises:
        ConfigInvalid: the seed file cannot be used.
        DrillError: rule `history-unreadable`; the location cannot be listed or read.
    """
    baseline = target.expect.drift.baseline
    records = read_records(
        target.evidence,
        target.fleet,
        target.name,
        target.store,
        before=before,
        limit=max(ENOUGH_VERIFIED, baseline.last),
    )
    return History(records, None if baseline.seed is None else load_seed(baseline.seed))


def read_records(
    location: str,
    fleet: str,
    database: str,
    store: StoreConfig,
    *,
    before: datetime | None = None,
    limit: int = ENOUGH_VERIFIED,
) -> tuple[PastDrill, ...]:
    """Return the newest *limit* verified drills, and what else is remembered on the way; newest first.

    Raises:
        DrillError: rule `history-unreadable`.
    """
    names = list_evidence(location, store, fleet, database)
    accepted = _acceptances((name for name in names if name.kind == "accept"), store)
    wanted = [
        name
        for name in reversed(names)
        if name.kind == "evidence" and (before is None or name.started_at < before)
    ]
    records: list[PastDrill] = []
    for start in range(0, len(wanted), _BATCH):
        batch = wanted[start : start + _BATCH]
        records += _records(batch, _read_all(batch, store), accepted)
        if sum(record.verdict is Verdict.VERIFIED for record in records) >= limit:
            break
    return tuple(records)


def _records(
    names: Sequence[EvidenceName],
    documents: Iterable[Evidence | None],
    accepted: dict[str, tuple[dict[str, Any], ...]],
) -> list[PastDrill]:
    found = (
        _record(name, document, accepted.get(name.stem, ()))
        for name, document in zip(names, documents, strict=True)
        if document is not None
    )
    return [record for record in found if record is not None]


def _record(name: EvidenceName, document: Evidence, accepted: tuple[dict[str, Any], ...]) -> PastDrill | None:
    """Return what *document* remembers; None if it is no baseline and nothing of it accepted or measured."""
    inventory = document["inventory"]
    if inventory is None or not (
        document["verdict"] == "verified"
        or accepted
        or (document["verdict"] == "inconclusive" and "newest_age_s" in inventory)
    ):
        return None
    try:
        point = document["recovery_point"]
        return PastDrill(
            drill_id=document["drill_id"],
            finished_at=datetime.fromisoformat(document["finished_at"]),
            as_of=datetime.fromisoformat(document["as_of"]),
            recovery_point_at=datetime.fromisoformat(point["at"]),
            verdict=Verdict(document["verdict"]),
            inventory=inventory_from_dict(inventory, where=name.uri, strict=False),
            bytes=point["bytes"],
            accepted=(*document["accepted"], *accepted),
            path=name.uri,
        )
    except (KeyError, TypeError, ValueError, ConfigInvalid) as exc:
        _passed_over(name, exc)
        return None


def _read_all(names: Sequence[EvidenceName], store: StoreConfig) -> list[Evidence | None]:
    with ThreadPoolExecutor(_READERS) as readers:
        return list(readers.map(lambda name: _read(name, store), names))


def _read(name: EvidenceName, store: StoreConfig) -> Evidence | None:
    try:
        return read_evidence(name.uri, store)
    except (ValueError, BlobMissing) as exc:  # damaged, another's, or gone since the listing
        _passed_over(name, exc)
        return None


def _acceptances(names: Iterable[EvidenceName], store: StoreConfig) -> dict[str, tuple[dict[str, Any], ...]]:
    found: dict[str, tuple[dict[str, Any], ...]] = {}
    for name in names:
        record = read_acceptance(name, store)
        if record is not None:
            found[name.stem] = (*found.get(name.stem, ()), record)
    return found


def read_acceptance(name: EvidenceName, store: StoreConfig) -> dict[str, Any] | None:
    """Return the record of what somebody accepted; None, with a line in the log, if it is none.

    Raises:
        DrillError: rule `history-unreadable`; it cannot be reached.
    """
    try:
        record = json.loads(read_blob(store, name.uri))
    except (ValueError, BlobMissing) as exc:
        _passed_over(name, exc)
        return None
    if not isinstance(record, dict) or record.get("schema") != ACCEPTANCE_SCHEMA:
        _passed_over(name, ValueError(f"not a record of {ACCEPTANCE_SCHEMA}"))
        return None
    return record


def _passed_over(name: EvidenceName, exc: Exception) -> None:
    _log.warning("%s is passed over: %s", name.uri, exc.__class__.__name__)
