"""Several databases in a document: one table of them, tables by their database, sizes of all together."""

from __future__ import annotations

from typing import Any

from tasks.evidence.databases import database_rows, object_counts, tables_of
from tasks.evidence.document import build_evidence
from tasks.evidence.markdown import markdown
from tasks.evidence.sentence import restored_bytes
from tasks.model.inventory import Inventory, TableFigures
from tests.unit.evidence import samples


def cluster_document() -> dict[str, Any]:
    crm = Inventory({"a.t": TableFigures(5, 100), "a.t_1": TableFigures(5, 100, "a.t")}, {"views": ("a.v",)})
    shop = Inventory({"a.t": TableFigures(2, 50)}, {"views": ("a.v", "a.w")}, large_object_bytes=7)
    checks = [
        {"name": name, "outcome": outcome, "observed": None, "expected": None, "why": None}
        for name, outcome in (
            ("crm:counts", "passed"),
            ("crm:drift-rows", "failed"),
            ("shop:counts", "passed"),
            ("databases", "passed"),
        )
    ]
    return {"inventory": Inventory.of_databases({"shop": shop, "crm": crm}).as_dict(), "checks": checks}


def test_each_database_has_its_figures_and_how_its_checks_came_out() -> None:
    crm, shop = database_rows(cluster_document())
    assert crm == {
        "name": "crm",
        "tables": 2,
        "rows": 5,
        "bytes": 100,
        "checks": "1 passed, 1 failed",
        "row_class": "failed",
    }
    assert (shop["name"], shop["checks"], shop["row_class"]) == ("shop", "1 passed", "passed")


def test_tables_and_objects_are_those_of_all() -> None:
    document = cluster_document()
    assert set(tables_of(document)) == {"crm:a.t", "crm:a.t_1", "shop:a.t"}
    assert object_counts(document) == [("views", 3)]
    assert restored_bytes(document) == 157


def test_one_database_by_itself_is_as_it_was() -> None:
    document = {"inventory": Inventory({"a.t": TableFigures(2, 50)}).as_dict(), "checks": []}
    assert (database_rows(document), set(tables_of(document))) == ([], {"a.t"})
    assert (database_rows({"inventory": None, "checks": []}), tables_of({"inventory": None})) == ([], {})


def test_the_artifact_shows_each_database() -> None:
    alone = build_evidence(samples.verified())
    assert "## Databases" not in markdown(alone)
    text = markdown({**alone, **cluster_document()})
    assert "| crm | 2 | 5 | 100 B | 1 passed, 1 failed |" in text
