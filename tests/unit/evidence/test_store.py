from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tasks.evidence.document import build_evidence
from tasks.evidence.store import (
    list_evidence,
    parse_name,
    read_evidence,
    write_acceptance,
    write_evidence,
)
from tasks.model.canonical_json import to_json
from tasks.model.drill import Drill
from tasks.model.errors import PermanentError
from tasks.model.target import StoreConfig
from tests.unit.evidence import samples

STORE = StoreConfig()


def write(facts: Drill, at: Path, **more: Any) -> tuple[dict[str, Any], str]:
    document = build_evidence(facts)
    return document, write_evidence(document, str(at), STORE, suite_results=facts.suite_results, **more)


def test_evidence_lies_where_the_contract_says_and_reads_back_equal(tmp_path: Path) -> None:
    document, uri = write(samples.verified(), tmp_path)
    assert uri == f"{tmp_path}/shop/orders/20261122T070000Z_d1f0a7c2.json"
    assert Path(uri).read_text() == to_json(document)
    assert read_evidence(uri, STORE) == document


@pytest.mark.parametrize("trailing", ["", "/"])
def test_a_file_uri_will_do_as_location(tmp_path: Path, trailing: str) -> None:
    document = build_evidence(samples.truncated())
    uri = write_evidence(document, f"file://{tmp_path}{trailing}", STORE)
    assert read_evidence(uri, STORE) == document
    assert [name.uri for name in list_evidence(f"file://{tmp_path}{trailing}", STORE)] == [uri]


def test_suite_results_lie_beside_under_the_name_that_the_document_tells(tmp_path: Path) -> None:
    document, uri = write(samples.verified(), tmp_path)
    beside = Path(uri).parent / document["suites"][0]["file"]
    assert beside.name == "20261122T070000Z_d1f0a7c2_suite-orders.json"
    assert json.loads(beside.read_text())["suite"] == "orders"


def test_names_tell_what_they_are_and_sort_by_time(tmp_path: Path) -> None:
    facts = samples.verified()
    _, uri = write(facts, tmp_path)
    write(samples.verified(samples.NOW - samples.HOUR, drill_id="zz"), tmp_path)
    write_acceptance(uri, STORE, rule="rows-dropped", where="a", why="b", who="c", now=samples.NOW)
    names = list_evidence(str(tmp_path), STORE)
    assert [(name.kind, name.drill_id) for name in names if name.kind != "suite"] == [
        ("evidence", "zz"),
        ("accept", "d1f0a7c2"),
        ("evidence", "d1f0a7c2"),
    ]


def test_a_report_beside_the_evidence_is_not_taken_for_evidence(tmp_path: Path) -> None:
    write(samples.truncated(), tmp_path)
    write(samples.truncated(), tmp_path / "report")
    assert len(list_evidence(str(tmp_path), STORE)) == 1


@pytest.mark.parametrize(
    "name",
    [
        "shop/orders/notes.txt",
        "shop/orders/2026_x.json",
        "shop/orders/20261399T070000Z_d1.json",
        "../../20261122T070000Z_d1.json",
        "20261122T070000Z_d1.json",
    ],
)
def test_foreign_names_are_left_out(name: str) -> None:
    assert parse_name(f"/evidence/{name}") is None


@pytest.mark.parametrize("content", [b"{", b"[]", b"{}", b'{"schema": "other/v1"}', b"\xff"])
def test_foreign_or_damaged_documents_are_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.json"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r".+"):
        read_evidence(str(path), STORE)


def test_evidence_that_cannot_be_written_says_where_a_copy_is_and_what_it_was_worth(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    with pytest.raises(PermanentError) as caught:
        write(samples.verified(), blocked, spare=tmp_path / "spare")
    kept = tmp_path / "spare" / "shop_orders_20261122T070000Z_d1f0a7c2.json"
    assert caught.value.rule == "evidence-unwritable"
    assert str(kept) in caught.value.hint
    copy = json.loads(kept.read_text())
    assert copy["verdict"] == "inconclusive"
    assert copy["findings"][0]["rule"] == "evidence-unwritable"


def test_a_spare_that_cannot_be_written_either_does_not_hide_the_first_error(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    with pytest.raises(PermanentError) as caught:
        write(samples.verified(), blocked, spare=blocked / "spare")
    assert caught.value.rule == "evidence-unwritable"
    assert "copy" not in caught.value.hint


def test_acceptances_are_numbered_and_hold_who_when_and_why(tmp_path: Path) -> None:
    _, uri = write(samples.shrunk(), tmp_path)
    told = {"rule": "rows-dropped", "where": "public.orders", "why": "purge", "who": "dba@host"}
    first = write_acceptance(uri, STORE, **told, now=samples.NOW)
    second = write_acceptance(uri, STORE, **told, now=samples.NOW)
    assert first.endswith("_90cc.accept-1.json")
    assert second.endswith("_90cc.accept-2.json")
    record = json.loads(Path(first).read_text())
    assert {key: record[key] for key in told} == told
    assert (record["at"], record["drill_id"]) == ("2026-11-22T07:00:00Z", "90cc")


def test_nothing_is_accepted_in_what_is_no_evidence(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text("{}")
    with pytest.raises(PermanentError, match="no evidence"):
        write_acceptance(str(path), STORE, rule="r", where="w", why="y", who="u", now=samples.NOW)
    assert list(tmp_path.iterdir()) == [path]
