"""What others wrote shows as what it is, on one line."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.model.printable import LONGEST, printable, printable_lines


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("public.orders", "public.orders"),
        ("Grüße \u6f22\u5b57 \U0001f600", "Grüße \u6f22\u5b57 \U0001f600"),
        ("a\nb\r\tc", "a\\nb\\r\\tc"),
        ("\x1b[31mRED\x1b[0m", "\\x1b[31mRED\\x1b[0m"),
        ("\x9b31m\x7f\x00", "\\x9b31m\\x7f\\x00"),
        ("\u202egnp.exe", "\\u202egnp.exe"),
        ("a\u200bb\ufeff\u2060\u00ad", "a\\u200bb\\ufeff\\u2060\\xad"),
        ("a\u2028b\u2029\x85\xa0", "a\\u2028b\\u2029\\x85\\xa0"),
        ("\ud800x", "\\ud800x"),
        ("a\u3164b\ufe0f\U000e0041", "a\\u3164b\\ufe0f\\U000e0041"),
    ],
)
def test_what_does_not_show_is_written_out(text: str, shown: str) -> None:
    assert printable(text) == shown
    assert printable(shown) == shown


@given(st.text(st.characters(), max_size=200))
def test_the_result_is_one_line_without_controls_or_marks(text: str) -> None:
    shown = printable(text)
    assert all(letter == " " or unicodedata.category(letter)[0] not in "CZ" for letter in shown)
    assert len(shown.splitlines()) <= 1
    shown.encode()


def test_a_long_text_is_cut_and_says_so() -> None:
    shown = printable("x" * (LONGEST + 5))
    assert shown == "x" * LONGEST + "… (5 more characters)"


def test_line_ends_of_ours_stay() -> None:
    assert printable_lines("a\n\x1bb") == "a\n\\x1bb"
