"""What holds of every fleet file, whatever stands in it."""

from __future__ import annotations

import json
import re
import tempfile
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deployments.layouts import families, template
from tasks.config import Fleet, load_fleet
from tasks.config.merge import deep_merge
from tasks.config.pattern import check_pattern
from tasks.config.selecting import parse_select, selection_from
from tasks.discovery.pattern import KeyPattern
from tasks.model.errors import ConfigInvalid

TODAY = date(2026, 11, 20)
KEYS = ["rpo", "expect", "drift", "rows_drop", "labels", "select", "decrypt", "checks", "x"]
PLAIN = (
    st.none() | st.integers(-5, 5) | st.text("ab:%{}'\"", max_size=4) | st.sampled_from(["26h", "off", "10%"])
)
TREES = st.recursive(
    PLAIN,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=3),
    max_leaves=8,
)
MAPPINGS = st.dictionaries(st.sampled_from(KEYS), TREES, max_size=4)
FIRST, LAST = datetime.fromisoformat("2001-01-01"), datetime.fromisoformat("2099-01-01")
MOMENTS = st.datetimes(FIRST, LAST).map(lambda at: at.replace(microsecond=0, tzinfo=UTC))
FORMS = st.sampled_from(
    [
        "%Y%m%dT%H%M%SZ",
        "%Y-%m-%d_%H%M",
        "%Y%m%d",
        "%Y-%m-%dT%H:%M:%SZ",
        "%Y_%m_%d",
        "%Y%m%d%H%M%S",
        "%d-%b-%Y",
        "%Y.%m.%d",
    ]
)


def load(text: str) -> Fleet:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "fleet.yaml"
        path.write_text(text)
        return load_fleet(path, today=TODAY)


@given(st.text(max_size=200))
def test_any_text_loads_or_is_refused_with_its_name_and_line(text: str) -> None:
    with pytest.raises(ConfigInvalid, match=r"fleet\.yaml:\d+: "):
        load(text)


@settings(max_examples=60)
@given(MAPPINGS, MAPPINGS)
def test_any_database_loads_or_every_problem_names_its_line(
    defaults: dict[str, Any], own: dict[str, Any]
) -> None:
    document = {
        "version": 1,
        "fleet": "shop",
        "defaults": defaults,
        "databases": [{"name": "a", "backup": {"at": "/b/%Y"}} | own],
    }
    said = ""
    try:
        assert load(json.dumps(document, default=str)).targets
    except ConfigInvalid as error:
        said = error.what
    assert all(re.match(r".*/fleet\.yaml:\d+: ", line) for line in said.splitlines())


@given(MAPPINGS, MAPPINGS)
def test_merging_keeps_every_word_of_the_database(defaults: dict[str, Any], own: dict[str, Any]) -> None:
    merged = deep_merge(defaults, own)
    assert merged.keys() == defaults.keys() | own.keys()
    assert deep_merge(merged, own) == merged
    for key, value in own.items():
        if not isinstance(value, dict) and value is not None:
            assert merged[key] == value


@given(st.integers(0, 1000))
def test_file_and_command_line_mean_the_same(number: int) -> None:
    assert selection_from({"newest": {"walk_back": number}}) == parse_select(f"walk_back:{number}")
    assert selection_from({"random": {"seed": number}}) == parse_select(f"random:{number}")


@given(st.text(max_size=40))
def test_a_pattern_that_is_accepted_can_be_compiled(text: str) -> None:
    try:
        check_pattern(f"s3://b/{text}")
    except ValueError:
        return
    KeyPattern(f"s3://b/{text}")


@given(MOMENTS, FORMS, st.sampled_from(["orders", "my_shop", "t-1"]))
def test_the_line_that_wrote_a_key_is_read_back_from_it(at: datetime, form: str, name: str) -> None:
    keys = [f"s3://b/{name}/{name}_{(at + timedelta(days=i)).strftime(form)}.dump" for i in range(3)]
    (family,) = families(keys)
    assert family.at == f"s3://b/{name}/{name}_{form}.dump"
    assert list(family.keys) == keys
    assert family.cadence_s == 86400


@given(st.text("abc0123456789-_/.%T:Z", max_size=40))
def test_any_key_has_a_template_that_matches_it(key: str) -> None:
    at = template(f"s3://b/{key}")
    found = KeyPattern(at).match(f"s3://b/{key}")
    assert found is not None
