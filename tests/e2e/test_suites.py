"""Suites in whole drills, one after the other: what a drill tells the next, and what would wait for ever."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.fix_drill import Fleet, Here, hours_ago, rules_of, write_suite

SHOP = """
CREATE TABLE public.visits (id int PRIMARY KEY, placed_at timestamptz NOT NULL);
INSERT INTO public.visits SELECT i, now() - i * interval '1 minute' FROM generate_series(60, 360) i;
CREATE VIEW public.recent AS SELECT * FROM public.visits;
"""
NEWEST = {"column": "placed_at", "min_value": {"param": "newest_row"}}
ROWS = {"min_value": {"param": "last_rows", "times": 0.9}}


@pytest.fixture
def dump(orders_of: Callable[[str], Path]) -> Path:
    return orders_of(SHOP)


@pytest.fixture
def older_dump(orders_of: Callable[[str], Path]) -> Path:
    return orders_of(SHOP.replace("generate_series(60, 360)", "generate_series(90, 390)"))


def test_every_documented_figure_is_set_by_the_drill_before(
    here: Here, fleet: Fleet, dump: Path, older_dump: Path
) -> None:
    suite = write_suite(
        fleet,
        visits=[
            ("expect_column_max_to_be_between", NEWEST),
            ("expect_table_row_count_to_be_between", ROWS),
            (
                "expect_column_max_to_be_between",
                {"column": "placed_at", "min_value": {"param": "last_verified_at", "plus": "-2h"}},
            ),
        ],
        recent=[("expect_column_max_to_be_between", NEWEST)],
    )
    fleet.add("orders", dump, expect={"suite": str(suite)})
    first = here("run", fleet.path, "--json").document
    assert first["verdict"] == "verified", first["findings"]
    waiting = [check for check in first["checks"] if check["outcome"] == "not_configured"]
    assert len([check for check in waiting if check["name"].startswith("suite.shop")]) == 4
    assert any("Compared with an earlier drill" in sentence for sentence in first["not_proven"])
    assert set(first["inventory"]["newest_age_s"]) == {"public.visits", "public.recent"}

    second = here("run", fleet.path, "--json").document
    assert second["verdict"] == "verified", second["findings"]
    judged = [check for check in second["checks"] if check["name"].startswith("suite.shop")]
    assert [check["outcome"] for check in judged] == ["passed"] * 4
    assert not any("Compared with an earlier drill" in sentence for sentence in second["not_proven"])

    fleet.put("orders", older_dump, hours_ago(0.1))
    third = here("run", fleet.path, "--json").document
    assert third["verdict"] == "failed"
    failed = {f["where"] for f in third["findings"] if f["rule"] == "expectation-failed"}
    assert failed == {f"public.{table}.placed_at max_to_be_between" for table in ("visits", "recent")}


def test_what_waits_although_a_drill_was_verified_is_inconclusive_and_said(
    here: Here, fleet: Fleet, dump: Path
) -> None:
    fleet.add("orders", dump)
    assert here("run", fleet.path, "--json").document["verdict"] == "verified"
    suite = write_suite(
        fleet,
        visits=[("expect_column_max_to_be_between", NEWEST)],
        recent=[("expect_table_row_count_to_be_between", ROWS)],
    )
    fleet.databases[0]["expect"] = {"suite": str(suite)}
    fleet.write()
    second = here("run", fleet.path, "--json").document
    assert (second["verdict"], rules_of(second)) == ("inconclusive", {"expectation-errored"})
    said = " ".join(second["not_proven"])
    assert "no earlier drill measured it of placed_at" in said
    assert "rows are counted of tables, and public.recent is none" in said
    # The first is measured by now; what is no table is never counted.
    third = here("run", fleet.path, "--json").document
    assert [f["where"] for f in third["findings"] if f["rule"] == "expectation-errored"] == [
        "public.recent table_row_count_to_be_between"
    ]
    write_suite(fleet, visits=[("expect_column_max_to_be_between", NEWEST)])
    fourth = here("run", fleet.path, "--json").document
    assert fourth["verdict"] == "verified", fourth["findings"]


def test_a_parameter_that_is_none_stops_the_run_before_anything_is_restored(
    here: Here, fleet: Fleet, dump: Path
) -> None:
    kwargs = {"min_value": {"param": "last_row", "times": 0.9}}
    suite = write_suite(fleet, visits=[("expect_table_row_count_to_be_between", kwargs)])
    fleet.add("orders", dump, expect={"suite": str(suite)})
    ran = here("run", fleet.path)
    assert ran.exit_code == 3, ran
    assert "did you mean last_rows?" in ran.err + ran.out
    assert fleet.recorded() == []
