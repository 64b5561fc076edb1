"""Numbers with their units, and those that nobody means."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.model.units import parse_duration_s, parse_share, parse_size_bytes


@pytest.mark.parametrize(
    ("parse", "text", "said"),
    [
        (parse_duration_s, "99999999999999999999d", "longer than a hundred years"),
        (parse_duration_s, "-99999999999999999999d", "longer than a hundred years"),
        (parse_duration_s, "9" * 5000 + "s", "longer than a hundred years"),
        (parse_size_bytes, "9" * 400 + "TiB", "larger than any disk"),
        (parse_size_bytes, "9999999999TiB", "larger than any disk"),
        (parse_share, "9" * 400 + "%", "is no share"),
    ],
    ids=lambda value: str(value)[:24],
)
def test_what_nobody_means_is_refused_in_a_short_sentence(
    parse: Callable[[object], object], text: str, said: str
) -> None:
    with pytest.raises(ValueError, match=said) as error:
        parse(text)
    assert len(str(error.value)) < 200


@given(st.text("0123456789.+-", max_size=30), st.sampled_from(["", "d", "ms", "TiB", "%", "x"]))
def test_any_text_is_a_number_that_can_be_reckoned_with_or_refused(number: str, unit: str) -> None:
    for parse in (parse_duration_s, parse_size_bytes, parse_share):
        try:
            value = parse(number + unit)
        except ValueError:
            continue
        timedelta(seconds=value) if parse is parse_duration_s else int(value)
