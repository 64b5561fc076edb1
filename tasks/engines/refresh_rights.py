"""Materialised views that a person's restore could not fill: owners and grants come before its REFRESH.

The drill refreshes while everything still belongs to the role that restores. Afterwards the catalogue is
asked what PostgreSQL would ask: may the view's owner, and the owners of the views that it reads, read what
they read. Nothing of the dump's runs for that. Roles that the backup calls superusers may read anything; of a
role that it does not bring nobody knows that it is none, and there it is a warning.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from tasks.engines.context import Connection, Job
from tasks.engines.roles import EVERYWHERE
from tasks.model.bounded_list import beyond, listing
from tasks.model.findings import Finding, Severity
from tasks.model.rules import finding

_DENIED = """
WITH RECURSIVE reads(view, class, object, part) AS (
    SELECT r.ev_class, d.refclassid, d.refobjid, d.refobjsubid
    FROM pg_rewrite r JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid
    WHERE r.rulename = '_RETURN' AND d.deptype = 'n' AND d.refobjid <> r.ev_class
        AND d.refclassid IN ('pg_class'::regclass, 'pg_proc'::regclass)
), walk(matview, invoker, reader, view, class, object, part) AS (
    SELECT m.oid, m.relowner, m.relowner, s.* FROM pg_class m JOIN reads s ON s.view = m.oid
        WHERE m.relkind = 'm' AND m.relispopulated
    UNION
    SELECT w.matview, w.invoker,
        CASE WHEN coalesce(v.reloptions, '{}') && %(options)s THEN w.invoker ELSE v.relowner END, s.*
    FROM walk w JOIN pg_class v ON v.oid = w.object AND v.relkind = 'v' JOIN reads s ON s.view = v.oid
    WHERE w.class = 'pg_class'::regclass
)
SELECT DISTINCT (
        SELECT n.nspname || '.' || c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE c.oid = w.matview
    ),
    pg_get_userbyid(CASE class WHEN 'pg_proc'::regclass THEN invoker ELSE reader END)::text,
    i.type, i.schema, i.name, i.identity
FROM walk w, pg_identify_object(class, object, 0) i
WHERE NOT EXISTS (SELECT FROM pg_depend e
                  WHERE e.classid = w.class AND e.objid = w.object AND e.deptype = 'e')
    AND CASE
        WHEN class = 'pg_proc'::regclass THEN NOT has_function_privilege(invoker, object, 'EXECUTE')
            AND pg_get_viewdef(view) !~ 'regproc'
        WHEN (SELECT relkind FROM pg_class WHERE oid = object) NOT IN ('r', 'p', 'v', 'm', 'f') THEN false
        WHEN part > 0 THEN NOT has_column_privilege(reader, object, part::smallint, 'SELECT')
        ELSE NOT has_any_column_privilege(reader, object, 'SELECT') AND pg_get_viewdef(view) !~ 'regclass' END
ORDER BY 1, 2, 6
"""
"""What a populated view reads or calls without the right to. What is only named, by a constant of the type
regclass or regproc, looks the same in the catalogue: views that name anything so are not asked for that."""
_INVOKERS = ["security_invoker=true", "security_invoker=on", "security_invoker=1", "security_invoker=yes"]


@dataclass(frozen=True, slots=True)
class _Denied:
    """A right that a role lacks for a REFRESH."""

    matview: str
    role: str
    kind: str
    schema: str | None
    name: str | None
    identity: str


def denied_refreshes(job: Job, session: Connection) -> list[Finding]:
    """Return a `refresh-denied` finding for each populated view whose owner could not have filled it.

    Args:
        job: what it says of roles and of grants that were not made.
        session: of our superuser, whose search_path is pg_catalog alone.
    """
    level = job.target.checks.matviews
    if level == "off":
        return []
    rows = [_Denied(*row) for row in session.execute(_DENIED, {"options": _INVOKERS}).fetchall()]
    all_may = job.superusers | EVERYWHERE | {job.sandbox.owner}
    left = [row for row in rows if row.role not in all_may and not _is_grant_lost(job, row)]
    by_view: dict[str, list[_Denied]] = {}
    for row in left:
        by_view.setdefault(row.matview, []).append(row)
    return [_finding(job, name, denied, level) for name, denied in by_view.items()]


def _is_grant_lost(job: Job, row: _Denied) -> bool:
    """Tell whether a grant on the same object was not made here: then the drill cannot know."""
    entries = [omission.entry for omission in job.omissions]
    entries += [failure.entry for failure in job.failures if failure.entry is not None]
    return any(
        entry.desc == "ACL" and entry.namespace in ("", row.schema) and (row.name or "") in entry.tag
        for entry in entries
    )


def _finding(job: Job, matview: str, denied: Iterable[_Denied], level: str) -> Finding:
    names = [f"{row.kind} {row.identity} as {row.role}" for row in denied]
    is_known = all(row.role in job.roles for row in denied)
    unknown = "" if is_known else " Whether that role is a superuser, the backup does not say."
    return finding(
        "refresh-denied",
        f"A restore leaves {matview} empty: its REFRESH comes after owners and grants, which do not let it "
        f"read {listing(names)}.{unknown}",
        where=matview,
        severity=None if is_known and level == "failure" else Severity.WARNING,
        names=beyond(names),
    )
