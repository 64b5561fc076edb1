"""Whether the rows of every table were counted."""

from __future__ import annotations

from tasks.checks.context import Context
from tasks.checks.emptiness import Catalogue
from tasks.checks.inventory import count_rows
from tasks.checks.outcome import errored, judged, not_configured
from tasks.model.bounded_list import listing
from tasks.model.restored import Checked


def check_counts(context: Context, catalogue: Catalogue) -> Checked:
    """Return the check `counts`; a table that was not counted is tried again, to say why."""
    tables = context.inventory.tables
    if context.target.checks.counts == "off":
        return not_configured("counts", "checks.counts is off")
    missing = [
        table
        for table in catalogue.tables
        if table.kind == "r" and (figures := tables.get(table.full_name)) is not None and figures.rows is None
    ]
    if not missing:
        return judged("counts", observed=f"{len(tables)} tables counted", expected="all")
    _, failed = count_rows(context.reading, missing)
    names = [table.full_name for table in missing]
    reason = next(iter(failed.values()), "it was not counted")
    return errored(
        "counts", f"{len(names)} tables could not be counted ({reason})", where=listing(names, place="")
    )
