"""What this drill did not show, in sentences: the line that makes the rest believable.

Every way in which a green drill could still be wrong is said here, in the evidence and in the report.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from tasks.evidence.measure import restore_completed
from tasks.model.bounded_list import listing
from tasks.model.drill import Drill
from tasks.model.findings import Outcome
from tasks.model.target import Checks, PhysicalBackup

_NAMES_SHOWN = 5
_SWITCHED_OFF = {
    "counts": "rows were not counted, so lost rows could pass unseen",
    "foreign_keys": "foreign keys were not compared row by row",
    "sequences": "sequences were not compared with their columns",
    "large_objects": "large objects were not read",
    "matviews": "materialised views were not looked at",
    "amcheck": "indexes were not compared with their tables",
    "full_read": "not every column of every row was read back",
}
_FINDINGS = {
    "locale-differs": "The database's own locale: sort order and text indexes were rebuilt under another.",
    "encoding-unsafe": "That the text is valid: the database's encoding is SQL_ASCII.",
    "end-marker-unknown": "That the script is complete: it carries no end marker.",
    "role-missing": "That people and programs can log in: roles that they need are not in the backup.",
    "role-not-assumed": "The recovery role's rights: the store was read with the worker's own.",
    "isolation-off": "That the dump kept to itself: isolation was off.",
    "isolation-reduced": "Full isolation: the host allowed only a part of it.",
    "baseline-started": "That nothing was lost before: there is no earlier verified drill to compare with.",
    "source-version-old": "A restore by tools and a server of the dump's own major.",
    "recovery-point-from-modified": "When the backup was made: its name holds no time.",
    "extension-absent": "Extensions that the managed service brings: they were left out as configured.",
}

_OF_KIND = {
    "pgbackrest": "That pgBackRest's restore_command works inside PostgreSQL: the drill ran archive-get "
    "outside it, and handed the WAL over.",
    "barman": "That Barman's own programs bring it back: the drill read Barman's files by itself.",
    "walg": "That WAL-G's own bytes are read aright: the layout is its source's, none were to be had.",
}


def checks_off(checks: Checks) -> tuple[str, ...]:
    """Return the deep checks that the fleet file switches off."""
    return tuple(name for name in _SWITCHED_OFF if getattr(checks, name) == "off")


def not_proven(facts: Drill) -> tuple[str, ...]:
    """Return what *facts* leave open, one sentence each, the weightiest first."""
    parts: tuple[Callable[[Drill], Iterator[str]], ...] = (
        _never_reached,
        _not_run,
        _not_restored,
        _integrity,
        _of_kind,
        _named_by_findings,
        _not_configured,
        _speed,
        _age,
        _off,
        _exceptions,
    )
    return tuple(dict.fromkeys(sentence for part in parts for sentence in part(facts)))


def _never_reached(facts: Drill) -> Iterator[str]:
    if facts.point is None:
        yield "Anything about a backup: none was taken."
    elif facts.restored is None:
        yield "That this backup can be restored: the drill ended before a restore was complete."
    elif not restore_completed(facts):
        yield "How long a recovery takes: the restore did not complete."
    elif facts.inventory is None:
        yield "What came back: the restored database was not looked at."


def _not_run(facts: Drill) -> Iterator[str]:
    names: dict[str | None, list[str]] = {}
    for check in facts.checks:
        if check.outcome is Outcome.NOT_RUN:
            names.setdefault(check.why, []).append(check.name.removesuffix("-completed"))
    for why, skipped in names.items():  # one cause skips many: it is told once
        yield f"{_some(skipped)}: did not run{_because(why)}."


def _not_restored(facts: Drill) -> Iterator[str]:
    if facts.restored is None:
        return
    if facts.restored.not_restored:
        yield f"Entries that were left out of the restore: {_some(facts.restored.not_restored)}."
    if facts.restored.other_databases:
        yield f"Other databases of the same {_whole(facts)}: {_some(facts.restored.other_databases)}."


def _whole(facts: Drill) -> str:
    return "cluster" if isinstance(facts.target.backup, PhysicalBackup) else "dump"


def _integrity(facts: Drill) -> Iterator[str]:
    if facts.backup is None:
        return
    if facts.backup.integrity == "none":
        yield "That no bit has flipped: neither the store nor the format holds a checksum of the data."
    elif facts.backup.integrity == "format":
        yield ("That the stored bytes are those that were uploaded: only the format's own checksum says so.")


def _of_kind(facts: Drill) -> Iterator[str]:
    kind = facts.target.backup.kind
    if facts.restored is not None and kind in _OF_KIND:
        yield _OF_KIND[kind]


def _named_by_findings(facts: Drill) -> Iterator[str]:
    fired = {item.rule for item in facts.findings}
    for rule, sentence in _FINDINGS.items():
        if rule in fired:
            yield sentence


def _not_configured(facts: Drill) -> Iterator[str]:
    yield from _no_suite(facts)
    for name, results in facts.suite_results.items():
        if results.get("gate") == "report":
            yield f"That the expectations of {name} hold: the suite only reports, it gates nothing."
        elif all(result.get("severity") in {"warning", "info"} for result in results.get("results", ({},))):
            yield f"That the expectations of {name} hold: none of them is critical, so none fails a drill."
        yield from _unjudged(results.get("results", ()))
    if not facts.target.asks_freshness:
        yield "How old the newest row is: no freshness is configured."


def _no_suite(facts: Drill) -> Iterator[str]:
    if not facts.target.has_suite:
        yield "What the data team knows of its data: no suite is named."
        return
    databases = () if facts.restored is None else facts.restored.databases
    without = [name for name in databases if facts.target.expect.of(name).suite is None]
    if without:
        yield f"What the data team knows of its data in {_some(without)}: no suite is named for it."


def _unjudged(results: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yield what of a suite was not put to the proof, although nothing went wrong."""
    waiting = [_expectation(result) for result in results if result.get("outcome") == "no_history"]
    if waiting:
        yield f"Compared with an earlier drill: {_some(waiting)} (it waits for a verified drill's figure)."
    passed = (result for result in results if result.get("outcome") == "passed")
    rowless = [_expectation(result) for result in passed if result.get("element_count") == 0]
    if rowless:
        yield f"That any row meets {_some(rowless)}: there was no row to judge."


def _expectation(result: Mapping[str, Any]) -> str:
    return str(result.get("name") or f"{result.get('table')} {result.get('type')}")


def _speed(facts: Drill) -> Iterator[str]:
    rto = facts.target.rto
    if rto is None:
        yield "That recovery is fast enough: no RTO is set."
    elif not rto.overhead:
        yield "The time to page, decide and switch over: the RTO declares no overhead."
    profile = facts.target.sandbox.profile if facts.sandbox is None else facts.sandbox.profile
    if facts.restored is not None and profile != "production":
        yield (
            f"Production's speed: the restore ran under the settings of profile {profile} "
            "on this worker's hardware, so its time is a lower bound."
        )


def _age(facts: Drill) -> Iterator[str]:
    if facts.target.rpo is None:
        yield "That the backup is young enough: no RPO is set."
    elif not facts.is_newest:
        yield f"That the newest backup is young enough: this drill took another one ({facts.selected})."


def _off(facts: Drill) -> Iterator[str]:
    for name in checks_off(facts.target.checks):
        yield f"Switched off (checks.{name}): {_SWITCHED_OFF[name]}."


def _exceptions(facts: Drill) -> Iterator[str]:
    for item in facts.accepted:
        until = f" until {item['until']}" if item.get("until") else ""
        yield f"Accepted{until}: {item.get('rule')} at {item.get('where')}{_because(item.get('why'))}."


def _because(why: str | None) -> str:
    return f" ({why.rstrip('.')})" if why else ""


def _some(names: Sequence[str]) -> str:
    return listing(names, _NAMES_SHOWN, place="")
