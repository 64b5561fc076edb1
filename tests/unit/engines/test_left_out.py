"""Left out means listed, with what depends on it."""

from __future__ import annotations

from tasks.engines.errors.causes import Omission
from tasks.engines.errors.failure import Failure
from tasks.engines.errors.root_causes import judge
from tasks.engines.left_out import left_out, never_tried
from tasks.model.backup import Toc
from tasks.model.restored import LeftOut
from tests.unit.engines.errors.test_root_causes import FUNCTION, INDEX, ROWS, TABLE, TOC, VIEW, entry

GRANT = entry(20, "ACL", "DATABASE shop", namespace="")
SETTINGS = entry(21, "DATABASE PROPERTIES", "shop", namespace="")
COMMENT = entry(22, "COMMENT", "SUBSCRIPTION follows", namespace="")
ON_TABLE = entry(23, "COMMENT", "TABLE orders", 1)
TRIGGER = entry(24, "TRIGGER", "orders stamp", 8)
WHOLE = Toc((*TOC.entries, GRANT, SETTINGS, COMMENT, ON_TABLE, TRIGGER), archive_version=(1, 14))


def test_what_is_about_the_database_or_a_subscription_is_listed_though_nobody_failed_at_it() -> None:
    assert [omission.entry for omission in never_tried(WHOLE, ())] == [GRANT, SETTINGS, COMMENT]


def test_what_is_listed_already_is_not_listed_twice() -> None:
    assert never_tried(WHOLE, [Omission(GRANT), Omission(SETTINGS), Omission(COMMENT)]) == []


def test_what_failed_is_listed_with_what_it_took_along() -> None:
    judged = judge([Failure(TABLE, "type x does not exist"), Failure(ROWS, "no relation")], [], TOC)
    (listed,) = left_out(judged.causes, TOC, ())
    assert listed == LeftOut(
        "TABLE public.orders",
        "restore-error",
        lost=("TABLE DATA public.orders",),
        needed_by=("INDEX public.orders_idx", "VIEW public.totals", "FK CONSTRAINT public.orders fk"),
    )


def test_what_lacks_though_nobody_said_so_is_listed() -> None:
    assert left_out((), TOC, [INDEX]) == (LeftOut("INDEX public.orders_idx", "restore-incomplete"),)


def test_a_whole_restore_lists_nothing() -> None:
    assert never_tried(TOC, ()) == []
    assert left_out(judge([], [], TOC).causes, TOC, ()) == ()


def test_that_nothing_depends_on_it_is_said_only_where_it_was_looked_up() -> None:
    def said(toc: Toc, *omitted: Omission) -> str:
        (finding,) = judge([], omitted, toc).findings
        return finding.message

    assert said(WHOLE, Omission(VIEW)).endswith("What came back and needs them: VIEW public.later.")
    assert said(WHOLE, Omission(INDEX)).endswith("No data depends on them.")
    assert said(WHOLE, Omission(FUNCTION)).endswith(
        "What came back and needs them: TRIGGER public.orders stamp."
    )
    assert said(TOC, Omission(INDEX)).endswith("Nothing failed for want of them.")
