"""`restore-drill can-i-recover` against evidence that real drills left."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from tests.fix_drill import Fleet, Here, hours_ago


def test_the_answer_follows_what_drills_found(
    here: Here, fleet: Fleet, orders_dump: Path, fewer_orders_dump: Path
) -> None:
    fleet.add("orders", orders_dump, age_h=20, rpo="26h")
    before = here("can-i-recover", fleet.path, "--json")
    assert (before.exit_code, before.document["recoverable"]) == (2, "unproven")
    assert "--select" in here("can-i-recover", fleet.path).out

    assert here("run", fleet.path).exit_code == 0
    proven = here("can-i-recover", fleet.path, "--json")
    document = proven.document
    assert (proven.exit_code, document["recoverable"], document["within_rpo"]) == (0, "proven", True)
    assert document["about_s"] > 0
    assert any("pg_restore" in command for command in document["commands"])
    spoken = here("can-i-recover", fleet.path).out
    assert "orders: yes" in spoken
    assert "within the RPO of 26 h" in spoken
    assert document["proof"]["drill_id"] in spoken

    # A third of its orders gone: the drill shows the newer one broken.
    newest = fleet.put("orders", fewer_orders_dump, hours_ago(1))
    assert here("can-i-recover", fleet.path, "--json").document["newer_unproven"]["uri"].endswith(newest.name)
    assert here("run", fleet.path).exit_code == 1
    after = here("can-i-recover", fleet.path, "--json")
    assert after.exit_code == 0
    assert after.document["backup"] == document["backup"]
    assert [item["uri"].endswith(newest.name) for item in after.document["distrusted"]] == [True]
    assert after.document["newer_unproven"] is None

    moment = (hours_ago(19)).strftime("%Y-%m-%dT%H:%M:%SZ")
    then = here("can-i-recover", fleet.path, "--to", moment, "--json").document
    assert 0 < then["lost_s"] < timedelta(hours=2).total_seconds()
    assert then["within_rpo"] is True
    assert then["distrusted"] == []


def test_a_backup_that_came_back_too_old_came_back(here: Here, fleet: Fleet, orders_dump: Path) -> None:
    fleet.add("orders", orders_dump, age_h=30, rpo="26h")
    assert here("run", fleet.path).exit_code == 1
    told = here("can-i-recover", fleet.path)
    assert told.exit_code == 0
    assert "beyond the RPO of 26 h" in told.out


def test_no_backup_and_a_store_out_of_reach_are_told_apart(here: Here, fleet: Fleet) -> None:
    fleet.add("none")
    gone = here("can-i-recover", fleet.path, "--json")
    assert (gone.exit_code, gone.document["recoverable"]) == (1, "no")
    assert gone.document["why"][0]["rule"] == "path-missing"
    fleet.databases.clear()
    fleet.keys["store"] = {"endpoint_url": "http://127.0.0.1:1", "region": "us-east-1"}
    fleet.add("far", backup={"at": "s3://bucket/far_%Y%m%dT%H%M%SZ.dump"})
    far = here("can-i-recover", fleet.path, "--json")
    assert (far.exit_code, far.document["recoverable"]) == (2, "unknown")


def test_a_moment_that_is_none_or_yet_to_come_is_refused(here: Here, fleet: Fleet, orders_dump: Path) -> None:
    fleet.add("orders", orders_dump)
    assert here("can-i-recover", fleet.path, "--to", "yesterday").exit_code == 3
    late = here("can-i-recover", fleet.path, "--to", "2199-01-01T00:00:00Z")
    assert late.exit_code == 3
    assert "lies in the future" in late.err
