"""Reading inventories back: what may be left out, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tasks.model.errors import ConfigInvalid
from tasks.model.findings import Verdict
from tasks.model.history import History, inventory_from_dict, load_seed
from tests.fix_checks import inventory_of, past

FULL = inventory_of(
    {"a.t": 10, "a.p": 20, "a.p1": (20, "a.p", 0), "a.off": None},
    {"indexes": ["a.t_pkey"], "constraints": ["a.t.t_pkey"]},
    large_objects=2,
    large_object_bytes=20,
    keys=("a.t.t_pkey",),
    belongs_to={"a.odd": "a.t"},
)


def test_an_inventory_survives_its_own_document() -> None:
    read = inventory_from_dict(json.loads(json.dumps(FULL.as_dict())))
    assert read.tables == FULL.tables
    assert read.as_dict() == FULL.as_dict()


def test_what_a_seed_leaves_out_stays_left_out() -> None:
    read = inventory_from_dict({"tables": {"a.t": {"rows": 5}}, "objects": {"views": ["a.v"]}})
    assert read.tables["a.t"].rows == 5
    assert read.tables["a.t"].bytes is None
    assert read.objects == {"views": ("a.v",)}
    assert read.keys is None
    assert (read.large_objects, read.large_object_bytes) == (0, 0)


def test_a_whole_evidence_record_will_do_as_a_seed() -> None:
    assert (
        inventory_from_dict({"verdict": "verified", "inventory": FULL.as_dict()}).as_dict() == FULL.as_dict()
    )


def test_a_bare_number_is_a_tables_rows() -> None:
    assert inventory_from_dict({"tables": {"a.t": 5}}).tables["a.t"].rows == 5


@pytest.mark.parametrize(
    "document",
    [
        [],
        "tables",
        {"tables": ["a.t"]},
        {"tables": {"a.t": "many"}},
        {"tables": {"a.t": {"rows": "5"}}},
        {"tables": {"a.t": {"rows": -1}}},
        {"tables": {"a.t": {"rows": True}}},
        {"tables": {"a.t": {"row": 5}}},
        {"tables": {"a.t": {"partition_of": 3}}},
        {"objects": {"indices": []}},
        {"objects": {"indexes": "a.i"}},
        {"objects": {"indexes": [1]}},
        {"large_objects": 5},
        {"table": {}},
    ],
    ids=str,
)
def test_a_wrong_shape_is_refused_and_named(document: Any) -> None:
    with pytest.raises(ConfigInvalid) as refused:
        inventory_from_dict(document, where="seed.yaml")
    assert "seed.yaml" in (refused.value.where or "")


def test_a_record_of_a_newer_version_may_know_more() -> None:
    newer = {"tables": {"a.t": {"rows": 5, "checksum": "x"}}, "domains": []}
    assert inventory_from_dict(newer, strict=False).tables["a.t"].rows == 5


@pytest.mark.parametrize("name", ["seed.yaml", "seed.json"])
def test_a_seed_is_read_from_yaml_and_json(tmp_path: Path, name: str) -> None:
    seed = tmp_path / name
    seed.write_text(json.dumps({"tables": {"a.t": {"rows": 5}}}))
    assert load_seed(seed).tables["a.t"].rows == 5


@pytest.mark.parametrize("text", ["", "tables: [", "null"])
def test_a_seed_that_says_nothing_is_refused(tmp_path: Path, text: str) -> None:
    seed = tmp_path / "seed.yaml"
    seed.write_text(text)
    with pytest.raises(ConfigInvalid):
        load_seed(seed)


def test_a_seed_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigInvalid, match="cannot be read"):
        load_seed(tmp_path / "seed.yaml")


def test_verified_drills_are_ordered_by_recovery_point() -> None:
    records = (past(FULL, 1), past(FULL, 9), past(FULL, 4, Verdict.FAILED), past(FULL, 5))
    assert [record.drill_id for record in History(records).verified] == ["d9", "d5", "d1"]
