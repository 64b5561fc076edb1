"""Whether the restored database is whole by itself and by its archive, before history is asked."""

from __future__ import annotations

from tasks.checks.context import Context
from tasks.checks.counts import check_counts
from tasks.checks.emptiness import empty_tables, read_catalogue
from tasks.checks.keys_present import check_keys_present
from tasks.checks.required_roles import check_required_roles
from tasks.checks.required_tables import check_required_tables
from tasks.checks.session import translated
from tasks.checks.table_data import check_table_data
from tasks.checks.tables_present import check_tables_present
from tasks.model.inventory import Inventory
from tasks.model.restored import Checked


def check_structure(context: Context, *, source: Inventory | None) -> Checked:
    """Return the checks of presence: tables, counts, data, keys, required tables and roles.

    *source* is what the source is known to have held: the manifest, or else the baseline.
    """
    restored, inventory, expect = context.restored, context.inventory, context.target.expect
    with translated("The structure", context.deadline), context.reading() as connection:
        catalogue = read_catalogue(connection, counted=context.target.checks.counts == "exact")
    empty = empty_tables(inventory, catalogue)
    return (
        check_tables_present(restored, inventory, empty, source)
        + check_counts(context, catalogue)
        + check_table_data(context.expected, catalogue, empty)
        + check_keys_present(context, catalogue)
        + check_required_tables(restored, inventory, empty, source, expect.required_tables)
        + check_required_roles(restored, expect.required_roles)
    )
