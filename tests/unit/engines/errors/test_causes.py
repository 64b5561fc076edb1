"""What follows from what: needs that the archive lists and names that PostgreSQL gives, never mere order."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.engines.errors.causes import Cause, Omission, find_causes
from tasks.engines.errors.classes import Meaning
from tasks.engines.errors.failure import Failure
from tasks.engines.errors.root_causes import judge
from tasks.model.backup import Toc, TocEntry

BOUNDARY = 99
"""A number that entries of the last section list and no entry bears, as pg_dump writes it."""
DENIED = "permission denied for table secrets"
UNREACHED = 'user mapping not found for user "drill_owner", server "s"'
ORPHANS = 'insert or update on table "child" violates foreign key constraint "child_fk"'


def entry(number: int, desc: str, tag: str, *needs: int, namespace: str = "public") -> TocEntry:
    return TocEntry(number, desc, tag, namespace, "app", "none", dependencies=needs)


PARENT = entry(1, "TABLE", "parent")
CHILD = entry(2, "TABLE", "child")
PARENT_KEY = entry(3, "CONSTRAINT", "parent parent_pkey", 1)
PARENT_ROWS = entry(4, "TABLE DATA", "parent", 1)
CHILD_ROWS = entry(5, "TABLE DATA", "child", 2)
KEY = entry(6, "FK CONSTRAINT", "child child_fk", 3, 2, 1)
FOREIGN = entry(10, "MATERIALIZED VIEW", "a_foreign", 20)
OWN = entry(11, "MATERIALIZED VIEW", "b_own", 2)
OVER = entry(12, "MATERIALIZED VIEW", "c_over", 13)
BETWEEN = entry(13, "VIEW", "between", 10)
REFRESH_FOREIGN = entry(14, "MATERIALIZED VIEW DATA", "a_foreign", 10, BOUNDARY)
REFRESH_OWN = entry(15, "MATERIALIZED VIEW DATA", "b_own", 11, BOUNDARY)
REFRESH_OVER = entry(16, "MATERIALIZED VIEW DATA", "c_over", 12, 14, BOUNDARY)
LINKED = entry(20, "FOREIGN TABLE", "linked")
TOC = Toc(
    (
        PARENT, CHILD, PARENT_KEY, PARENT_ROWS, CHILD_ROWS, KEY, FOREIGN, OWN, OVER, BETWEEN, REFRESH_FOREIGN,
        REFRESH_OWN, REFRESH_OVER, LINKED,
    )
)  # fmt: skip


def bare(toc: Toc) -> Toc:
    """The same as a script announces it: without needs."""
    return Toc(tuple(entry(e.dump_id, e.desc, e.tag, namespace=e.namespace) for e in toc.entries))


def causes_of(*failures: Failure, toc: Toc = TOC, left_out: tuple[Omission, ...] = ()) -> list[Cause]:
    return find_causes(failures, left_out, toc)


def shape(causes: list[Cause]) -> dict[str, list[str]]:
    """Tag of each cause to the tags of what follows from it."""
    return {
        "-" if cause.entry is None else cause.entry.tag: [follower.tag for follower in cause.followers]
        for cause in causes
    }


OWN_FAULT = Failure(REFRESH_OWN, 'relation "rates" does not exist', functions=("public.f",))


@pytest.mark.parametrize("failures", [(0, 1), (1, 0)])
@pytest.mark.parametrize("toc", [TOC, bare(TOC)])
def test_a_refresh_that_fails_for_its_own_reason_beside_another_is_a_cause(
    failures: tuple[int, int], toc: Toc
) -> None:
    both = (Failure(REFRESH_FOREIGN, UNREACHED), OWN_FAULT)
    found = causes_of(*(both[at] for at in failures), toc=toc)
    assert {cause.meaning: cause.followers for cause in found} == {Meaning.FOREIGN: [], Meaning.FUNCTION: []}
    rules = {finding.rule for finding in judge(both, (), toc).findings}
    assert rules == {"foreign-data-unreached", "function-breaks-restore"}


def test_a_refresh_over_one_that_could_not_be_follows_from_it() -> None:
    unpopulated = 'materialized view "a_foreign" has not been populated'
    for toc in (TOC, bare(TOC)):
        found = causes_of(Failure(REFRESH_FOREIGN, UNREACHED), Failure(REFRESH_OVER, unpopulated), toc=toc)
        assert shape(found) == {"a_foreign": ["c_over"]}


def test_a_key_follows_from_the_rows_of_the_table_that_it_points_to() -> None:
    failures = (Failure(PARENT_ROWS, "extra data after last expected column"), Failure(KEY, ORPHANS))
    assert shape(causes_of(*failures)) == {"parent": ["child child_fk"]}
    about = (
        Failure(PARENT_ROWS, "extra data after last expected column", about=("public.parent",)),
        Failure(KEY, ORPHANS, about=("public.child", "public.parent")),
    )
    assert shape(causes_of(*about, toc=bare(TOC))) == {"parent": ["child child_fk"]}


def test_a_key_does_not_follow_from_rows_of_its_own_table_for_those_break_nothing() -> None:
    failures = (Failure(CHILD_ROWS, "extra data after last expected column"), Failure(KEY, ORPHANS))
    assert shape(causes_of(*failures)) == {"child": [], "child child_fk": []}
    about = (
        Failure(CHILD_ROWS, "extra data after last expected column", about=("public.child",)),
        Failure(KEY, ORPHANS, about=("public.child", "public.parent")),
    )
    assert shape(causes_of(*about, toc=bare(TOC))) == {"child": [], "child child_fk": []}


def test_a_key_of_a_table_to_itself_follows_from_its_own_rows() -> None:
    table, rows = entry(1, "TABLE", "Gift Cards"), entry(2, "TABLE DATA", "Gift Cards", 1)
    unique = entry(3, "CONSTRAINT", "Gift Cards pk", 1)
    key = entry(4, "FK CONSTRAINT", "Gift Cards up", 3, 1, 1)
    failures = (Failure(rows, "extra data after last expected column"), Failure(key, ORPHANS))
    assert shape(causes_of(*failures, toc=Toc((table, rows, unique, key)))) == {
        "Gift Cards": ["Gift Cards up"]
    }


def test_a_key_follows_from_the_unique_key_that_it_points_to() -> None:
    lost = Failure(PARENT_KEY, 'could not create unique index "parent_pkey"', about=("public.parent",))
    missed = 'there is no unique constraint matching given keys for referenced table "parent"'
    for toc in (TOC, bare(TOC)):
        assert shape(causes_of(lost, Failure(KEY, missed), toc=toc)) == {
            "parent parent_pkey": ["child child_fk"]
        }


def test_needs_of_needs_that_came_back_explain_nothing() -> None:
    """The table is there although its default's function was left out: the index fails for its own reason."""
    function, table = entry(1, "FUNCTION", "f()"), entry(2, "TABLE", "t", 1)
    index = entry(3, "INDEX", "t_idx", 2)
    found = causes_of(
        Failure(index, 'could not create unique index "t_idx"'),
        toc=Toc((function, table, index)),
        left_out=(Omission(function),),
    )
    assert [cause.meaning for cause in found] == [Meaning.POLICY, Meaning.DUPLICATES]


def test_a_chain_of_lost_needs_leads_to_its_first() -> None:
    function, table = entry(1, "FUNCTION", "f()"), entry(2, "TABLE", "t", 1)
    index = entry(3, "INDEX", "t_idx", 2)
    found = causes_of(
        Failure(table, "function public.f() does not exist"),
        Failure(index, 'relation "public.t" does not exist'),
        toc=Toc((function, table, index)), left_out=(Omission(function),),
    )  # fmt: skip
    assert shape(found) == {"f()": ["t", "t_idx"]}


@pytest.mark.parametrize(
    ("missing", "explained"),
    [
        ('relation "eu.orders" does not exist', True),
        ('relation "us.orders" does not exist', False),  # of that name in another schema
        ('relation "orders" does not exist', False),  # one of that name is there
        ('relation "totals" does not exist', True),
        ('type "eu.orders" does not exist', True),  # a table is a type
        ('type "eu.orders" is only a shell', True),  # begun, and its functions are not there
        ("argument type eu.orders is only a shell", True),
        ("function eu.orders(integer) does not exist", False),
        ('schema "orders" does not exist', False),
        ('server "eu" does not exist', False),
    ],
)
def test_a_missing_name_is_explained_by_what_bore_it_and_is_not_there(
    missing: str, *, explained: bool
) -> None:
    lost, there = entry(1, "TABLE", "orders", namespace="eu"), entry(2, "TABLE", "orders", namespace="us")
    totals, asking = entry(3, "VIEW", "totals", namespace="eu"), entry(4, "VIEW", "asking")
    found = causes_of(
        Failure(asking, missing),
        toc=Toc((lost, there, totals, asking)),
        left_out=(Omission(lost), Omission(totals)),
    )
    assert (len(found) == 2) is explained


def test_what_a_function_of_the_backup_says_is_missing_explains_nothing() -> None:
    lost, asking = entry(1, "TABLE", "orders"), entry(2, "TABLE DATA", "child", 9)
    said = Failure(asking, 'relation "public.orders" does not exist', sqlstate="P0001", raised=True)
    assert len(causes_of(said, toc=Toc((lost, asking)), left_out=(Omission(lost),))) == 2


def test_one_entry_that_fails_for_two_reasons_has_two_causes() -> None:
    first = Failure(PARENT_ROWS, DENIED)
    second = Failure(PARENT_ROWS, 'duplicate key value violates unique constraint "parent_pkey"')
    assert [cause.meaning for cause in causes_of(first, second)] == [Meaning.POLICY, Meaning.DUPLICATES]
    again = Failure(PARENT_ROWS, "permission denied for table others")
    assert [cause.meaning for cause in causes_of(first, again)] == [Meaning.POLICY]


def test_rows_without_a_partition_follow_from_the_one_that_could_not_be_attached() -> None:
    root, leaf = entry(1, "TABLE", "events"), entry(2, "TABLE", "events_a")
    attach, rows = entry(3, "TABLE ATTACH", "events_a", 2, 1), entry(4, "TABLE DATA", "events", 1)
    lost = Failure(
        attach,
        'empty range bound specified for partition "events_a"',
        about=("public.events", "public.events_a"),
    )
    missed = Failure(rows, 'no partition of relation "events" found for row', sqlstate="23514")
    toc = Toc((root, leaf, attach, rows))
    for known in (toc, bare(toc)):
        assert shape(causes_of(lost, missed, toc=known)) == {"events_a": ["events"]}
    assert shape(causes_of(missed, toc=toc)) == {"events": []}


def test_a_setting_that_needs_what_was_left_out_makes_that_matter() -> None:
    method = entry(1, "ACCESS METHOD", "heap2", namespace="")
    setting = Failure(
        None, 'invalid value for parameter "default_table_access_method": "heap2"', sqlstate="22023"
    )
    toc = Toc((method, PARENT))
    assert [finding.rule for finding in judge([setting], [Omission(method)], toc).findings] == [
        "superuser-entry"
    ]
    other = Failure(
        None, 'invalid value for parameter "default_table_access_method": "zheap"', sqlstate="22023"
    )
    assert "restore-error" in {finding.rule for finding in judge([other], [Omission(method)], toc).findings}


def test_a_refresh_of_rows_that_this_host_kept_out_is_not_judged() -> None:
    kept_out = Failure(CHILD_ROWS, DENIED)
    empty = Failure(REFRESH_OWN, "division by zero")
    assert shape(causes_of(kept_out, empty)) == {"child": ["b_own"]}
    damaged = Failure(CHILD_ROWS, "extra data after last expected column")
    assert shape(causes_of(damaged, empty)) == {"child": [], "b_own": []}
    assert shape(causes_of(kept_out, OWN_FAULT)) == {"child": [], "b_own": []}


FAILURES = (
    Failure(PARENT_ROWS, "extra data after last expected column"),
    Failure(CHILD_ROWS, DENIED),
    Failure(KEY, ORPHANS),
    Failure(REFRESH_FOREIGN, UNREACHED),
    Failure(REFRESH_OVER, 'materialized view "a_foreign" has not been populated'),
    OWN_FAULT,
)


@given(st.lists(st.sampled_from(FAILURES), unique=True), st.integers(0, 9))
def test_what_has_no_bond_with_a_failure_never_hides_it(failures: list[Failure], seed: int) -> None:
    """One more failure that nothing ties to the others takes no finding away, wherever it happens."""
    alone = {finding.rule for finding in judge(failures, (), TOC).findings}
    stranger = Failure(entry(77, "MATERIALIZED VIEW DATA", "stranger", 78, BOUNDARY), UNREACHED)
    mixed = [*failures, stranger]
    random.Random(seed).shuffle(mixed)
    in_order = sorted(mixed, key=lambda failure: -1 if failure is stranger else failures.index(failure))
    for order in (in_order, [*failures, stranger]):
        assert {finding.rule for finding in judge(order, (), TOC).findings} >= alone
