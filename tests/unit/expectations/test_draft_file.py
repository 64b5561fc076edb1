from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from expectations.draft import Draft
from expectations.draft_file import Proposal, identity, propose
from expectations.loader import parse_suite
from expectations.yaml_text import read_yaml

POINT = datetime(2026, 3, 4, 5, 6, tzinfo=UTC)


def rows(table: str = "public.orders", at_least: int = 10) -> Draft:
    kwargs = {"min_value": at_least}
    return Draft(table, "expect_table_row_count_to_be_between", kwargs, "rows were lost", f"{at_least} rows")


def filled(column: str, table: str = "public.orders") -> Draft:
    kwargs = {"column": column}
    return Draft(table, "expect_column_values_to_not_be_null", kwargs, "a flood: of NULLs", "all # filled")


def again(text: str, *drafts: Draft) -> Proposal:
    return propose("shop", drafts, [POINT], text)


def first(*drafts: Draft) -> str:
    return propose("shop", drafts, [POINT]).text


def test_a_draft_is_a_suite_that_reports() -> None:
    text = first(rows(), filled("id"), filled("My Column", "My Shop.Gift Cards"))
    suite = parse_suite(text, Path("shop.yaml"))
    assert (suite.name, suite.gate) == ("shop", "report")
    assert suite.tables == ("public.orders", "My Shop.Gift Cards")
    assert suite.expectations[1].why == "a flood: of NULLs"
    assert "recovery point of 2026-03-04 05:06 UTC" in text


def test_the_same_draft_again_changes_nothing() -> None:
    text = first(rows(), filled("id"))
    proposal = again(text, rows(), filled("id"))
    assert (proposal.text, proposal.diff, proposal.added, proposal.changed) == (text, "", (), ())


def test_another_observation_alone_is_no_change() -> None:
    text = first(rows())
    later = Draft("public.orders", rows().type, rows().kwargs, rows().why, "12 rows")
    assert again(text, later).diff == ""


def test_an_untouched_entry_is_renewed() -> None:
    proposal = again(first(rows(), filled("id")), rows(at_least=20), filled("id"))
    assert proposal.changed == ("public.orders expect_table_row_count_to_be_between",)
    assert "-      kwargs: {min_value: 10}" in proposal.diff
    assert "+      kwargs: {min_value: 20}" in proposal.diff


def test_an_entry_that_somebody_changed_is_kept() -> None:
    text = first(rows(), filled("id")).replace("{min_value: 10}", "{min_value: 7}  # seen in May")
    proposal = again(text, rows(at_least=20), filled("id"))
    assert proposal.text == text
    assert proposal.kept == ("public.orders expect_table_row_count_to_be_between",)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("why: rows were lost", "why: our reason"),
        ("observed:", "owner: data, observed:"),
        ("  meta:", "  severity: info\n      meta:"),
    ],
)
def test_any_change_makes_an_entry_its_readers(before: str, after: str) -> None:
    text = first(rows()).replace(before, after)
    assert text != first(rows())
    assert again(text, rows(at_least=20)).text == text


def test_new_tables_and_columns_are_added_where_they_belong() -> None:
    proposal = again(
        first(rows(), rows("public.people")), rows(), filled("id"), rows("public.people"), rows("shop.a")
    )
    tables = read_yaml(proposal.text).data["tables"]
    assert [len(entries) for entries in tables.values()] == [2, 1, 1]
    assert len(proposal.added) == 2


def test_what_no_longer_holds_is_removed() -> None:
    proposal = again(first(rows(), filled("id"), rows("public.gone")), rows())
    assert len(proposal.removed) == 2
    assert list(read_yaml(proposal.text).data["tables"]) == ["public.orders"]


def test_what_was_declined_is_not_proposed_again() -> None:
    declined = 'declined: ["public.orders expect_column_values_to_not_be_null", "*.people *"]\ntables:'
    text = first(rows()).replace("tables:", declined)
    proposal = again(text, rows(), filled("id"), rows("public.people"))
    assert proposal.text == text
    assert proposal.added == ()


def test_comments_order_and_other_keys_of_a_reader_stay() -> None:
    text = """\
# ours
suite: shop
gate: fail
tables:
  # the heart of the matter
  public.orders:
    # an order has a customer
    - type: expect_column_values_to_not_be_null
      kwargs:
        column: customer_id   # since 2019

  # people
  public.people:
  - type: expect_column_values_to_be_unique
    kwargs: {column: id}
# who to ask
owner: data-team
"""
    proposal = again(text, filled("id"), filled("id", "public.people"))
    for line in text.splitlines():
        assert line in proposal.text.splitlines()
    suite = parse_suite(proposal.text, Path("shop.yaml"))
    assert (suite.owner, len(suite.expectations)) == ("data-team", 4)
    assert proposal.text.index("# people") > proposal.text.index("column: id")


def test_a_suite_in_flow_style_is_refused() -> None:
    with pytest.raises(ValueError, match="blocks"):
        again('{"suite": "x", "tables": {"a.b": []}}', rows())


def test_bounds_do_not_make_another_expectation() -> None:
    query = {"unexpected_rows_query": "SELECT 1 WHERE n < 0.94 * 3"}
    other = {"unexpected_rows_query": "SELECT 1 WHERE n < 0.5 * 44"}
    assert identity("a.b", "x", query) == identity("a.b", "x", other)
    assert identity("a.b", "x", {"column": "c"}) != identity("a.b", "x", {"column": "d"})
