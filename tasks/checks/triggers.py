"""Which triggers are disabled, for whoever recovers to know."""

from __future__ import annotations

from tasks.checks.context import Context
from tasks.checks.outcome import judged
from tasks.model.findings import Severity
from tasks.model.restored import Checked
from tasks.model.rules import finding

_DISABLED = """
SELECT n.nspname || '.' || c.relname || '.' || t.tgname
  FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE NOT t.tgisinternal AND t.tgenabled = 'D' AND n.nspname !~ '^pg_' AND NOT c.relispartition
 ORDER BY 1
"""


def check_triggers(context: Context) -> Checked:
    """Return the check `triggers`: those that are disabled, for whoever recovers to know."""
    with context.reading() as connection:
        names = [name for (name,) in connection.execute(_DISABLED).fetchall()]
    findings = [
        finding("disabled-trigger", f"The trigger {name} is disabled.", where=name, severity=Severity.INFO)
        for name in names
    ]
    return judged("triggers", findings, observed=f"{len(names)} disabled")
