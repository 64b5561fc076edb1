"""Pages with wrong checksums: named by their tables, as far as those are known."""

from __future__ import annotations

from tasks.physical.pages import WrongPage, WrongPages, wrong_pages


def test_wrong_pages_are_counted_and_the_first_named_by_their_tables() -> None:
    pages = tuple(WrongPage(f"base/5/{16384 + at}", at) for at in range(5))
    error = wrong_pages(WrongPages(1_200, pages), {"base/5/16384": "public.orders"})
    assert (error.rule, error.where) == ("page-checksum-failed", "public.orders")
    assert "1,200 pages of the copy" in error.what
    assert "(block 0 of public.orders, block 1 of base/5/16385, block 2 of base/5/16386)" in error.what


def test_pages_that_could_not_be_placed_are_still_an_error() -> None:
    error = wrong_pages(WrongPages(1), {})
    assert (error.rule, error.where) == ("page-checksum-failed", None)
