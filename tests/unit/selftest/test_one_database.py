"""Which of a cluster's databases is damaged, and its drill as if it were the only one."""

from __future__ import annotations

from dataclasses import replace

from tasks.model.drill import Drill
from tasks.model.inventory import Inventory, TableFigures
from tasks.model.target import BaseBackup, Expect
from tasks.selftest.one_database import largest_of, of_one
from tests.unit.evidence import samples


def cluster() -> Drill:
    drill = samples.verified()
    assert drill.restored is not None
    held = {
        name: Inventory(tables={"public.t": TableFigures(rows=rows, bytes=None)})
        for name, rows in (("a", 5), ("b", 900), ("c", 7))
    }
    backup = BaseBackup.model_validate({"at": "/b/%Y%m%d/", "databases": "all"})
    expect = Expect.model_validate({"databases": {"b": {"required_tables": ["public.t"]}}})
    target = drill.target.model_copy(update={"backup": backup, "expect": expect})
    restored = replace(drill.restored, database="a", databases=("a", "b", "c"))
    return replace(drill, target=target, restored=restored, inventory=Inventory(tables={}, databases=held))


def test_the_one_with_most_rows_is_damaged() -> None:
    assert largest_of(cluster()) == "b"
    assert largest_of(samples.verified()) is None


def test_its_drill_is_one_of_that_database_alone() -> None:
    one = of_one(cluster(), "b")
    assert one.completed_restore.databases == ()
    assert one.completed_restore.database == "b"
    assert one.databases == (None,)
    assert one.counted_in(None).tables["public.t"].rows == 900
    assert one.target.several is None
    assert one.target.expect.required_tables == ("public.t",)
    assert one.target.physical.database == "b"


def test_the_only_one_stays_as_it_is() -> None:
    drill = samples.verified()
    assert of_one(drill, None) is drill
