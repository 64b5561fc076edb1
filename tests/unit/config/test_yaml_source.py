from __future__ import annotations

from pathlib import Path

import pytest

from tasks.config.yaml_source import read_yaml
from tasks.model.errors import ConfigInvalid
from tests.unit.config.fleets import text_refusal, written


def test_every_value_knows_its_line(tmp_path: Path) -> None:
    document = read_yaml(written(tmp_path, "a: 1\nb:\n  - c: 2\n    d: [3,\n 4]\n"))
    assert document.data == {"a": 1, "b": [{"c": 2, "d": [3, 4]}]}
    assert [document.line(p) for p in (("a",), ("b", 0, "c"), ("b", 0, "d"), ("b", 0, "d", 1))] == [
        1,
        3,
        4,
        5,
    ]


def test_the_line_of_what_is_missing_is_the_line_of_what_should_hold_it(tmp_path: Path) -> None:
    assert read_yaml(written(tmp_path, "a: 1\nb:\n  c: 2\n")).line(("b", "d", "e")) == 2


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("off", "off"),
        ("yes", "yes"),
        ("true", True),
        ("1:30", "1:30"),
        ("010", 10),
        ("0x1f", 31),
        ("1e3", 1000.0),
        ("2026-12-01", "2026-12-01"),
        ("12", 12),
        ("-1.5", -1.5),
        ("~", None),
        ("null", None),
        ("", None),
    ],
)
def test_plain_values_are_read_as_they_are_written(tmp_path: Path, text: str, value: object) -> None:
    assert read_yaml(written(tmp_path, f"a: {text}\n")).data == {"a": value}


def test_a_byte_order_mark_is_no_part_of_the_first_key(tmp_path: Path) -> None:
    assert read_yaml(written(tmp_path, "\ufeffversion: 1\n")).data == {"version": 1}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "fleet.yaml:1: the file is empty"),
        ("# nothing\n", "fleet.yaml:1: the file is empty"),
        ("- a\n", "fleet.yaml:1: a fleet file is a mapping of keys, this is a list"),
        ("hello\n", 'this is "hello"; begin with version: 1'),
        ("a: 1\nb: [1\n", "not YAML"),
        ("a:\n\tb: 1\n", "fleet.yaml:2: not YAML: a tab stands where YAML wants spaces"),
        ("a: 1\n---\nb: 1\n", "expected a single document"),
        ("a: 1\nb: 2\na: 3\n", "fleet.yaml:3: a: this key already stands in line 1; keep one"),
        ("a: !!python/object:os.system x\n", "fleet.yaml:1: not YAML: a YAML tag (!...) is not understood"),
        ("1: a\n", "the key 1 is not text; write it in quotes"),
        ("[a]: b\n", "the key (a list or mapping) is not text"),
        ("a: &x [*x]\n", "an alias contains itself"),
        ("a: *x\n", "undefined alias"),
        ("a: 1\nb: \x08\n", "fleet.yaml:2: not YAML: the character with code 8 may not stand"),
        ("[" * 5000, "values are nested too deeply"),
    ],
)
def test_what_is_no_fleet_file_is_named_with_its_line(tmp_path: Path, text: str, message: str) -> None:
    assert message in text_refusal(tmp_path, text)


def test_aliases_that_expand_without_end_are_refused(tmp_path: Path) -> None:
    text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
    text += "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 9))
    assert "more than 500000 values" in text_refusal(tmp_path, text)


def test_files_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    (tmp_path / "latin.yaml").write_bytes(b"fleet: caf\xe9\n")
    for name, message in (
        ("no.yaml", "no such file"),
        (".", "this is a folder"),
        ("latin.yaml", "not UTF-8"),
    ):
        with pytest.raises(ConfigInvalid, match=message) as caught:
            read_yaml(tmp_path / name)
        assert str(tmp_path) in caught.value.what
