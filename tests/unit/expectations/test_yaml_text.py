"""The one reader of YAML: what is written is what is read, whatever is written."""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from expectations import yaml_text
from expectations.yaml_text import (
    MOST_BYTES,
    MOST_DEPTH,
    Unreadable,
    decode,
    flow,
    read_bytes,
    read_json,
    read_yaml,
)


def refusal(text: str, read: Callable[[str], object] = read_yaml) -> tuple[str, int | None]:
    with pytest.raises(Unreadable) as caught:
        read(text)
    trouble = caught.value.troubles[0]
    return trouble.message, trouble.line


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("NO", "NO"),
        ("off", "off"),
        ("yes", "yes"),
        ("on", "on"),
        ("y", "y"),
        ("true", True),
        ("False", False),
        ("tRUE", "tRUE"),
        ("1:30", "1:30"),
        ("190:20:30", "190:20:30"),
        ("1_000", "1_000"),
        ("010", 10),
        ("08150", 8150),
        ("0o17", 15),
        ("0x1f", 31),
        ("-0x1f", "-0x1f"),
        ("0b11", "0b11"),
        ("+12", 12),
        ("1e3", 1000.0),
        ("-1.5", -1.5),
        (".5", 0.5),
        ("1.", 1.0),
        ("1.2.3", "1.2.3"),
        ("-.inf", float("-inf")),
        ("2026-12-01", "2026-12-01"),
        ("2026-12-01T10:00:00Z", "2026-12-01T10:00:00Z"),
        ("~", None),
        ("null", None),
        ("", None),
        ("nUll", "nUll"),
        ("=", "="),
        ('"010"', "010"),
        ("'null'", "null"),
        ("a:b", "a:b"),
        ("https://x", "https://x"),
        ("é", "é"),
    ],
)
def test_plain_values_are_yaml_1_2s(text: str, value: object) -> None:
    assert read_yaml(f"a: {text}\n").data == {"a": value}
    assert type(read_yaml(f"a: {text}\n").data["a"]) is type(value)
    if text:
        assert read_yaml(f"[{text}, {{k: {text} }}]").data == [value, {"k": value}]


def test_countries_are_countries_and_times_are_times() -> None:
    assert read_yaml("[DK, NO, SE]").data == ["DK", "NO", "SE"]
    assert read_yaml("{from: 1:30, to: 12:45}").data == {"from": "1:30", "to": "12:45"}


@pytest.mark.parametrize(
    ("text", "here", "elsewhere"),
    [
        ("NO", "text", "false"),
        ("yes", "text", "true"),
        ("1:30", "text", "a number to the base of 60"),
        ("1_000", "text", "a number"),
        ("010", "the number 10", "an octal number"),
        ("08150", "the number 8150", "text"),
        ("0o17", "the number 15", "text"),
        ("0b11", "text", "a binary number"),
        ("1e3", "the number 1000.0", "text"),
        ("2026-12-01", "text", "a date"),
        ("2026-12-01 10:00:00", "text", "a date"),
    ],
)
def test_what_older_readers_take_for_something_else_is_noted(text: str, here: str, elsewhere: str) -> None:
    (note,) = read_yaml(f"a: x\nb: [1, {text}]\n").notes
    assert (note.path, note.line, note.text) == (("b", 1), 2, text)
    assert (note.here, note.elsewhere) == (here, elsewhere)
    assert read_yaml(f"a: '{text}'\n").notes == ()


@pytest.mark.parametrize("text", ["paid", "12", "-1.5", "true", "null", "0x1f", "1.5e+3", "a-b", "0", "v1"])
def test_what_all_readers_agree_on_is_not_noted(text: str) -> None:
    assert read_yaml(f"- {text}\n").notes == ()


def test_every_value_knows_its_line_and_every_list_its_shape() -> None:
    document = read_yaml("a: 1\nb:\n  - c: 2\n    d: [3,\n 4]\n")
    assert document.data == {"a": 1, "b": [{"c": 2, "d": [3, 4]}]}
    assert [document.line(p) for p in (("a",), ("b", 0, "c"), ("b", 0, "d"), ("b", 0, "d", 1))] == [
        1,
        3,
        4,
        5,
    ]
    assert document.line(("b", 0, "nothing", 7)) == 3
    assert (document.shapes[("b",)].flow, document.shapes[("b",)].column) == (False, 2)
    assert document.shapes[("b", 0, "d")].flow


def test_an_alias_stands_where_it_is_written_and_its_parts_where_they_are() -> None:
    document = read_yaml("a: &x\n  k: [1,\n    2]\nb: *x\nc: [*x]\n")
    assert document.data["b"] == document.data["c"][0] == {"k": [1, 2]}
    assert [document.line(p) for p in (("b",), ("b", "k"), ("b", "k", 1), ("c", 0, "k", 1))] == [4, 2, 3, 3]


def test_merged_keys_give_way_to_a_mappings_own() -> None:
    text = "d: &d {a: 1, b: {x: 1}}\ne: &e {a: 2, c: 3}\nf:\n  b: 9\n  <<: [*d, *e]\ng: {<<: *e, a: 5}\n"
    document = read_yaml(text)
    assert document.data["f"] == {"b": 9, "a": 1, "c": 3}
    assert document.data["g"] == {"a": 5, "c": 3}
    assert document.line(("f", "c")) == 2
    assert read_yaml("'<<': 1\n").data == {"<<": 1}
    assert "takes a mapping" in refusal("a: {<<: [1]}\n")[0]


@pytest.mark.parametrize(
    ("text", "message", "line"),
    [
        ("a: 1\nb: 2\na: 3\n", "this key already stands in line 1", 3),
        ("a: {b: 1,\n b: 2}\n", "this key already stands in line 1", 2),
        ("a: 1\n---\nb: 1\n", "expected a single document", 2),
        ("%YAML 1.1\n---\na: 1\n", "names another version", 2),
        ("%YAML 1.3\n---\na: 1\n", "not YAML", 1),
        ("a: !!python/object:os.system x\n", "a YAML tag (!...) is not understood", 1),
        ("a: !!str 1\n", "a YAML tag", 1),
        ("a: !x {b: 1}\n", "a YAML tag", 1),
        ("a: ! 1\n", "a YAML tag", 1),
        ("1: a\n", "the key 1 is not text", 1),
        ("a:\n  null: b\n", "the key null is not text", 2),
        ("true: b\n", "the key true is not text", 1),
        ("? \n: b\n", "the key (empty) is not text", 1),
        ("[a]: b\n", "the key (a list or mapping) is not text", 1),
        ("&x a: b\n*x : c\n", "an alias cannot be a key", 2),
        ("a: &x [*x]\n", "an alias contains itself", 1),
        ("a: 1\nb: *x\n", 'undefined alias "x"', 2),
        ("a: 1\nb: \x08\n", "the character with code 8 may not stand", 2),
        ("a: 'x\u2028y'\n", "the character U+2028 ends a line for some", 1),
        ('a: 1\nb: "\\ud83d\\ude00"\n', "half of a surrogate pair", 2),
        ("a:\n\tb: 1\n", "a tab stands where YAML wants spaces", 2),
        ("a: [1\nb: 2", "not YAML", 2),
        ("a: 'x", "not YAML", 1),
        ("a: " + "9" * 500, "a number of 500 digits", 1),
        ("a: 1e999", "too large", 1),
        ("[" * 5000, "nested too deeply", 1),
        (
            "\n".join(" " * depth + "a:" for depth in range(MOST_DEPTH + 2)),
            "nested too deeply",
            MOST_DEPTH + 1,
        ),
    ],
)
def test_what_would_be_dropped_changed_or_never_end_is_refused(text: str, message: str, line: int) -> None:
    said, where = refusal(text)
    assert message in said
    assert where == line


def test_every_key_that_stands_twice_is_told() -> None:
    with pytest.raises(Unreadable) as caught:
        read_yaml("a: 1\na: 2\nb: {c: 1, c: 2}\n")
    assert [(trouble.path, trouble.line) for trouble in caught.value.troubles] == [
        (("a",), 2),
        (("b", "c"), 3),
    ]


def laughs(item: str) -> str:
    text = f"a0: &a0 [{', '.join([item] * 10)}]\n"
    return text + "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 9))


@pytest.mark.parametrize(
    "text",
    [
        laughs("x"),
        laughs("{k: v}"),
        "a: &a {x: 1}\n" + "".join(f"b{i}: {{<<: *a}}\n" for i in range(2000)),
        "[" + "1, " * 6000 + "]",
    ],
)
def test_values_without_end_are_refused_before_they_are_made(
    text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(yaml_text, "MOST_VALUES", 5000)
    assert "more than 5000 values" in refusal(text)[0]


@pytest.mark.parametrize(
    "shape",
    [
        lambda n: "a: '" + "x" * n,
        lambda n: "a: " + "x " * (n // 2),
        lambda n: "[" + "1, " * (n // 3),
        lambda n: "- " * (n // 2),
        lambda n: "".join(f"k{i}: v\n" for i in range(n // 8)),
        lambda n: "#" * n,
        lambda n: "a: &" + "x" * n,
        lambda n: "a: !" + "x" * n,
        lambda n: '"' + "\\n" * (n // 2),
        lambda n: "a: |\n" + " x\n" * (n // 3),
        lambda n: "{" * (n // 2),
        lambda n: "a: &x [1]\n" + "b: *x\n" * (n // 6),
        lambda n: "9" * n,
        lambda n: "1_" * (n // 2),
        lambda n: "1:" * (n // 2),
    ],
)
def test_time_grows_with_the_texts_length_only(shape: Callable[[int], str]) -> None:
    def seconds(n: int) -> float:
        text, began = shape(n), time.process_time()
        with contextlib.suppress(Unreadable):
            read_yaml(text)
        return time.process_time() - began

    small, large = seconds(10_000), seconds(80_000)
    assert large < 8 * 4 * max(small, 0.005)


@given(st.text(max_size=80) | st.text(alphabet="ab:-[]{},&*!|>'\"\n #%?<1~\t", max_size=60))
@example('a: "\\U99999999"')
@example('a: "\\x')
@example("%TAG ! x\n---\n")
@example("- ? a\n  : &b\n- *b")
def test_no_text_does_anything_but_be_read_or_refused(text: str) -> None:
    for read in (read_yaml, read_json):
        with contextlib.suppress(Unreadable):
            json.dumps(read(text).data).encode()


scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(10**18), 10**18)
    | st.floats(allow_nan=False, allow_infinity=False)
)
ambiguous = st.sampled_from(
    [
        "NO",
        "010",
        "1:30",
        "1_000",
        "2026-01-01",
        "",
        "~",
        "null",
        "<<",
        "=",
        "#x",
        "a: b",
        "- x",
        "x ",
        " x",
        "'",
    ]
)
texts = ambiguous | st.text(st.characters(codec="utf-8", exclude_characters="\ufeff"), max_size=20)
values = st.recursive(
    scalars | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=60)
@given(values)
def test_what_was_written_is_read_back_and_no_reader_takes_it_for_something_else(value: object) -> None:
    text = flow(value)
    assert "\n" not in text
    document = read_yaml(f"k: {text}\n")
    assert document.data == {"k": value}
    assert document.notes == ()


def test_times_are_written_as_text() -> None:
    written = flow({"a": date(2026, 1, 2), "b": datetime(2026, 1, 2, tzinfo=UTC)})
    assert read_yaml(written).data == {"a": "2026-01-02", "b": "2026-01-02T00:00:00+00:00"}


@given(values.filter(lambda value: isinstance(value, (dict, list))))
def test_json_is_read_as_json(value: object) -> None:
    assert read_json(json.dumps(value, indent=1)).data == value


def test_json_knows_its_lines_even_with_tabs() -> None:
    document = read_json('{\n\t"a": 1,\n\t"b": [\n\t\t{"c": "x"}]\n}')
    assert [document.line(p) for p in (("a",), ("b", 0, "c"))] == [2, 4]
    assert read_json('{"a": "\\ud83d\\ude00"}').data == {"a": "😀"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"a": 1, "a": 2}', "a key stands twice"),
        ('{"a": NaN}', "NaN, which is no number"),
        ('{"a": 1e999}', "too large"),
        ('["\\ud800"]', "half of a surrogate pair"),
        ("[" * 100_000, "nested deeper"),
        ("[" * 70 + "]" * 70, "nested deeper"),
        ('{"a": ' + "9" * 10_000 + "}", "digits"),
        ('{"a": 1,}', "not valid JSON"),
    ],
)
def test_json_that_says_nothing_certain_is_refused(text: str, message: str) -> None:
    assert message in refusal(text, read_json)[0]


def test_a_file_is_read_whole_or_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_bytes("\ufeffa: é\n".encode())
    assert read_yaml(decode(read_bytes(path))).data == {"a": "é"}
    path.write_bytes(b"a: 1\nb: caf\xe9\n")
    assert refusal("", lambda _: decode(read_bytes(path))) == (
        "the file is not UTF-8 text (byte 11); store it as UTF-8",
        2,
    )
    with path.open("wb") as file:
        file.truncate(MOST_BYTES + 1)
    assert "larger than 8 MiB" in refusal("", lambda _: read_bytes(path))[0]
    os.mkfifo(tmp_path / "pipe")
    assert "no regular file" in refusal("", lambda _: read_bytes(tmp_path / "pipe"))[0]
    assert "a folder" in refusal("", lambda _: read_bytes(tmp_path))[0]
    with pytest.raises(FileNotFoundError):
        read_bytes(tmp_path / "gone")
