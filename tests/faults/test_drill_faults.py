"""What goes wrong around a drill is said to be the drill's trouble, and never the backup's."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Literal

import pytest

import tasks.discover
import tasks.fetch
import tasks.preflight
import tasks.stores.transfer
import tasks.teardown
import tasks.verify
from tasks.drill.step import RETRIES
from tasks.model.clock import utc_now
from tasks.model.sandbox import Workspace
from tasks.policies import task_of
from tasks.sandbox import destroy
from tasks.stores.aws import ATTEMPTS
from tasks.stores.ranged_reads import BLOCK_BYTES
from tests.fix_drill import MAJOR, REPOSITORY, Fleet, Here, hours_ago, rules_of
from tests.fix_postgres import Source
from tests.fix_proxy import FaultProxy
from tests.fix_s3 import Bucket

LARGE = """
ALTER TABLE public.orders ADD note text;
UPDATE public.orders SET note = (SELECT string_agg(md5(i::text || id), '') FROM generate_series(1, 6) i);
"""
BULKY = """
CREATE TABLE public.bulky (id int, filler text);
ALTER TABLE public.bulky ALTER filler SET STORAGE EXTERNAL;
INSERT INTO public.bulky SELECT i, repeat('x', 1000000) FROM generate_series(1, 200) i;
"""


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retry at once: how long to wait is not what these tests are about."""
    for step in (
        tasks.discover.open_backup_store,
        tasks.discover.find_recovery_points,
        tasks.preflight.preflight_backup,
        tasks.fetch.download_backup,
        tasks.fetch.download_companions,
        tasks.verify.read_history,
    ):
        monkeypatch.setattr(task_of(step), "retry_delay_seconds", [0.1, 0.2])


# --- evidence and teardown


def test_evidence_that_cannot_be_written_makes_the_drill_inconclusive_and_a_copy_is_kept(
    here: Here, fleet: Fleet, orders_dump: Path, drill_folder: Path
) -> None:
    fleet.add("orders", orders_dump)
    fleet.evidence.write_text("a file where the folder should be")
    ran = here("run", fleet.path, "--json")
    assert ran.exit_code == 2, ran
    assert ran.document["verdict"] == "inconclusive"
    assert "evidence-unwritable" in rules_of(ran.document)
    (copy,) = (drill_folder / "unwritten-evidence").iterdir()
    kept = json.loads(copy.read_text())
    assert (kept["drill_id"], kept["verdict"]) == (ran.document["drill_id"], "inconclusive")
    assert ran.document["sandbox"]["left_behind"] == []


def test_a_teardown_that_leaves_something_is_a_finding(
    here: Here, fleet: Fleet, orders_dump: Path, monkeypatch: pytest.MonkeyPatch, in_this_process: None
) -> None:
    def stubborn(workspace: Workspace) -> tuple[str, ...]:
        destroy(workspace)
        return ("process 4711",)

    monkeypatch.setattr(tasks.teardown, "destroy", stubborn)
    fleet.add("orders", orders_dump)
    ran = here("run", fleet.path, "--json")
    assert (ran.exit_code, rules_of(ran.document)) == (2, {"teardown-incomplete"}), ran
    assert ran.document["sandbox"]["left_behind"] == ["process 4711"]
    assert ran.document["sandbox"]["destroyed_at"] is None


def test_a_teardown_that_fails_is_a_finding_and_hides_no_verdict(
    here: Here, fleet: Fleet, orders_dump: Path, monkeypatch: pytest.MonkeyPatch, in_this_process: None
) -> None:
    def failing(workspace: Workspace) -> tuple[str, ...]:
        destroy(workspace)
        raise OSError("the disk went away")

    monkeypatch.setattr(tasks.teardown, "destroy", failing)
    fleet.add("cut", orders_dump.read_bytes()[: orders_dump.stat().st_size // 2])
    ran = here("run", fleet.path, "--json")
    assert ran.exit_code == 1, ran
    assert rules_of(ran.document) == {"archive-truncated", "drill-crashed"}
    assert ran.document["sandbox"]["destroyed_at"] is None


# --- disk


@pytest.fixture
def small_disk(drill_folder: Path) -> Iterator[Callable[[str], None]]:
    """Mount a disk of a given size where the drills lie."""
    drill_folder.mkdir()

    def mount(size: str) -> None:
        if os.geteuid() or subprocess.run(["/usr/bin/unshare", "-m", "true"], check=False).returncode:
            pytest.skip("a small disk can be mounted by root only")
        command = ["/usr/bin/mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(drill_folder)]
        subprocess.run(command, check=True)

    yield mount
    subprocess.run(["/usr/bin/umount", str(drill_folder)], check=False, stderr=subprocess.DEVNULL)


def test_too_small_a_disk_is_seen_before_the_download(
    here: Here, fleet: Fleet, orders_dump: Path, small_disk: Callable[[str], None]
) -> None:
    small_disk("24m")
    fleet.add("orders", orders_dump)
    ran = here("run", fleet.path, "--json")
    assert (ran.exit_code, rules_of(ran.document)) == (2, {"disk-too-small"}), ran
    assert "fetch" not in ran.document["phases_s"]


def test_a_disk_that_runs_full_in_the_restore_is_named_and_cleaned_up(
    here: Here,
    fleet: Fleet,
    cluster: Callable[[int], Source],
    small_disk: Callable[[str], None],
    drill_folder: Path,
    tmp_path: Path,
) -> None:
    source = cluster(MAJOR)
    source.create_database("bulky")
    source.execute(BULKY, "bulky")
    dump = source.dump("bulky", tmp_path / "bulky.dump", "-Fc")
    source.execute("DROP DATABASE bulky")
    small_disk("140m")
    fleet.add("bulky", dump, backup={"database": "bulky"}, sandbox={"disk": "1MiB"})
    ran = here("run", fleet.path, "--json")
    assert (ran.exit_code, rules_of(ran.document)) == (2, {"disk-full"}), ran
    assert ran.document["sandbox"]["left_behind"] == []
    assert list(drill_folder.iterdir()) == []


# --- the store


@pytest.fixture
def behind_proxy(
    fleet: Fleet,
    weed_bucket: Bucket,
    proxied: Callable[[str], FaultProxy],
    orders_dump: Path,
    impatient: None,
) -> FaultProxy:
    """A fleet whose one backup lies in S3 behind a proxy."""
    proxy = proxied(weed_bucket.endpoint)
    weed_bucket.put(f"orders_{hours_ago(1):%Y%m%dT%H%M%SZ}.dump", orders_dump.read_bytes())
    fleet.keys["store"] = {"endpoint_url": proxy.url, "region": "us-east-1"}
    fleet.add("orders", backup={"at": f"{weed_bucket.uri}/orders_%Y%m%dT%H%M%SZ.dump"}, deadline="15s")
    return proxy


def test_a_store_that_is_away_is_asked_again_and_then_nothing_is_said_about_the_backup(
    here: Here, fleet: Fleet, behind_proxy: FaultProxy
) -> None:
    behind_proxy.add("refuse", match="")
    ran = here("run", fleet.path, "--json")
    assert (ran.exit_code, rules_of(ran.document)) == (2, {"store-unreachable"}), ran
    assert len(behind_proxy.requests) >= 3


@pytest.mark.parametrize("kind", ["throttle", "drop"])
def test_a_store_that_never_hands_out_a_part_is_asked_a_dozen_times_for_it(
    here: Here,
    fleet: Fleet,
    behind_proxy: FaultProxy,
    weed_bucket: Bucket,
    orders_of: Callable[[str], Path],
    monkeypatch: pytest.MonkeyPatch,
    in_this_process: None,
    kind: Literal["throttle", "drop"],
) -> None:
    """The product of all who ask again: the download, and its step."""
    monkeypatch.setattr(tasks.stores.transfer, "_FIRST_PAUSE_S", 0.01)
    large = orders_of(LARGE).read_bytes()
    assert len(large) > BLOCK_BYTES, "else what preflight reads is the same range"
    (item,) = weed_bucket.client.list_objects_v2(Bucket=weed_bucket.name)["Contents"]
    weed_bucket.put(item["Key"], large)
    fault = behind_proxy.add(kind, match=".dump", range_start=0, range_end=len(large) - 1)
    ran = here("run", fleet.path, "--json")
    assert (ran.exit_code, ran.document["verdict"]) == (2, "inconclusive"), ran
    assert fault.hits == tasks.fetch.MOST_ASKS == 12


def test_a_store_that_throttles_every_listing_is_asked_nine_times(
    here: Here, fleet: Fleet, behind_proxy: FaultProxy, in_this_process: None
) -> None:
    fault = behind_proxy.add("throttle", match="list-type=2")
    ran = here("run", fleet.path, "--json")
    assert (ran.exit_code, rules_of(ran.document)) == (2, {"store-throttled"}), ran
    assert fault.hits == ATTEMPTS * (1 + RETRIES) == 9


def test_the_docs_say_how_often_a_store_is_asked() -> None:
    page = (REPOSITORY / "docs" / "operations.md").read_text(encoding="utf-8")
    assert f"at most {tasks.fetch.MOST_ASKS} times" in page
    assert f"at most {ATTEMPTS * (1 + RETRIES)} times" in page


def test_a_store_that_comes_back_is_drilled(here: Here, fleet: Fleet, behind_proxy: FaultProxy) -> None:
    behind_proxy.add("refuse", match="", times=4)
    behind_proxy.add("throttle", match="GET ", times=2)
    assert here("run", fleet.path, "--json").exit_code == 0


def test_an_answer_that_is_cut_short_is_not_taken_for_a_short_archive(
    here: Here, fleet: Fleet, behind_proxy: FaultProxy
) -> None:
    behind_proxy.add("truncate", match=".dump HTTP", after_bytes=500)
    ran = here("run", fleet.path, "--json")
    assert (ran.exit_code, rules_of(ran.document)) == (2, {"transfer-incomplete"}), ran


def test_a_store_that_drips_is_given_up_on_and_is_the_drills_trouble(
    here: Here,
    fleet: Fleet,
    behind_proxy: FaultProxy,
    monkeypatch: pytest.MonkeyPatch,
    in_this_process: None,
) -> None:
    monkeypatch.setattr(tasks.stores.transfer, "STALL_S", 1.0)
    behind_proxy.add("drip", match=".dump HTTP", after_bytes=100)
    ran = here("run", fleet.path, "--json")
    assert (ran.exit_code, rules_of(ran.document)) == (2, {"transfer-incomplete"}), ran


def test_a_download_that_does_not_end_in_time_is_the_drills_trouble(
    here: Here,
    fleet: Fleet,
    behind_proxy: FaultProxy,
    monkeypatch: pytest.MonkeyPatch,
    in_this_process: None,
) -> None:
    """The head is read in the preflight, so only what follows it is slow."""
    fleet.databases[0]["deadline"] = "4s"
    fleet.write()
    asked: list[str] = []

    def slow_after_the_head(text: str) -> None:
        asked.extend([text] if ".dump HTTP" in text.partition("\r\n")[0] and text.startswith("GET") else [])
        if len(asked) == 1:
            behind_proxy.add("drip", match=".dump HTTP", after_bytes=100)

    behind_proxy.on_request = slow_after_the_head
    ran = here("run", fleet.path, "--json")
    assert (ran.exit_code, rules_of(ran.document)) == (2, {"stage-deadline"}), ran
    assert ran.document["phases_s"]["fetch"] >= 4


# --- the clock


def test_a_clock_two_days_ahead_judges_no_backup(
    here: Here,
    fleet: Fleet,
    behind_proxy: FaultProxy,
    monkeypatch: pytest.MonkeyPatch,
    in_this_process: None,
) -> None:
    import flows.drill  # noqa: PLC0415
    import tasks.stores.s3  # noqa: PLC0415

    fleet.databases[0] |= {"rpo": "26h"}
    fleet.write()
    for module in (flows.drill, tasks.stores.s3):
        monkeypatch.setattr(module, "utc_now", lambda: utc_now() + timedelta(days=2))
    ran = here("run", fleet.path, "--json")
    assert (ran.exit_code, rules_of(ran.document)) == (2, {"clock-skew"}), ran
