"""Whether anything came back: tables, and rows in any of them.

Decided here:
- Every table empty, or none at all, is a failure, unless the manifest or the baseline says that they were.
- Where this host or policy kept rows out, it is a warning: the finding that names the cause has said it.
- Of a cluster's several databases it is a warning: a physical copy loses no single one's rows, and a database
  that nothing was put into yet is rightly empty. Which must hold rows `required_tables` says.
"""

from __future__ import annotations

from dataclasses import replace

from tasks.checks.outcome import judged, lowered
from tasks.model.expected import Expected
from tasks.model.findings import Finding, Severity
from tasks.model.inventory import Inventory
from tasks.model.restored import Checked, Restored
from tasks.model.rules import finding


def check_tables_present(
    restored: Restored, inventory: Inventory, empty: frozenset[str], source: Inventory | None
) -> Checked:
    """Return the check `tables-present`; *empty* tables have no row, *source* is what is known of it."""
    tables = [name for name, figures in inventory.tables.items() if figures.partition_of is None]
    expected = restored.expected
    findings = [] if tables else data_only(expected)
    explained = restored.kept_out or any(finding.rule == "nothing-restored" for finding in restored.findings)
    if not tables and not findings and not explained:
        findings.append(finding("nothing-restored", "The restored database holds not one table."))
    elif tables and all(name in empty for name in tables) and not _held_nothing(source):
        lost_here = any(name in inventory.tables or name in expected.tables for name in restored.kept_out)
        severity = Severity.WARNING if lost_here else None  # rows that this host or policy kept out
        findings.append(replace(_all_empty(expected, len(tables)), severity=severity or Severity.FAILURE))
    if restored.databases:
        findings = [lowered(issue, "warning") for issue in findings]
    rows = sum(inventory.tables[name].rows or 0 for name in tables)
    return judged(
        "tables-present", findings, observed=f"{len(tables)} tables, {rows} rows", expected="some of both"
    )


def data_only(expected: Expected) -> list[Finding]:
    """Return what the archive alone shows: data without tables."""
    if not expected.is_data_only:
        return []
    count = len(expected.with_data)
    message = f"The archive holds the data of {count} tables and creates none: nothing can be loaded."
    return [finding("data-only", message)]


def _all_empty(expected: Expected, tables: int) -> Finding:
    if expected.is_schema_only:
        return finding(
            "schema-only",
            f"The archive creates {tables} tables and holds no data for any: it is a schema-only dump.",
        )
    return finding("all-tables-empty", f"All {tables} tables came back without a row.")


def _held_nothing(source: Inventory | None) -> bool:
    """Whether the source is known to have held no row at all."""
    if source is None or not source.tables:
        return False
    return all(figures.rows == 0 for figures in source.tables.values())
