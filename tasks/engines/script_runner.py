"""Walking through a script: what each statement becomes, and which entry and database it is of."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import replace

from tasks.engines.context import Connection, Job
from tasks.engines.database import (
    DatabaseOptions,
    collations_named,
    create_database,
    database_name,
    is_icu,
    read_options,
    substitute_collation,
    supply_collations,
)
from tasks.engines.errors.causes import Omission
from tasks.engines.errors.classes import Meaning, meaning_of
from tasks.engines.errors.failure import Failure, label
from tasks.engines.extensions import create_extensions, is_trusted, is_untouched, note_members
from tasks.engines.globals import RoleReader
from tasks.engines.keys import lend_if_spoken_of
from tasks.engines.libpq_session import Expired, Feeder
from tasks.engines.line_ends import LineEnds
from tasks.engines.owners import read_owner_change
from tasks.engines.privileged import create_wrapper, lend_extension_objects, prepare
from tasks.engines.roles import Role, create_roles
from tasks.engines.second_dump import SecondDump
from tasks.engines.sql.classifier import (
    PSQL_COMMANDS,
    Action,
    database_named,
    decide,
    describe,
    encoding_set,
    fits,
    kind_made,
    owned_by_hand,
    read_entries,
    read_meta,
    roles_created,
    sequences_set,
    tables_named,
)
from tasks.engines.sql.splitter import Kind, Piece
from tasks.engines.sql.tokens import real_roles, roles_in_grants, roles_in_policy
from tasks.engines.superuser_statements import Privileged, libraries_here, loads
from tasks.engines.vetting import reaches_out
from tasks.model.backup import Format, LocalBackup, Toc, TocEntry
from tasks.model.encodings import reread, reread_entry
from tasks.model.errors import StageFailed
from tasks.model.rules import finding
from tasks.model.server_words import names_in
from tasks.model.units import format_bytes

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
LONGEST_STATEMENT_BYTES = 768 << 20
"""PostgreSQL takes a message of 1 GiB. A statement is in our memory twice (libpq copies it), and a drill's
process may have 2 GiB."""
_GRANT_DESCS = frozenset({"ACL", "DEFAULT ACL"})
_LO_CREATE = re.compile(rb"lo_create\('?(\d+)'?\)")
_ABSENT = re.compile(r"does not exist")
_NAMED_BYTES = 1 << 16
_WITHOUT_ICU = "SELECT 1 WHERE NOT EXISTS (SELECT FROM pg_collation WHERE collprovider = 'i')"


class ScriptOwner:
    """The script's own session, for definitions that are given to it without what a superuser adds."""

    def __init__(self, feeder: Feeder) -> None:
        self._feeder = feeder

    def search_path(self, entry: TocEntry) -> str:  # noqa: ARG002  of a script it is the session's
        """Return where a definition finds its names at this place of the script."""
        return self._feeder.search_path()

    def run(self, entry: TocEntry, text: str) -> Failure | None:
        """Run one statement; what was said against it, or None."""
        failure = self._feeder.statement(text.encode("utf-8", "surrogateescape"))
        return None if failure is None else replace(failure, entry=entry)


class ScriptRunner:
    """Walks through a script's pieces with the state that they depend on.

    Args:
        job: takes what the walk comes to.
        backup: whose script it is.
        choice: the section of a script with several databases that is restored.
        roles: of a globals file.
    """

    def __init__(self, job: Job, backup: LocalBackup, choice: str | None, roles: tuple[Role, ...]) -> None:
        self.job = job
        self.backup = backup
        self.choice = choice
        self.is_cluster = backup.head.format is Format.CLUSTER
        self.written_by_hand = not backup.head.written_by
        self.active = not self.is_cluster
        self.connected = ""
        self.has_content = False
        self.feeder: Feeder | None = None
        self.helper: Connection | None = None
        self.privileged: Privileged | None = None
        self.reader = RoleReader()
        self.globals_roles = roles
        self.known_roles: set[str] = set()
        self.owners: set[str] = set()
        self.entries: list[TocEntry] = []
        self.definitions: dict[int, list[str]] = {}
        self.entry: TocEntry | None = None
        self.by_hand: dict[tuple[str, str, str], TocEntry] = {}
        self.settings: list[bytes] = []
        self.options: dict[str, DatabaseOptions] = {}
        self.encoding = ""
        self.created: set[str] = set()
        self.dropped: set[str] = set()
        self.restricted: str | None = None
        self.ended = False
        self.line = 1 + backup.head.extent.lines
        self.copying = False
        self._copied: TocEntry | None = None
        self._copied_tables: tuple[str, ...] = ()
        self._copied_names: frozenset[str] = frozenset()
        self.pending: list[Failure] = []
        self.line_ends = LineEnds()
        self.second_dump = SecondDump()
        self.pending_before_second = 0

    # -- the walk

    def run(self, pieces: Iterable[Piece]) -> None:
        """Take every piece of the script."""
        for piece in pieces:
            self._take(piece)
            self.line += piece.data.count(b"\n")
            if self.feeder is not None:
                self.feeder.check_deadline()
            elif self.job.deadline.passed:
                raise Expired

    def _take(self, piece: Piece) -> None:
        if self.ended and piece.kind is not Kind.GAP:
            self._hostile("more behind the psql command that ends it,")
        if self.copying and piece.kind in (Kind.STATEMENT, Kind.META):
            self._rows_end()  # the server waits for rows that the script, as it is cut here, does not hold
        if piece.kind is Kind.ROWS:
            if self.copying and self.feeder is not None:
                self.feeder.rows(piece.data)
        elif piece.kind is Kind.GAP:
            self.line_ends.gap(piece.data)
            self._announce(piece.data)
        elif piece.kind is Kind.STATEMENT:
            self._statement(piece.data)
        elif piece.kind is Kind.ROWS_END:
            self._rows_end()
        elif piece.kind is Kind.META:
            self._meta(piece.data)
        elif piece.kind is Kind.TOO_LONG:
            self._too_long()
        else:
            self._cut(piece.data)

    def _announce(self, gap: bytes) -> None:
        self.second_dump.header(gap)
        if not self.active:
            return
        for found in read_entries(gap, len(self.entries) + 1):
            self.entry = reread_entry(found, self.encoding)
            self.entries.append(self.entry)
            self._note_second(self.entry)
            if self.entry.owner not in self.known_roles:  # rows and definitions may name it as a value
                self.owners.add(self.entry.owner)
        if self.owners and self.feeder is not None:
            self._lend_roles(frozenset(self.owners))
            self.owners.clear()

    def _note_second(self, entry: TocEntry) -> None:
        """Note where a second dump of the database begins to repeat the first."""
        was_one = self.second_dump.line is None
        self.second_dump.entries((entry,), self.line)
        if was_one and self.second_dump.line is not None:
            self.pending_before_second = len(self.pending)

    def _statement(self, statement: bytes) -> None:
        action = decide(statement)
        if not self.job.is_owner and statement[:6].upper() != b"INSERT" and action is not Action.GRANT:
            self._vet(statement)
        if action is Action.ROLE:
            self._role(statement)
        elif action is Action.DATABASE:
            name = database_named(statement)
            self.created.add(name)
            self.options[name] = read_options(statement.decode("utf-8", "replace"))
        elif action is Action.DROP_DATABASE:
            self.dropped.add(database_named(statement))
            self.second_dump.drops(database_named(statement), self.connected)
        elif action is Action.HOSTILE:
            of_system = statement[:5].upper() == b"ALTER"
            self._hostile(
                "the statement ALTER SYSTEM" if of_system else f"the statement {_copy_of(statement)}"
            )
        elif self.active and action is not Action.SKIP:
            self.line_ends.statement(statement)
            self._act(action, statement)

    def _vet(self, statement: bytes) -> None:
        """Refuse, before it runs as superuser, what speaks of programs or files."""
        if reaches_out(statement.decode("utf-8", "replace")):
            self._hostile("a statement that speaks of programs or files, for a superuser to run,")

    def _act(self, action: Action, statement: bytes) -> None:
        if action is Action.SETTING and self.feeder is None:
            self._note_encoding(statement)
            self.settings.append(statement)
            return
        if action is Action.BLOCK:
            self._lend_roles(roles_created(statement))
        kept: dict[Action, Callable[[bytes], None]] = {
            Action.OWNER: self._owner,
            Action.GRANT: self._grant,
            Action.GRANTOR: self._grantor,
            Action.LATER: self._later,
            Action.NEVER: self._never,
            Action.EXTENSION: self._extension,
            Action.WRAPPER: self._wrapper,
            Action.COLLATION: self._collation,
        }
        if action in kept:
            kept[action](statement)
        elif action is not Action.RUN or not self._create(statement):
            self._run(statement, action)

    def _create(self, statement: bytes) -> bool:
        """Make by ours what only a superuser may; False where the statement is not of that kind."""
        desc = kind_made(statement) if statement[:5].upper() in (b"CREAT", b"ALTER") else None
        if desc is None:
            return False
        text = statement.decode("utf-8", "surrogateescape")
        feeder, session = self._open(), self._superuser()
        lend_if_spoken_of(self.job, session, statement)
        if not self.job.is_walled:
            libraries = libraries_here(session) if not self.job.is_owner else frozenset()
            if desc == "FUNCTION" and loads(text, libraries):
                self.job.omissions.append(Omission(self._current(statement), vital=True))
                return True
            return False
        if self.privileged is None:
            self.privileged = Privileged(self.job, session, ScriptOwner(feeder))
        if feeder.has_failed or not self.privileged.wants(desc, text):
            return False
        self.has_content = True
        with feeder.outside_transaction():
            self.privileged.create(replace(self._current(statement), desc=desc), text)
        return True

    # -- what statements become

    def _run(self, statement: bytes, action: Action = Action.RUN) -> None:
        feeder = self._open()
        if statement[:6].upper() != b"INSERT":
            lend_if_spoken_of(self.job, self._superuser(), statement)
        self._prepare_for(statement)
        self.has_content = self.has_content or action not in (Action.SETTING, Action.DROP)
        failure = feeder.statement(statement)
        self.copying = feeder.copying
        if self.copying:
            self._copied, self._copied_tables = self._current(statement), tables_named(statement)
            self._copied_names = names_in(statement[:_NAMED_BYTES].decode("utf-8", "replace"))
        if failure is not None:
            self._failed(statement, action, failure)

    def _prepare_for(self, statement: bytes) -> None:
        entry = self.entry
        if (entry is not None and entry.desc == "POLICY") or statement[:13].upper() == b"CREATE POLICY":
            self._lend_roles(roles_in_policy(self._text(statement)))
        if b"COLLATE pg_catalog." in statement:
            names = collations_named([statement.decode("utf-8", "replace")])
            supply_collations(self.job, names, self._superuser())
        if entry is not None and entry.desc == "SEQUENCE SET":
            self.definitions.setdefault(entry.dump_id, []).append(self._text(statement))
        elif b"setval" in statement and statement[:6].upper() == b"SELECT":
            self._note_sequences(statement)
        if entry is not None and entry.desc == "BLOB METADATA" and (found := _LO_CREATE.search(statement)):
            self.definitions.setdefault(entry.dump_id, []).append(found[1].decode())

    def _note_sequences(self, statement: bytes) -> None:
        """Keep where a script without comments sets its sequences: so they were at the source."""
        for found in sequences_set(self._text(statement)):
            self.entries.append(replace(found, dump_id=len(self.entries) + 1))

    def _failed(self, statement: bytes, action: Action, failure: Failure) -> None:
        absent = _ABSENT.search(failure.refusal.plain) is not None
        if absent and (action is Action.DROP or (not self.entries and not self.written_by_hand)):
            return
        of_next = action is Action.SETTING and self.entry is not None  # a setting is of what comes after it
        entry = None if of_next else self._current(statement)
        names = names_in(statement[:_NAMED_BYTES].decode("utf-8", "replace"))
        self._report(replace(failure, entry=entry, about=tables_named(statement), names=names))

    def _report(self, failure: Failure) -> None:
        """Keep a failure; the same of one entry is counted: each row of an INSERT dump may fail alike."""
        for index, known in enumerate(self.pending[-3:], max(0, len(self.pending) - 3)):
            if known.entry is failure.entry and known.message == failure.message:
                self.pending[index] = replace(known, count=known.count + 1)
                return
        self.pending.append(failure)

    def _rows_end(self) -> None:
        if self.copying and self.feeder is not None:
            failure = self.feeder.rows_end()
            if failure is not None:
                tables, names = self._copied_tables, self._copied_names
                self._report(replace(failure, entry=self._copied, about=tables, names=names))
        self.copying = False
        self.entry = None  # what follows rows without a comment of its own is not of their entry

    def _current(self, statement: bytes) -> TocEntry:
        """Return the entry that a statement belongs to; of a script by hand, one made from its words."""
        made = describe(statement)
        if self.entry is not None and fits(self.entry, statement):
            return self.entry
        entry = self.by_hand.get(made)
        if entry is None:
            desc, namespace, tag = made
            entry = TocEntry(-1 - len(self.by_hand), desc, tag, namespace, "", "none")
            self.by_hand[made] = entry
        return entry

    def _grant(self, statement: bytes) -> None:
        self._keep("ACL", statement)

    def _grantor(self, statement: bytes) -> None:
        if self.entry is not None and self.entry.desc in _GRANT_DESCS:
            self._keep("ACL", statement)

    def _later(self, statement: bytes) -> None:
        self._keep(describe(statement)[0], statement)

    def _never(self, statement: bytes) -> None:
        self.job.omissions.append(Omission(self._current(statement)))

    def _owner(self, statement: bytes) -> None:
        """Take a dump's owners from its comments, those of a script by hand from its statements."""
        entry = self.entry
        text = self._text(statement)
        if entry is not None and entry.owner:
            self.job.referred |= real_roles([entry.owner])
            return
        self.job.referred |= roles_in_grants(text)
        owned, change = owned_by_hand(text), read_owner_change(text)
        if owned is not None:
            self.job.owned.append(owned)
        elif change is not None:
            self.job.owner_changes.append(change)
        else:
            self.job.leave_out("OWNER", f"of {' '.join(describe(statement)).strip()}")

    def _keep(self, desc: str, statement: bytes) -> None:
        """Put a statement by for the steps after the data."""
        entry = self.entry
        if entry is None or entry.desc not in _KEPT_DESCS:
            entry = TocEntry(
                len(self.entries) + 1, desc, " ".join(describe(statement)[1:]).strip(), "", "", "none"
            )
            self.entries.append(entry)
        text = self._text(statement)
        self.definitions.setdefault(entry.dump_id, []).append(text)
        if entry.desc in _GRANT_DESCS:
            self.job.referred |= roles_in_grants(text)

    def _role(self, statement: bytes) -> None:
        self.reader.feed(self._text(statement))
        if self.feeder is not None:
            self._lend_roles(frozenset(role.name for role in self.reader.roles))

    def _extension(self, statement: bytes) -> None:
        text = statement.decode("utf-8", "replace")
        entry = self._current(statement)
        if entry.desc != "EXTENSION":
            entry = replace(entry, desc="EXTENSION", tag=describe(statement)[2])  # below another's comment
        feeder, session = self._open(), self._superuser()
        if feeder.has_failed or not (is_untouched(self.job, session) or is_trusted(session, entry.tag)):
            self._run(statement)
            return
        schema = feeder.current_schema()
        with feeder.outside_transaction():
            create_extensions(self.job, session, [replace(entry, defn=text)], schema=schema)
            lend_extension_objects(self.job, session)

    def _wrapper(self, statement: bytes) -> None:
        self._open()
        entry = replace(self._current(statement), defn=statement.decode("utf-8", "replace"))
        if not create_wrapper(self.job, self._superuser(), entry):
            self.job.omissions.append(Omission(self._current(statement)))
        lend_extension_objects(self.job, self._superuser())

    def _collation(self, statement: bytes) -> None:
        self._open()
        entry = self.entry
        icu = entry is not None and is_icu(statement.decode("utf-8", "replace"))
        if entry is not None and icu and self._superuser().execute(_WITHOUT_ICU).fetchone() is not None:
            substitute_collation(self.job, entry.namespace, entry.tag, self._superuser())
        else:
            self._run(statement)

    def _text(self, statement: bytes) -> str:
        """Return a statement in the script's encoding; bytes that are no text in it stay as escapes."""
        return reread(statement.decode("utf-8", "surrogateescape"), self.encoding)

    def _note_encoding(self, statement: bytes) -> None:
        self.encoding = encoding_set(statement) or self.encoding

    # -- commands

    def _meta(self, line: bytes) -> None:
        if line[:1] != b"\\":
            self._hostile("a psql command in the middle of a statement")
        meta = read_meta(line)
        if meta.word == ".":
            return
        if meta.key is not None and (meta.word == "restrict" or meta.key == self.restricted):
            self.restricted = meta.key if meta.word == "restrict" else None
        elif meta.database is not None:
            self._connect(meta.database)
        elif meta.encoding is not None:
            self._statement(f"SET client_encoding = '{meta.encoding}';".encode())
        elif meta.ends:
            self.ended = True
        elif not meta.harmless:
            named = f"the psql command \\{meta.word}" if meta.word in PSQL_COMMANDS else "a psql command"
            self._hostile(named)

    def _connect(self, name: str) -> None:
        if self.has_content:
            self.second_dump.filled(self.connected)
        if self.is_cluster:
            self._leave_section()
            self.active = name == self.choice
        elif self.has_content and name == self.connected:
            pass  # once more to where it is: what follows meets what is there
        elif self.has_content:
            wanted = name == self.choice and name in (self.job.target.backup.database, self.job.target.name)
            self.job.other_databases = tuple(
                dict.fromkeys((*self.job.other_databases, self.connected if wanted else name))
            )
            if wanted:
                self._start_again()
            self.active = wanted
        elif self.choice is not None and name != self.choice and len(self.backup.head.databases) > 1:
            self.active = False
        else:
            self.active = True
        self.connected = name
        self.entry = None

    def _leave_section(self) -> None:
        if self.active:
            self.close()

    def _start_again(self) -> None:
        """Forget what was restored: the database that was asked for comes later in the script."""
        self.close()
        self.entries, self.definitions, self.pending, self.by_hand = [], {}, [], {}
        self.job.omissions.clear()
        self.job.owned.clear()
        self.job.owner_changes.clear()
        self.job.members.clear()
        self.job.extensions.clear()
        self.has_content = False
        self.second_dump.starts_again()

    def _hostile(self, what: str) -> None:
        where = f"line {self.line}"
        message = (
            f"The script holds {what} at line {self.line}, which could run a program, read a file or leave "
            f"its database. "
            "It was refused, and nothing behind it was run."
        )
        raise StageFailed((finding("hostile-content", message, where=where),))

    def _too_long(self) -> None:
        message = (
            f"A statement or comment that begins at line {self.line} of the script is longer than "
            f"{format_bytes(LONGEST_STATEMENT_BYTES)}. It was not run, nor what follows it. It says nothing "
            "about the backup."
        )
        where = self.backup.path.name
        raise StageFailed((finding("statement-too-long", message, where=where), *self.job.findings))

    def _cut(self, rest: bytes) -> None:
        inside = f"the rows of {label(self.entry)}" if not rest and self.entry is not None else "a statement"
        message = (
            f"The script ends in the middle of {inside}, at line {self.line}. What came after it is lost."
        )
        raise StageFailed(
            (finding("archive-truncated", message, where=self.backup.path.name), *self.job.findings)
        )

    # -- the database

    def _open(self) -> Feeder:
        """Return the way to the server; the first content makes the database."""
        if self.feeder is None:
            target = self.job.target
            known = self.connected or self.choice or self.job.toc.database
            name = known or target.backup.database or target.name
            options = self.options.get(self.connected) or DatabaseOptions()
            encoding = options.encoding or self.encoding or self.job.toc.encoding
            create_database(self.job, database_name(name), replace(options, encoding=encoding.upper()))
            self._superuser()
            roles = (*self.globals_roles, *self.reader.roles)
            create_roles(self.job, self._superuser(), (), roles)
            prepare(self.job, self._superuser())
            note_members(self.job, self._superuser())
            self.feeder = Feeder(self.job)
            self._lend_roles(frozenset(self.owners))
            self.owners.clear()
            for setting in self.settings:
                self._run(setting, Action.SETTING)
        return self.feeder

    def _superuser(self) -> Connection:
        if self.helper is None:
            self.helper = self.job.superuser()
            self.helper.execute("SET lock_timeout = '10s'")
        return self.helper

    def _lend_roles(self, names: tuple[str, ...] | frozenset[str]) -> None:
        new = real_roles(names) - self.known_roles
        if new:
            self._open()
            create_roles(self.job, self._superuser(), new)
            self.known_roles |= new
            self.job.referred |= new

    def close(self) -> None:
        """Close the connections; what was collected stays."""
        if self.feeder is not None:
            self.job.search_path = self.feeder.close() or self.job.search_path
            self.feeder = None
        if self.privileged is not None:
            self.privileged.finish()
            self.privileged = None
        if self.helper is not None:
            self.helper.close()
            self.helper = None

    def ensure_database(self) -> None:
        """Make the database of a script that holds nothing for it, so that the checks see what is lost."""
        if not self.job.database:
            self.connected = self.choice or ("" if self.is_cluster else self.connected)
            self._open()

    def finish(self) -> None:
        """Give the job what the script announced and met."""
        self.close()
        if self.dropped - self.created:
            names = ", ".join(sorted(self.dropped - self.created))
            message = f"The script drops the database {names} and does not create it again. It was refused."
            self.job.findings.append(finding("hostile-content", message, where=names))
        self.job.findings += self.line_ends.findings(self.backup.path.name, self.backup.head.written_by)
        self._judge_second()
        self.job.toc = self._toc()
        by_id = {entry.dump_id: entry for entry in self.job.toc.entries}
        self.job.failures += [
            failure
            if failure.entry is None
            else replace(failure, entry=by_id.get(failure.entry.dump_id, failure.entry))
            for failure in self.pending
        ]
        self.job.roles |= {role.name for role in (*self.globals_roles, *self.reader.roles)}
        self.job.referred |= real_roles(entry.owner for entry in self.job.toc.entries)
        if self.job.database:
            with self.job.superuser() as session:
                create_roles(self.job, session, self.job.referred, (*self.globals_roles, *self.reader.roles))

    def _judge_second(self) -> None:
        later = self.pending[self.pending_before_second :]
        in_the_way = any(meaning_of(failure) is not Meaning.HARMLESS for failure in later)
        self.job.findings += self.second_dump.findings(
            self.backup.path.name, self.choice or "", in_the_way=in_the_way, whole=self.is_cluster
        )

    def _toc(self) -> Toc:
        known = self.job.toc
        entries = tuple(
            replace(entry, defn="\n".join(self.definitions[entry.dump_id]))
            if entry.dump_id in self.definitions
            else entry
            for entry in self.entries
        )
        return Toc(
            entries,
            server_version=known.server_version,
            dump_version=known.dump_version,
            database=known.database or self.job.database,
            made_at=known.made_at,
            encoding=known.encoding or self.encoding,
        )


def _copy_of(statement: bytes) -> str:
    """Return a COPY with the table that it names."""
    return " ".join(("COPY", ".".join(part for part in describe(statement)[1:] if part))).rstrip()
