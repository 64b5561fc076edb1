"""What a command line chooses of a fleet file."""

from __future__ import annotations

from pathlib import Path

import pytest

from tasks.config import choose_selection, read_fleet, read_target, suite_file, to_latest
from tasks.model.errors import ConfigInvalid

FLEET = """
version: 1
fleet: shop
evidence: /evidence
databases:
  - name: orders
    backup: {at: /b/orders_%Y%m%d.dump, select: random}
  - name: crm
    backup: {at: /b/crm_%Y%m%d.dump, timezone: Europe/Berlin}
  - name: stock
    backup: {kind: basebackup, at: /b/%Y%m%d/, wal: /w, recover: {to: {random: {within: 7d}}, timeline: 3}}
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "fleet.yaml"
    path.write_text(FLEET)
    return path


def test_evidence_goes_where_the_fleet_file_says_unless_a_place_is_named(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert read_fleet(str(path)).evidence == "/evidence"
    monkeypatch.chdir(path.parent)
    for place, resolved in (("here", str(path.parent / "here")), ("s3://bucket/e", "s3://bucket/e")):
        fleet = read_fleet(str(path), place)
        assert {fleet.evidence, *(target.evidence for target in fleet.targets)} == {resolved}


def test_a_database_that_the_file_has_not_is_named_with_those_that_it_has(path: Path) -> None:
    assert read_target(str(path), "crm").name == "crm"
    with pytest.raises(ConfigInvalid, match="orders"):
        read_target(str(path), "order")


def test_a_selection_that_is_asked_for_goes_before_the_files(path: Path) -> None:
    orders, crm, _ = read_fleet(str(path)).targets
    assert choose_selection(orders, "").kind == "random"
    assert choose_selection(orders, "newest").kind == "newest"
    at = choose_selection(crm, "at:2026-07-01T03:00").at
    assert at is not None
    assert at.isoformat() == "2026-07-01T01:00:00+00:00"


def test_a_suite_is_drafted_beside_the_fleet_file(path: Path) -> None:
    target = read_target(str(path), "orders")
    assert suite_file(target, path) == path.parent / "expectations" / "suites" / "orders.yaml"


def test_whatever_drills_recover_to_for_good_it_is_the_latest(path: Path) -> None:
    orders, _, stock = read_fleet(str(path)).targets
    assert to_latest(orders) == orders
    assert stock.physical.recover.to.startswith("random:")
    assert (to_latest(stock).physical.recover.to, to_latest(stock).physical.recover.timeline) == (
        "latest",
        "3",
    )
