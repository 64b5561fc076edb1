"""Foreign keys that changed rows break, though the catalogue still calls them valid.

A restore creates each key after the data and so proves it; a copy that was changed behind its keys has not
been put to that proof. This is it.
"""

from __future__ import annotations

from collections.abc import Collection

from tasks.checks.foreign_keys import ForeignKey, anti_join, read_keys
from tasks.checks.session import reading
from tasks.model.deadline import Deadline
from tasks.model.findings import Finding
from tasks.model.rules import finding
from tasks.model.sandbox import Sandbox


def broken_keys(
    sandbox: Sandbox, database: str, touched: Collection[str], deadline_s: float
) -> list[ForeignKey]:
    """Return the valid foreign keys from or to the tables *touched* whose restore would have failed.

    Raises:
        psycopg.Error: they could not be read in *deadline_s* seconds.
        PermanentError: the sandbox is at fault.
    """
    keys = []
    with reading(sandbox, database, Deadline.within(deadline_s)) as connection:
        for key in read_keys(connection):
            ends = {f"{key.schema}.{key.table}", f"{key.parent_schema}.{key.parent}"}
            if not key.validated or not key.enforced or not ends & set(touched):
                continue
            (orphans,) = connection.execute(anti_join(key)).fetchone() or (0,)
            if orphans:
                keys.append(key)
    return keys


def violated(key: ForeignKey) -> Finding:
    """Return what a restore says of *key*."""
    return finding(
        "foreign-key-violated",
        f"The key {key.name} cannot be created: rows of {key.schema}.{key.table} have no match in "
        f"{key.parent_schema}.{key.parent}.",
        where=key.full_name,
    )
