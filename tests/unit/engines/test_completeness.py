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


OF_TABLES = {
    "CONSTRAINT": ("orders orders_pkey", "orders_pkey"),
    "FK CONSTRAINT": ("orders to customers", "to customers"),
    "TRIGGER": ("Gift Cards stamp", "stamp"),
    "DEFAULT": ("orders id", "id"),
    "RULE": ("orders keep", "keep"),
}


def as_of(version: str, there: int, *listed: tuple[str, str]) -> list[TocEntry]:
    """Compare entries with the first *there* of the objects above."""
    entries = (TocEntry(at, desc, tag, "shop", "app", "post-data") for at, (desc, tag) in enumerate(listed))
    objects = [DatabaseObject(desc, "shop", tags[0], None, None) for desc, tags in OF_TABLES.items()]
    return missing(Toc(tuple(entries), dump_version=version), objects[:there])


@pytest.mark.parametrize("version", ["9.5.25", "9.2.24", "8.4.22"])
def test_before_9_6_a_key_or_trigger_is_named_without_its_table(version: str) -> None:
    listed = [(desc, old) for desc, (_, old) in OF_TABLES.items()]
    assert as_of(version, len(listed), *listed) == []


@pytest.mark.parametrize("version", ["9.6.24", "10.23", "17.11", ""])
def test_since_9_6_a_tag_without_its_table_is_another_object(version: str) -> None:
    listed = [(desc, old) for desc, (_, old) in OF_TABLES.items()]
    assert len(as_of(version, len(listed), *listed)) == len(listed)


def test_before_9_6_what_did_not_come_back_lacks_all_the_same() -> None:
    listed = [(desc, old) for desc, (_, old) in OF_TABLES.items()]
    assert [entry.desc for entry in as_of("9.5.25", 3, *listed)] == ["DEFAULT", "RULE"]
    assert len(as_of("9.5.25", 3, ("TRIGGER", "stamp"), ("TRIGGER", "stamp"))) == 1
