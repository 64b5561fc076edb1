"""Roles: created without a way to log in, power or passwords, and lent to the role that restores.

As a member of each, that role can apply grants and default privileges, and policies find whom they are for.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from psycopg import sql

from tasks.engines.context import Connection, Job
from tasks.engines.sql.tokens import real_roles, roles_in_grants, roles_in_policy
from tasks.model.backup import Toc
from tasks.model.bounded_list import beyond, listing
from tasks.model.rules import finding

EVERYWHERE = frozenset({"postgres"})
"""Roles that every cluster has, whose absence from a backup is no loss."""
HARMLESS_GROUPS = frozenset(
    {"pg_monitor", "pg_read_all_data", "pg_write_all_data", "pg_read_all_settings", "pg_read_all_stats"}
)
"""Predefined roles that reach neither files nor programs."""
FIRST_NORMAL_OID = 16384
"""Where the oids of what users make begin."""
DATABASE_OWNER = "pg_database_owner"
"""Whom PostgreSQL itself gives the schema public to."""


@dataclass(frozen=True, slots=True)
class Role:
    """A role that a backup brings. Whether it may log in, and its password, are not taken over.

    Attributes:
        groups: roles that it is a member of.
        is_superuser: at the source; here nobody is.
    """

    name: str
    inherits: bool = True
    groups: tuple[str, ...] = ()
    is_superuser: bool = False


def roles_referred(toc: Toc) -> frozenset[str]:
    """Return the roles that own, may use or are meant by entries of *toc*."""
    names = {entry.owner for entry in toc.entries if entry.owner and entry.owner != "-"}
    for entry in toc.of("ACL", "DEFAULT ACL"):
        names |= roles_in_grants(entry.defn)
    for entry in toc.of("POLICY"):
        names |= roles_in_policy(entry.defn)
    return real_roles(names)


def create_roles(job: Job, session: Connection, names: Iterable[str], brought: Iterable[Role] = ()) -> None:
    """Create the roles that are not there yet and lend them to the role that restores.

    Args:
        job: whose role they are lent to.
        session: of our superuser.
        names: roles that must exist.
        brought: roles with what the backup says of them; they are created too.
    """
    roles = {role.name: role for role in brought}
    new_names = (real_roles(names) | real_roles(roles)) - _existing(session)
    for name in sorted(new_names):
        inherit = sql.SQL("INHERIT" if roles.get(name, Role(name)).inherits else "NOINHERIT")
        session.execute(
            sql.SQL("CREATE ROLE {} NOLOGIN {}; GRANT {} TO {}").format(
                sql.Identifier(name), inherit, sql.Identifier(name), sql.Identifier(job.sandbox.owner)
            )
        )
    _join(session, roles.values(), job)


def _join(session: Connection, roles: Iterable[Role], job: Job) -> None:
    existing_roles = _existing(session)
    reserved = {job.sandbox.owner, job.sandbox.reader, job.sandbox.superuser}
    for role in roles:
        for group in role.groups:
            lent = real_roles([group]) | (HARMLESS_GROUPS & {group})
            if (
                lent
                and group in existing_roles
                and role.name in existing_roles
                and not reserved & {group, role.name}
            ):
                session.execute(
                    sql.SQL("GRANT {} TO {}").format(sql.Identifier(group), sql.Identifier(role.name))
                )


def _existing(session: Connection) -> frozenset[str]:
    return frozenset(name for (name,) in session.execute("SELECT rolname FROM pg_roles"))


def roles_made(job: Job, session: Connection) -> frozenset[str]:
    """Return the roles that the drill made for the dump: all but PostgreSQL's own and ours."""
    ours = {job.sandbox.owner, job.sandbox.reader, job.sandbox.superuser}
    rows = session.execute("SELECT rolname FROM pg_catalog.pg_roles WHERE oid >= %s", (FIRST_NORMAL_OID,))
    return frozenset(name for (name,) in rows) - ours


def note_missing_roles(job: Job) -> None:
    """Warn of roles that the backup speaks of and does not bring."""
    missing = sorted(job.referred - job.roles - EVERYWHERE)
    if not missing:
        return
    count, them = (f"{len(missing)} roles", "them") if len(missing) > 1 else ("a role", "it")
    job.findings.append(
        finding(
            "role-missing",
            f"The backup speaks of {count} and does not bring {them}: {listing(missing)}. "
            f"After a recovery nobody could log in as {them}.",
            names=beyond(missing),
        )
    )
