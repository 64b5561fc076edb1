"""Which failures of a restore follow from which: a cause is what the archive says that something needs.

Decided here what counts as a cause of a failure:
- the same entry failed before, for the same reason;
- PostgreSQL names what is missing, and that is what failed: of the right kind, in the right schema, and
  nothing else of that name came back;
- the archive lists what failed as a direct need of the entry. Needs of needs do not count: what stands
  between them was restored, so that it is no longer in the way;
- a foreign key lacks the rows of the table that it points to, a partitioned table the partition for a row;
- a refresh reads a table whose rows this host kept out.
That something failed before, or near, is never a cause. Entries that were left out on purpose count as causes
too, so that what needs them is explained.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property

from tasks.engines.errors.classes import DRILLS_OWN, MINOR_DESCS, Meaning, meaning_of
from tasks.engines.errors.failure import Failure, unquoted
from tasks.engines.sql.tokens import is_name, name_of, tokens
from tasks.model.backup import Toc, TocEntry

_MISSING = re.compile(
    r"(?P<kind>relation|table|view|type|function|operator class|operator family|operator|schema|sequence"
    r"|constraint|index|server|publication|collation|extension|foreign-data wrapper|access method"
    r"|text search (?:configuration|dictionary|parser|template)|aggregate|procedure|trigger)"
    r'(?: "(?P<quoted>[^"]+)"| (?P<plain>[^\s"(]+).*(?:does not exist|is only a shell))'
)
_UNPOPULATED = re.compile(r'materialized view "(?P<view>[^"]+)" has not been populated')
_NO_KEY = re.compile(r'no unique constraint matching given keys for referenced table "(?P<table>[^"]+)"')
_NO_PARTITION = re.compile(r'no partition of relation "(?P<table>[^"]+)" found for row')
_NOT_COERCIBLE = re.compile(r"must match or be binary-coercible (?P<way>to target|from source) data type")
_ACCESS_METHOD = re.compile(r'invalid value for parameter "default_table_access_method": "(?P<name>[^"]+)"')

_MADE_BY_EXTENSIONS = frozenset(
    {"relation", "table", "view", "type", "function", "operator class", "operator family", "operator",
     "access method", "text search configuration", "text search dictionary", "foreign-data wrapper"}
)  # fmt: skip
_RELATIONS = frozenset(
    {"TABLE", "VIEW", "MATERIALIZED VIEW", "SEQUENCE", "FOREIGN TABLE", "INDEX", "CONSTRAINT"}
)
_ROUTINES = frozenset({"FUNCTION", "PROCEDURE", "AGGREGATE"})
_KEYS = frozenset({"CONSTRAINT", "FK CONSTRAINT", "CHECK CONSTRAINT"})
_MEANT_BY = {
    **dict.fromkeys(("relation", "table", "view", "sequence", "index"), _RELATIONS),
    "type": frozenset({"TYPE", "SHELL TYPE", "DOMAIN", "EXTENSION"}) | _RELATIONS,  # citext makes citext
    **dict.fromkeys(("function", "procedure", "aggregate"), _ROUTINES),
    "constraint": _KEYS,
    "foreign-data wrapper": frozenset({"FOREIGN DATA WRAPPER"}),
}
"""The kinds of entry that a word in PostgreSQL's messages means; other words mean the kind of that name."""
_OF_TABLES = _KEYS | {"TRIGGER", "POLICY", "RULE", "DEFAULT"}
"""Entries whose tag names their table first."""
_NAMELESS = frozenset({"ACL", "DEFAULT ACL", "COMMENT", "SECURITY LABEL"})
_ROWS = frozenset({"TABLE DATA", "MATERIALIZED VIEW DATA"})
_REFRESH = "MATERIALIZED VIEW DATA"
_READ_BY_REFRESH = frozenset({"VIEW", "MATERIALIZED VIEW", "TABLE", "FOREIGN TABLE"})


@dataclass(slots=True)
class Cause:
    """A failure or omission that follows from no other, with what follows from it.

    Attributes:
        settings: how many statements that belong to no entry followed from it.
        vital: the drill cannot judge without it, whatever depends on it.
    """

    meaning: Meaning
    entry: TocEntry | None
    failure: Failure | None
    followers: list[TocEntry] = field(default_factory=list)
    settings: int = 0
    vital: bool = False


@dataclass(frozen=True, slots=True)
class Omission:
    """An entry that was not given to the restore.

    Attributes:
        meaning: POLICY for what only a superuser may do, HARMLESS for what the fleet file says may be absent.
        vital: the drill cannot judge without it, whatever depends on it.
    """

    entry: TocEntry
    meaning: Meaning = Meaning.POLICY
    vital: bool = False


def find_causes(failures: Iterable[Failure], omissions: Iterable[Omission], toc: Toc) -> list[Cause]:
    """Return the causes of *failures*, each with what follows from it.

    Args:
        failures: in the order in which they happened.
        omissions: what was left out on purpose.
        toc: tells which entries need which.
    """
    known_causes = _Known(toc)
    for omission in omissions:
        known_causes.add(Cause(omission.meaning, omission.entry, None, vital=omission.vital))
    waiting: list[Failure] = []
    for failure in _merged(failures):
        meaning = meaning_of(failure)
        if meaning in (Meaning.HOSTILE, Meaning.ENVIRONMENT):
            known_causes.add(Cause(meaning, failure.entry, failure))
        elif meaning is not Meaning.HARMLESS:
            waiting.append(failure)
    known_causes.note_failed(waiting)
    for failure in waiting:
        cause, meaning = known_causes.cause_of(failure), meaning_of(failure)
        if cause is not None:
            known_causes.follow(cause, failure)
        elif meaning is not Meaning.ABORTED:
            known_causes.add(Cause(meaning, failure.entry, failure))
    return known_causes.causes


def dependents(toc: Toc) -> dict[int, list[TocEntry]]:
    """Return by dump id the entries that list it as a direct need, words about it left aside."""
    needs: defaultdict[int, list[TocEntry]] = defaultdict(list)
    for entry in toc.entries:
        if entry.desc not in MINOR_DESCS:
            for number in entry.dependencies:
                needs[number].append(entry)
    return dict(needs)


class _Known:
    """The causes so far, found again by entry and by the name of what is missing."""

    def __init__(self, toc: Toc) -> None:
        self._entries = {entry.dump_id: entry for entry in toc.entries}
        self._failed: set[int] = set()
        self._by_id: dict[int, Cause] = {}
        self._by_name: defaultdict[str, list[tuple[TocEntry, Cause]]] = defaultdict(list)
        self._rows: dict[int, Cause] = {}
        self._rows_by_name: dict[str, Cause] = {}
        self._attached: dict[str, Cause] = {}
        self._keys: dict[str, Cause] = {}
        self._refreshes: dict[str, Cause] = {}
        self.causes: list[Cause] = []

    def note_failed(self, failures: Iterable[Failure]) -> None:
        """Learn which entries failed at all: what came back does not lack."""
        self._failed |= {failure.entry.dump_id for failure in failures if failure.entry is not None}

    def add(self, cause: Cause) -> None:
        self.causes.append(cause)
        self._register(cause, cause.entry, cause.failure)

    def follow(self, cause: Cause, failure: Failure) -> None:
        """Note that *failure* came of *cause*."""
        entry = failure.entry
        if entry is None:
            cause.settings += 1
        elif entry is not cause.entry and entry not in cause.followers:
            cause.followers.append(entry)
        self._register(cause, entry, failure)

    def _register(self, cause: Cause, entry: TocEntry | None, failure: Failure | None) -> None:
        if entry is None:
            return
        about = () if failure is None else failure.about
        self._by_id.setdefault(entry.dump_id, cause)
        self._failed.add(entry.dump_id)
        if entry.desc in _ROWS:
            self._register_rows(cause, entry)
        elif entry.desc == "TABLE ATTACH":
            parents = [self._entries[number] for number in entry.dependencies if number in self._entries]
            for table in (*about, *(f"{parent.namespace}.{parent.tag}" for parent in parents)):
                self._attached.setdefault(_bare(table), cause)
        elif entry.desc == "CONSTRAINT":
            for table in about:
                self._keys.setdefault(_bare(table), cause)
        for name in _bare_names(entry):
            self._by_name[name].append((entry, cause))

    def _register_rows(self, cause: Cause, entry: TocEntry) -> None:
        self._rows_by_name.setdefault(f"{entry.namespace}.{entry.tag}", cause)
        if entry.desc == _REFRESH:
            self._refreshes.setdefault(entry.tag, cause)
        for number in self._own_relations(entry):
            self._rows.setdefault(number, cause)

    def _own_relations(self, entry: TocEntry) -> Iterator[int]:
        """Yield the dump ids of the relation whose rows *entry* holds."""
        for number in entry.dependencies:
            needed = self._entries.get(number)
            if needed is not None and (needed.namespace, needed.tag) == (entry.namespace, entry.tag):
                yield number

    def cause_of(self, failure: Failure) -> Cause | None:
        """Return the earlier cause that *failure* follows from."""
        return (
            self._same_entry(failure)
            or self._missing(failure)
            or self._needed(failure)
            or self._rows_lacking(failure)
            or self._of_absent(failure)
        )

    def _same_entry(self, failure: Failure) -> Cause | None:
        cause = None if failure.entry is None else self._by_id.get(failure.entry.dump_id)
        if cause is None or cause.failure is None or failure.entry is None:
            return cause
        # What else is said of a definition that was refused lacks what it would have made.
        left_out = cause.meaning is Meaning.POLICY and failure.entry.desc not in _ROWS
        return cause if left_out or meaning_of(failure) in (cause.meaning, Meaning.ABORTED) else None

    def _missing(self, failure: Failure) -> Cause | None:
        """Return the cause by which what PostgreSQL names is missing."""
        method = None if failure.raised else _ACCESS_METHOD.match(failure.words)
        if method is not None:
            return self._named(frozenset({"ACCESS METHOD"}), method["name"])
        message = failure.refusal.plain
        coercible = _NOT_COERCIBLE.search(message)
        if coercible is not None and failure.entry is not None:
            return self._coercion(failure.entry, "target" if coercible["way"] == "to target" else "source")
        for pattern, causes in (
            (_UNPOPULATED, self._refreshes),
            (_NO_PARTITION, self._attached),
            (_NO_KEY, self._keys),
        ):
            lacking = pattern.search(message)
            if lacking is not None:
                return causes.get(_bare(lacking[1]))
        missed = _MISSING.search(message)
        if missed is None:
            return None
        kinds = _MEANT_BY.get(missed["kind"], frozenset({missed["kind"].upper()}))
        return self._named(kinds, unquoted(missed["quoted"] or missed["plain"]))

    def _coercion(self, entry: TocEntry, side: str) -> Cause | None:
        """Return the cause that lost a cast by which the function of cast *entry* would fit on *side*."""
        own = _cast_sides(entry.tag).get(side)
        for cause in self.causes:
            if own is not None and cause.entry is not None and _cast_sides(cause.entry.tag).get(side) == own:
                return cause
        return None

    def _named(self, kinds: frozenset[str], name: str) -> Cause | None:
        """Return the cause that lost the object called *name*, unless one of that name is there."""
        bare = _bare(name)
        named = [(entry, cause) for entry, cause in self._by_name.get(bare, ()) if entry.desc in kinds]
        for entry, cause in named:
            if name in (f"{entry.namespace}.{bare}", f"{entry.namespace}.{entry.tag}"):
                return cause
        if name != bare:
            return next((cause for entry, cause in named if not entry.namespace), None)
        is_present = any(
            desc in kinds and number not in self._failed for desc, number in self._listed.get(bare, ())
        )
        return None if is_present or not named else named[0][1]

    @cached_property
    def _listed(self) -> dict[str, list[tuple[str, int]]]:
        """Kind and dump id of everything that the archive lists, by the name that a message may give it."""
        objects_by_name: dict[str, list[tuple[str, int]]] = {}
        for entry in self._entries.values():
            for name in _bare_names(entry):
                objects_by_name.setdefault(name, []).append((entry.desc, entry.dump_id))
        return objects_by_name

    def _needed(self, failure: Failure) -> Cause | None:
        """Return the cause by which something is missing that the archive says the entry needs."""
        if failure.entry is None:
            return None
        causes = (self._by_id.get(number) for number in failure.entry.dependencies)
        return next((cause for cause in causes if cause is not None), None)

    def _of_absent(self, failure: Failure) -> Cause | None:
        """Return the extension that may be absent, where what is missing is in its schema and of nobody else.

        Scripts list no needs, and name a type or a function of an extension without naming the extension.
        """
        missed = _MISSING.search(failure.refusal.plain)
        if missed is None or missed["kind"] not in _MADE_BY_EXTENSIONS:
            return None
        name = unquoted(missed["quoted"] or missed["plain"])
        left_out = [cause for cause in self.causes if cause.meaning is Meaning.HARMLESS and cause.entry]
        absent = [cause for cause in left_out if cause.entry and cause.entry.desc == "EXTENSION"]
        if self._listed.get(_bare(name)):
            return None
        schema = name.rpartition(".")[0]
        near = [cause for cause in absent if cause.entry is not None and _in_schema(cause.entry, schema)]
        return next(iter(near or absent), None)

    def _rows_lacking(self, failure: Failure) -> Cause | None:
        entry, meaning = failure.entry, meaning_of(failure)
        if entry is None:
            return None
        if meaning is Meaning.ORPHANS:
            return self._parents_rows(entry, failure.about)
        if entry.desc == _REFRESH and meaning is not Meaning.FUNCTION:
            return self._rows_read(entry)
        return None

    def _parents_rows(self, entry: TocEntry, about: tuple[str, ...]) -> Cause | None:
        """Return the cause by which the table that a foreign key points to lacks rows."""
        tables = self._tables_needed(entry)
        own = {
            number
            for number, table in tables.items()
            if table.namespace == entry.namespace and entry.tag.startswith(f"{table.tag} ")
        }
        parents = [number for number in tables if number not in own] or list(own)
        causes = [self._rows.get(number) for number in parents]
        if len(about) > 1:
            causes.append(self._rows_by_name.get(about[-1]))
        return next((cause for cause in causes if cause is not None), None)

    def _tables_needed(self, entry: TocEntry) -> dict[int, TocEntry]:
        """Return the tables that a foreign key lists, by itself or through the key that it points to."""
        tables: dict[int, TocEntry] = {}
        for number in entry.dependencies:
            needed = self._entries.get(number)
            numbers = (number,) if needed is None or needed.desc == "TABLE" else needed.dependencies
            entries = {dump_id: self._entries[dump_id] for dump_id in numbers if dump_id in self._entries}
            tables |= {dump_id: table for dump_id, table in entries.items() if table.desc == "TABLE"}
        return tables

    def _rows_read(self, entry: TocEntry) -> Cause | None:
        """Return the cause in the drill itself by which a relation that a refresh reads lacks rows."""
        visited_numbers: set[int] = set()
        waiting = list(entry.dependencies)
        while waiting:
            number = waiting.pop()
            needed = self._entries.get(number)
            if number in visited_numbers or needed is None or needed.desc not in _READ_BY_REFRESH:
                continue
            visited_numbers.add(number)
            cause = self._rows.get(number)
            if cause is not None and cause.meaning in DRILLS_OWN:
                return cause
            waiting += needed.dependencies
        return None


def _in_schema(extension: TocEntry, schema: str) -> bool:
    """Tell whether the text of a CREATE EXTENSION names *schema*."""
    return bool(schema) and schema in {name_of(part) for part in tokens(extension.defn) if is_name(part)}


def _bare(name: str) -> str:
    """Return *name* without its schema."""
    return name.rsplit(".", 1)[-1]


def _bare_names(entry: TocEntry) -> set[str]:
    """Return what a message may call an entry, without its schema."""
    if entry.desc in _NAMELESS or entry.desc in _ROWS:
        return set()
    if entry.desc in _ROUTINES:
        return {unquoted(entry.tag.split("(", 1)[0])}
    if entry.desc in _OF_TABLES:
        return {unquoted(entry.tag.rsplit(" ", 1)[-1])}
    return {unquoted(entry.tag)}


def _merged(failures: Iterable[Failure]) -> list[Failure]:
    """Join failures of one entry with one message: each row of an INSERT dump may fail alike."""
    merged_failures: dict[tuple[int | None, str], Failure] = {}
    for failure in failures:
        key = (None, failure.words) if failure.entry is None else (failure.entry.dump_id, failure.message)
        earlier_failure = merged_failures.get(key)
        merged_failures[key] = (
            failure
            if earlier_failure is None
            else replace(earlier_failure, count=earlier_failure.count + failure.count)
        )
    return list(merged_failures.values())


def _cast_sides(tag: str) -> dict[str, str]:
    """Return `source` and `target` of a cast's tag, `CAST (a AS b)`; nothing where it is none."""
    if not (tag.startswith("CAST (") and tag.endswith(")")):
        return {}
    source, _, target = tag.removeprefix("CAST (").removesuffix(")").rpartition(" AS ")
    return {"source": source, "target": target}
