"""Whether the restored database is whole by itself and by its archive, before history is asked.

Decided here:
- A dump always holds a data entry for an ordinary table, also an empty one; so "all empty and no data entry"
  is a schema-only dump, and a single table without one had its rows left out on purpose (a warning: people
  do that).
- Every table empty, or none at all, is a failure, unless the manifest or the baseline says that they were.
  Of a cluster's several databases it is a warning: a physical copy loses no single one's rows, and a database
  that nothing was put into yet is rightly empty. Which must hold rows `required_tables` says.
- A required table without a row is a failure, unless it was so at the source: by the manifest, else by the
  baseline, else because the archive holds a data entry for it and in that no row.
- What this host or policy kept out is no finding here: the finding that names the cause has said it.
- No key, index or trigger at all, and none in the archive: a failure if at least two tables hold traces of
  keys (identity or serial columns, NOT NULL columns named `id` or `..._id`); otherwise a warning, for a
  small database without any key is rare and healthy.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from psycopg import sql

from tasks.checks.context import Context
from tasks.checks.drift import all_of, some_of
from tasks.checks.inventory import Table, count_rows, read_tables
from tasks.checks.outcome import at_source, errored, judged, lowered, not_configured, not_run
from tasks.checks.session import Connection, translated
from tasks.model.bounded_list import listing
from tasks.model.expected import Expected
from tasks.model.findings import Finding, Severity
from tasks.model.inventory import Inventory
from tasks.model.restored import Checked, Restored
from tasks.model.rules import finding

_TABLES_WITH_TRACES = 2
_TRACES = r"""
SELECT count(DISTINCT a.attrelid)
  FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
  LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
 WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND a.attnum > 0 AND NOT a.attisdropped
   AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
   AND (a.attidentity <> '' OR pg_get_expr(d.adbin, d.adrelid) ~ '^nextval\('
        OR (a.attnotnull AND a.attname ~* '^(id|uuid|.*_id)$'))
"""


@dataclass(frozen=True, slots=True)
class Catalogue:
    """What the catalogue tells beyond the inventory.

    Attributes:
        tables: the user's tables.
        with_traces: how many tables have a column that is nearly always a key.
        empty: ordinary tables without a row, where rows were not counted.
    """

    tables: tuple[Table, ...]
    with_traces: int = 0
    empty: frozenset[str] = frozenset()


def check_structure(context: Context, *, source: Inventory | None) -> Checked:
    """Return the checks of presence: tables, counts, data, keys, required tables and roles.

    *source* is what the source is known to have held: the manifest, or else the baseline.
    """
    target, inventory = context.target, context.inventory
    with translated("The structure", context.deadline), context.reading() as connection:
        catalogue = _read(connection, counted=target.checks.counts == "exact")
    empty = _empty_tables(inventory, catalogue)
    return (
        _tables_present(context.restored, inventory, empty, known_empty=_held_nothing(source))
        + _counts(context, catalogue)
        + judged("table-data", _data_excluded(context.expected, catalogue, empty))
        + judged("keys-present", _no_keys(context, catalogue))
        + _required_tables(context.restored, inventory, empty, source, target.expect.required_tables)
        + _required_roles(context.restored, target.expect.required_roles)
    )


def data_only(expected: Expected) -> list[Finding]:
    """Return what the archive alone shows: data without tables."""
    if not expected.is_data_only:
        return []
    count = len(expected.with_data)
    message = f"The archive holds the data of {count} tables and creates none: nothing can be loaded."
    return [finding("data-only", message)]


def _read(connection: Connection, *, counted: bool) -> Catalogue:
    tables = tuple(read_tables(connection))
    (traces,) = connection.execute(_TRACES).fetchone() or (0,)
    empty = frozenset() if counted else frozenset(_without_rows(connection, tables))
    return Catalogue(tables, traces, empty)


def _without_rows(connection: Connection, tables: Iterable[Table]) -> Iterable[str]:
    """Yield the ordinary tables without a row: a look at the first page, where nobody counts."""
    for table in tables:
        if table.kind != "r":
            continue
        if table.heap_bytes == 0 or connection.execute(_any_row(table)).fetchone() is None:
            yield table.full_name


def _any_row(table: Table) -> sql.Composed:
    return sql.SQL("SELECT FROM ONLY {} LIMIT 1").format(table.identifier)


def _empty_tables(inventory: Inventory, catalogue: Catalogue) -> frozenset[str]:
    """Return the tables that are known to hold no row, partitioned ones too."""
    empty = {name for name, figures in inventory.tables.items() if figures.rows == 0} | catalogue.empty
    partitioned = [table.full_name for table in catalogue.tables if table.kind == "p"]
    for _ in partitioned:  # a tree of partitions is as deep as there are parents, at most
        before = len(empty)
        empty |= {
            name
            for name in partitioned
            if all(
                child in empty for child, figures in inventory.tables.items() if figures.partition_of == name
            )
        }
        if len(empty) == before:
            break
    return frozenset(empty)


def _tables_present(
    restored: Restored, inventory: Inventory, empty: frozenset[str], *, known_empty: bool
) -> Checked:
    tables = [name for name, figures in inventory.tables.items() if figures.partition_of is None]
    expected = restored.expected
    findings = [] if tables else data_only(expected)
    explained = restored.kept_out or any(finding.rule == "nothing-restored" for finding in restored.findings)
    if not tables and not findings and not explained:
        findings.append(finding("nothing-restored", "The restored database holds not one table."))
    elif tables and all(name in empty for name in tables) and not known_empty:
        lost_here = any(name in inventory.tables or name in expected.tables for name in restored.kept_out)
        severity = Severity.WARNING if lost_here else None  # rows that this host or policy kept out
        findings.append(replace(_all_empty(expected, len(tables)), severity=severity or Severity.FAILURE))
    if restored.databases:
        findings = [lowered(item, "warning") for item in findings]
    rows = sum(inventory.tables[name].rows or 0 for name in tables)
    return judged(
        "tables-present", findings, observed=f"{len(tables)} tables, {rows} rows", expected="some of both"
    )


def _all_empty(expected: Expected, tables: int) -> Finding:
    if expected.is_schema_only:
        return finding(
            "schema-only",
            f"The archive creates {tables} tables and holds no data for any: it is a schema-only dump.",
        )
    return finding("all-tables-empty", f"All {tables} tables came back without a row.")


def _counts(context: Context, catalogue: Catalogue) -> Checked:
    """Judge whether every table was counted; one that was not is tried again, to say why."""
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


def _data_excluded(expected: Expected, catalogue: Catalogue, empty: frozenset[str]) -> list[Finding]:
    """Return the warning of tables whose rows the archive leaves out; without any, it is schema-only."""
    ordinary = {table.full_name for table in catalogue.tables if table.kind == "r"}
    left_out = (expected.tables & ordinary & empty) - expected.with_data
    if not expected.with_data or not left_out:
        return []
    message = f"The archive creates {len(left_out)} tables without a data entry: {some_of(left_out)}."
    place = min(left_out) if len(left_out) == 1 else None
    return [finding("table-data-excluded", message, where=place, names=all_of(left_out))]


def _no_keys(context: Context, catalogue: Catalogue) -> list[Finding]:
    inventory, objects = context.inventory, context.inventory.objects
    tables = [name for name, figures in inventory.tables.items() if figures.partition_of is None]
    present = objects.get("indexes") or objects.get("triggers") or inventory.keys
    if not tables or present or context.expected.has_post_data:
        return []
    sentence = (
        f"None of the {len(tables)} tables has a key, an index or a trigger, and the archive lists none."
    )
    if catalogue.with_traces >= _TABLES_WITH_TRACES:
        message = f"{sentence} {catalogue.with_traces} of them have columns that are keys nearly everywhere."
        return [finding("no-post-data", message)]
    return [finding("no-keys", sentence)]


def _held_nothing(source: Inventory | None) -> bool:
    """Whether the source is known to have held no row at all."""
    if source is None or not source.tables:
        return False
    return all(figures.rows == 0 for figures in source.tables.values())


def _required_tables(
    restored: Restored,
    inventory: Inventory,
    empty: frozenset[str],
    source: Inventory | None,
    required: Iterable[str],
) -> Checked:
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


def _required_roles(restored: Restored, required: Iterable[str]) -> Checked:
    required = tuple(required)
    if not required:
        return not_configured("required-roles", "expect.required_roles names none")
    missing = [name for name in required if name not in restored.roles]
    message = (
        "{} is required and neither the backup nor its globals file creates it: nobody could log in as it."
    )
    findings = [finding("required-role-missing", message.format(name), where=name) for name in missing]
    return judged(
        "required-roles",
        findings,
        observed=f"{len(required) - len(missing)} of {len(required)}",
        expected="all",
    )
