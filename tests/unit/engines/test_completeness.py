"""What an archive lists against what the catalogue holds, however either quotes its names."""

from __future__ import annotations

import pytest

from tasks.engines.completeness import missing
from tasks.engines.objects_present import DatabaseObject
from tasks.model.backup import Toc, TocEntry


def lacking(desc: str, listed: str, there: str) -> list[TocEntry]:
    """Compare one entry with one object, both in `shop`."""
    toc = Toc((TocEntry(1, desc, listed, "shop", "app", "pre-data"),))
    return missing(toc, [DatabaseObject(desc, "shop", there, None, None)])


@pytest.mark.parametrize(
    ("desc", "listed", "there"),
    [
        ("FUNCTION", 'clean("text", "shop"."pair")', "clean(text, shop.pair)"),
        ("PROCEDURE", "archive(integer)", "archive(integer)"),
        ("FUNCTION", 'f(shop."Odd Type")', 'f(shop."Odd Type")'),
        ("CAST", 'CAST ("shop"."pair" AS "text")', "CAST (shop.pair AS text)"),
        ("TABLE", "two lines", "two\nlines"),
    ],
)
def test_quoted_types_and_line_ends_make_no_other_object(desc: str, listed: str, there: str) -> None:
    assert lacking(desc, listed, there) == []


@pytest.mark.parametrize(
    ("desc", "listed", "there"),
    [("FUNCTION", 'clean("text")', "clean(integer)"), ("TABLE", 'a"b', "ab")],
)
def test_another_signature_or_name_is_another_object(desc: str, listed: str, there: str) -> None:
    assert [entry.tag for entry in lacking(desc, listed, there)] == [listed]
