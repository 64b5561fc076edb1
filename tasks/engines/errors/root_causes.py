"""From single failures to findings: the cause first, what merely followed from it counted, not shouted.

What follows from what is `causes`' to say.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from tasks.engines.absent import absent_extensions
from tasks.engines.errors.causes import Cause, Omission, dependents, find_causes
from tasks.engines.errors.classes import MINOR_DESCS, VITAL_DESCS, Meaning
from tasks.engines.errors.failure import Failure, label, unquoted
from tasks.model.backup import Toc
from tasks.model.bounded_list import beyond, listing
from tasks.model.findings import Finding, Severity
from tasks.model.rules import finding
from tasks.model.server_words import all_names, shown_name

NAMED = 8
"""Causes of one rule that get a finding of their own; the others share one."""
_SUPERUSERS_OWN = frozenset({"OPERATOR CLASS", "OPERATOR FAMILY"})
"""Entries that only a superuser makes and that hold nothing: an index that needs one speaks for itself."""


_FOR_ROLES = MINOR_DESCS | {"POLICY"}
"""Entries that say whom something is for: what they are about is there without the role."""
_UNKNOWN_EFFECT = frozenset(
    {"DO", "CALL", "SELECT", "UPDATE", "DELETE", "MERGE", "WITH", "ALTER TABLE", "EXTENSION"}
)
"""Statements of scripts by hand, and extensions: nobody knows what depends on them."""


@dataclass(frozen=True, slots=True)
class Judged:
    """What the failures of a restore come to.

    Attributes:
        not_restored: labels of the entries that policy kept out.
        broken: dump ids of everything that failed or was left out: nobody need report them again.
    """

    findings: tuple[Finding, ...]
    not_restored: tuple[str, ...]
    broken: frozenset[int]
    causes: tuple[Cause, ...]


def judge(failures: Iterable[Failure], omissions: Iterable[Omission], toc: Toc) -> Judged:
    """Group *failures* by cause and say what each means.

    Args:
        failures: in the order in which they happened.
        omissions: what was left out on purpose.
        toc: tells which entries depend on which.
    """
    causes = find_causes(failures, omissions, toc)
    refused = [cause for cause in causes if cause.meaning is Meaning.POLICY]
    names = _names_of(toc) if causes else frozenset()
    findings = [*_policy(refused, names, toc), *absent_extensions(causes, toc)]
    for meaning in Meaning:
        if meaning.value and meaning is not Meaning.POLICY:
            of_meaning = [cause for cause in causes if cause.meaning is meaning]
            findings += _of_meaning(meaning, of_meaning, names)
    broken = {
        entry.dump_id for cause in causes for entry in (cause.entry, *cause.followers) if entry is not None
    }
    return Judged(
        tuple(findings),
        tuple(dict.fromkeys(name for cause in refused for name in _left_out(cause))),
        frozenset(broken),
        tuple(causes),
    )


def _names_of(toc: Toc) -> frozenset[str]:
    """Return what messages may name: what the archive's table of contents names."""
    return all_names(name for entry in toc.entries for name in (entry.tag, entry.namespace, entry.owner))


def _policy(causes: list[Cause], names: Collection[str], toc: Toc) -> list[Finding]:
    """Judge what only a superuser may do: listed, unless something that matters needs it."""
    needed = [cause for cause in causes if matters(cause)]
    findings = [
        finding(
            "superuser-entry",
            _needed_message(cause, names),
            where=None if cause.entry is None else label(cause.entry),
            names=beyond(_follower_names(cause)),
        )
        for cause in needed[:NAMED]
    ]
    if rest := [_name(cause) for cause in needed[NAMED:]]:
        message = f"{len(rest)} more entries can only be restored by a superuser: {listing(rest)}."
        findings.append(finding("superuser-entry", message, names=beyond(rest)))
    return [*findings, *_not_needed([cause for cause in causes if cause not in needed], toc)]


def _not_needed(causes: list[Cause], toc: Toc) -> list[Finding]:
    """Return the finding that lists what policy kept out and nothing failed for want of."""
    names = [name for cause in causes for name in _left_out(cause)]
    if not names:
        return []
    count = "1 entry was" if len(names) == 1 else f"{len(names)} entries were"
    message = f"{count} left out: {listing(names)}. {_needed_by(causes, toc)}"
    return [finding("not-restored-by-policy", message, names=beyond(names))]


def _needed_by(causes: list[Cause], toc: Toc) -> str:
    """Say what the archive lists as depending on what was left out; a script lists no dependence."""
    if toc.archive_version is None:
        return "Nothing failed for want of them."
    needs = dependents(toc)
    own = {cause.entry.dump_id for cause in causes if cause.entry is not None}
    others = [other for number in own for other in needs.get(number, ()) if other.dump_id not in own]
    names = list(dict.fromkeys(map(label, others)))
    return f"What came back and needs them: {listing(names)}." if names else "No data depends on them."


def _left_out(cause: Cause) -> list[str]:
    """Return the names of what was left out with *cause*: itself, and what a superuser would add to it."""
    own = [] if cause.entry is None else [cause.entry]
    return [label(entry) for entry in (*own, *(e for e in cause.followers if e.desc in _SUPERUSERS_OWN))]


def matters(cause: Cause) -> bool:
    """Tell whether something that holds data or rules needs what policy kept out with *cause*."""
    own = (
        cause.failure is not None
        and cause.entry is not None
        and cause.entry.desc in VITAL_DESCS | _UNKNOWN_EFFECT
    )
    return (
        own
        or cause.vital
        or cause.settings > 0
        or any(entry.desc not in MINOR_DESCS | _SUPERUSERS_OWN for entry in cause.followers)
    )


def _needed_message(cause: Cause, names: Collection[str]) -> str:
    reason = f": {cause.failure.told(names)}" if cause.failure is not None else ""
    lead = f"{_name(cause)} can only be restored by a superuser{reason}."
    return f"{lead}{_followers(cause)} The drill cannot judge them."


def _of_meaning(meaning: Meaning, causes: list[Cause], names: Collection[str]) -> list[Finding]:
    rule = meaning.value or ""
    if meaning is Meaning.ROLE:
        return _roles(causes, names)
    findings = [
        finding(
            rule,
            _message(cause, names),
            where=None if cause.entry is None else label(cause.entry),
            names=beyond(_follower_names(cause)),
        )
        for cause in causes[:NAMED]
    ]
    rest = [_name(cause) for cause in causes[NAMED:]]
    if rest:
        message = f"{len(rest)} more entries failed in the same way: {listing(rest)}."
        findings.append(finding(rule, message, names=beyond(rest)))
    return findings


def _roles(causes: list[Cause], names: Collection[str]) -> list[Finding]:
    evaluated = [cause for cause in causes if cause.entry is None or cause.entry.desc not in _FOR_ROLES]
    if evaluated:
        return [
            _roles_evaluated(evaluated),
            *_roles([cause for cause in causes if cause not in evaluated], names),
        ]
    roles = sorted(
        {
            match[1]
            for cause in causes
            if cause.failure and (match := re.search(r'role "([^"]*)"', cause.failure.told(names)))
        }
    )
    if not roles:
        return []
    return [
        finding(
            "role-missing",
            f"{len(causes)} entries name roles that the backup does not bring: {listing(roles)}. "
            "Whoever needs them cannot log in after a recovery.",
            names=beyond(roles),
        )
    ]


def _roles_evaluated(causes: list[Cause]) -> Finding:
    """Say that rows or definitions name a role, which then is a value: it is not told."""
    names = [_name(cause) for cause in causes]
    lost = sum(len(cause.followers) for cause in causes)
    more = f" With them failed {lost} entries that depend on them." if lost else ""
    return finding(
        "role-missing",
        f"{listing(names)} could not be restored, for a role is named in it that the backup does not bring."
        f"{more} A recovery would lose the same, unless that role is there before.",
        where=names[0],
        severity=Severity.FAILURE,
        names=beyond(names),
    )


_LEADS: Mapping[Meaning, str] = {
    Meaning.HOSTILE: "{name} tries to leave its database, which was refused: {said}.",
    Meaning.ROWS: "The rows of {name} could not be loaded{line}: {said}.",
    Meaning.ENCODING: "The rows of {name} hold bytes that its encoding does not allow{line}: {said}.",
    Meaning.DUPLICATES: "The data breaks a unique key, {name}: {said}.",
    Meaning.ORPHANS: "The data breaks a foreign key, {name}: {said}.",
    Meaning.FUNCTION: "The function {function} breaks the restore of {name}: {said}. It works only "
    "under a search_path that a restore does not set.",
    Meaning.FOREIGN: "{name} reads from another server, which the sandbox must not reach: {said}. It was "
    "left as it is.",
    Meaning.HOST: "{name} needs something that this host's PostgreSQL does not have: {said}. Nothing is "
    "said about the backup.",
    Meaning.EXTENSION: "{name} needs an extension that this host's PostgreSQL does not have: {said}.",
}


def _message(cause: Cause, names: Collection[str]) -> str:
    failure = cause.failure
    message = "" if failure is None else failure.told(names)
    lead = _LEADS.get(cause.meaning, "{name} could not be restored: {said}.")
    line = f" (line {failure.line})" if failure is not None and failure.line is not None else ""
    function = _function(failure, names)
    times = f" It failed {failure.count} times." if failure is not None and failure.count > 1 else ""
    return (
        lead.format(name=_name(cause), said=message, line=line, function=function) + times + _followers(cause)
    )


def _function(failure: Failure | None, names: Collection[str]) -> str:
    """Return the function that CONTEXT names, if there is one: what stands there may be a row's too."""
    if failure is None or not failure.functions:
        return ""
    known_names = frozenset(names) | failure.own_names()  # an extension's own is in no table of contents
    return shown_name(unquoted(failure.functions[0]).split("(", 1)[0], known_names)


def _name(cause: Cause) -> str:
    if cause.entry is None:
        return "A statement"
    return (
        f"{cause.entry.namespace}.{cause.entry.tag}"
        if cause.entry.desc == "TABLE DATA"
        else label(cause.entry)
    )


def _followers(cause: Cause) -> str:
    names = _follower_names(cause)
    if not names:
        return ""
    count = "1 entry that depends on it" if len(names) == 1 else f"{len(names)} entries that depend on it"
    return f" With it failed {count}: {listing(names)}."


def _follower_names(cause: Cause) -> list[str]:
    return [label(entry) for entry in cause.followers]


def worst(findings: Iterable[Finding]) -> bool:
    """Tell whether any of *findings* is a failure."""
    return any(issue.severity is Severity.FAILURE for issue in findings)
