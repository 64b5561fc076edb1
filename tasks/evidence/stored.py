"""What a stored document must look like before anything of it is used: evidence, acceptances, self tests.

A document is read for years after it was written, by drills, reports and auditors' tools, and lies where
many may write. One that has another shape is not used at all: half a baseline is worse than none, and a time
that is none must not end the drill that reads it. Fields that are not known are let be: a newer version wrote
them. docs/evidence.schema.json describes evidence for others.
"""

from __future__ import annotations

import re

from tasks.evidence.document import SCHEMA
from tasks.evidence.shape import (
    ShapeError,
    count,
    each,
    flag,
    mapping,
    maybe,
    number,
    one_of,
    record,
    scalar,
    text,
    time,
)
from tasks.model.findings import FindingClass, Outcome, Severity, Stage, Verdict
from tasks.model.selftest import Ability, Fate


def _isolation(value: object) -> None:
    if not isinstance(value, str):  # as older documents have it, joined by +
        each(text)(value)


def _file_name(value: object) -> None:
    """Take the name of a file beside the document: a page that leads elsewhere would be copied from there."""
    if not isinstance(value, str) or _FILE_NAME.fullmatch(value) is None:
        raise ShapeError("the name of a file beside the document")


_FILE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*\.json")
_STAGE = one_of(*(stage.value for stage in Stage))
_ACCEPTED = record(
    {"rule": text, "where": text, "why": text}, {"until": maybe(text), "drill_id": maybe(text)}
)
ACCEPTANCE = record(
    {
        "schema": one_of("restore-drill/acceptance/v1"),
        **dict.fromkeys(("drill_id", "fleet", "database", "rule", "where", "why", "who"), text),
        "at": time,
    }
)
"""Of a record of what somebody accepted."""
_FINDING = record(
    {
        "rule": text,
        "class": one_of(*(klass.value for klass in FindingClass)),
        "severity": one_of(*(severity.value for severity in Severity)),
        "stage": _STAGE,
        "message": text,
        "where": maybe(text),
        "hint": text,
    },
    {"names": each(text)},
)
_CHECK = record(
    {
        "name": text,
        "stage": _STAGE,
        "outcome": one_of(*(outcome.value for outcome in Outcome)),
        "observed": maybe(scalar),
        "expected": maybe(scalar),
        "why": maybe(text),
        "seconds": maybe(number),
    }
)
_CANDIDATE = record({"uri": text, "bytes": count, "at": maybe(time), "taken": flag, "reason": text})
_POINT = record(
    {
        "uri": maybe(text),
        "version_id": maybe(text),
        "at": maybe(time),
        "bytes": maybe(count),
        "format": maybe(text),
        "server_version": maybe(text),
        "sha256": maybe(text),
        "candidates": each(_CANDIDATE),
    },
    {
        "dated_by": maybe(text),
        "wrappers": each(text),
        "integrity": maybe(text),
        "source_database": maybe(text),
    },
)
_SANDBOX = record(
    {
        "postgres_version": maybe(text),
        "profile": maybe(text),
        "settings": maybe(mapping(text)),
        "isolation": maybe(_isolation),
        "os_user": maybe(text),
        "restored_as": maybe(text),
        "created_at": maybe(time),
        "destroyed_at": maybe(time),
        "left_behind": each(text),
    },
    {"neutralised": each(text)},
)
_OBJECTIVES = record(
    {
        **dict.fromkeys(
            ("rpo_s", "age_s", "content_age_s", "worst_gap_s", "achieved_rpo_s", "rto_s", "overhead_s"),
            maybe(number),
        ),
        "achieved_rto_s": maybe(number),
        "rpo_basis": maybe(text),
        "rto_basis": maybe(text),
    },
    {"worst_rto_s": maybe(number)},
)
_TABLE = record(
    {"rows": maybe(count), "bytes": maybe(count)},
    {"partition_of": maybe(text), "partition_rank": maybe(count)},
)
_HELD = {
    "tables": mapping(_TABLE),
    "objects": mapping(each(text)),
    "large_objects": record({"count": count, "bytes": count}),
}
_HELD_SINCE = {
    "keys": maybe(each(text)),
    "belongs_to": mapping(text),
    "newest_age_s": mapping(mapping(maybe(number))),
}
_INVENTORY = record(_HELD, {**_HELD_SINCE, "databases": mapping(record(_HELD, _HELD_SINCE))})
_RECOVERABLE = maybe(record({"uri": text, "at": time}, {"drill_id": maybe(text)}))
_HOST = record(
    {"cpus": maybe(count), "memory_bytes": maybe(count), "disk": maybe(mapping(maybe(scalar)))},
    {"name": maybe(text)},
)
_CONFIG = record(
    {
        "fleet_sha256": maybe(text),
        "suite_sha256": maybe(text),
        "checks_off": each(text),
        "selection": text,
    },
    {
        "suite": maybe(text),
        "suites": mapping(record({"suite": text, "sha256": maybe(text)})),
        "walk_back": maybe(count),
        "seed": maybe(number),
        "owner": maybe(text),
        "tier": maybe(text),
        "labels": maybe(mapping(maybe(scalar))),
    },
)
_REACHED = record(
    {
        **dict.fromkeys(("lsn", "stopped"), text),
        "timeline": count,
        **dict.fromkeys(("last_commit_at", "next_commit_at"), maybe(time)),
    }
)
_GAP = record({"timeline": count, "first": text, "last": text, "count": count, "newer": count})
_FORK = record({"parent": count, "child": count, "switch_lsn": text, "left_behind": count, "alive": flag})
_WAL = record(
    {
        **dict.fromkeys(("first", "last", "newest_archived", "ends_because"), maybe(text)),
        **dict.fromkeys(("segments", "bytes"), count),
        "newest_archived_at": maybe(time),
        "waited_s": number,
        "gaps": each(_GAP),
        "forks": each(_FORK),
    }
)
_WINDOW = record(
    {
        **dict.fromkeys(("base", "uri", "why"), text),
        **dict.fromkeys(("from", "to"), time),
        **dict.fromkeys(("segments", "wal_bytes", "timeline"), count),
        "usable": maybe(flag),
    }
)
_RECOVERY = record(
    {
        "target": text,
        "base": record(
            {
                "label": text,
                **dict.fromkeys(("start_lsn", "system_identifier", "stop_lsn"), maybe(text)),
                "timeline": count,
                "started_at": maybe(time),
            },
            {"chain": each(text)},
        ),
        "reached": maybe(_REACHED),
        "wal": maybe(_WAL),
        "phases_s": mapping(number),
    },
    {"windows": each(_WINDOW)},
)
_LEFT_OUT = record({"entry": text, "rule": text, "lost": each(text), "needed_by": each(text)})
EVIDENCE = record(
    {
        "schema": one_of(SCHEMA),
        **dict.fromkeys(("drill_id", "fleet", "database"), text),
        **dict.fromkeys(("started_at", "finished_at", "as_of"), time),
        "verdict": one_of(*(verdict.value for verdict in Verdict)),
        "findings": each(_FINDING),
        "checks": each(_CHECK),
        "not_proven": each(text),
        "accepted": each(_ACCEPTED),
        "newest_recoverable": _RECOVERABLE,
        "recovery_point": maybe(_POINT),
        "sandbox": maybe(_SANDBOX),
        "phases_s": mapping(number),
        "objectives": _OBJECTIVES,
        "inventory": maybe(_INVENTORY),
        "recovery_commands": each(record({"command": text, "seconds": number})),
        "suites": each(record({"name": text, "file": _file_name})),
        "actor": maybe(text),
        "identity": maybe(text),
        "host": _HOST,
        "config": _CONFIG,
        "tool": mapping(maybe(text)),
    },
    {"not_restored": each(_LEFT_OUT), "recovery": _RECOVERY},
)
"""Of one drill."""
_RESULT = record(
    {},
    {
        **dict.fromkeys(
            ("table", "type", "outcome", "expected", "severity", "why", "owner", "message"), maybe(text)
        ),
        "kwargs": maybe(record({})),
        "observed": maybe(scalar),
        "unexpected_percent": maybe(number),
    },
)
SUITE = record(
    {"results": each(_RESULT)},
    {"suite": maybe(text), "gate": maybe(text), "documents": maybe(mapping(record({})))},
)
"""Of a suite's results."""
_SCORE = record(
    {**dict.fromkeys((fate.value for fate in Fate), count), "judged": count, "share": maybe(number)}
)
_ROW = record(
    {
        **dict.fromkeys(("family", "kind", "what"), text),
        **dict.fromkeys(("table", "column", "why", "expectation"), maybe(text)),
        "must": flag,
        "outcome": one_of(*(fate.value for fate in Fate)),
        "by": each(text),
    }
)
SELFTEST = record(
    {
        "schema": one_of("restore-drill/selftest/v1"),
        **dict.fromkeys(("selftest_id", "fleet", "database", "why"), text),
        "started_at": time,
        "seconds": number,
        "seed": count,
        "quick": flag,
        "ability": one_of(*(ability.value for ability in Ability)),
        "recovery_point": maybe(record({"at": maybe(time)})),
        "score": _SCORE,
        "tables": mapping(_SCORE),
        "rows": each(_ROW),
    }
)
"""Of one self test."""
SUMMARY = record(
    {
        **dict.fromkeys(("stem", "cause", "selection"), text),
        "started_at": time,
        "finished_at": maybe(time),
        "verdict": one_of(*(verdict.value for verdict in Verdict)),
        **dict.fromkeys(("klass", "owner", "tier", "point_uri"), maybe(text)),
        "is_newest": flag,
        "point_at": maybe(time),
        **dict.fromkeys(("stored_bytes", "restored_bytes"), maybe(count)),
        "objectives": _OBJECTIVES,
        "newest_recoverable": _RECOVERABLE,
        "accepted": count,
        "rows": mapping(count),
        **dict.fromkeys(("nulls", "ages_s"), mapping(number)),
    }
)
"""Of what a report's site remembers of a drill."""
MARK = record({**dict.fromkeys(("uri", "state", "text", "score", "why"), text), "at": time})
"""Of what it remembers of a self test."""
