"""What an extension that may be absent excuses: what is its own, and nothing of the user's."""

from __future__ import annotations

from tasks.engines.absent import absent_extensions
from tasks.engines.errors.causes import Cause
from tasks.engines.errors.classes import Meaning
from tasks.model.backup import Toc, TocEntry
from tasks.model.findings import Severity
from tests.unit.engines.errors.test_root_causes import ROWS, TABLE, VIEW, entry

EXTENSION = entry(90, "EXTENSION", "aws_s3", namespace="")
OWN_ROWS = entry(91, "TABLE DATA", "settings", 90)


def left_out(*followers: TocEntry, meaning: Meaning = Meaning.HARMLESS) -> Cause:
    return Cause(meaning, EXTENSION, None, followers=list(followers))


def test_what_belongs_to_the_extension_is_a_warning() -> None:
    (found,) = absent_extensions([left_out(OWN_ROWS)], Toc((EXTENSION, OWN_ROWS)))
    assert (found.rule, found.severity, found.where) == ("extension-absent", Severity.WARNING, "aws_s3")
    assert "settings" in found.message


def test_what_is_the_users_own_cannot_be_judged() -> None:
    toc = Toc((EXTENSION, TABLE, ROWS, VIEW))
    (found,) = absent_extensions([left_out(TABLE, ROWS, VIEW)], toc)
    assert (found.rule, found.severity) == ("extension-missing", Severity.FAILURE)
    assert "3 entries" in found.message
    assert found.where == "TABLE public.orders"


def test_both_are_told_apart() -> None:
    toc = Toc((EXTENSION, OWN_ROWS, VIEW))
    rules = [found.rule for found in absent_extensions([left_out(OWN_ROWS, VIEW)], toc)]
    assert rules == ["extension-missing", "extension-absent"]


def test_an_extension_that_nothing_needs_is_not_spoken_of() -> None:
    comment = entry(92, "COMMENT", "EXTENSION aws_s3", 90)
    assert absent_extensions([left_out(comment)], Toc((EXTENSION, comment))) == []


def test_only_what_the_fleet_file_excuses_is_excused() -> None:
    toc = Toc((EXTENSION, VIEW))
    assert absent_extensions([left_out(VIEW, meaning=Meaning.ERROR)], toc) == []
    assert absent_extensions([Cause(Meaning.HARMLESS, TABLE, None, followers=[VIEW])], toc) == []
