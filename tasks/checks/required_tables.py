"""Whether the tables that the fleet file requires came back, with rows.

Decided here: one without a row is a failure, unless it was so at the source: by the manifest, else by the
baseline, else because the archive holds a data entry for it and in that no row. What this host or policy kept
out is not judged: the finding that names the cause has said it.
"""

from __future__ import annotations

from collections.abc import Iterable

from tasks.checks.drift import some_of
from tasks.checks.outcome import at_source, judged, not_configured, not_run
from tasks.model.findings import Finding, Severity
from tasks.model.inventory import Inventory
from tasks.model.restored import Checked, Restored
from tasks.model.rules import finding


def check_required_tables(
    restored: Restored,
    inventory: Inventory,
    empty: frozenset[str],
    source: Inventory | None,
    required: Iterable[str],
) -> Checked:
    """Return the check `required-tables`; *empty* tables have no row, *source* is what is known of it."""
    required = tuple(required)
    if not required:
        return not_configured("required-tables", "expect.required_tables names none")
    unjudged = [name for name in required if name in restored.kept_out]
    missing = [name for name in required if name not in inventory.tables and name not in unjudged]
    without_rows = [name for name in required if name in empty and name not in unjudged]
    findings = [
        finding("required-table-missing", f"{name} is required and was not restored.", where=name)
        for name in missing
    ]
    findings += [_required_empty(name, restored, inventory, source) for name in without_rows]
    if unjudged and not any(finding.severity is Severity.FAILURE for finding in findings):
        why = f"{some_of(unjudged)} could not be restored whole here ({restored.kept_out[unjudged[0]]})"
        return not_run("required-tables", why, findings)
    held = len(required) - len(missing) - len(without_rows)
    return judged(
        "required-tables", findings, observed=f"{held} with rows", expected=f"{len(required)} with rows"
    )


def _required_empty(name: str, restored: Restored, inventory: Inventory, source: Inventory | None) -> Finding:
    empty = finding("required-table-empty", f"{name} is required and came back without a row.", where=name)
    return (
        at_source(empty, "warning", asked=False) if _was_empty(name, restored, inventory, source) else empty
    )


def _was_empty(name: str, restored: Restored, inventory: Inventory, source: Inventory | None) -> bool:
    """Whether the source held no row of the table: by what is known of it, else by the archive.

    A dump holds a data entry for an empty table too. Only where everything in it came back does an entry
    without a row speak for the source.
    """
    figures = None if source is None else source.tables.get(name)
    if figures is not None and figures.rows is not None:
        return figures.rows == 0
    if any(finding.severity is Severity.FAILURE for finding in restored.findings):
        return False
    leaves = _leaves(name, inventory)
    return bool(leaves) and leaves <= restored.expected.with_data


def _leaves(name: str, inventory: Inventory) -> frozenset[str]:
    """Return the tables that hold the rows of *name*: itself, or its partitions at any depth."""
    parents = {figures.partition_of for figures in inventory.tables.values()}
    leaves, waiting = set(), [name]
    while waiting:
        table = waiting.pop()
        if table in parents:
            waiting += [child for child, figures in inventory.tables.items() if figures.partition_of == table]
        else:
            leaves.add(table)
    return frozenset(leaves)
