"""Which objects of a database are its users': fragments of WHERE for queries of the catalogue.

Theirs is what lies in no schema of PostgreSQL's own and belongs to no extension, whose script makes it anew.
"""

from __future__ import annotations

USER_SCHEMA = "n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'"
"""Of the schema that the query calls `n`."""


def not_of_extension(catalogue: str, oid: str) -> str:
    """Return the condition that the object *oid* of *catalogue* is no extension's.

    Args:
        catalogue: such as `pg_class`.
        oid: as the query calls it, such as `c.oid`.
    """
    return (
        f"NOT EXISTS (SELECT FROM pg_depend e WHERE e.classid = '{catalogue}'::regclass"
        f" AND e.objid = {oid} AND e.deptype = 'e')"
    )


USER_RELATION = f"{USER_SCHEMA} AND {not_of_extension('pg_class', 'c.oid')}"
"""Of the table, view or sequence that the query calls `c`."""
