"""The record: what a script announced, what was refused or left out, what waits until its data are in."""

from __future__ import annotations

import re
from dataclasses import replace

from tasks.engines.context import Job
from tasks.engines.entry_names import may_be_incomplete, named_by, owned_by
from tasks.engines.errors.causes import Omission
from tasks.engines.errors.classes import Meaning, meaning_of
from tasks.engines.errors.failure import Failure, label
from tasks.engines.line_ends import LineEnds
from tasks.engines.owners import OwnerChange, read_owner_change
from tasks.engines.script_end import ScriptEnd
from tasks.engines.second_dump import SecondDump
from tasks.engines.sql.classifier import (
    Action,
    describe,
    encoding_set,
    fits,
    owned_by_hand,
    read_entries,
    sequences_set,
    tables_named,
)
from tasks.engines.sql.tokens import real_roles, roles_in_grants
from tasks.engines.taken_out import TakenOut, taken_out_findings
from tasks.model.backup import Toc, TocEntry
from tasks.model.encodings import reread, reread_entry
from tasks.model.findings import Finding
from tasks.model.server_words import names_in

_KEPT_DESCS = frozenset(
    {
        "COMMENT",
        "ACL",
        "DEFAULT ACL",
        "POLICY",
        "EVENT TRIGGER",
        "PUBLICATION",
        "PUBLICATION TABLES IN SCHEMA",
    }
)
_GRANT_DESCS = frozenset({"ACL", "DEFAULT ACL"})
_LO_CREATE = re.compile(rb"lo_create\('?(\d+)'?\)")
_ABSENT = re.compile(r"does not exist")
_NAMED_BYTES = 1 << 16
_ALIKE = 3
"""Failures looked back at for the same one: each row of an INSERT dump may fail alike."""


class ScriptRecord:
    """Keeps a script's book while it runs; `hand_over` gives the job what stands in it.

    Args:
        is_by_hand: neither pg_dump nor pg_dumpall wrote the script.

    Attributes:
        entry: that the last comment announced: what comes now belongs to it.
        encoding: that the script says it is in.
        misread: owners whose comments have a blank for a line end.
    """

    def __init__(self, *, is_by_hand: bool) -> None:
        self.entry: TocEntry | None = None
        self.encoding = ""
        self.line_ends = LineEnds()
        self.second_dump = SecondDump()
        self.end = ScriptEnd()
        self.referred: set[str] = set()
        self._is_by_hand = is_by_hand
        self.start_again()

    def start_again(self) -> None:
        """Forget what was restored: the database that was asked for comes later in the script."""
        self.entry = None
        self.entries: list[TocEntry] = []
        self.failures: list[Failure] = []
        self.omissions: list[Omission] = []
        self.owned: list[TocEntry] = []
        self.owner_changes: list[OwnerChange] = []
        self.misread: set[str] = set()
        self._ownerless: list[str] = []
        self._definitions: dict[int, list[str]] = {}
        self._described: dict[tuple[str, str, str], TocEntry] = {}
        self._copied: Failure | None = None
        self._before_second = 0
        self._named: set[int] = set()
        self._schemas: dict[str, str] = {}
        self._taken_out = TakenOut()
        self.second_dump.starts_again()

    # -- what the script says

    def comments(self, gap: bytes, line: int, *, restored: bool) -> frozenset[str]:
        """Take comments at *line*, *restored* if they are of the database that is; return whom they name."""
        self.line_ends.gap(gap)
        self.second_dump.header(gap)
        self.end.gap(gap)
        announced = read_entries(gap, len(self.entries) + 1) if restored else []
        for comment in announced:
            entry = reread_entry(comment, self.encoding)
            entry = replace(entry, namespace=self._schemas.get(entry.namespace, entry.namespace))
            self.entry = entry
            self.entries.append(entry)
            self._note_second(entry, line)
        self._taken_out.announced(announced, gap)
        return frozenset(entry.owner for entry in self.entries[len(self.entries) - len(announced) :])

    def _note_second(self, entry: TocEntry, line: int) -> None:
        """Note where a second dump of the database begins to repeat the first."""
        was_one = self.second_dump.line is None
        self.second_dump.entries((entry,), line)
        if was_one and self.second_dump.line is not None:
            self._before_second = len(self.failures)

    def text(self, statement: bytes) -> str:
        """Return a statement in the script's encoding; bytes that are no text in it stay as escapes."""
        return reread(statement.decode("utf-8", "surrogateescape"), self.encoding)

    def setting(self, statement: bytes) -> None:
        """Take a SET that comes before any content."""
        self.encoding = encoding_set(statement) or self.encoding

    def current(self, statement: bytes) -> TocEntry:
        """Return the entry that a statement belongs to; of a script by hand, one made from its words."""
        if self.entry is not None and fits(self.entry, statement):
            return self.entry
        described = describe(statement)
        entry = self._described.get(described)
        if entry is None:
            desc, namespace, tag = described
            entry = TocEntry(-1 - len(self._described), desc, tag, namespace, "", "none")
            self._described[described] = entry
        return entry

    def note(self, statement: bytes) -> None:
        """Keep of a statement that runs what the checks compare: sequences' values, large objects, tables."""
        entry = self.entry
        if entry is not None and entry.desc == "SEQUENCE SET":
            self._define(entry, self.text(statement))
        elif b"setval" in statement and statement[:6].upper() == b"SELECT":
            for sequence in sequences_set(self.text(statement)):
                self.entries.append(replace(sequence, dump_id=len(self.entries) + 1))
        if entry is not None and entry.desc == "BLOB METADATA" and (made := _LO_CREATE.search(statement)):
            self._define(entry, made[1].decode())

    def name(self, statement: bytes) -> None:
        """Take an entry's names from its own statement, where its comment cannot say them."""
        entry = self.entry
        self._taken_out.stated(entry)
        if entry is None or entry.dump_id in self._named or not may_be_incomplete(entry):
            return
        named = named_by(entry, self.text(statement[:_NAMED_BYTES]))
        if named is None:
            return
        self._named.add(entry.dump_id)
        self._schemas[entry.namespace] = named.namespace
        if entry.desc == "SCHEMA":
            self._schemas[entry.tag] = named.tag
        self._rename(named)

    def _rename(self, entry: TocEntry) -> None:
        """Call the present entry as *entry* is."""
        if entry != self.entry:
            self.entry = self.entries[entry.dump_id - 1] = entry

    # -- what was refused

    def copying(self, statement: bytes) -> None:
        """Take a COPY whose rows come next, so that an error at their end is its own."""
        names = names_in(statement[:_NAMED_BYTES].decode("utf-8", "replace"))
        entry = self.current(statement)
        self._copied = Failure(entry, "", about=tables_named(statement), names=names)

    def rows_end(self, failure: Failure | None) -> None:
        """Take the end of rows; what follows without a comment of its own is not of their entry."""
        if failure is not None and self._copied is not None:
            copied = self._copied
            self._refuse(replace(failure, entry=copied.entry, about=copied.about, names=copied.names))
        self.entry = None

    def refused(self, statement: bytes, action: Action, failure: Failure) -> None:
        """Take what was said against a statement."""
        is_absent = _ABSENT.search(failure.refusal.plain) is not None
        if is_absent and (action is Action.DROP or (not self.entries and not self._is_by_hand)):
            return
        of_next = action is Action.SETTING and self.entry is not None  # a setting is of what comes after it
        entry = None if of_next else self.current(statement)
        names = names_in(statement[:_NAMED_BYTES].decode("utf-8", "replace"))
        self._refuse(replace(failure, entry=entry, about=tables_named(statement), names=names))

    def _refuse(self, failure: Failure) -> None:
        """Keep a failure; the same of one entry is counted."""
        for index, earlier in enumerate(self.failures[-_ALIKE:], max(0, len(self.failures) - _ALIKE)):
            if earlier.entry is failure.entry and earlier.message == failure.message:
                self.failures[index] = replace(earlier, count=earlier.count + 1)
                return
        self.failures.append(failure)

    # -- what is left out, or put by for the steps after the data

    def leave_out(self, statement: bytes, *, vital: bool = False) -> None:
        """Note a statement that is not run."""
        self.omissions.append(Omission(self.current(statement), vital=vital))

    def owner(self, statement: bytes) -> None:
        """Take a dump's owners from its comments, those of a script by hand from its statements."""
        if self.entry is not None and self.entry.owner:
            self._own(statement)
            return
        text = self.text(statement)
        self.referred |= roles_in_grants(text)
        owned, change = owned_by_hand(text), read_owner_change(text)
        if owned is not None:
            self.owned.append(owned)
        elif change is not None:
            self.owner_changes.append(change)
        else:
            self._ownerless.append(f"of {' '.join(describe(statement)).strip()}")

    def _own(self, statement: bytes) -> None:
        """Take the present entry's owner, whom its comment names in one line."""
        entry = self.entry
        if entry is None:
            return
        if " " in entry.owner:
            self._rename(owned_by(entry, self.text(statement)))
        if self.entry is not None and self.entry.owner != entry.owner:
            self.misread.add(entry.owner)
            entry = self.entry
        self.referred |= real_roles([entry.owner])

    def grant(self, statement: bytes) -> None:
        """Put a grant by."""
        self._put_by("ACL", statement)

    def grantor(self, statement: bytes) -> None:
        """Put by who grants from here on; elsewhere it would only say who owns what follows."""
        if self.entry is not None and self.entry.desc in _GRANT_DESCS:
            self._put_by("ACL", statement)

    def later(self, statement: bytes) -> None:
        """Put by what we do after the data."""
        self._put_by(describe(statement)[0], statement)

    def _put_by(self, desc: str, statement: bytes) -> None:
        entry = self.entry
        if entry is None or entry.desc not in _KEPT_DESCS:
            tag = " ".join(describe(statement)[1:]).strip()
            entry = TocEntry(len(self.entries) + 1, desc, tag, "", "", "none")
            self.entries.append(entry)
        text = self.text(statement)
        self._define(entry, text)
        if entry.desc in _GRANT_DESCS:
            self.referred |= roles_in_grants(text)

    def _define(self, entry: TocEntry, text: str) -> None:
        self._definitions.setdefault(entry.dump_id, []).append(text)

    # -- the end

    def hand_over(self, job: Job) -> None:
        """Give *job* what the script announced and met."""
        held, gone = self._taken_out.part(self.entries)
        job.toc = self._toc(job, held)
        job.findings += taken_out_findings(gone)
        by_id = {entry.dump_id: entry for entry in job.toc.entries}
        job.failures += [
            replace(failure, entry=failure.entry and by_id.get(failure.entry.dump_id, failure.entry))
            for failure in self.failures
        ]
        job.omissions += self.omissions
        job.owned += self.owned
        job.owner_changes += self.owner_changes
        for what in self._ownerless:
            job.leave_out("OWNER", what)
        job.referred |= self.referred | real_roles(entry.owner for entry in job.toc.entries)

    def findings(self, where: str, written_by: str, *, is_remade: bool) -> tuple[Finding, ...]:
        """Return what the script's text shows: rewritten line ends, a second dump.

        Args:
            where: the backup.
            written_by: the tool, "" for a script by hand.
            is_remade: a second dump finds its database dropped where that is needed.
        """
        later = self.failures[self._before_second :]
        in_the_way = any(meaning_of(failure) is not Meaning.HARMLESS for failure in later)
        doubled = self.second_dump.findings(where, is_lost=in_the_way or not is_remade)
        return (*self.line_ends.findings(where, written_by), *doubled)

    @property
    def place(self) -> str:
        """What a script that ends inside rows ends in."""
        return "a statement" if self.entry is None else f"the rows of {label(self.entry)}"

    def _toc(self, job: Job, held: list[TocEntry]) -> Toc:
        entries = tuple(
            replace(entry, defn="\n".join(self._definitions[entry.dump_id]))
            if entry.dump_id in self._definitions
            else entry
            for entry in held
        )
        return Toc(
            entries,
            server_version=job.toc.server_version,
            dump_version=job.toc.dump_version,
            database=job.toc.database or job.database,
            made_at=job.toc.made_at,
            encoding=job.toc.encoding or self.encoding,
        )
