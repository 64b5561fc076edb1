"""Which of a script's databases is restored, and when it is left."""

from __future__ import annotations

import pytest

from tasks.engines.script_databases import Move, ScriptDatabases
from tasks.model.backup import ArchiveHead, Format
from tasks.model.target import DumpBackup, Target


def databases(*named: str, choice: str | None = None, cluster: bool = False) -> ScriptDatabases:
    head = ArchiveHead(Format.CLUSTER if cluster else Format.PLAIN, databases=named)
    target = Target(fleet="test", name="shop", backup=DumpBackup(at="unused"), evidence="unused")
    return ScriptDatabases(head, target, choice)


def test_a_script_without_a_connect_is_of_the_targets_database() -> None:
    followed = databases()
    assert followed.active
    name, options = followed.to_make("", "utf8")
    assert (name, options.encoding) == ("shop", "UTF8")


def test_a_database_named_by_the_comments_comes_before_the_targets_name() -> None:
    assert databases().to_make("orders", "")[0] == "orders"


def test_of_a_cluster_script_only_the_chosen_section_is_active() -> None:
    followed = databases("shop", "other", choice="shop", cluster=True)
    assert not followed.active
    assert [(followed.connect(name), followed.active) for name in ("template1", "shop", "other")] == [
        (Move.NONE, False),
        (Move.NONE, True),
        (Move.LEAVE, False),
    ]


def test_the_database_asked_for_starts_again_when_it_comes_second() -> None:
    followed = databases("other", choice="shop")
    followed.connect("other")
    followed.has_content = True
    assert followed.connect("shop") is Move.START_AGAIN
    assert (followed.active, followed.has_content, followed.others) == (True, False, ("other",))


def test_another_database_behind_the_one_asked_for_is_not_restored() -> None:
    followed = databases("shop", choice="shop")
    followed.connect("shop")
    followed.has_content = True
    assert followed.connect("shop") is Move.RENEW
    assert followed.active
    assert followed.connect("other") is Move.NONE
    assert (followed.active, followed.others) == (False, ("other",))


def test_options_are_those_of_the_databases_own_statement() -> None:
    followed = databases("shop", choice="shop", cluster=True)
    followed.create(b"CREATE DATABASE shop WITH TEMPLATE = template0 ENCODING = 'LATIN1' LOCALE = 'C';")
    followed.connect("shop")
    name, options = followed.to_make("", "UTF8")
    assert (name, options.encoding, options.collate) == ("shop", "LATIN1", "C")
    assert followed.is_created


def dropping(*statements: str, cluster: bool = False) -> list[tuple[str, str]]:
    followed = databases("shop", choice="shop", cluster=cluster)
    for statement in statements:
        if statement.startswith("DROP"):
            followed.drop(statement.encode())
        elif statement.startswith("CREATE"):
            followed.create(statement.encode())
        elif statement == "content":
            followed.has_content = True
        else:
            followed.connect(statement)
    return [(finding.rule, finding.severity.value) for finding in followed.findings()]


HOSTILE, WARNED = [("hostile-content", "failure")], [("other-database-dropped", "warning")]


def test_pg_dumpall_drops_what_it_excludes() -> None:
    assert dropping("DROP DATABASE rdsadmin;", cluster=True) == WARNED
    assert dropping("DROP DATABASE shop;", "CREATE DATABASE shop;", cluster=True) == []


def test_a_script_by_hand_may_make_room_before_it_begins() -> None:
    assert dropping("DROP DATABASE IF EXISTS shop;", "CREATE DATABASE shop;", "shop", "content") == []
    assert dropping("DROP DATABASE IF EXISTS shop_old;", "shop", "content") == WARNED


@pytest.mark.parametrize(
    "statements",
    [
        ("DROP DATABASE billing;",),
        ("shop", "content", "DROP DATABASE IF EXISTS billing;"),
        ("DROP DATABASE IF EXISTS postgres;",),
    ],
)
def test_a_database_of_others_that_is_dropped_for_good_is_hostile(statements: tuple[str, ...]) -> None:
    assert dropping(*statements) == HOSTILE


@pytest.mark.parametrize("cluster", [True, False])
def test_a_script_that_drops_what_it_has_filled_is_hostile(cluster: bool) -> None:
    ending = ("CREATE DATABASE shop;", "shop", "content", "postgres", "DROP DATABASE shop;")
    assert dropping(*ending, cluster=cluster) == HOSTILE
    assert dropping(*ending, "CREATE DATABASE shop;", cluster=cluster) == []


def test_a_connect_before_any_content_leaves_nothing_behind() -> None:
    followed = databases()
    assert followed.connect("shop") is Move.LEAVE
    assert (followed.active, followed.others) == (True, ())


def test_a_cluster_script_is_remade_if_its_database_was_dropped_from_another() -> None:
    followed = databases("shop", choice="shop", cluster=True)
    followed.connect("shop")
    followed.has_content = True
    followed.drop(b"DROP DATABASE shop;")
    assert not followed.is_remade  # PostgreSQL refuses it for the one it is connected to
    followed.connect("template1")
    followed.drop(b"DROP DATABASE shop;")
    assert followed.is_remade
    assert databases("shop", choice="shop").is_remade


def test_a_script_that_holds_nothing_still_has_a_database() -> None:
    followed = databases("shop", "other", choice="shop", cluster=True)
    followed.connect("other")
    followed.go_to_choice()
    assert followed.to_make("", "")[0] == "shop"
