"""Where evidence lies and how it gets there: one file per drill, written whole or not at all.

`<evidence>/<fleet>/<database>/<started_at>_<drill_id>.json`; beside it, with the same beginning, its suite
results (`_suite-<name>.json`) and what people accepted (`.accept-<n>.json`). Names sort by time.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from expectations.json_text import read_object
from tasks.evidence.document import Evidence, add_finding, document_name
from tasks.evidence.stored import EVIDENCE
from tasks.model.canonical_json import to_json
from tasks.model.clock import iso
from tasks.model.errors import DrillError, PermanentError
from tasks.model.redact import redact
from tasks.model.target import StoreConfig
from tasks.stores.blobs import list_blobs, read_blob, write_blob
from tasks.stores.uris import FILE_SCHEME, is_s3, local_path

ACCEPTANCE_SCHEMA = "restore-drill/acceptance/v1"
_DEPTH = 3  # fleet, database, file: a report's copies lie deeper
_NAME = re.compile(
    r"(?:.*/)?(?P<fleet>[a-z0-9][\w.-]*)/(?P<database>[a-z0-9][\w.-]*)/"
    r"(?P<stamp>\d{8}T\d{6}Z)_(?P<drill_id>[a-z0-9][\w.-]*?)"
    r"(?P<kind>_suite-[\w.-]+|\.accept-\d+)?\.json",
    re.ASCII | re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class EvidenceName:
    """What a stored file's name tells, without reading it.

    Attributes:
        kind: `evidence`, `suite` or `accept`.
        started_at: aware UTC.
    """

    uri: str
    fleet: str
    database: str
    drill_id: str
    started_at: datetime
    kind: str

    @property
    def stem(self) -> str:
        """The file name that everything of one drill begins with."""
        return f"{self.started_at:%Y%m%dT%H%M%SZ}_{self.drill_id}"


class EvidenceUnwritable(PermanentError):  # noqa: N818  what went wrong, in the field's words
    """Evidence could not be written where it belongs; *copy* is where the worker keeps it, if it could."""

    default_rule = "evidence-unwritable"

    def __init__(
        self, what: str, where: str | None = None, hint: str | None = None, copy: Path | None = None
    ) -> None:
        super().__init__(what, where, hint)
        self.args = (what, where, hint, copy)
        self.copy = copy


def write_evidence(
    document: Evidence,
    location: str,
    store: StoreConfig,
    *,
    suite_results: Mapping[str, Mapping[str, Any]] | None = None,
    spare: Path | None = None,
) -> str:
    """Write *document* and its suites' results below *location*; return the document's URI.

    The results come first: evidence that names a file is written when the file is there.

    Args:
        document: from `build_evidence`.
        location: the fleet's `evidence`, `s3://`, `file://` or a path.
        store: how *location* is reached.
        suite_results: suite name to its results; the names are those of `document["suites"]`.
        spare: a local folder that keeps a copy when *location* cannot be written.

    Raises:
        EvidenceUnwritable: it says where the copy is, which is judged with that failure in it.
    """
    uri = f"{location.rstrip('/')}/{document_name(document)}"
    folder = uri.rsplit("/", 1)[0]
    try:
        for suite in document["suites"]:
            results = (suite_results or {}).get(suite["name"], {})
            _write(store, f"{folder}/{suite['file']}", results)
        _write(store, uri, document)
    except (DrillError, OSError) as exc:
        raise _unwritable(exc, document, uri, spare) from exc
    return uri


def read_evidence(uri: str, store: StoreConfig) -> Evidence:
    """Return the document at *uri*.

    Raises:
        DrillError: it cannot be reached.
        ValueError: it is no evidence document; another's file, or a damaged one. The message says why.
    """
    document = read_object(read_blob(store, uri))
    EVIDENCE(document)
    return document


def list_evidence(
    location: str, store: StoreConfig, fleet: str | None = None, database: str | None = None
) -> list[EvidenceName]:
    """Return what lies below *location*, oldest first; names that are not ours are left out.

    Raises:
        DrillError: rule `history-unreadable`; the listing itself failed.
    """
    root = _root(location)
    below = "/".join(part for part in (root, fleet, database) if part)
    uris = [uri for uri in list_blobs(store, f"{below}/") if uri.count("/") == root.count("/") + _DEPTH]
    names = [parse_name(uri) for uri in uris]
    return sorted((name for name in names if name), key=lambda name: (name.stem, name.uri))


def newest_evidence(
    location: str, store: StoreConfig, fleet: str, database: str, most: int
) -> list[EvidenceName]:
    """Return the names of the newest *most* documents of a database's drills, newest first.

    Raises:
        DrillError: rule `history-unreadable`; the listing itself failed.
    """
    names = [name for name in list_evidence(location, store, fleet, database) if name.kind == "evidence"]
    return names[: -most - 1 : -1]


def parse_name(uri: str) -> EvidenceName | None:
    """Return what the name *uri* tells; None if it is none of ours."""
    match = _NAME.fullmatch(uri)
    if match is None:
        return None
    try:
        started_at = datetime.strptime(match["stamp"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:  # digits that are no date
        return None
    tail = match["kind"] or ""
    kind = "suite" if tail.startswith("_") else "accept" if tail else "evidence"
    return EvidenceName(uri, match["fleet"], match["database"], match["drill_id"], started_at, kind)


def write_acceptance(
    evidence_uri: str, store: StoreConfig, *, rule: str, where: str, why: str, who: str, now: datetime
) -> str:
    """Record beside the evidence that a drift was meant: who, when and why. Return the record's URI.

    Raises:
        PermanentError: *evidence_uri* is no evidence document.
        DrillError: the location cannot be read or written.
    """
    document = _read_for_acceptance(evidence_uri, store)
    stem = evidence_uri.removesuffix(".json")
    count = len(list_blobs(store, f"{stem}.accept-"))
    uri = f"{stem}.accept-{count + 1}.json"
    record = {
        "schema": ACCEPTANCE_SCHEMA,
        "drill_id": document["drill_id"],
        "fleet": document["fleet"],
        "database": document["database"],
        "rule": rule,
        "where": where,
        "why": redact(why),
        "who": who,
        "at": iso(now),
    }
    _write(store, uri, record)
    return uri


def _root(location: str) -> str:
    """Return *location* as its listing spells it."""
    if is_s3(location):
        return location.rstrip("/")
    scheme = FILE_SCHEME if location.startswith(FILE_SCHEME) else ""
    return f"{scheme}{local_path(location)}".rstrip("/")


def _read_for_acceptance(uri: str, store: StoreConfig) -> Evidence:
    try:
        return read_evidence(uri, store)
    except ValueError as exc:
        raise PermanentError(
            "This is no evidence document. Nothing can be accepted in it.",
            uri,
            "Name the JSON file that the drill wrote; the report links it.",
            rule="config-invalid",
        ) from exc


def _write(store: StoreConfig, uri: str, content: Mapping[str, Any]) -> None:
    write_blob(store, uri, to_json(content).encode(), content_type="application/json")


def _unwritable(
    cause: DrillError | OSError, document: Evidence, uri: str, spare: Path | None
) -> EvidenceUnwritable:
    what = cause.what if isinstance(cause, DrillError) else cause.__class__.__name__
    error = EvidenceUnwritable(f"The evidence could not be written: {what}", uri)
    copy = _keep_spare(add_finding(document, error.finding()), spare)
    if copy is None:
        return error
    return EvidenceUnwritable(error.what, uri, f"{error.hint} A copy is kept in {copy}.", copy)


def _keep_spare(document: Evidence, spare: Path | None) -> Path | None:
    if spare is None:
        return None
    spare_path = spare / document_name(document).replace("/", "_")
    try:
        write_blob(StoreConfig(), str(spare_path), to_json(document).encode())
    except DrillError:  # the first error is the one to report
        return None
    return spare_path
