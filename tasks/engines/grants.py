"""Grants after the data: read out of the dump, written anew, run without a superuser's rights.

They run as the owner of what they are on, as pg_dump means them: from a role with rights of several others,
PostgreSQL would take any of them for the grantor. The restoring role is a member of every role that the drill
made, and of no other: what it may not grant, nobody grants. What is no grant, or is about the system's own
objects, is listed and never run.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import psycopg
from psycopg.errors import Diagnostic

from tasks.engines.acl import ActAs, Grant, Statement, read_acl
from tasks.engines.context import Connection, Job
from tasks.engines.errors.causes import Omission
from tasks.engines.errors.failure import Failure
from tasks.engines.roles import roles_made
from tasks.model.backup import Toc, TocEntry
from tasks.model.server_words import Refusal

_BATCH = 100
_NOT_DONE = frozenset({"01006", "01007"})
"""Privileges that were not revoked or not granted, of which PostgreSQL only warns."""


@dataclass(frozen=True, slots=True)
class _Rebuilt:
    """An entry's grants as they are run.

    Attributes:
        owner: who grants where the entry names nobody; None for the restoring role itself.
        whole: nothing of the entry was left away.
    """

    entry: TocEntry
    statements: tuple[Statement, ...]
    owner: str | None
    whole: bool

    def texts(self, owner: str | None) -> list[str]:
        """Return the statements to run, those that no other role grants as *owner*."""
        own = ActAs(owner)
        acts = (own if statement == ActAs(None) else statement for statement in self.statements)
        return [statement.text for statement in (own, *acts)] if self.statements else []


def grant_entries(toc: Toc) -> list[TocEntry]:
    """Return the grants of *toc* that concern the database's content; the database itself is ours."""
    return [entry for entry in toc.of("ACL", "DEFAULT ACL") if not entry.tag.startswith("DATABASE ")]


def run_grants(job: Job, session: Connection, entries: Iterable[TocEntry]) -> int:
    """Run grants and default privileges; return how many of *entries* were done whole.

    Args:
        job: takes what failed and what was left out.
        session: of the restoring role.
        entries: of kind ACL and DEFAULT ACL.
    """
    known_roles, roles_brought = roles_known(job, session), roles_made(job, session)
    grants = [_rebuilt(entry, known_roles, roles_brought) for entry in entries if entry.defn.strip()]
    if job.search_path:
        session.execute("SELECT set_config('search_path', %s, false)", (job.search_path,))
    run = _Run(session)
    left = {id(grant.entry) for grant in grants if not grant.whole}
    for start in range(0, len(grants), _BATCH):
        batch = grants[start : start + _BATCH]
        if run.all_done([text for grant in batch for text in grant.texts(grant.owner)]):
            continue
        for grant in batch:
            # An owner who may not look into the schema cannot name what is in it; the restoring role can.
            if not run.all_done(grant.texts(grant.owner)) and not run.all_done(grant.texts(None)):
                left.add(id(grant.entry))
                if run.refusal is not None:
                    job.failures.append(Failure.of(grant.entry, run.refusal))
    failed = {id(failure.entry) for failure in job.failures}
    job.omissions += [Omission(grant.entry) for grant in grants if id(grant.entry) in left - failed]
    return len(grants) - len(left)


def roles_known(job: Job, session: Connection) -> frozenset[str]:
    """Return the roles that may be given something: those made for the dump, and PostgreSQL's own."""
    ours = {job.sandbox.superuser, job.sandbox.reader}
    return frozenset(name for (name,) in session.execute("SELECT rolname FROM pg_catalog.pg_roles")) - ours


def _rebuilt(entry: TocEntry, known_roles: frozenset[str], roles_brought: frozenset[str]) -> _Rebuilt:
    owner = entry.owner if entry.owner in roles_brought else None
    read = read_acl(entry.defn)
    if read is None or not _acting(read) <= roles_brought:
        return _Rebuilt(entry, (), owner, whole=False)
    statements: list[Statement] = []
    whole = True
    for statement in read:
        if isinstance(statement, ActAs):
            statements.append(statement)
        elif statement.kind != "DATABASE":
            kept_statement = (
                None if statement.is_system else statement.within(entry.namespace).only_for(known_roles)
            )
            statements += [] if kept_statement is None else [kept_statement]
            whole = (
                whole
                and kept_statement is not None
                and len(kept_statement.grantees) == len(statement.grantees)
            )
    return _Rebuilt(entry, tuple(statements), owner, whole)


def _acting(read: tuple[Statement, ...]) -> set[str]:
    """Return the roles that grant, or whose future objects default privileges are about."""
    acting = {statement.role for statement in read if isinstance(statement, ActAs) and statement.role}
    grants = [statement for statement in read if isinstance(statement, Grant)]
    acting |= {grant.grantor.name for grant in grants if grant.grantor and not grant.grantor.word}
    acting |= {role.name for grant in grants if grant.scope for role in grant.scope.roles if not role.word}
    return acting


class _Run:
    """Runs rebuilt statements in one transaction each time, and hears what was quietly not done."""

    def __init__(self, session: Connection) -> None:
        self._session = session
        self._warned = False
        self.refusal: Refusal | None = None
        session.add_notice_handler(self._hear)

    def all_done(self, statements: Iterable[str]) -> bool:
        """Run *statements* and tell whether all of it was done; `refusal` says what was said against it."""
        self._warned, self.refusal = False, None
        try:
            # Bytes that are no text go to the server as they are, which says so.
            self._session.execute("; ".join(statements).encode("utf-8", "surrogateescape"))
        except psycopg.Error as error:
            if self._session.broken:
                raise
            self.refusal = Refusal.of(error)
        finally:
            if not self._session.broken:
                self._session.execute("RESET ROLE")
        return self.refusal is None and not self._warned

    def _hear(self, notice: Diagnostic) -> None:
        self._warned = self._warned or notice.sqlstate in _NOT_DONE
