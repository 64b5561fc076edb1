"""Which databases of two ways back are compared, and what several comparisons come to."""

from __future__ import annotations

import pytest

from tasks.checks.pairing import merged, pairs_of
from tasks.model.agreement import Agreement, TableDifference
from tasks.model.errors import ConfigInvalid
from tasks.model.restored import Restored


def restored(database: str, *databases: str) -> Restored:
    return Restored(database, (), (), (), databases=databases)


CLUSTER = restored("crm", "crm", "shop")


def test_one_is_compared_with_one_whatever_they_are_called() -> None:
    assert pairs_of(restored("a"), restored("b")) == {None: ("a", "b")}


def test_one_is_compared_with_its_namesake_among_several() -> None:
    assert pairs_of(restored("shop"), CLUSTER) == {None: ("shop", "shop")}
    assert pairs_of(CLUSTER, restored("shop")) == {None: ("shop", "shop")}


def test_several_are_compared_with_their_namesakes() -> None:
    assert pairs_of(CLUSTER, restored("shop", "shop", "tiny")) == {"shop": ("shop", "shop")}


@pytest.mark.parametrize("other", [restored("nobody"), restored("x", "x", "y")])
def test_what_has_no_namesake_is_refused_by_name(other: Restored) -> None:
    for sides in ((CLUSTER, other), (other, CLUSTER)):
        with pytest.raises(ConfigInvalid, match="cannot be compared"):
            pairs_of(*sides)


def test_several_comparisons_are_one_with_their_databases_names() -> None:
    changed = TableDifference("public.t", (5, 5), 0, 0, 1)
    agreements: dict[str | None, Agreement] = {
        "crm": Agreement(tables=1, rows=5, differences=(changed,), only_first={"tables": ("public.x",)}),
        "shop": Agreement(
            tables=2, rows=7, only_first={"tables": ("s.y",)}, not_compared={"s.z": "unlogged"}
        ),
    }
    told = merged(agreements, restored("crm", "crm", "shop", "gone"), CLUSTER)
    assert (told.tables, told.rows, told.word) == (3, 12, "differ")
    assert [item.table for item in told.differences] == ["crm:public.t"]
    assert told.only_first == {"databases": ("gone",), "tables": ("crm:public.x", "shop:s.y")}
    assert told.only_second == {}
    assert told.not_compared == {"shop:s.z": "unlogged"}


def test_a_cluster_that_lacks_a_database_does_not_agree() -> None:
    told = merged({"shop": Agreement(tables=1, rows=1)}, CLUSTER, restored("shop", "shop"))
    assert (told.word, told.only_first) == ("differ", {"databases": ("crm",)})


def test_the_only_comparison_stays_as_it_is() -> None:
    only = Agreement(tables=1, rows=3)
    assert merged({None: only}, restored("a"), CLUSTER) is only
