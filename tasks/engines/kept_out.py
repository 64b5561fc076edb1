"""What this host or policy kept out of the restored database, by the names that checks use.

A check that misses one of these has not found a broken backup: the finding that names the cause has said it
already, and that the drill could not judge it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from tasks.engines.errors.causes import Cause
from tasks.engines.errors.classes import DRILLS_OWN, Meaning
from tasks.engines.errors.root_causes import matters
from tasks.engines.objects_present import OF_TABLES
from tasks.model.backup import Toc, TocEntry

_RULES = {
    Meaning.EXTENSION: "extension-missing",
    Meaning.HOST: "host-feature-missing",
    Meaning.FOREIGN: "foreign-data-unreached",
    Meaning.HARMLESS: "extension-absent",
}
_ROUTINES = frozenset({"FUNCTION", "PROCEDURE", "AGGREGATE"})
_READS = frozenset({"VIEW", "MATERIALIZED VIEW"})


def kept_out(causes: Iterable[Cause], toc: Toc) -> dict[str, str]:
    """Return what the drill itself kept out, with the rule under which it says so.

    Names are the catalogue's, `schema.name` or `schema.table.name`; views over what was kept out count too.
    """
    by_id = {entry.dump_id: entry for entry in toc.entries}
    names: dict[str, str] = {}
    ids: dict[int, str] = {}
    for cause in causes:
        if cause.meaning not in DRILLS_OWN:
            continue
        rule = rule_of(cause)
        for entry in (cause.entry, *cause.followers):
            if entry is not None:
                names |= dict.fromkeys(_names(entry, by_id), rule) | names
                ids |= dict.fromkeys(_numbers(entry), rule) | ids
    return _with_views(names, ids, toc) if ids else names


def rule_of(cause: Cause) -> str:
    """Return the rule under which *cause* is told, or that explains why it need not be."""
    if cause.meaning is Meaning.POLICY:
        return "superuser-entry" if matters(cause) else "not-restored-by-policy"
    return _RULES.get(cause.meaning) or cause.meaning.value or ""


def _names(entry: TocEntry, by_id: Mapping[int, TocEntry]) -> Iterator[str]:
    """Yield the names that an entry's object may have in an inventory."""
    schema = f"{entry.namespace}." if entry.namespace else ""
    if entry.desc in _ROUTINES:
        yield schema + entry.tag.split("(", 1)[0]
    elif entry.desc in OF_TABLES:  # the table's name, a space and its own: either may hold spaces
        words = entry.tag.split(" ")
        for at in range(1, len(words)):
            yield f"{schema}{' '.join(words[:at])}.{' '.join(words[at:])}"
            yield f"{schema}{' '.join(words[at:])}"  # the index behind a key
    else:
        yield schema + entry.tag
    if entry.desc == "TABLE ATTACH":  # its rows are missing in the table that it was to be attached to
        for number in entry.dependencies:
            table = by_id.get(number)
            if table is not None:
                yield f"{table.namespace}.{table.tag}"


def _numbers(entry: TocEntry) -> Iterator[int]:
    yield entry.dump_id
    if entry.desc in ("TABLE DATA", "MATERIALIZED VIEW DATA", "TABLE ATTACH"):
        yield from entry.dependencies  # whoever reads the relation misses its rows


def _with_views(names: dict[str, str], ids: dict[int, str], toc: Toc) -> dict[str, str]:
    """Add the views that read what was kept out; archives list what is read before what reads it."""
    for entry in toc.entries:
        if entry.desc in _READS and entry.dump_id not in ids:
            rule = next((ids[number] for number in entry.dependencies if number in ids), None)
            if rule is not None:
                ids[entry.dump_id] = rule
                names.setdefault(f"{entry.namespace}.{entry.tag}", rule)
    return names
