"""The proof after a restore: nothing of the dump has come to a power that a restore does not give.

By the catalogue alone: what belongs to PostgreSQL's own roles or to ours was made by an extension's script or
is of a shape that can do nothing; extensions hold what their scripts made; no role of the dump has power. A
database where that is not so was restored by a dump that found a way, and nothing else it shows is believed.
"""

from __future__ import annotations

from collections.abc import Iterable

from tasks.engines.context import Connection, Job
from tasks.engines.roles import FIRST_NORMAL_OID, HARMLESS_GROUPS
from tasks.model.bounded_list import beyond, listing
from tasks.model.findings import Finding
from tasks.model.rules import finding

_SCHEMAS_PUBLISHED_SINCE = 15
_EVERYTHING = "NOT puballtables"
_SCHEMAS = " AND NOT EXISTS (SELECT FROM pg_publication_namespace n WHERE n.pnpubid = t.oid)"
_FOREIGN_CODE = (
    "EXISTS (SELECT FROM unnest(ARRAY[fdwhandler, fdwvalidator]) f WHERE f <> 0 AND NOT EXISTS"
    " (SELECT FROM made m WHERE m.classid = 'pg_proc'::regclass AND m.objid = f))"
)
_NOT_OF_RANGE = (
    "NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_proc'::regclass AND d.objid = t.oid"
    " AND d.refclassid = 'pg_type'::regclass AND d.deptype = 'i')"
)
"""The constructors of range types belong to the first superuser, whoever made the type."""
_OWNED = (
    ("pg_class", "relname", "relowner", "relkind NOT IN ('i', 'I', 't')"),
    ("pg_proc", "proname", "proowner", _NOT_OF_RANGE),
    ("pg_type", "typname", "typowner", "typrelid = 0"),
    ("pg_namespace", "nspname", "nspowner", "true"),
    ("pg_operator", "oprname", "oprowner", "true"),
    ("pg_opclass", "opcname", "opcowner", "true"),
    ("pg_opfamily", "opfname", "opfowner", "true"),
    ("pg_collation", "collname", "collowner", "collnamespace <> 'pg_catalog'::regnamespace"),
    ("pg_conversion", "conname", "conowner", "true"),
    ("pg_ts_dict", "dictname", "dictowner", "true"),
    ("pg_ts_config", "cfgname", "cfgowner", "true"),
    ("pg_statistic_ext", "stxname", "stxowner", "true"),
    ("pg_language", "lanname", "lanowner", "true"),
    ("pg_foreign_server", "srvname", "srvowner", "true"),
    ("pg_foreign_data_wrapper", "fdwname", "fdwowner", _FOREIGN_CODE),
    ("pg_event_trigger", "evtname", "evtowner", "evtenabled <> 'D'"),
    ("pg_publication", "pubname", "pubowner", _EVERYTHING),
    ("pg_largeobject_metadata", "oid", "lomowner", "true"),
    ("pg_default_acl", "oid", "defaclrole", "true"),
)
"""Catalogues with owners: object, owner, and which rows count. Only a superuser can own event triggers,
wrappers and publications of everything: ours are disabled, call what extensions made, or hold no code."""
_MADE = """
WITH RECURSIVE made(classid, objid) AS (
    SELECT d.classid, d.objid FROM pg_depend d JOIN pg_extension x ON x.oid = d.refobjid
        WHERE d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e' AND (x.extowner <> 10
        OR (d.classid, d.objid) IN (SELECT c, o FROM unnest(%(classes)s::oid[], %(objects)s::oid[]) m(c, o)))
    UNION SELECT d.classid, d.objid FROM made m JOIN pg_depend d
        ON d.refclassid = m.classid AND d.refobjid = m.objid AND d.deptype IN ('a', 'i')
)
"""
"""What extensions made, by our lists; of those that the restoring role created (trusted ones, inside a DO),
by what they hold: it can add to them only what is its own, and then it does not belong to anybody else."""
_HELD = """
SELECT x.oid::bigint, x.extname::text, x.extowner = 10, d.classid::bigint, d.objid::bigint,
       d.classid::regclass::text
FROM pg_extension x JOIN pg_depend d
    ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = x.oid AND d.deptype = 'e'
"""
_POWERS = """
WITH RECURSIVE groups(member, role) AS (
    SELECT member, roleid FROM pg_auth_members
    UNION SELECT g.member, m.roleid FROM groups g JOIN pg_auth_members m ON m.member = g.role
)
SELECT rolname::text || ' has an attribute of power' FROM pg_roles WHERE oid >= 16384
    AND (rolsuper OR rolcreaterole OR rolcreatedb OR rolreplication
         OR ((rolbypassrls OR rolcanlogin) AND rolname <> ALL (%(ours)s)))
UNION ALL SELECT r.rolname || ' is a member of ' || pg_get_userbyid(g.role)
    FROM groups g JOIN pg_roles r ON r.oid = g.member
    WHERE r.oid >= 16384 AND g.role < 16384
    AND pg_get_userbyid(g.role) <> ALL (%(harmless)s)
"""


def prove(job: Job, session: Connection) -> tuple[Finding, ...]:
    """Return a `hostile-content` finding for each kind of power that the restored database should not have.

    Args:
        job: what extensions were seen to make.
        session: of our superuser, whose search_path is pg_catalog alone.
    """
    cases = (
        ("objects belong to roles that the drill did not give them to", _owned(job, session)),
        ("extensions hold what their scripts did not make", _added(job, session)),
        ("roles have power that the drill did not give them", _powerful(job, session)),
    )
    return tuple(
        finding(
            "hostile-content",
            f"After the restore, {what}: {listing(names)}. {_MEANING}",
            where=names[0],
            names=beyond(names),
        )
        for what, names in cases
        if names
    )


_MEANING = (
    "Code of the dump has got at more rights than a restore has. Nothing else is said about the backup."
)


def _owned(job: Job, session: Connection) -> list[str]:
    rows = session.execute(
        (_MADE + " UNION ALL ".join(_owned_parts(job.sandbox.postgres.major))).encode(),
        {
            "classes": [klass for klass, _ in job.members],
            "objects": [oid for _, oid in job.members],
            "reader": job.sandbox.reader,
        },
    ).fetchall()
    ours = {job.sandbox.superuser: "the superuser"}
    return sorted(f"{kind[3:]} {name} ({ours.get(owner, owner)})" for kind, name, owner in rows)


def _owned_parts(major: int) -> Iterable[str]:
    for table, name, owner, condition in _OWNED:
        counts = condition
        if counts == _EVERYTHING and major >= _SCHEMAS_PUBLISHED_SINCE:
            counts += _SCHEMAS
        yield (
            f"SELECT '{table}', t.{name}::text, pg_get_userbyid({owner})::text FROM {table} t"  # noqa: S608  names of ours
            f" WHERE ({counts}) AND (t.oid >= {FIRST_NORMAL_OID} OR '{table}' = 'pg_largeobject_metadata')"
            f" AND ({owner} < {FIRST_NORMAL_OID} OR pg_get_userbyid({owner}) = %(reader)s) AND NOT EXISTS"
            f" (SELECT FROM made m WHERE m.classid = '{table}'::regclass AND m.objid = t.oid)"
        )


def _added(job: Job, session: Connection) -> list[str]:
    added: list[str] = []
    for extension, name, is_ours, klass, oid, kind in session.execute(_HELD).fetchall():
        is_known = extension in job.extensions and (klass, oid) in job.members
        if not is_known if is_ours else _is_own(session, kind, oid):
            added.append(f"{name}: {_described(session, klass, oid)}")
    return sorted(added)


def _is_own(session: Connection, kind: str, oid: int) -> bool:
    """Tell whether a member belongs to somebody else than the first superuser, who owns what scripts make."""
    owner = next((owner for table, _, owner, _ in _OWNED if table == kind), None)
    if owner is None:
        return False
    row = session.execute(f"SELECT {owner} <> 10 FROM {kind} WHERE oid = %s".encode(), (oid,)).fetchone()  # noqa: S608
    return row is not None and bool(row[0])


def _described(session: Connection, klass: int, oid: int) -> str:
    row = session.execute("SELECT pg_describe_object(%s, %s, 0)", (klass, oid)).fetchone()
    return str(row[0]) if row is not None else "an object"


def _powerful(job: Job, session: Connection) -> list[str]:
    rows = session.execute(
        _POWERS.encode(),
        {
            "ours": [job.sandbox.owner, job.sandbox.reader],
            "harmless": [*HARMLESS_GROUPS, "pg_stat_scan_tables"],
        },
    ).fetchall()
    return sorted(text for (text,) in rows)
