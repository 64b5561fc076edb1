"""Whether the materialised views came back with their rows.

Decided here: a backup fills a view that was populated at the source. One that it does not fill was
unpopulated there, or the script does not say: a warning. One that this host or policy could not refresh is
the matter of the finding that said so.
"""

from __future__ import annotations

from tasks.checks.context import Context
from tasks.checks.outcome import at_source, judged, lowered
from tasks.model.findings import Finding, Severity
from tasks.model.restored import Checked
from tasks.model.rules import finding
from tasks.model.user_objects import USER_SCHEMA

_VIEWS = f"""
SELECT n.nspname, c.relname, c.relispopulated
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind = 'm' AND {USER_SCHEMA}
 ORDER BY 1, 2
"""  # noqa: S608  our own fragments


def check_matviews(context: Context) -> Checked:
    """Return the check `matviews`."""
    with context.reading() as connection:
        views = connection.execute(_VIEWS).fetchall()
    unpopulated = [f"{schema}.{name}" for schema, name, populated in views if not populated]
    findings = [
        _unpopulated(context, name, promised=name in context.expected.filled_views) for name in unpopulated
    ]
    filled = len(views) - len(unpopulated)
    return judged("matviews", findings, observed=f"{filled} of {len(views)} populated")


def _unpopulated(context: Context, name: str, *, promised: bool) -> Finding:
    sentence = f"{name} holds no rows and cannot be read"
    level, rule = context.target.checks.matviews, context.restored.kept_out.get(name)
    if rule is not None:
        message = f"{sentence}: it could not be refreshed here ({rule})."
        return finding("matview-unpopulated", message, where=name, severity=Severity.WARNING)
    if promised:
        message = f"{sentence}; the archive refreshes it."
        return lowered(finding("matview-unpopulated", message, where=name), level)
    unpopulated = finding("matview-unpopulated", f"{sentence}.", where=name)
    return at_source(unpopulated, level, asked=context.asked("matviews"))
