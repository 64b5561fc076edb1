"""The evidence document: every field of docs/evidence.schema.json, no secret and no row of the user's data.

One canonical form everywhere, so that a hash of the file is a hash of what `--json` printed: sorted keys,
UTF-8, no white space, one line, a newline at its end. docs/evidence.schema.json describes it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from datetime import date, datetime
from enum import Enum
from typing import Any, TypeAlias

from tasks.evidence.host_facts import describe_host, tool_versions
from tasks.evidence.measure import objectives_of
from tasks.evidence.not_proven import checks_off, not_proven
from tasks.evidence.verdict import judge, settle
from tasks.model.backup import Toc
from tasks.model.base_point import BasePoint
from tasks.model.clock import iso, stamp
from tasks.model.drill import Drill
from tasks.model.expected import Origin
from tasks.model.findings import Check, Finding, FindingClass, Outcome, Severity, Stage
from tasks.model.redact import redact
from tasks.model.sandbox import Workspace
from tasks.model.shell import redact_line

SCHEMA = "restore-drill/evidence/v1"
FIELDS = frozenset(
    {
        "schema",
        "drill_id",
        "fleet",
        "database",
        "started_at",
        "finished_at",
        "as_of",
        "verdict",
        "findings",
        "checks",
        "not_proven",
        "accepted",
        "newest_recoverable",
        "recovery_point",
        "sandbox",
        "phases_s",
        "objectives",
        "inventory",
        "recovery_commands",
        "suites",
        "actor",
        "identity",
        "host",
        "config",
        "tool",
    }
)
"""Every document holds all of them."""
FIELDS_SINCE = frozenset({"not_restored"})
"""Every new document holds them too; older ones do not."""
FIELDS_OF_COPIES = frozenset({"recovery"})
"""Documents of physical copies hold them where their WAL was listed or replayed, no others."""
_MOST_WINDOWS = 100

Evidence = dict[str, Any]
"""A document as it is stored."""
Json: TypeAlias = Any
"""What `json` can hold."""


def build_evidence(facts: Drill, finished_at: datetime | None = None) -> Evidence:
    """Return the document of one drill: judged, complete and redacted.

    Args:
        facts: everything known.
        finished_at: aware UTC, where the facts were gathered before the end.

    Returns:
        The document. Fields that do not apply are null; `recovery_point` and `sandbox` are objects as soon as
        there is anything to say: candidates that were rejected, or the receipt of a teardown.
    """
    findings = settle(facts.findings, facts.checks, facts.inventory)
    verdict = judge(findings, facts.checks)
    document: Evidence = _clean(
        {
            "schema": SCHEMA,
            "drill_id": facts.drill_id,
            "fleet": facts.target.fleet,
            "database": facts.target.name,
            "started_at": iso(facts.started_at),
            "finished_at": iso(finished_at or facts.finished_at),
            "as_of": iso(facts.judged_at),
            "verdict": verdict.value,
            "findings": [_finding(item) for item in findings],
            "checks": [check.as_dict() for check in facts.checks],
            "not_proven": not_proven(facts),
            "accepted": [dict(item) for item in facts.accepted],
            "newest_recoverable": _newest_recoverable(facts, verdict.value),
            "recovery_point": _recovery_point(facts),
            "sandbox": _sandbox(facts),
            "phases_s": {name: round(seconds, 3) for name, seconds in facts.phases_s.items()},
            "objectives": objectives_of(facts).as_dict(),
            "not_restored": _not_restored(facts),
            "recovery_commands": _commands(facts),
            "suites": [{"name": name, "file": suite_file(facts, name)} for name in facts.suite_results],
            "actor": facts.actor,
            "identity": facts.identity,
            "host": dict(facts.host or describe_host()),
            "config": _config(facts),
            "tool": dict(facts.tool or tool_versions()),
        }
    )
    # Names of the catalogue are compared from drill to drill, so they stay as they are: they are no secrets.
    recovery = _recovery(facts)
    if recovery is not None:
        document["recovery"] = _clean(recovery)
    if facts.restored is not None and facts.restored.recovery is not None:
        document["sandbox"]["neutralised"] = list(facts.restored.neutralised)
    document["inventory"] = None if facts.inventory is None else _plain(facts.inventory.as_dict())
    return document


def add_finding(document: Evidence, extra: Finding) -> Evidence:
    """Return *document* with one more finding, judged again: what happened after it was built."""
    findings = [finding_of(item) for item in document["findings"]] + [extra]
    checks = [check_of(item) for item in document["checks"]]
    settled = settle(findings, checks)
    return document | {
        "findings": [_clean(_finding(item)) for item in settled],
        "verdict": judge(settled, checks).value,
    }


def document_name(document: Mapping[str, Any]) -> str:
    """Return where a document lies below the evidence location, `fleet/database/started_drill.json`."""
    started = stamp(datetime.fromisoformat(document["started_at"]))
    return f"{document['fleet']}/{document['database']}/{started}_{document['drill_id']}.json"


def suite_file(facts: Drill, name: str) -> str:
    """Return the file name, beside the evidence, of the results of suite *name*."""
    return f"{stamp(facts.started_at)}_{facts.drill_id}_suite-{_slug(name)}.json"


def finding_of(stored: Mapping[str, Any]) -> Finding:
    """Return the finding that a document holds."""
    return Finding(
        rule=stored["rule"],
        klass=FindingClass(stored["class"]),
        severity=Severity(stored["severity"]),
        stage=Stage(stored["stage"]),
        message=stored["message"],
        where=stored["where"],
        hint=stored["hint"],
        names=tuple(stored.get("names", ())),
    )


def check_of(stored: Mapping[str, Any]) -> Check:
    """Return the check that a document holds."""
    fields = dict(stored)
    return Check(**fields | {"stage": Stage(fields["stage"]), "outcome": Outcome(fields["outcome"])})


# --- parts


def _finding(item: Finding) -> dict[str, Any]:
    return item.as_dict() | {"where": item.where and redact(item.where)}


def _newest_recoverable(facts: Drill, verdict: str) -> dict[str, Any] | None:
    if facts.newest_recoverable is not None:
        return dict(facts.newest_recoverable)
    if verdict != "verified" or facts.point is None or not facts.is_newest:
        return None
    return facts.came_back_to()


def _recovery_point(facts: Drill) -> dict[str, Any] | None:
    candidates = () if facts.discovery is None else facts.discovery.candidates
    if facts.point is None and not candidates:
        return None
    point = facts.point
    return {
        "uri": point and point.uri,
        "version_id": point and point.version_id,
        "at": iso(point.at) if point else None,
        "dated_by": point and point.dated_by,
        "bytes": point.bytes if point else None,
        "storage_class": point and point.storage_class,
        "sha256": facts.backup.sha256 if facts.backup else None,
        "integrity": facts.backup.integrity if facts.backup else None,
        "candidates": [_candidate(item.as_dict()) for item in candidates],
        **_archive(facts),
        **_base_backup(facts),
    }


def _base_backup(facts: Drill) -> dict[str, Any]:
    """Return what a physical backup is called by, is made of and was brought by."""
    point = facts.point
    if not isinstance(point, BasePoint):
        return {}
    recovery = (None if facts.restored is None else facts.restored.recovery) or {}
    return {
        "kind": facts.target.backup.kind,
        "label": point.label,
        "type": point.type,
        "chain": list(point.chain),
        "tool": recovery.get("tool"),
    }


def _recovery(facts: Drill) -> dict[str, Any] | None:
    """Return how far a physical copy recovered, or what a listing showed where it never came to that."""
    recovered = None if facts.restored is None else facts.restored.recovery
    if recovered is None and isinstance(facts.point, BasePoint):
        recovered = facts.point.foreseen.recovery
    if not recovered:
        return None
    windows = () if facts.discovery is None else facts.discovery.windows[:_MOST_WINDOWS]
    without_tool = {name: value for name, value in recovered.items() if name != "tool"}
    return without_tool | {"windows": [item.as_dict() for item in windows]}


def _candidate(item: dict[str, Any]) -> dict[str, Any]:
    return item | {"at": iso(datetime.fromisoformat(item["at"])) if item["at"] else None}


def _archive(facts: Drill) -> dict[str, Any]:
    head = facts.archive_head
    origin: Toc | Origin | None = None if head is None else head.toc
    if origin is None and facts.restored is not None:
        origin = facts.restored.origin
    return {
        "format": head.format.value if head else (facts.backup.format if facts.backup else None),
        "wrappers": list(head.wrappers) if head else [],
        "server_version": (origin.server_version or None) if origin else None,
        "dump_version": (origin.dump_version or None) if origin else None,
        "source_database": (origin.database or None) if origin else None,
        "made_at_local": origin.made_at.isoformat() if origin and origin.made_at else None,
        "compression": origin.compression if origin else None,
        "encoding": (origin.encoding or None) if origin else None,
    }


def _sandbox(facts: Drill) -> dict[str, Any] | None:
    workspace = _workspace(facts)
    if workspace is None and facts.destroyed_at is None and not facts.left_behind:
        return None
    sandbox = facts.sandbox
    return {
        "postgres_version": sandbox.postgres.version if sandbox else None,
        "postgres_source": sandbox.postgres.source if sandbox else None,
        "profile": sandbox.profile if sandbox else None,
        "settings": dict(sandbox.settings) if sandbox else None,
        "jobs": sandbox.jobs if sandbox else None,
        "isolation": sorted(workspace.isolation) if workspace else None,
        "os_user": workspace.os_user if workspace else None,
        "restored_as": sandbox.restored_as if sandbox else None,
        "created_at": iso(workspace.created_at) if workspace else None,
        "expires_at": iso(workspace.expires_at) if workspace else None,
        "destroyed_at": iso(facts.destroyed_at),
        "left_behind": list(facts.left_behind),
    }


def _workspace(facts: Drill) -> Workspace | None:
    return facts.sandbox.workspace if facts.sandbox is not None else facts.workspace


def _commands(facts: Drill) -> list[dict[str, Any]]:
    return [] if facts.restored is None else [command.as_dict() for command in facts.restored.commands]


def _not_restored(facts: Drill) -> list[dict[str, Any]]:
    return [] if facts.restored is None else [item.as_dict() for item in facts.restored.left_out]


def _config(facts: Drill) -> dict[str, Any]:
    target = facts.target
    return {
        "fleet_sha256": target.fleet_sha256 or None,
        "suite_sha256": facts.suites_sha256.get(None),
        "suite": target.expect.suite.stem if target.expect.suite else None,
        "checks_off": list(checks_off(target.checks)),
        "selection": str(facts.selected),
        "walk_back": facts.selected.walk_back,
        "seed": facts.discovery.seed if facts.discovery else None,
        "owner": target.owner,
        "tier": target.tier,
        "labels": dict(target.labels),
    } | _config_of_several(facts)


def _config_of_several(facts: Drill) -> dict[str, Any]:
    if facts.target.several is None:
        return {}
    suites = {name: expect.suite for name, expect in facts.target.expect.databases.items() if expect.suite}
    return {
        "suites": {
            name: {"suite": suite.stem, "sha256": facts.suites_sha256.get(name)}
            for name, suite in suites.items()
        }
    }


# --- cleaning: what JSON can hold, and nothing that must not get out

_EXACT = frozenset({"drill_id", "fleet", "database", "rule", "name", "where"})
"""Keys whose values are looked up again, so that masking must not touch them."""


def _clean(value: object, key: str = "") -> Json:
    if isinstance(value, Mapping):
        return {str(k): _clean(v, str(k)) for k, v in value.items()}
    if isinstance(value, str) and not isinstance(value, Enum):
        return _text(value if key in _EXACT else redact_line(value) if key == "command" else redact(value))
    if isinstance(value, Iterable) and not isinstance(value, (str, bytes)):
        return [_clean(item, key) for item in value]
    return _scalar(value)


def _plain(value: object) -> Json:
    if isinstance(value, Mapping):
        return {_text(str(k)): _plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return _text(value) if isinstance(value, str) else _scalar(value)


def _scalar(value: object) -> Json:
    if value is None or isinstance(value, (bool, int)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, datetime):
        return iso(value)
    return value.isoformat() if isinstance(value, date) else _text(redact(str(value)))


def _text(text: str) -> str:
    # names in a store need not be valid text; a document must be
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _slug(name: str) -> str:
    slug = "".join(c if c.isalnum() and c.isascii() else "-" for c in name.lower()).strip("-")
    return slug or "unnamed"
