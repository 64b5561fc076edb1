"""Tables whose rows were left out of the dump on purpose.

Decided here: a dump always holds a data entry for an ordinary table, also for an empty one. All empty without
any data entry is a schema-only dump; a single table without one is a warning, for people do that.
"""

from __future__ import annotations

from tasks.checks.drift import all_of, some_of
from tasks.checks.emptiness import Catalogue
from tasks.checks.outcome import judged
from tasks.model.expected import Expected
from tasks.model.findings import Finding
from tasks.model.restored import Checked
from tasks.model.rules import finding


def check_table_data(expected: Expected, catalogue: Catalogue, empty: frozenset[str]) -> Checked:
    """Return the check `table-data`; *empty* are the tables without a row."""
    return judged("table-data", _data_excluded(expected, catalogue, empty))


def _data_excluded(expected: Expected, catalogue: Catalogue, empty: frozenset[str]) -> list[Finding]:
    """Return the warning of tables whose rows the archive leaves out; without any, it is schema-only."""
    ordinary = {table.full_name for table in catalogue.tables if table.kind == "r"}
    left_out = (expected.tables & ordinary & empty) - expected.with_data
    if not expected.with_data or not left_out:
        return []
    message = f"The archive creates {len(left_out)} tables without a data entry: {some_of(left_out)}."
    place = min(left_out) if len(left_out) == 1 else None
    return [finding("table-data-excluded", message, where=place, names=all_of(left_out))]
