from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from tasks.config import parse_select, parse_time
from tasks.config.selecting import selection_from
from tasks.model.errors import ConfigInvalid
from tasks.model.target import Selection

AT = datetime(2026, 11, 20, 3, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "selection"),
    [
        ("newest", Selection()),
        ({"newest": {"walk_back": 3}}, Selection(walk_back=3)),
        ("random", Selection(kind="random")),
        ({"random": {"seed": 7}}, Selection(kind="random", seed=7)),
        ("all", Selection(kind="all")),
        ({"at": "2026-11-20T03:00:00Z"}, Selection(kind="at", at=AT)),
        ({"at": "2026-11-20 04:00:00+01:00"}, Selection(kind="at", at=AT)),
        ({"key": "orders/x.dump"}, Selection(kind="key", key="orders/x.dump")),
    ],
)
def test_every_form_of_a_fleet_file_is_read(value: Any, selection: Selection) -> None:
    assert selection_from(value) == selection


@pytest.mark.parametrize(
    "value",
    [
        "newst",
        None,
        3,
        [],
        {},
        {"at": "2026-11-20"},
        {"at": "noon"},
        {"key": ""},
        {"key": 3},
        {"newest": 3},
        {"newest": {"walk_back": -1}},
        {"newest": {"walk_back": 1001}},
        {"newest": {"walk_back": 3}, "key": "x"},
        {"random": {"walk_back": 3}},
        {"oldest": 1},
    ],
)
def test_other_forms_are_refused_with_the_known_ones(value: Any) -> None:
    with pytest.raises(ValueError, match=r"write|more than"):
        selection_from(value)


@pytest.mark.parametrize(
    ("text", "selection"),
    [
        ("newest", Selection()),
        ("random", Selection(kind="random")),
        ("random:7", Selection(kind="random", seed=7)),
        ("all", Selection(kind="all")),
        ("at:2026-11-20T03:00:00Z", Selection(kind="at", at=AT)),
        ("key:s3://b/a:b.dump", Selection(kind="key", key="s3://b/a:b.dump")),
        ("walk_back:3", Selection(walk_back=3)),
        ("newest:2", Selection(walk_back=2)),
    ],
)
def test_every_form_of_the_command_line_is_read(text: str, selection: Selection) -> None:
    assert parse_select(text) == selection


@pytest.mark.parametrize(
    "text", ["", "oldest", "all:3", "at:", "at:2026-11-20", "key:", "walk_back", "walk_back:x", "random:-1"]
)
def test_a_mistyped_option_is_a_usage_error_that_names_itself(text: str) -> None:
    with pytest.raises(ConfigInvalid, match=f"--select {text}: .*write "):
        parse_select(text)


def test_a_time_without_offset_is_read_in_the_zone_of_the_names() -> None:
    assert parse_time("2026-11-20T04:00:00", "Europe/Berlin") == AT
    assert parse_select("at:2026-11-20T04:00", "Europe/Berlin").at == AT
