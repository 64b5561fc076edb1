"""`restore-drill suite try`: one restore, many tries; nothing runs between them, and nothing is left."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from tasks.config import read_target
from tasks.drill.kept_backup import KeptBackup, kept_backups
from tasks.model.clock import utc_now
from tasks.sandbox import sweep
from tasks.sandbox.reaper import processes_of
from tests.fix_drill import Fleet, Here, Shell
from tests.fix_postgres import wait_for

SUITE = """
suite: orders
owner: data-team
tables:
  public.orders:
    - type: expect_table_row_count_to_be_between
      kwargs: {min_value: 1000}
    - type: expect_column_values_to_be_between
      kwargs: {column: customer, max_value: LARGEST}
      meta: {why: "there are no more customers"}
  public.customers:
    - {type: expect_column_values_to_not_be_null, kwargs: {column: name}}
"""
HOLDS, FAILS = SUITE.replace("LARGEST", "200"), SUITE.replace("LARGEST", "150")
ERRS = SUITE.replace("customer, ", "custmer, ").replace("LARGEST", "200")
SLEEPS = """
suite: orders
tables:
  public.orders:
    - type: unexpected_rows_expectation
      kwargs: {unexpected_rows_query: "SELECT pg_sleep(120) FROM {batch} LIMIT 1"}
"""


@pytest.fixture(autouse=True)
def suite(here: Here, fleet: Fleet, orders_dump: Path, drill_folder: Path) -> Iterator[Path]:
    """The target's suite; what is kept when the test ends is removed before *here* looks."""
    fleet.add("orders", orders_dump, expect={"suite": "orders.yaml"})
    path = fleet.folder / "orders.yaml"
    path.write_text(HOLDS)
    yield path
    for folder in (drill_folder / "drills").glob("*"):
        assert not processes_of(folder.name, folder / "data")
    assert sweep(utc_now() + timedelta(days=1000)).left == ()


def kept(fleet: Fleet) -> tuple[KeptBackup, ...]:
    return kept_backups(read_target(str(fleet.path), "orders"), utc_now())


def processes(one: KeptBackup) -> list[int]:
    return list(processes_of(one.kept.root.name, one.kept.root / "data"))


def test_tries_run_on_one_restore_until_it_is_dropped(here: Here, fleet: Fleet, suite: Path) -> None:
    first = here("suite", "try", fleet.path, "-d", "orders")
    assert first.exit_code == 0, first
    assert "orders: restore" in first.out
    assert "the number of rows is at least 1,000: 3,000" in first.out
    assert "3 expectations" in first.out
    (one,) = kept(fleet)
    assert not processes(one)
    assert not list((one.kept.root / "backup").iterdir())

    suite.write_text(FAILS)
    second = here("suite", "try", fleet.path, "-d", "orders")
    assert second.exit_code == 1, second
    assert "orders: restore" not in second.out
    assert "FAIL  each customer is at most 150: 750 of 3,000 rows do not comply (25%)" in second.out
    assert f"{suite}:8; why: there are no more customers" in second.out
    assert "production may hold the same" in second.out
    (again,) = kept(fleet)
    assert (again.kept.root, again.uri) == (one.kept.root, one.uri)
    assert again.until > one.until
    assert not processes(again)

    suite.write_text(ERRS)
    third = here("suite", "try", fleet.path, "-d", "orders")
    assert third.exit_code == 2, third
    assert "has no column custmer; is it customer?" in third.out

    suite.write_text("suite: orders\ntables:\n  public.orders:\n    - {type: expect_nothing}\n")
    fourth = here("suite", "try", fleet.path, "-d", "orders")
    assert fourth.exit_code == 3, fourth
    assert "orders.yaml:4" in fourth.err
    assert kept(fleet)

    dropped = here("suite", "try", fleet.path, "-d", "orders", "--drop")
    assert (dropped.exit_code, kept(fleet)) == (0, ())
    assert "nothing is kept" in here("suite", "try", fleet.path, "-d", "orders", "--drop").out


def test_a_newer_backup_is_told_and_restored_when_asked_for(
    here: Here, fleet: Fleet, fewer_orders_dump: Path
) -> None:
    assert here("suite", "try", fleet.path, "-d", "orders", "--keep", "30m").exit_code == 0
    (old,) = kept(fleet)
    assert old.until < utc_now() + timedelta(minutes=31)
    fleet.put("orders", fewer_orders_dump, utc_now())
    told = here("suite", "try", fleet.path, "-d", "orders")
    assert "a newer backup is there" in told.out
    assert ": 3,000" in told.out
    fresh = here("suite", "try", fleet.path, "-d", "orders", "--fresh")
    assert fresh.exit_code == 0, fresh
    assert ": 2,000" in fresh.out
    assert "newer" not in fresh.out
    (new,) = kept(fleet)
    assert new.uri != old.uri
    assert not old.kept.root.exists()


def test_a_suite_that_cannot_be_used_restores_nothing(here: Here, fleet: Fleet, suite: Path) -> None:
    suite.write_text("suite: orders\ntables: {orders: []}\n")
    wrong = here("suite", "try", fleet.path, "-d", "orders")
    assert (wrong.exit_code, kept(fleet)) == (3, ())
    absent = here("suite", "try", fleet.path, "-d", "orders", "--suite", "no.yaml")
    assert absent.exit_code == 3
    assert "restore-drill draft" in absent.err
    badly = here("suite", "try", fleet.path, "-d", "orders", "--keep", "4")
    assert badly.exit_code == 3
    assert "--keep" in badly.err


def test_a_restore_that_fails_keeps_nothing(here: Here, fleet: Fleet, orders_dump: Path) -> None:
    fleet.put("orders", orders_dump.read_bytes()[:2000], utc_now())
    failed = here("suite", "try", fleet.path, "-d", "orders")
    assert failed.exit_code == 2, failed
    assert kept(fleet) == ()


def test_an_expired_sandbox_is_swept_and_restored_anew(here: Here, fleet: Fleet) -> None:
    assert here("suite", "try", fleet.path, "-d", "orders", "--keep", "1h").exit_code == 0
    (one,) = kept(fleet)
    assert sweep(utc_now()).kept == (one.kept.root.name,)
    assert sweep(utc_now() + timedelta(hours=2)).removed == (one.kept.root.name,)
    assert "orders: restore" in here("suite", "try", fleet.path, "-d", "orders").out


def test_two_tries_do_not_share_a_sandbox_and_whoever_is_killed_leaves_it_whole(
    here: Here, shell: Shell, fleet: Fleet, suite: Path
) -> None:
    assert here("suite", "try", fleet.path, "-d", "orders").exit_code == 0
    (one,) = kept(fleet)
    for number, exit_code in ((signal.SIGINT, 130), (signal.SIGKILL, -9)):
        suite.write_text(SLEEPS)
        other = shell.start("suite", "try", fleet.path, "-d", "orders")
        assert wait_for(lambda: any("SELECT" in title(pid) for pid in processes(one)), 60)

        suite.write_text(HOLDS)
        for arguments in ((), ("--drop",)):
            refused = here("suite", "try", fleet.path, "-d", "orders", *arguments)
            assert refused.exit_code == 2, refused
            assert "in use" in refused.err
        assert sweep(utc_now() + timedelta(days=9)).removed == ()

        os.kill(other.pid, number)
        other.communicate(timeout=20)
        assert other.returncode == exit_code
        assert wait_for(lambda: not processes(one), 20)
        after = here("suite", "try", fleet.path, "-d", "orders")
        assert after.exit_code == 0, after
        assert "orders: restore" not in after.out


def test_a_failed_drill_s_sandbox_is_kept_for_a_look_where_that_is_asked_for(
    here: Here, fleet: Fleet, drill_folder: Path, suite: Path
) -> None:
    fleet.databases[0]["sandbox"] = {"keep_on_failure": "2h"}
    fleet.write()
    suite.write_text(FAILS)
    document = here("run", fleet.path, "--json").document
    assert document["verdict"] == "failed"
    (left,) = document["sandbox"]["left_behind"]
    folder = drill_folder / "drills" / document["drill_id"]
    assert left.startswith(str(folder))
    assert (folder / "data" / "PG_VERSION").is_file()
    assert not processes_of(folder.name, folder / "data")
    assert kept(fleet) == ()
    assert sweep(utc_now() + timedelta(hours=1)).kept == (folder.name,)
    assert sweep(utc_now() + timedelta(hours=3)).removed == (folder.name,)


def title(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text(errors="replace")
    except OSError:
        return ""
