"""Which tables hold no row, partitioned ones too, and what that means for tables that must have some."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tasks.checks.emptiness import Catalogue, empty_tables
from tasks.checks.inventory import Table
from tasks.checks.keys_present import check_keys_present
from tasks.checks.required_roles import check_required_roles
from tasks.checks.required_tables import check_required_tables
from tasks.checks.table_data import check_table_data
from tasks.checks.tables_present import check_tables_present
from tasks.model.findings import Severity
from tasks.model.inventory import Inventory
from tests.fix_checks import context_of, entry, inventory_of, restored_of

ROWS = {"a.orders": 3, "a.log": 0}
DATA = [entry("TABLE", "a.orders"), entry("TABLE DATA", "a.orders"), entry("TABLE", "a.log")]
BOTH = [*DATA, entry("TABLE DATA", "a.log")]


def table(name: str, kind: str = "r") -> Table:
    schema, _, own = name.partition(".")
    return Table(1, schema, own, kind, 0, 0, None, None)


def catalogue(*names: str, **kinds: str) -> Catalogue:
    return Catalogue(tuple(table(name, kinds.get(name.partition(".")[2], "r")) for name in names))


def rules(checked: object) -> list[tuple[str, Severity]]:
    return [(issue.rule, issue.severity) for issue in checked.findings]  # type: ignore[attr-defined]


def test_a_partitioned_table_is_empty_when_all_of_its_parts_are_at_any_depth() -> None:
    inventory = inventory_of(
        {
            "a.top": (None, None),
            "a.mid": (None, "a.top"),
            "a.leaf1": (0, "a.mid"),
            "a.leaf2": (0, "a.mid"),
            "a.other": (None, None),
            "a.full": (5, "a.other"),
        }
    )
    tree = catalogue("a.top", "a.mid", "a.other", top="p", mid="p", other="p")
    assert empty_tables(inventory, tree) == {"a.top", "a.mid", "a.leaf1", "a.leaf2"}


def test_rows_that_nobody_counted_are_looked_for() -> None:
    uncounted = replace(catalogue("a.orders", "a.log"), empty=frozenset({"a.log"}))
    assert empty_tables(inventory_of({"a.orders": None, "a.log": None}), uncounted) == {"a.log"}


@pytest.mark.parametrize(
    ("tables", "entries", "source", "told"),
    [
        ({"a.orders": 3, "a.log": 0}, BOTH, None, []),
        ({}, [], None, ["nothing-restored"]),
        ({"a.orders": 0}, DATA[:2], None, ["all-tables-empty"]),
        ({"a.orders": 0}, DATA[:1], None, ["schema-only"]),
        ({"a.orders": 0}, DATA[:2], {"a.orders": 0}, []),
        ({"a.orders": 0}, DATA[:2], {"a.orders": 3}, ["all-tables-empty"]),
        ({}, DATA[1:2], None, ["data-only"]),
    ],
)
def test_something_must_have_come_back_unless_the_source_had_nothing(
    tables: dict[str, int], entries: list[object], source: dict[str, int] | None, told: list[str]
) -> None:
    inventory = inventory_of(tables)
    empty = empty_tables(inventory, catalogue(*tables))
    known = None if source is None else inventory_of(source)
    checked = check_tables_present(restored_of("shop", entries), inventory, empty, known)  # type: ignore[arg-type]
    assert rules(checked) == [(rule, Severity.FAILURE) for rule in told]


@pytest.mark.parametrize(("entries", "told"), [(BOTH, []), (DATA, ["table-data-excluded"]), (DATA[:1], [])])
def test_a_table_without_a_data_entry_was_left_out_unless_none_has_one(
    entries: list[object], told: list[str]
) -> None:
    expected = restored_of("shop", entries).expected  # type: ignore[arg-type]
    checked = check_table_data(expected, catalogue("a.orders", "a.log"), frozenset({"a.log"}))
    assert rules(checked) == [(rule, Severity.WARNING) for rule in told]


@pytest.mark.parametrize(
    ("traces", "objects", "told"),
    [
        (0, {}, [("no-keys", Severity.WARNING)]),
        (1, {}, [("no-keys", Severity.WARNING)]),
        (2, {}, [("no-post-data", Severity.FAILURE)]),
        (2, {"indexes": ["a.i"]}, []),
        (2, {"triggers": ["a.orders.t"]}, []),
    ],
)
def test_no_key_at_all_is_a_failure_where_columns_look_like_keys(
    traces: int, objects: dict[str, list[str]], told: list[tuple[str, Severity]]
) -> None:
    context = context_of(inventory=inventory_of(ROWS, objects))
    checked = check_keys_present(context, replace(catalogue("a.orders"), with_traces=traces))
    assert rules(checked) == told


@pytest.mark.parametrize(
    ("required", "source", "told"),
    [
        ((), None, []),
        (("a.orders",), None, []),
        (("a.gone",), None, [("required-table-missing", Severity.FAILURE)]),
        (("a.log",), {"a.log": 4}, [("required-table-empty", Severity.FAILURE)]),
        (("a.log",), {"a.log": 0}, [("required-table-empty", Severity.WARNING)]),
    ],
)
def test_a_required_table_has_rows_unless_the_source_had_none(
    required: tuple[str, ...], source: dict[str, int] | None, told: list[tuple[str, Severity]]
) -> None:
    known: Inventory | None = None if source is None else inventory_of(source)
    restored = restored_of("shop", BOTH)
    checked = check_required_tables(restored, inventory_of(ROWS), frozenset({"a.log"}), known, required)
    assert rules(checked) == told


def test_a_required_role_must_be_in_the_backup() -> None:
    restored = restored_of("shop", roles=("app",))
    assert rules(check_required_roles(restored, ("app",))) == []
    assert rules(check_required_roles(restored, ("app", "boss"))) == [
        ("required-role-missing", Severity.FAILURE)
    ]


def test_of_a_clusters_several_databases_an_empty_one_is_a_warning() -> None:
    restored = replace(restored_of("shop", DATA[:2]), databases=("shop", "crm"))
    checked = check_tables_present(restored, inventory_of({"a.orders": 0}), frozenset({"a.orders"}), None)
    assert rules(checked) == [("all-tables-empty", Severity.WARNING)]
