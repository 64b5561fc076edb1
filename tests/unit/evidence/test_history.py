from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tasks.evidence import history
from tasks.evidence.document import build_evidence
from tasks.evidence.history import load_history
from tasks.evidence.store import write_acceptance, write_evidence
from tasks.model.drill import Drill
from tasks.model.errors import DrillError
from tasks.model.findings import Verdict
from tasks.model.target import Baseline, Drift, StoreConfig, Target
from tests.unit.evidence import samples

DAY = timedelta(days=1)
STORE = StoreConfig()


def target_at(folder: Path, name: str = "orders", **drift: Any) -> Target:
    found = samples.target(name, evidence=str(folder))
    return found.model_copy(update={"expect": found.expect.model_copy(update={"drift": Drift(**drift)})})


def write(facts: Drill, folder: Path) -> str:
    return write_evidence(build_evidence(facts), str(folder), STORE, suite_results=facts.suite_results)


def write_days(folder: Path, days: Iterable[int], make: Callable[..., Drill] = samples.verified) -> None:
    for back in days:
        write(replace(make(samples.NOW - back * DAY, "orders"), drill_id=f"d{back}"), folder)


def test_no_evidence_yet_is_an_empty_history(tmp_path: Path) -> None:
    assert load_history(target_at(tmp_path / "nowhere")).records == ()


def test_verified_drills_come_back_with_their_inventory_and_recovery_point(tmp_path: Path) -> None:
    uri = write(samples.verified(), tmp_path)
    (record,) = load_history(target_at(tmp_path)).verified
    assert record.inventory.tables == samples.inventory().tables
    assert record.inventory.objects["extensions"] == ("pgcrypto",)
    assert record.recovery_point_at == samples.NOW - 4 * samples.HOUR
    assert (record.path, record.bytes) == (uri, 412 << 20)


def test_a_bad_drill_is_never_a_baseline(tmp_path: Path) -> None:
    for make in (samples.shrunk, samples.truncated, samples.stale):
        write(make(samples.NOW, "orders"), tmp_path)
    assert load_history(target_at(tmp_path)).records == ()


def test_a_bad_drill_with_an_accepted_change_is_remembered_for_that_change(tmp_path: Path) -> None:
    uri = write(samples.shrunk(samples.NOW, "orders"), tmp_path)
    write_acceptance(
        uri, STORE, rule="rows-dropped", where="public.orders", why="purge", who="dba", now=samples.NOW
    )
    found = load_history(target_at(tmp_path))
    assert found.verified == ()
    (record,) = found.records
    assert record.verdict is Verdict.FAILED
    assert record.accepted[0]["where"] == "public.orders"
    assert record.inventory.tables["public.orders"].rows == 803_255


def test_months_of_failure_do_not_hide_the_last_good_drill(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "_BATCH", 3)
    write_days(tmp_path, [30])
    write_days(tmp_path, range(1, 20), samples.shrunk)
    assert [record.drill_id for record in load_history(target_at(tmp_path)).verified] == ["d30"]


def test_no_more_is_read_than_is_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "_BATCH", 2)
    monkeypatch.setattr(history, "ENOUGH_VERIFIED", 3)
    write_days(tmp_path, range(10))
    found = load_history(target_at(tmp_path, baseline=Baseline(last=3)))
    assert {record.drill_id for record in found.records} == {"d0", "d1", "d2", "d3"}


def test_drills_from_a_time_on_can_be_left_out(tmp_path: Path) -> None:
    write_days(tmp_path, [0, 1, 2])
    found = load_history(target_at(tmp_path), before=samples.NOW)
    assert {record.drill_id for record in found.records} == {"d1", "d2"}


def test_other_databases_are_not_mixed_in(tmp_path: Path) -> None:
    write(samples.verified(name="crm"), tmp_path)
    assert load_history(target_at(tmp_path)).records == ()


def spoil(path: Path, **changed: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changed))


@pytest.mark.parametrize(
    "changed",
    [
        {"schema": "other/v1"},
        {"inventory": {"tables": "many"}},
        {"recovery_point": None},
        {"as_of": "yesterday"},
    ],
)
def test_foreign_and_damaged_files_are_passed_over_with_a_line(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, changed: dict[str, Any]
) -> None:
    spoil(Path(write(samples.verified(drill_id="bad"), tmp_path)), **changed)
    write_days(tmp_path, [1])
    folder = tmp_path / "shop" / "orders"
    (folder / "20261120T070000Z_cut.json").write_text('{"schema": ')
    (folder / "20261120T070000Z_cut.accept-1.json").write_text("[]")
    (folder / "README.txt").write_text("hello")
    assert [record.drill_id for record in load_history(target_at(tmp_path)).records] == ["d1"]
    assert "_bad.json is passed over" in caplog.text
    assert "_cut.json is passed over" in caplog.text


def test_a_location_that_cannot_be_listed_is_an_error_and_not_an_empty_history() -> None:
    target = target_at(Path("evidence"))
    unreachable = StoreConfig(endpoint_url="http://127.0.0.1:9", region="eu-west-1")
    with pytest.raises(DrillError) as caught:
        load_history(target.model_copy(update={"store": unreachable, "evidence": "s3://evidence/shop"}))
    assert caught.value.rule == "history-unreadable"


def test_the_seed_file_comes_along(tmp_path: Path) -> None:
    seed = tmp_path / "seed.yaml"
    seed.write_text("tables:\n  public.orders: {rows: 12}\n")
    found = load_history(target_at(tmp_path, baseline=Baseline(seed=seed)))
    assert found.seed.tables["public.orders"].rows == 12
