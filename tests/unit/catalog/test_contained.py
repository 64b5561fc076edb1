from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.catalog.contained import Contained, Wanted, choose, parts_of
from tasks.model.errors import PermanentError

NAMES = st.sampled_from(["orders", "customers", "eu", "orders_archive"])
PLACES = st.sampled_from(["", "orders", "customers", "a/orders", "b/orders.sql", "orders_data.sql", "x.dump"])
DUMPS = st.lists(
    st.builds(Contained, PLACES, st.lists(NAMES, max_size=2, unique=True).map(tuple)),
    min_size=1,
    max_size=4,
    unique_by=lambda dump: dump.place,
)
WANTED = st.builds(Wanted, st.none() | NAMES, NAMES)


def rule_of(dumps: list[Contained], wanted: Wanted) -> str:
    with pytest.raises(PermanentError) as failure:
        choose(dumps, wanted, "x.tar")
    return str(failure.value.rule)


def test_the_only_dump_is_meant_whatever_it_is_called() -> None:
    only = Contained("x", ("other",))
    assert choose([only], Wanted("orders", "orders"), "x.tar") is only


@pytest.mark.parametrize("wanted", [Wanted("shop_db", "x"), Wanted(None, "shop_db")])
def test_what_a_dump_says_of_itself_decides(wanted: Wanted) -> None:
    shop = Contained("20261125/a", ("shop_db",))
    assert choose([Contained("20261125/b", ("eu",)), shop], wanted, "x.tar") is shop


def test_the_folder_called_like_the_target_is_meant_where_no_dump_names_it() -> None:
    orders = Contained("dumps/orders", ("prod_1",))
    assert choose([Contained("dumps/eu", ("prod_2",)), orders], Wanted(None, "orders"), "x.tar") is orders


def test_a_folder_called_like_the_database_that_is_asked_for_holds_another() -> None:
    dumps = [Contained("orders", ("prod_1",)), Contained("eu", ("prod_2",))]
    assert rule_of(dumps, Wanted("orders", "x")) == "database-not-in-dump"


def test_a_folder_and_a_dump_of_that_name_are_two_answers() -> None:
    dumps = [Contained("orders", ("prod_1",)), Contained("eu", ("orders",))]
    assert rule_of(dumps, Wanted(None, "orders")) == "database-choice-ambiguous"


def test_two_dumps_of_one_database_are_not_chosen_between_and_are_named() -> None:
    dumps = [Contained("monday", ("orders",)), Contained("tuesday", ("orders",)), Contained("", ())]
    with pytest.raises(
        PermanentError, match=r"monday of orders; tuesday of orders; its top folder"
    ) as failure:
        choose(dumps, Wanted(None, "orders"), "x.tar")
    assert failure.value.rule == "database-choice-ambiguous"


def test_a_script_that_names_no_database_may_be_one_of_several_parts() -> None:
    schema, data, other = Contained("orders.sql"), Contained("orders-data.sql"), Contained("eu.sql")
    assert choose([schema, other], Wanted(None, "orders"), "x.tar") is schema
    assert rule_of([schema, data, other], Wanted(None, "orders")) == "database-choice-ambiguous"


@pytest.mark.parametrize(
    "place",
    ["orders_20261125", "a/orders-20261125T120000Z.dump", "orders_2026112512", "orders-202611.sql.gz"],
)
def test_a_date_behind_the_name_is_no_part_of_it(place: str) -> None:
    dump = Contained(place, ("prod_1",))
    assert choose([dump, Contained("eu_20261125", ("prod_2",))], Wanted(None, "orders"), "x.tar") is dump
    assert (
        rule_of([dump, Contained("orders2", ())], Wanted(None, "orders2000")) == "database-choice-ambiguous"
    )


def test_many_places_are_listed_in_a_bounded_sentence() -> None:
    dumps = [Contained(f"folder{at}", ("orders",)) for at in range(500)]
    with pytest.raises(PermanentError, match="and 494 more"):
        choose(dumps, Wanted(None, "orders"), "x.tar")


@given(DUMPS, WANTED)
def test_a_dump_of_another_database_is_never_taken_for_the_one_asked_for(
    dumps: list[Contained], wanted: Wanted
) -> None:
    name = wanted.database_or_name
    elsewhere = all(dump.databases and name not in dump.databases for dump in dumps)
    lost = wanted.database is not None and elsewhere
    try:
        meant = choose(dumps, wanted, "x.tar")
    except PermanentError as error:
        rule = "database-not-in-dump" if lost else "database-choice-ambiguous"
        assert error.rule == rule  # noqa: PT017
        return
    if len(dumps) == 1:
        return
    assert meant in dumps
    assert name in meant.databases or meant.stem == name
    assert not [dump for dump in dumps if dump is not meant and name in dump.databases]
    if wanted.database is not None and meant.databases:
        assert name in meant.databases


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("./db/toc.dat", ("db", "toc.dat")),
        ("db//./toc.dat", ("db", "toc.dat")),
        ("./", ()),
        ("db/._toc.dat", ()),
        ("__MACOSX/db/toc.dat", ()),
        ("db/.DS_Store", ()),
        ("db/@eaDir/toc.dat", ()),
    ],
)
def test_a_members_name_is_taken_without_what_means_nothing(name: str, parts: tuple[str, ...]) -> None:
    assert parts_of(name) == parts
