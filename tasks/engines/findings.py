"""From single failures to findings: the cause first, what merely followed from it counted, not shouted.

A failure follows from another if its entry depends on the other's, or if it misses by name what the other
should have made. Entries that were left out on purpose count as causes too, so that what needs them is
explained.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace

from tasks.engines.failure import Failure, label, unquoted
from tasks.engines.meaning import MINOR_DESCS, VITAL_DESCS, Meaning, meaning_of
from tasks.model.backup import Toc, TocEntry
from tasks.model.findings import Finding, Severity
from tasks.model.rules import finding
from tasks.model.server_words import all_names, shown_name

_MISSING = re.compile(
    r"(?:relation|table|view|type|function|operator|schema|sequence|constraint|index|server|publication|collation"
    r"|extension|foreign-data wrapper|text search (?:configuration|dictionary)|aggregate|procedure|trigger)"
    r'(?: "(?P<quoted>[^"]+)"| (?P<plain>[^\s"(]+)).*(?:does not exist|has not been populated)'
    r'|there is no unique constraint matching given keys for referenced table "(?P<referenced>[^"]+)"'
    r'|materialized view "(?P<view>[^"]+)" has not been populated'
)
NAMED = 8
"""Causes of one rule that get a finding of their own; the others share one."""
LISTED = 6
"""Names that one sentence lists."""
_NAMELESS = frozenset({"ACL", "DEFAULT ACL", "COMMENT", "SECURITY LABEL"})
_SAME_ROWS = frozenset({"FK CONSTRAINT", "MATERIALIZED VIEW DATA"})

_SUPERUSERS_OWN = frozenset({"OPERATOR CLASS", "OPERATOR FAMILY"})
"""Entries that only a superuser makes and that hold nothing: an index that needs one speaks for itself."""


_UNKNOWN_EFFECT = frozenset(
    {"DO", "CALL", "SELECT", "UPDATE", "DELETE", "MERGE", "WITH", "ALTER TABLE", "EXTENSION"}
)
"""Statements of scripts by hand, and extensions: nobody knows what depends on them."""


@dataclass(frozen=True, slots=True)
class Omission:
    """An entry that was not given to the restore.

    Attributes:
        meaning: POLICY for what only a superuser may do, HARMLESS for what the fleet file says may be absent.
    """

    entry: TocEntry
    meaning: Meaning = Meaning.POLICY


@dataclass(slots=True)
class Cause:
    """A failure or omission that follows from no other, with what follows from it."""

    meaning: Meaning
    entry: TocEntry | None
    failure: Failure | None
    followers: list[TocEntry] = field(default_factory=list)


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
    causes = _causes(failures, omissions, toc)
    refused = [cause for cause in causes if cause.meaning is Meaning.POLICY]
    names = _names_of(toc) if causes else frozenset()
    findings = [*_policy(refused, names)]
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


def _causes(failures: Iterable[Failure], omissions: Iterable[Omission], toc: Toc) -> list[Cause]:
    known = _Known(toc)
    for omission in omissions:
        known.add(Cause(omission.meaning, omission.entry, None))
    for failure in _merged(failures):
        meaning = meaning_of(failure)
        if meaning is Meaning.HARMLESS:
            continue
        cause = None if meaning in (Meaning.HOSTILE, Meaning.ENVIRONMENT) else known.cause_of(failure)
        if cause is not None:
            known.follow(cause, failure)
        elif meaning is not Meaning.ABORTED:
            known.add(Cause(meaning, failure.entry, failure))
    return known.causes


class _Known:
    """The causes so far, found again by entry and by the name of what is missing."""

    def __init__(self, toc: Toc) -> None:
        self._entries = {entry.dump_id: entry for entry in toc.entries}
        self._by_id: dict[int, Cause] = {}
        self._by_name: dict[str, Cause] = {}
        self._rows: dict[int, Cause] = {}
        self._tables: dict[str, Cause] = {}
        self.causes: list[Cause] = []

    def add(self, cause: Cause) -> None:
        self.causes.append(cause)
        self._register(cause, cause.entry)
        for table in () if cause.failure is None else cause.failure.about:
            self._tables.setdefault(table, cause)

    def follow(self, cause: Cause, failure: Failure) -> None:
        """Note that *failure* came of *cause*."""
        entry = failure.entry
        if entry is not None and entry is not cause.entry and entry not in cause.followers:
            cause.followers.append(entry)
            self._register(cause, entry)

    def _register(self, cause: Cause, entry: TocEntry | None) -> None:
        if entry is None:
            return
        self._by_id.setdefault(entry.dump_id, cause)
        if entry.desc in ("TABLE DATA", "MATERIALIZED VIEW DATA"):
            for number in entry.dependencies:
                self._rows.setdefault(number, cause)
            return
        if entry.desc not in _NAMELESS:
            name = entry.tag.split("(", 1)[0]
            for spelled in (name, f"{entry.namespace}.{name}"):
                self._by_name.setdefault(unquoted(spelled), cause)

    def cause_of(self, failure: Failure) -> Cause | None:
        """Return the earlier cause that *failure* follows from."""
        entry = failure.entry
        if entry is not None and entry.dump_id in self._by_id:
            return self._by_id[entry.dump_id]
        missed = _MISSING.search(failure.refusal.plain)
        if missed is not None:
            name = next(text for text in missed.groups() if text)
            by_name = self._by_name.get(unquoted(name)) or self._by_name.get(
                unquoted(name).rsplit(".", 1)[-1]
            )
            if by_name is not None:
                return by_name
        if entry is None:
            return None
        related = entry.desc in _SAME_ROWS or (missed is not None and missed["referenced"])
        by_table = next((self._tables[name] for name in failure.about if name in self._tables), None)
        return by_table if related and by_table is not None else self._through_dependencies(entry)

    def _through_dependencies(self, entry: TocEntry) -> Cause | None:
        seen, waiting = {entry.dump_id}, list(entry.dependencies)
        while waiting:
            number = waiting.pop()
            if number in seen:
                continue
            seen.add(number)
            if number in self._by_id:
                return self._by_id[number]
            if entry.desc in _SAME_ROWS and number in self._rows:
                return self._rows[number]
            if number in self._entries:
                waiting += self._entries[number].dependencies
        return None


def _merged(failures: Iterable[Failure]) -> list[Failure]:
    """Join failures of one entry with one message: each row of an INSERT dump may fail alike."""
    found: dict[tuple[int | None, str], Failure] = {}
    for failure in failures:
        key = (None if failure.entry is None else failure.entry.dump_id, failure.message)
        known = found.get(key)
        found[key] = failure if known is None else replace(known, count=known.count + failure.count)
    return list(found.values())


def _policy(causes: list[Cause], names: Collection[str]) -> list[Finding]:
    """Judge what only a superuser may do: listed, unless something that matters needs it."""
    needed = [cause for cause in causes if _matters(cause)]
    findings = [
        finding(
            "superuser-entry",
            _needed_message(cause, names),
            where=None if cause.entry is None else label(cause.entry),
        )
        for cause in needed[:NAMED]
    ]
    listed = [name for cause in causes if cause not in needed for name in _left_out(cause)]
    if listed:
        count = "1 entry was" if len(listed) == 1 else f"{len(listed)} entries were"
        findings.append(
            finding(
                "not-restored-by-policy", f"{count} left out: {_listing(listed)}. No data depends on them."
            )
        )
    return findings


def _left_out(cause: Cause) -> list[str]:
    """Return the names of what was left out with *cause*: itself, and what a superuser would add to it."""
    own = [] if cause.entry is None else [cause.entry]
    return [label(one) for one in (*own, *(e for e in cause.followers if e.desc in _SUPERUSERS_OWN))]


def _matters(cause: Cause) -> bool:
    own = (
        cause.failure is not None
        and cause.entry is not None
        and cause.entry.desc in VITAL_DESCS | _UNKNOWN_EFFECT
    )
    return own or any(entry.desc not in MINOR_DESCS | _SUPERUSERS_OWN for entry in cause.followers)


def _needed_message(cause: Cause, names: Collection[str]) -> str:
    said = f": {cause.failure.told(names)}" if cause.failure is not None else ""
    lead = f"{_name(cause)} can only be restored by a superuser{said}."
    return f"{lead}{_followers(cause)} The drill cannot judge them."


def _of_meaning(meaning: Meaning, causes: list[Cause], names: Collection[str]) -> list[Finding]:
    rule = meaning.value or ""
    if meaning is Meaning.ROLE:
        return _roles(causes, names)
    found = [
        finding(rule, _message(cause, names), where=None if cause.entry is None else label(cause.entry))
        for cause in causes[:NAMED]
    ]
    rest = causes[NAMED:]
    if rest:
        others = _listing([_name(cause) for cause in rest])
        found.append(finding(rule, f"{len(rest)} more entries failed in the same way: {others}."))
    return found


def _roles(causes: list[Cause], names: Collection[str]) -> list[Finding]:
    roles = {
        found[1]
        for cause in causes
        if cause.failure and (found := re.search(r'role "([^"]*)"', cause.failure.told(names)))
    }
    if not roles:
        return []
    return [
        finding(
            "role-missing",
            f"{len(causes)} entries name roles that the backup does not bring: {_listing(sorted(roles))}. "
            "Whoever needs them cannot log in after a recovery.",
        )
    ]


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
    said = "" if failure is None else failure.told(names)
    lead = _LEADS.get(cause.meaning, "{name} could not be restored: {said}.")
    line = f" (line {failure.line})" if failure is not None and failure.line is not None else ""
    function = _function(failure, names)
    times = f" It failed {failure.count} times." if failure is not None and failure.count > 1 else ""
    return lead.format(name=_name(cause), said=said, line=line, function=function) + times + _followers(cause)


def _function(failure: Failure | None, names: Collection[str]) -> str:
    """Return the function that CONTEXT names, if there is one: what stands there may be a row's too."""
    if failure is None or not failure.functions:
        return ""
    return shown_name(unquoted(failure.functions[0]).split("(", 1)[0], names)


def _name(cause: Cause) -> str:
    if cause.entry is None:
        return "A statement"
    return (
        f"{cause.entry.namespace}.{cause.entry.tag}"
        if cause.entry.desc == "TABLE DATA"
        else label(cause.entry)
    )


def _followers(cause: Cause) -> str:
    if not cause.followers:
        return ""
    names = [label(entry) for entry in cause.followers]
    count = "1 entry that depends on it" if len(names) == 1 else f"{len(names)} entries that depend on it"
    return f" With it failed {count}: {_listing(names)}."


def _listing(names: list[str]) -> str:
    shown = ", ".join(names[:LISTED])
    return f"{shown} and {len(names) - LISTED} more" if len(names) > LISTED else shown


def worst(findings: Iterable[Finding]) -> bool:
    """Tell whether any of *findings* is a failure."""
    return any(found.severity is Severity.FAILURE for found in findings)
