from __future__ import annotations

from tasks.engines.errors.causes import Cause, Omission, find_causes
from tasks.engines.errors.classes import Meaning
from tasks.engines.errors.failure import Failure
from tasks.engines.kept_out import kept_out
from tasks.model.backup import Toc, TocEntry


def entry(number: int, desc: str, tag: str, *needs: int, namespace: str = "public") -> TocEntry:
    return TocEntry(number, desc, tag, namespace, "app", "none", dependencies=needs)


TYPE = entry(1, "TYPE", "myint")
TABLE = entry(2, "TABLE", "Gift Cards", 1)
ROWS = entry(3, "TABLE DATA", "Gift Cards", 2)
KEY = entry(4, "CONSTRAINT", "Gift Cards cards_pkey", 2)
VIEW = entry(5, "VIEW", "totals", 2)
OVER = entry(6, "VIEW", "over", 5)
OTHER = entry(7, "TABLE", "other")
OTHER_VIEW = entry(8, "VIEW", "others", 7)
PARENT = entry(9, "TABLE", "events")
LEAF = entry(10, "TABLE", "events_a", 9)
ATTACH = entry(11, "TABLE ATTACH", "events_a", 10, 9)
TOC = Toc((TYPE, TABLE, VIEW, OVER, OTHER, OTHER_VIEW, PARENT, LEAF, ATTACH, ROWS, KEY))
DENIED = "permission denied for type secrets"


def names(*failures: Failure, left_out: tuple[Omission, ...] = ()) -> dict[str, str]:
    return kept_out(find_causes(failures, left_out, TOC), TOC)


def test_what_fails_for_want_of_what_policy_kept_out_is_kept_out_too() -> None:
    missing = 'relation "public.Gift Cards" does not exist'
    found = names(
        Failure(TABLE, 'type "public.myint" does not exist'), Failure(VIEW, missing), Failure(KEY, missing),
        left_out=(Omission(TYPE),),
    )  # fmt: skip
    assert set(found.values()) == {"superuser-entry"}
    assert {"public.myint", "public.Gift Cards", "public.totals", "public.Gift Cards.cards_pkey"} <= set(
        found
    )
    assert not {"public.other", "public.others"} & set(found)


def test_views_over_rows_that_were_kept_out_cannot_be_judged_either() -> None:
    found = names(Failure(ROWS, DENIED))
    assert {"public.Gift Cards", "public.totals", "public.over"} == set(found)


def test_a_table_whose_partition_could_not_be_attached_lacks_its_rows() -> None:
    found = names(Failure(ATTACH, 'empty range bound specified for partition "events_a"'))
    assert found == {"public.events_a": "host-feature-missing", "public.events": "host-feature-missing"}


def test_what_the_backup_itself_lost_is_not_kept_out() -> None:
    assert names(Failure(ROWS, "extra data after last expected column"), Failure(TABLE, "syntax error")) == {}


def test_what_reads_another_server_bears_the_rule_of_that() -> None:
    refresh = entry(20, "MATERIALIZED VIEW DATA", "linked")
    cause = Cause(Meaning.FOREIGN, refresh, Failure(refresh, "x"))
    assert kept_out([cause], Toc((refresh,))) == {"public.linked": "foreign-data-unreached"}


def test_a_listed_entry_that_nothing_needs_bears_the_rule_of_the_warning() -> None:
    grant = entry(30, "FUNCTION", "f(integer, text)")
    assert kept_out([Cause(Meaning.POLICY, grant, None)], Toc((grant,))) == {
        "public.f": "not-restored-by-policy"
    }
