"""The session: the restored database as a script's statements meet it, and what a superuser adds to them.

Statements and rows go to the server through libpq, as the role that restores. Beside it stands a session of
ours, which makes what only a superuser may: extensions, roles, wrappers, single statements behind the wall.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from psycopg import sql

from tasks.engines.context import Connection, Job
from tasks.engines.database import (
    DatabaseOptions,
    collations_named,
    create_database,
    has_icu,
    is_icu,
    substitute_collation,
    supply_collations,
)
from tasks.engines.errors.failure import Failure
from tasks.engines.extensions import create_extensions, is_trusted, is_untouched, note_members
from tasks.engines.keys import lend_if_spoken_of, lent_call
from tasks.engines.libpq_session import Expired, Feeder
from tasks.engines.privileged import create_wrapper, lend_extension_objects, prepare
from tasks.engines.roles import Role, create_roles
from tasks.engines.sql.tokens import real_roles
from tasks.engines.superuser_statements import Privileged, libraries_here, loads
from tasks.model.backup import TocEntry

_OWNED_TABLE = """
SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.oid = %s AND c.relkind IN ('r', 'p') AND pg_get_userbyid(c.relowner) = %s
"""


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


class ScriptSession:
    """The connections to the restored database, opened at the first content.

    Args:
        job: whose database it is.

    Attributes:
        lent: roles that were made because the script speaks of them.
    """

    def __init__(self, job: Job) -> None:
        self.lent: set[str] = set()
        self._job = job
        self._awaited: set[str] = set()
        self._feeder: Feeder | None = None
        self._beside: Connection | None = None
        self._privileged: Privileged | None = None

    @property
    def is_open(self) -> bool:
        """Tell whether statements can be sent."""
        return self._feeder is not None

    @property
    def is_copying(self) -> bool:
        """Tell whether the server waits for rows."""
        return self._feeder is not None and self._feeder.copying

    def open(self, name: str, options: DatabaseOptions, roles: Iterable[Role]) -> None:
        """Make the database *name* with the *roles* that the backup brought, and connect to it."""
        create_database(self._job, name, options)
        create_roles(self._job, self.superuser, (), roles)
        prepare(self._job, self.superuser)
        note_members(self._job, self.superuser)
        self._feeder = Feeder(self._job)
        self.lend(self._awaited)
        self._awaited.clear()

    def check_deadline(self) -> None:
        """Stop what runs where the deadline has passed.

        Raises:
            Expired: it has.
        """
        if self._feeder is not None:
            self._feeder.check_deadline()
        elif self._job.deadline.passed:
            raise Expired

    @property
    def superuser(self) -> Connection:
        """Our session beside the script's."""
        if self._beside is None:
            self._beside = self._job.superuser()
            self._beside.execute("SET lock_timeout = '10s'")
        return self._beside

    @property
    def _script(self) -> Feeder:
        if self._feeder is None:
            raise RuntimeError("the session is not open")
        return self._feeder

    def close(self) -> None:
        """Close the connections; the search_path that the script left behind stays in the job."""
        if self._feeder is not None:
            self._job.search_path = self._feeder.close() or self._job.search_path
            self._feeder = None
        if self._privileged is not None:
            self._privileged.finish()
            self._privileged = None
        if self._beside is not None:
            self._beside.close()
            self._beside = None

    def renew(self) -> None:
        """Be as if the script had connected anew: nothing set, no transaction."""
        if self._feeder is not None:
            self._feeder.reset()

    # -- the script's own

    def statement(self, statement: bytes) -> Failure | None:
        """Run one statement; what was said against it, or None.

        Raises:
            Expired: the deadline passed.
        """
        if statement[:6].upper() != b"INSERT":
            lend_if_spoken_of(self._job, self.superuser, statement)
        if b"COLLATE pg_catalog." in statement:
            names = collations_named([statement.decode("utf-8", "replace")])
            supply_collations(self._job, names, self.superuser)
        with lent_call(self._job, self.superuser, statement) as text:
            return self._script.statement(text)

    def rows(self, data: bytes) -> None:
        """Send rows; those of a COPY that was refused are passed over."""
        if self.is_copying:
            self._script.rows(data)

    def rows_end(self) -> Failure | None:
        """End the rows; what was said against them, or None."""
        return self._script.rows_end() if self.is_copying else None

    # -- what a superuser adds

    def expect(self, names: Iterable[str]) -> None:
        """Lend roles that values and definitions may name: now, or as soon as there is a database."""
        self._awaited |= real_roles(names) - self.lent
        if self._feeder is not None and self._awaited:
            self.lend(self._awaited)
            self._awaited.clear()

    def lacks(self, names: Iterable[str]) -> bool:
        """Tell whether one of *names* is a role that was not lent yet."""
        return bool(real_roles(names) - self.lent)

    def lend(self, names: Iterable[str]) -> None:
        """Make the roles *names*, as a person would before the restore."""
        new = real_roles(names) - self.lent
        if new:
            create_roles(self._job, self.superuser, new)
            self.lent |= new

    def is_of_superuser(self, desc: str, definition: str) -> bool:
        """Tell whether our superuser has to make what *definition* defines, behind the wall."""
        lend_if_spoken_of(self._job, self.superuser, definition.encode("utf-8", "surrogateescape"))
        if not self._job.is_walled or self._script.has_failed:
            return False
        return self._made_beside.wants(desc, definition)

    def loads_library(self, desc: str, definition: str) -> bool:
        """Tell whether *definition* makes a function of a library that nobody vouches for."""
        if self._job.is_walled or desc != "FUNCTION":
            return False
        libraries = libraries_here(self.superuser) if not self._job.is_owner else frozenset()
        return loads(definition, libraries)

    def create(self, entry: TocEntry, definition: str) -> None:
        """Make what `is_of_superuser` told of."""
        with self._script.outside_transaction():
            self._made_beside.create(entry, definition)

    @property
    def _made_beside(self) -> Privileged:
        if self._privileged is None:
            self._privileged = Privileged(self._job, self.superuser, ScriptOwner(self._script))
        return self._privileged

    def switch_triggers(self, table: str, *, enabled: bool) -> bool:
        """Wake all triggers of *table*, or put them to sleep; False where the script's own role has to try.

        Those of foreign keys are the system's. No statement of the script's runs, and no trigger does.
        """
        if not self._job.is_owner or self._script.has_failed:
            return False
        lend_if_spoken_of(self._job, self.superuser, b"DISABLE TRIGGER")
        with self._script.outside_transaction():
            named = self._script.relation(table), self._job.sandbox.owner
            owned = self.superuser.execute(_OWNED_TABLE, named).fetchone()
            if owned is None:
                return False
            switch = sql.SQL("ENABLE" if enabled else "DISABLE")
            self.superuser.execute(
                sql.SQL("ALTER TABLE {} {} TRIGGER ALL").format(sql.Identifier(*owned), switch)
            )
        return True

    def create_extension(self, entry: TocEntry) -> bool:
        """Make an extension; False where the script's own role has to, as it is no more than any other's."""
        if self._script.has_failed:
            return False
        if not (is_untouched(self._job, self.superuser) or is_trusted(self.superuser, entry.tag)):
            return False
        schema = self._script.current_schema()
        with self._script.outside_transaction():
            create_extensions(self._job, self.superuser, [entry], schema=schema)
            lend_extension_objects(self._job, self.superuser)
        return True

    def create_wrapper(self, entry: TocEntry) -> bool:
        """Make a foreign-data wrapper; False where that is left out."""
        is_made = create_wrapper(self._job, self.superuser, entry)
        lend_extension_objects(self._job, self.superuser)
        return is_made

    def substitutes(self, entry: TocEntry, definition: str) -> bool:
        """Make C stand in for a collation of ICU where this build has none; False where none is needed."""
        if not is_icu(definition) or has_icu(self.superuser):
            return False
        substitute_collation(self._job, entry.namespace, entry.tag, self.superuser)
        return True

    def forget(self) -> None:
        """Forget what was restored: the database that was asked for comes later in the script."""
        self._job.omissions.clear()
        self._job.members.clear()
        self._job.extensions.clear()
