"""Walking through a script: what each statement becomes, between stream, session and record."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from tasks.engines.context import Job
from tasks.engines.globals import RoleReader
from tasks.engines.roles import Role, create_roles
from tasks.engines.script_databases import Move, ScriptDatabases
from tasks.engines.script_record import ScriptRecord
from tasks.engines.script_session import ScriptSession
from tasks.engines.script_stream import ScriptStream, Step
from tasks.engines.sql.classifier import (
    Action,
    decide,
    describe,
    kind_made,
    makes_content,
    roles_created,
    table_switched,
)
from tasks.engines.sql.splitter import Kind
from tasks.engines.sql.tokens import roles_in_policy
from tasks.engines.vetting import reaches_out
from tasks.model.backup import LocalBackup
from tasks.model.errors import StageFailed

_MAKES = (b"CREAT", b"ALTER")


class ScriptRunner:
    """Takes each step of a script to the database that it is for.

    Args:
        job: takes what the walk comes to.
        backup: whose script it is.
        choice: the section of a script with several databases that is restored.
        roles: of a globals file.
    """

    def __init__(
        self, job: Job, backup: LocalBackup, stream: ScriptStream, choice: str | None, roles: tuple[Role, ...]
    ) -> None:
        self.databases = ScriptDatabases(backup.head, job.target, choice)
        self._job = job
        self._backup = backup
        self._stream = stream
        self._session = ScriptSession(job)
        self._record = ScriptRecord(is_by_hand=not backup.head.written_by)
        self._reader = RoleReader()
        self._globals_roles = roles
        self._settings: list[bytes] = []
        self._kept: Mapping[Action, Callable[[bytes], None]] = {
            Action.OWNER: self._record.owner,
            Action.GRANT: self._record.grant,
            Action.GRANTOR: self._record.grantor,
            Action.LATER: self._record.later,
            Action.NEVER: self._record.leave_out,
            Action.EXTENSION: self._extension,
            Action.WRAPPER: self._wrapper,
            Action.COLLATION: self._collation,
            Action.TRIGGERS: self._triggers,
        }

    # -- the walk

    def run(self) -> None:
        """Take every step, and see that the database is there for the checks, whatever the script holds.

        Raises:
            Expired: the deadline passed.
            StageFailed: `hostile-content`, `archive-truncated`, `statement-too-long`.
        """
        for step in self._stream:
            self._take(step)
            self._session.check_deadline()
        self._job.findings += self._record.end.findings(self._backup, self._stream.line)
        if not self._job.database:
            self.databases.go_to_choice()
            self._open()

    def _take(self, step: Step) -> None:
        if step.kind is Kind.ROWS:
            self._session.rows(step.data)
        elif step.kind is Kind.GAP:
            owners = self._record.comments(step.data, self._stream.line, restored=self.databases.active)
            self._session.expect(owners)
        elif step.kind is Kind.ROWS_END:
            self._rows_end()
        else:
            if self._session.is_copying and step.kind in (Kind.STATEMENT, Kind.META):
                self._rows_end()  # the server waits for rows that the script, as it is cut, does not hold
            self._take_next(step)

    def _take_next(self, step: Step) -> None:
        file_name = self._backup.file_name
        if step.kind is Kind.STATEMENT:
            self._statement(step.data)
        elif step.kind is Kind.META:
            self._connect(step.database)
        elif step.kind is Kind.TOO_LONG:
            raise StageFailed((self._stream.too_long(file_name), *self._job.findings))
        else:
            inside = "a statement" if step.data else self._record.place
            raise StageFailed((self._stream.cut(inside, file_name), *self._job.findings))

    def _rows_end(self) -> None:
        self._record.rows_end(self._session.rows_end())

    def _connect(self, name: str) -> None:
        move = self.databases.connect(name)
        self._settings.clear()
        if move is Move.RENEW:
            self._session.renew()
        elif move is not Move.NONE:
            self._session.close()
        if move is Move.START_AGAIN:
            self._session.forget()
            self._record.start_again()
        self._record.entry = None

    # -- what statements become

    def _statement(self, statement: bytes) -> None:
        action = decide(statement)
        if not self._job.is_owner and statement[:6].upper() != b"INSERT" and action is not Action.GRANT:
            self._vet(statement)
        if action is Action.ROLE:
            self._role(statement)
        elif action is Action.DATABASE:
            self.databases.create(statement)
        elif action is Action.DROP_DATABASE:
            self.databases.drop(statement)
        elif action is Action.HOSTILE:
            is_of_system = statement[:5].upper() == b"ALTER"
            what = "ALTER SYSTEM" if is_of_system else _copy_of(statement)
            raise self._stream.refusal(f"the statement {what}")
        elif self.databases.active and action is not Action.SKIP:
            self._record.line_ends.statement(statement)
            self._act(action, statement)

    def _vet(self, statement: bytes) -> None:
        """Refuse, before it runs as superuser, what speaks of programs or files."""
        if reaches_out(statement.decode("utf-8", "replace")):
            raise self._stream.refusal(
                "a statement that speaks of programs or files, for a superuser to run,"
            )

    def _role(self, statement: bytes) -> None:
        self._reader.feed(self._record.text(statement))
        if self._session.is_open:
            self._lend(role.name for role in self._reader.roles)

    def _act(self, action: Action, statement: bytes) -> None:
        if action is not Action.SETTING:
            self._record.name(statement)
        if action is Action.SETTING and not self._session.is_open:
            self._record.setting(statement)
            self._settings.append(statement)
        elif action in self._kept:
            self._kept[action](statement)
        elif action is not Action.RUN or not self._create(statement):
            self._run(statement, action)

    def _create(self, statement: bytes) -> bool:
        """Make by ours what only a superuser may; False where the statement is not of that kind."""
        desc = kind_made(statement) if statement[:5].upper() in _MAKES else None
        if desc is None:
            return False
        session, definition = self._open(), statement.decode("utf-8", "surrogateescape")
        if session.loads_library(desc, definition):
            self._record.leave_out(statement, vital=True)
            return True
        if not session.is_of_superuser(desc, definition):
            return False
        self.databases.has_content = True
        session.create(replace(self._record.current(statement), desc=desc), definition)
        return True

    def _run(self, statement: bytes, action: Action) -> None:
        session = self._open()
        self._lend(self._roles_needed(statement, action))
        self._record.note(statement)
        self.databases.has_content |= makes_content(statement, action)
        failure = session.statement(statement)
        if session.is_copying:
            self._record.copying(statement)
        if failure is not None:
            self._record.refused(statement, action, failure)

    def _roles_needed(self, statement: bytes, action: Action) -> Iterable[str]:
        """Return the roles that have to be there before *statement* runs."""
        if action is Action.BLOCK:
            return roles_created(statement)
        entry = self._record.entry
        if (entry is not None and entry.desc == "POLICY") or statement[:13].upper() == b"CREATE POLICY":
            return roles_in_policy(self._record.text(statement))
        return ()

    def _extension(self, statement: bytes) -> None:
        entry = replace(self._record.current(statement), defn=statement.decode("utf-8", "replace"))
        if entry.desc != "EXTENSION":
            entry = replace(entry, desc="EXTENSION", tag=describe(statement)[2])  # below another's comment
        if not self._open().create_extension(entry):
            self._run(statement, Action.RUN)

    def _wrapper(self, statement: bytes) -> None:
        entry = replace(self._record.current(statement), defn=statement.decode("utf-8", "replace"))
        if not self._open().create_wrapper(entry):
            self._record.leave_out(statement)

    def _triggers(self, statement: bytes) -> None:
        table = table_switched(statement)
        session = self._open()
        if table is None or not session.switch_triggers(table[0], enabled=table[1]):
            self._run(statement, Action.RUN)

    def _collation(self, statement: bytes) -> None:
        entry, session = self._record.entry, self._open()
        if entry is None or not session.substitutes(entry, statement.decode("utf-8", "replace")):
            self._run(statement, Action.COLLATION)

    # -- the database

    def _open(self) -> ScriptSession:
        """Return the session; the first content makes the database."""
        if not self._session.is_open:
            toc = self._job.toc
            name, options = self.databases.to_make(toc.database, self._record.encoding or toc.encoding)
            self._session.open(name, options, self._roles)
            for setting in self._settings:
                self._run(setting, Action.SETTING)
        return self._session

    def _lend(self, names: Iterable[str]) -> None:
        names = frozenset(names)
        if self._session.lacks(names):
            self._open().lend(names)

    @property
    def _roles(self) -> tuple[Role, ...]:
        """The roles that the backup brings."""
        return (*self._globals_roles, *self._reader.roles)

    def close(self) -> None:
        """Close the connections; what was collected stays."""
        self._session.close()

    def finish(self) -> None:
        """Give the job what the script announced and met."""
        self.close()
        job, head = self._job, self._backup.head
        job.findings += self.databases.findings()
        job.findings += self._record.findings(
            self._backup.file_name, head.written_by, is_remade=self.databases.is_remade
        )
        job.other_databases = tuple(dict.fromkeys((*job.other_databases, *self.databases.others)))
        self._record.hand_over(job)
        job.roles |= {role.name for role in self._roles}
        job.superusers |= {role.name for role in self._roles if role.is_superuser}
        job.referred |= self._session.lent - self._record.misread
        if job.database:
            with job.superuser() as session:
                create_roles(job, session, job.referred, self._roles)


def _copy_of(statement: bytes) -> str:
    """Return a COPY with the table that it names."""
    return " ".join(("COPY", ".".join(part for part in describe(statement)[1:] if part))).rstrip()
