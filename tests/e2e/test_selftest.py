"""`restore-drill selftest`: what it claims, what the same damage does from outside, and how it ends."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from expectations.loader import parse_suite
from tasks.evidence.selftest import newest_selftests
from tasks.model.target import StoreConfig
from tests.corpus.damage import cut_bytes
from tests.fix_drill import Fleet, Here, Shell, hours_ago, rules_of
from tests.fix_s3 import OWNER, Bucket

SUITE = {
    "suite": "orders",
    "tables": {
        "public.customers": [
            {
                "type": "expect_column_values_to_match_regex",
                "kwargs": {"column": "name", "regex": "^customer [0-9]+$"},
            }
        ],
        "public.orders": [
            {
                "type": "expect_column_max_to_be_between",
                "kwargs": {"column": "placed_at", "min_value": {"as_of": "-26h"}},
            }
        ],
    },
}
REPLICA = "SET session_replication_role = replica;"
OFF = dict.fromkeys(("foreign_keys", "sequences", "large_objects", "matviews"), "off") | {"counts": "off"}


def rows_of(document: dict[str, Any], kind: str, table: str | None = None) -> list[dict[str, Any]]:
    return [row for row in document["rows"] if row["kind"] == kind and table in (None, row["table"])]


def with_suite(fleet: Fleet, name: str, dump: Path | bytes | None, **keys: Any) -> None:
    suite = fleet.folder / "orders_suite.yaml"
    suite.parent.mkdir(parents=True, exist_ok=True)
    suite.write_text(json.dumps(SUITE))
    fleet.add(name, dump, expect={"suite": str(suite)}, **keys)


@pytest.fixture
def claims(here: Here, fleet: Fleet, orders_dump: Path) -> dict[str, Any]:
    """The self test of a small fleet with a suite."""
    with_suite(fleet, "orders", orders_dump, age_h=1)
    ran = here("selftest", fleet.path, "-d", "orders", "--mutants", "20", "--json")
    assert ran.exit_code == 0, ran
    return ran.document


def test_a_drill_that_can_fail_says_what_it_caught_and_what_would_catch_the_rest(
    claims: dict[str, Any], here: Here, fleet: Fleet, orders_of: Callable[[str], Path]
) -> None:
    stored = newest_selftests(str(fleet.evidence), StoreConfig())
    assert json.loads(Path(stored["tests", "orders"]).read_text()) == claims
    assert claims["sandbox"]["left_behind"] == []
    assert not [row for row in claims["rows"] if row["outcome"] == "errored"]
    for kind in ("truncated-data", "empty-object", "table-data-missing", "post-data-missing"):
        assert rows_of(claims, kind)[0]["outcome"] == "caught", kind
    survivors = [row for row in claims["rows"] if row["outcome"] == "survived" and row["expectation"]]
    for row in survivors:
        parse_suite(
            f"suite: s\ntables:\n  {row['expectation'].replace(chr(10), chr(10) + '  ')}\n", Path("s.yaml")
        )
    assert "customer 1" not in json.dumps(claims), "a value of a row got out"
    the_same_from_outside(claims, here, fleet, orders_of)


def the_same_from_outside(
    claims: dict[str, Any], here: Here, fleet: Fleet, orders_of: Callable[[str], Path]
) -> None:
    """The same damage done at the source, dumped and drilled, comes to what the self test claims.

    A sequence set back is no such damage: the backup then says itself where it stood.
    """
    outside = {
        "table-emptied": f"{REPLICA} DELETE FROM {{table}}",
        "text-scrambled": "UPDATE {table} SET name = left(md5(name), length(name))",
        "times-moved-far": "UPDATE {table} SET placed_at = placed_at - interval '1 day'",
        "orphans": f"{REPLICA} UPDATE {{table}} SET customer = 201 WHERE id % 50 = 0",
    }
    again = Fleet(fleet.folder / "again")
    with_suite(again, "healthy", orders_of("SELECT"))
    healthy = here("run", again.path, "--json")
    seed = again.evidence_file(healthy.document)
    claimed = {kind: rows_of(claims, kind)[0] for kind in outside}
    again.databases.clear()
    for kind, damage in outside.items():
        dump = orders_of(damage.format(table=claimed[kind]["table"]))
        with_suite(again, kind, dump)
        again.databases[-1]["expect"]["drift"] = {"baseline": {"seed": str(seed)}}
    again.write()
    ran = here("run", again.path, "--json")
    for kind, row in claimed.items():
        found = ran.of(kind)
        assert (found["verdict"], kind) == ("failed" if row["outcome"] == "caught" else "verified", kind)
        told = rules_of(found, "warning" if row["outcome"] == "noticed" else "failure")
        assert ({name.split(" ")[0] for name in row["by"]} - told, kind) == (set(), kind)
        if row["outcome"] == "caught":
            assert ({name.split(" ")[0] for name in row["by"]}, kind) == (told, kind)


def test_a_drill_that_cannot_fail_is_said_loudly(here: Here, fleet: Fleet, orders_dump: Path) -> None:
    fleet.add("orders", orders_dump, checks=OFF)
    assert here("run", fleet.path).exit_code == 0
    ran = here("selftest", fleet.path, "-d", "orders", "--mutants", "6")
    assert ran.exit_code == 1, ran
    assert ran.out.strip().splitlines()[-1].startswith("The drill cannot fail: it verified a damaged backup")
    (page,) = (fleet.evidence / "report").rglob("2*.html")
    assert '<h2 id="selftest">' in page.read_text()
    assert "Self test: cannot fail" in (fleet.evidence / "report" / "index.html").read_text()


def test_a_backup_that_is_not_verified_itself_proves_nothing(
    here: Here, fleet: Fleet, orders_dump: Path
) -> None:
    data = orders_dump.read_bytes()
    fleet.add("orders", cut_bytes(data, len(data) // 2))
    ran = here("selftest", fleet.path, "-d", "orders", "--json")
    assert (ran.exit_code, ran.document["ability"], ran.document["rows"]) == (2, "inconclusive", [])
    assert ran.document["findings"][0]["rule"] == "archive-truncated"
    assert here("selftest", fleet.path, "-d", "nobody").exit_code == 3


def test_a_denied_key_and_an_older_backup_are_tried_where_there_are_any(
    here: Here,
    fleet: Fleet,
    weed_bucket: Bucket,
    orders_dump: Path,
    few_orders_dump: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for hours, dump in ((30, few_orders_dump), (2, orders_dump)):
        weed_bucket.put(f"orders/orders_{hours_ago(hours):%Y%m%dT%H%M%SZ}.dump", dump.read_bytes())
    fleet.keys["store"] = {"endpoint_url": weed_bucket.endpoint, "region": "us-east-1"}
    fleet.keys["evidence"] = f"{weed_bucket.uri}/evidence"
    fleet.add("orders", backup={"at": f"{weed_bucket.uri}/{{database}}/{{database}}_%Y%m%dT%H%M%SZ.dump"})
    for name, value in zip(("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"), OWNER, strict=True):
        monkeypatch.setenv(name, value)
    ran = here("selftest", fleet.path, "-d", "orders", "--mutants", "16", "--json")
    assert ran.exit_code == 0, ran
    (denied,) = rows_of(ran.document, "denied-key")
    assert (denied["outcome"], denied["by"][0].split(" ")[0]) == ("caught", "credentials-invalid")
    (older,) = rows_of(ran.document, "older-backup")
    assert (older["outcome"], older["by"]) == ("caught", ["rows-dropped public.orders"])
    stored = newest_selftests(f"{weed_bucket.uri}/evidence", StoreConfig(endpoint_url=weed_bucket.endpoint))
    assert list(stored) == [("tests", "orders")]


def test_an_interrupted_self_test_leaves_nothing(
    shell: Shell, fleet: Fleet, orders_dump: Path, drill_folder: Path
) -> None:
    with_suite(fleet, "orders", orders_dump)
    running = shell.start("selftest", fleet.path, "-d", "orders")
    assert running.stdout is not None
    for line in running.stdout:
        if "mutant 2 of" in line:
            break
    running.send_signal(signal.SIGINT)
    assert running.wait(60) == 130
    running.stdout.close()
    if running.stderr is not None:
        running.stderr.close()
    deadline = time.monotonic() + 10
    while list((drill_folder / "drills").glob("*")) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not list((drill_folder / "drills").glob("*"))
    assert newest_selftests(str(fleet.evidence), StoreConfig()) == {}
