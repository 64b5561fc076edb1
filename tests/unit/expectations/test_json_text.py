"""JSON that somebody else wrote: taken as it stands, or refused with a reason."""

from __future__ import annotations

import json
import pickle
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from expectations.json_text import DEEPEST, JsonInvalid, read_json, read_object
from tests.growth import assert_linear

PLAIN = st.none() | st.booleans() | st.integers(-(10**18), 10**18) | st.text(st.characters(codec="utf-8"))
DOCUMENTS = st.recursive(
    PLAIN | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(codec="utf-8")), inner),
)


@given(DOCUMENTS, st.booleans())
def test_what_was_written_is_read_back(document: object, ascii_only: bool) -> None:
    assert read_json(json.dumps(document, ensure_ascii=ascii_only).encode()) == document


@given(st.binary(max_size=200) | st.text(max_size=200) | st.text('[]{}",:\\ud8019.-eE ', max_size=60))
def test_anything_is_read_or_refused(data: bytes | str) -> None:
    with suppress(JsonInvalid):
        read_json(data)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "no JSON at line 1"),
        ("{'a': 1}", "no JSON"),
        ('{"a": 1,\n\n"a": 2}', "a key stands twice"),
        ("NaN", "NaN, which is no number"),
        ("[-Infinity]", "-Infinity, which is no number"),
        ("1e999", "too large"),
        (f"0.{'1' * 100_000}", "too large"),
        ("9" * 5000, "more than 19 digits"),
        ('{"\\ud800": 1}', "half of a surrogate pair"),
        ('["\\udfff"]', "half of a surrogate pair"),
        ("[" * 100_000, "nested deeper"),
        ('{"a":' * 100_000, "nested deeper"),
        ("[" * (DEEPEST + 1) + "]" * (DEEPEST + 1), "nested deeper"),
        ("[" + "[]," * 5_000_000 + "[]]", "more than 4,000,000 values"),
        (b"\xff{}", "no UTF-8"),
        (b" " * (65 << 20), "more than 64 MiB"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_what_nobody_has_a_reason_to_write_is_refused(text: str | bytes, reason: str) -> None:
    with pytest.raises(JsonInvalid, match=reason):
        read_json(text)


@pytest.mark.parametrize("text", ["[]", "1", "null", '"a"'])
def test_an_object_is_asked_for_and_nothing_else_will_do(text: str) -> None:
    with pytest.raises(JsonInvalid, match="no object"):
        read_object(text)


def test_a_mark_at_the_beginning_and_depth_within_reason_are_fine() -> None:
    assert read_object(b'\xef\xbb\xbf{"a": 1}') == {"a": 1}
    assert read_json("[" * DEEPEST + "]" * DEEPEST)


def test_the_error_survives_a_process_border_and_names_the_line() -> None:
    with pytest.raises(JsonInvalid) as error:
        read_json("{\n\n,}")
    again = pickle.loads(pickle.dumps(error.value))  # noqa: S301  our own
    assert (again.line, str(again)) == (3, str(error.value))


@pytest.mark.parametrize("unit", ["[", '{"a":', '"\\ud83d\\ude00",', "[],", '"' + "\\\\" * 50, "1,", "-"])
def test_the_time_grows_with_the_length_only(unit: str) -> None:
    def read(count: int) -> None:
        with pytest.raises(JsonInvalid):
            read_json("[" + unit * count)

    assert_linear(read, 20_000)
