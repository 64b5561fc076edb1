"""No regular expression of ours can be made to spin by a text that we did not write."""

from __future__ import annotations

import re
from functools import partial

import pytest

from tests.expressions import Expression, ambiguous_repetition, attacks, expressions
from tests.growth import seconds

SIZES = (20, 2000, 8000, 30_000)
ENDS = ("\x01", "\n\x01")
LONGEST_S = {20: 0.02}
"""At the smallest size only what doubles with each letter takes so long."""
LARGEST_S = 0.15  # what grows with the square takes seconds at the largest size
BOUNDED = {
    "expectations.faults._GX": "Great Expectations' own text, cut at 20,000 characters",
    "tasks.engines.errors.causes._MISSING": "a failure's words, cut at WORDS_CHARS",
    "tasks.engines.errors.classes._HOST": "a failure's words, cut at WORDS_CHARS",
    "tasks.engines.errors.classes._PROGRAM_OR_FILE": "a failure's words, cut at WORDS_CHARS",
    "tasks.sandbox.extensions._MODULE": "control files of the PostgreSQL that is installed here",
}
"""What is allowed to cost more, with what bounds the texts that it is given."""


def spins(expression: Expression) -> str | None:
    """Return the text on which *expression* takes more than the text's length; None if there is none."""
    for begin, unit in attacks(expression):
        for end in ENDS:
            for method in expression.methods:
                if _is_steep(expression, method, begin, unit, end):
                    return f"{method}({begin!r} + {unit!r} * n + {end!r})"
    return None


def _is_steep(expression: Expression, method: str, begin: str, unit: str, end: str) -> bool:
    run = getattr(expression.pattern, method)
    for size in SIZES:
        text = expression.text(begin + unit * max(1, size // len(unit)) + end)
        if seconds(partial(run, text)) > LONGEST_S.get(size, LARGEST_S):
            return True
    return False


def test_an_expressions_time_grows_with_the_text_only() -> None:
    everything = expressions()  # not at import: it imports all that we have
    assert len(everything) > 150
    checked = [expression for expression in everything if expression.where not in BOUNDED]
    slow = {f"{expression.where}: {text}" for expression in checked if (text := spins(expression))}
    loose = {
        f"{expression.where}: {cause}"
        for expression in checked
        if (cause := ambiguous_repetition(expression.pattern))
    }
    assert (slow, loose) == (set(), set())
    assert set(BOUNDED) <= {expression.where for expression in everything}


@pytest.mark.parametrize(
    "bad",
    [
        r"(?:a+)+$",
        r"(?:[ab]x|[bc]x)*d",
        r"(?:--[^\n]*\n|/\*.*?\*/|[^'\"();])*?b",
        r"(?:\s*x?)*",
        r"(?:.*,)*z",
    ],
)
def test_a_repetition_of_what_can_be_matched_in_two_ways_is_seen(bad: str) -> None:
    assert ambiguous_repetition(re.compile(bad)) is not None


@pytest.mark.parametrize("bad", [r"\s+$", r"<[^>]*>", r"a.*b.*c", r"(?:a+)+$"])
def test_a_text_to_spin_on_is_found(bad: str) -> None:
    assert spins(Expression("here", re.compile(bad, re.DOTALL), ("search",))) is not None


@pytest.mark.parametrize(
    "good", [r"(?:[^'\\]|\\.)*'", r"(?:\"[^\"]*\"|[^\"(]++)*", r"[a-z]+(?:-[a-z]+)*", r"\A\s*x"]
)
def test_what_can_be_matched_in_one_way_only_is_let_be(good: str) -> None:
    assert ambiguous_repetition(re.compile(good)) is None
    assert spins(Expression("here", re.compile(good), ("match",))) is None
