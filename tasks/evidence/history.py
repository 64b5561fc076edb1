"""What earlier evidence remembers: the baselines of drift, read back from where the drills wrote them.

Only names are listed; documents are read newest first, until enough verified drills are found or none is
left: a database that has failed for months must still be compared with its last good drill, or the loss would
become the new baseline. Documents that are damaged, or of a shape that this version does not know, are passed
over, and the drill says so: their figures are missing where it compares.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from functools import partial
from typing import Any, TypeVar

from expectations.json_text import read_json
from tasks.evidence.document import Evidence
from tasks.evidence.store import EvidenceName, list_evidence, read_evidence
from tasks.evidence.stored import ACCEPTANCE
from tasks.model.bounded_list import beyond, listing
from tasks.model.errors import ConfigInvalid, PermanentError
from tasks.model.findings import Finding, Verdict
from tasks.model.history import History, PastDrill, UnreadRecord, inventory_from_dict, load_seed
from tasks.model.rules import finding
from tasks.model.target import StoreConfig, Target
from tasks.stores.blobs import BlobMissing, read_blob

ENOUGH_VERIFIED = 30
"""Verified drills to remember: a month of nights, so that a slow loss shows too."""
_BATCH = 32
_READERS = 8
_NAMED = 3

T = TypeVar("T")

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
    records, unreadable = read_records(
        target.evidence,
        target.fleet,
        target.name,
        target.store,
        before=before,
        limit=max(ENOUGH_VERIFIED, baseline.last),
    )
    return History(records, None if baseline.seed is None else load_seed(baseline.seed), unreadable)


def unreadable_findings(history: History) -> tuple[Finding, ...]:
    """Return the warning that earlier documents could not be read, where there are any."""
    if not history.unreadable:
        return ()
    unread = [f"{item.name}: {item.why}" for item in history.unreadable]
    return (
        finding(
            "evidence-unreadable",
            f"{len(history.unreadable)} earlier records of this database cannot be read, so nothing was "
            f"compared with them ({listing(unread, _NAMED, between='; ')}).",
            where=history.unreadable[0].uri,
            names=beyond(unread, _NAMED),
        ),
    )


def read_records(
    location: str,
    fleet: str,
    database: str,
    store: StoreConfig,
    *,
    before: datetime | None = None,
    limit: int = ENOUGH_VERIFIED,
) -> tuple[tuple[PastDrill, ...], tuple[UnreadRecord, ...]]:
    """Return the newest *limit* verified drills and what else is remembered on the way, and what is damaged.

    Both newest first.

    Raises:
        DrillError: rule `history-unreadable`.
    """
    names = list_evidence(location, store, fleet, database)
    reading = _Reading(store, [name for name in names if name.kind == "accept"])
    evidence_names = [
        name
        for name in reversed(names)
        if name.kind == "evidence" and (before is None or name.started_at < before)
    ]
    records: list[PastDrill] = []
    for start in range(0, len(evidence_names), _BATCH):
        records += reading.records(evidence_names[start : start + _BATCH])
        if sum(record.verdict is Verdict.VERIFIED for record in records) >= limit:
            break
    return tuple(records), tuple(reading.unreadable)


def read_acceptance(name: EvidenceName, store: StoreConfig) -> dict[str, Any]:
    """Return the record of what somebody accepted.

    Raises:
        ValueError: it is none, or damaged.
        DrillError: rule `history-unreadable`; it cannot be reached.
    """
    record = read_json(read_blob(store, name.uri))
    ACCEPTANCE(record)
    return dict(record)


class _Reading:
    """Reads documents, and keeps what it could not read."""

    def __init__(self, store: StoreConfig, acceptances: Iterable[EvidenceName]) -> None:
        self._store = store
        self.unreadable: list[UnreadRecord] = []
        self._accepted: dict[str, tuple[dict[str, Any], ...]] = {}
        for name in acceptances:
            record = self._attempt(name, partial(read_acceptance, name, store))
            if record is not None:
                self._accepted[name.stem] = (*self._accepted.get(name.stem, ()), record)

    def records(self, names: Sequence[EvidenceName]) -> list[PastDrill]:
        """Return what the documents *names* remember."""
        with ThreadPoolExecutor(_READERS) as readers:
            documents = list(readers.map(self._document, names))
        attempts = [
            self._attempt(name, partial(self._record, name, document))
            for name, document in zip(names, documents, strict=True)
            if document is not None
        ]
        return [record for record in attempts if record is not None]

    def _document(self, name: EvidenceName) -> Evidence | None:
        return self._attempt(name, partial(read_evidence, name.uri, self._store))

    def _attempt(self, name: EvidenceName, read: Callable[[], T | None]) -> T | None:
        """Return what *read* does; None where it cannot."""
        try:
            return read()
        except (ValueError, ConfigInvalid, BlobMissing) as exc:
            if type(exc) is BlobMissing:
                _log.warning("%s is gone since it was listed", name.uri)
                return None
            why = exc.what if isinstance(exc, PermanentError) else str(exc)
            _log.warning("%s is passed over: %s", name.uri, why)
            self.unreadable.append(UnreadRecord(name.uri, why))
        return None

    def _record(self, name: EvidenceName, document: Evidence) -> PastDrill | None:
        """Return what *document* remembers; None if it is no baseline, nor accepted or measured in part.

        Raises:
            ValueError, ConfigInvalid: it is damaged.
        """
        inventory, point = document["inventory"], document["recovery_point"]
        accepted = self._accepted.get(name.stem, ())
        if inventory is None or not (
            document["verdict"] == "verified"
            or accepted
            or (document["verdict"] == "inconclusive" and "newest_age_s" in inventory)
        ):
            return None
        if point is None or point["at"] is None:
            raise ValueError("it holds an inventory and no recovery point")
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
            source_database=point.get("source_database"),
        )
