"""Whether the materialised views came back with their rows.

Decided here: the archive refreshes a view that was populated at the source (an entry MATERIALIZED VIEW
DATA). One without that entry was unpopulated there, or the script does not say: information, no failure.
"""

from __future__ import annotations

from tasks.checks.outcome import judged, lowered
from tasks.checks.scope import Scope
from tasks.model.findings import Severity
from tasks.model.restored import Checked
from tasks.model.rules import finding

_VIEWS = """
SELECT n.nspname, c.relname, c.relispopulated
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind = 'm' AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
 ORDER BY 1, 2
"""


def check_matviews(scope: Scope) -> Checked:
    """Return the check `matviews`."""
    with scope.reading() as connection:
        views = connection.execute(_VIEWS).fetchall()
    refreshed = {(entry.namespace, entry.tag) for entry in scope.toc.of("MATERIALIZED VIEW DATA")}
    findings = []
    for schema, name, populated in views:
        if populated:
            continue
        promised = (schema, name) in refreshed
        said = "the archive refreshes it" if promised else "so it was at the source"
        found = finding(
            "matview-unpopulated",
            f"{schema}.{name} holds no rows and cannot be read; {said}.",
            where=f"{schema}.{name}",
            severity=None if promised else Severity.INFO,
        )
        findings.append(lowered(found, scope.target.checks.matviews))
    filled = sum(populated for _, _, populated in views)
    return judged("matviews", findings, observed=f"{filled} of {len(views)} populated")
