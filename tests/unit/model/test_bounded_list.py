"""Lists in sentences end after a few, with a count and a place where all are."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tasks.evidence.document import finding_of
from tasks.model.bounded_list import beyond, listing
from tasks.model.findings import NAMES_KEPT
from tasks.model.rules import finding

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize(
    ("count", "said"),
    [(0, ""), (1, "t0"), (3, "t0, t1, t2"), (4, "t0, t1, t2 and 1 more, all named in the evidence")],
)
def test_a_list_ends_after_a_few(count: int, said: str) -> None:
    names = [f"t{number}" for number in range(count)]
    assert listing(names, 3) == said
    assert list(beyond(names, 3)) == (names if count > 3 else [])


def test_a_finding_keeps_what_its_sentence_leaves_out() -> None:
    names = [f"t{number}\n" for number in range(NAMES_KEPT + 5)]
    one = finding("object-lost-minor", listing(names), where="views", names=beyond(names))
    assert len(one.names) == NAMES_KEPT
    assert one.names[0] == "t0\\n"
    assert finding_of(one.as_dict()) == one
    short = finding("object-lost-minor", "a", where="views", names=beyond(names[:2]))
    assert "names" not in short.as_dict()


def test_nobody_counts_what_is_left_by_hand() -> None:
    by_hand = re.compile(r" and \{[^}]*(?:len\(|more|rest|left)[^}]*\} more")
    for file in (ROOT / "tasks").rglob("*.py"):
        assert file.name == "bounded_list.py" or not by_hand.search(file.read_text()), file
