"""Documents that were damaged, by accident or on purpose: they are read whole, or named."""

from __future__ import annotations

import copy
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tasks.evidence import history
from tasks.evidence.document import FIELDS, build_evidence
from tasks.evidence.history import load_history, unreadable_findings
from tasks.evidence.report.render import render_report
from tasks.evidence.report.site import STATE
from tasks.evidence.shape import ShapeError
from tasks.evidence.store import write_evidence
from tasks.evidence.stored import EVIDENCE
from tasks.model.target import StoreConfig
from tests.unit.evidence import samples

STORE = StoreConfig()
MADE = [
    build_evidence(make())
    for make in (samples.verified, samples.shrunk, samples.truncated, samples.stale, samples.unreachable)
]
ODD: st.SearchStrategy[object] = st.sampled_from(
    [
        None, True, -1, 0.5, 10**18, "", "x", "\x1b[31m", "9999-99-99T00:00:00Z", "2026-11-22T07:00:00",
        "0001-01-01T00:00:00Z", "9999-12-31T23:59:59-14:00", "../../x.json", [], [[]], {}, {"at": 1}, [None],
    ]
)  # fmt: skip
SETTINGS = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place in a document that something can stand in."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(deeper for key, item in items for deeper in places(item, (*path, key)))]


def with_changed(document: Any, path: tuple[Any, ...], value: Any) -> Any:
    """Return *document* with *value* at *path*; without what stands there where it is the ellipsis."""
    if not path:
        return value
    changed = copy.deepcopy(document)
    at = changed
    for key in path[:-1]:
        at = at[key]
    if value is ...:
        del at[path[-1]]
    else:
        at[path[-1]] = value
    return changed


@st.composite
def damaged(draw: st.DrawFn, documents: list[Any]) -> Any:
    document = draw(st.sampled_from(documents))
    for _ in range(draw(st.integers(1, 2))):
        found = places(document)
        path = found[draw(st.integers(1, max(1, len(found) - 1)))] if len(found) > 1 else ()
        document = with_changed(document, path, draw(ODD | st.just(...)) if path else draw(ODD))
    return document


@pytest.mark.parametrize("document", MADE, ids=lambda document: document["verdict"])
def test_what_we_write_has_the_shape_that_we_read(document: dict[str, Any]) -> None:
    EVIDENCE(json.loads(json.dumps(document)))


@pytest.mark.parametrize("field", sorted(FIELDS))
def test_every_field_is_needed(field: str) -> None:
    with pytest.raises(ShapeError, match=f"{field} is not there"):
        EVIDENCE({key: value for key, value in MADE[0].items() if key != field})


@pytest.mark.parametrize("field", ["started_at", "finished_at", "as_of"])
@pytest.mark.parametrize("value", ["yesterday", "2026-11-22T07:00:00", "2026-11-22T07:00:00+01:00", 5, None])
def test_a_time_that_is_none_is_refused_without_being_quoted(field: str, value: object) -> None:
    with pytest.raises(ShapeError) as error:
        EVIDENCE(MADE[0] | {field: value})
    assert str(error.value) == f"{field} is not a time in UTC"


def test_fields_of_a_newer_version_are_let_be() -> None:
    EVIDENCE(MADE[0] | {"of_tomorrow": [1]})
    EVIDENCE(MADE[0] | {"sandbox": MADE[0]["sandbox"] | {"isolation": "network+user"}})


@SETTINGS
@given(st.lists(damaged(MADE), min_size=1, max_size=3))
def test_a_damaged_document_ends_neither_a_drill_nor_a_report(
    tmp_path_factory: pytest.TempPathFactory, documents: list[Any]
) -> None:
    folder = tmp_path_factory.mktemp("evidence")
    write_evidence(build_evidence(samples.verified(drill_id="whole")), str(folder), STORE)
    for number, document in enumerate(documents):
        text = json.dumps(document)
        (folder / f"shop/orders/2026111{number}T070000Z_bad{number}.json").write_text(text)
    target = samples.target("orders", evidence=str(folder))
    remembered = load_history(target)
    assert "whole" in {record.drill_id for record in remembered.verified}
    unreadable_findings(remembered)
    page = render_report([str(folder)], folder / "site")
    assert (folder / "site/shop/orders/20261122T070000Z_whole.html").is_file()
    assert "orders" in page.read_text()


def test_a_site_that_remembers_nonsense_is_drawn_anew(tmp_path: Path) -> None:
    write_evidence(build_evidence(samples.verified()), str(tmp_path / "e"), STORE)
    render_report([str(tmp_path / "e")], tmp_path / "site")
    state = json.loads((tmp_path / "site" / STATE).read_text())
    summary = next(iter(state["summaries"]))
    for path in [path for path in places(state["summaries"][summary]) if path]:
        spoiled = with_changed(state, ("summaries", summary, *path), {"at": "never"})
        (tmp_path / "site" / STATE).write_text(json.dumps(spoiled))
        assert "orders" in render_report([str(tmp_path / "e")], tmp_path / "site").read_text()


CUT: dict[str, Callable[[bytes], bytes]] = {
    "deep": lambda _: b"[" * 200_000,
    "deep object": lambda _: b'{"a":' * 200_000,
    "cut": lambda data: data[: len(data) // 2],
    "empty": lambda _: b"",
    "no text": lambda data: b"\xff\xfe" + data,
    "digits": lambda data: data.replace(b'"drill_id"', b'"n":' + b"9" * 5000 + b',"drill_id"'),
    "surrogate": lambda data: data.replace(b'"drill_id"', b'"n":"\\ud800","drill_id"'),
    "infinity": lambda data: data.replace(b'"drill_id"', b'"n":Infinity,"drill_id"'),
    "twice": lambda data: data.replace(b'"drill_id"', b'"schema":"x","drill_id"'),
    "another's": lambda _: b'{"schema": "other/v1"}',
}


@pytest.mark.parametrize("kind", CUT)
def test_a_document_that_is_none_is_named_and_takes_no_baseline_with_it(tmp_path: Path, kind: str) -> None:
    write_evidence(build_evidence(samples.verified(drill_id="whole")), str(tmp_path), STORE)
    whole = next(tmp_path.rglob("*_whole.json"))
    bad = whole.with_name("20261121T070000Z_bad.json")
    bad.write_bytes(CUT[kind](whole.read_bytes()))
    remembered = load_history(samples.target("orders", evidence=str(tmp_path)))
    assert [record.drill_id for record in remembered.verified] == ["whole"]
    (finding,) = unreadable_findings(remembered)
    assert (finding.rule, finding.severity.value) == ("evidence-unreadable", "warning")
    assert bad.name in finding.message
    assert str(bad) == finding.where
    render_report([str(tmp_path)], tmp_path / "site")
    assert len(list((tmp_path / "site").rglob("shop/orders/*.html"))) == 1


@pytest.mark.parametrize("kind", ["pipe", "link"])
def test_what_is_no_file_is_named_and_never_waited_for(tmp_path: Path, kind: str) -> None:
    write_evidence(build_evidence(samples.verified(drill_id="whole")), str(tmp_path), STORE)
    bad = tmp_path / "shop/orders/20261121T070000Z_bad.json"
    os.mkfifo(bad) if kind == "pipe" else bad.symlink_to("/etc/passwd")
    remembered = load_history(samples.target("orders", evidence=str(tmp_path)))
    assert [record.drill_id for record in remembered.verified] == ["whole"]
    assert bad.name in unreadable_findings(remembered)[0].message


def test_an_acceptance_that_is_none_is_named(tmp_path: Path) -> None:
    uri = write_evidence(build_evidence(samples.verified()), str(tmp_path), STORE)
    Path(uri.replace(".json", ".accept-1.json")).write_text('{"schema": "restore-drill/acceptance/v1"}')
    remembered = load_history(samples.target("orders", evidence=str(tmp_path)))
    (finding,) = unreadable_findings(remembered)
    assert ".accept-1.json" in finding.message


def test_many_damaged_documents_make_one_finding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "_BATCH", 4)
    for number in range(10):
        at = tmp_path / "shop" / "orders" / f"202611{10 + number}T070000Z_bad.json"
        at.parent.mkdir(parents=True, exist_ok=True)
        at.write_text("{}")
    (finding,) = unreadable_findings(load_history(samples.target("orders", evidence=str(tmp_path))))
    assert "10 earlier records" in finding.message
    assert "and 7 more" in finding.message


def test_without_a_damaged_document_nothing_is_said(tmp_path: Path) -> None:
    write_evidence(build_evidence(samples.verified()), str(tmp_path), STORE)
    assert unreadable_findings(load_history(samples.target("orders", evidence=str(tmp_path)))) == ()
