"""Whether text sorts here as it did where its indexes were built."""

from __future__ import annotations

from tasks.checks.context import Context
from tasks.checks.outcome import judged
from tasks.model.restored import Checked
from tasks.model.rules import finding

_COLLATIONS = """
SELECT n.nspname || '.' || c.collname
  FROM pg_collation c JOIN pg_namespace n ON n.oid = c.collnamespace
 WHERE c.collversion IS NOT NULL
   AND c.collversion <> coalesce(pg_collation_actual_version(c.oid), c.collversion)
 ORDER BY 1
"""


def check_collations(context: Context) -> Checked:
    """Return the check `collations`: versions that differ from those that indexes were built with."""
    with context.reading() as connection:
        names = [name for (name,) in connection.execute(_COLLATIONS).fetchall()]
    findings = [
        finding("collation-mismatch", f"The collation {name} has another version here.", where=name)
        for name in names
    ]
    return judged("collations", findings, observed=f"{len(names)} differ", expected="none")
