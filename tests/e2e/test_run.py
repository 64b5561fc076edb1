"""`restore-drill run` and its neighbours, from a shell to verdicts, evidence and exit codes."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

import flows.drill as drill_module
from tasks.drill.ledger import Ledger
from tasks.model.clock import utc_now
from tests.corpus.damage import cut_bytes
from tests.fix_drill import EXIT_OF, MAJOR, Fleet, Here, Ran, Shell, hours_ago, rules_of, validate
from tests.fix_postgres import Source
from tests.fix_s3 import OWNER, Bucket


def agrees(ran: Ran, fleet: Fleet) -> None:
    """Exit code, stdout and the stored documents say the same."""
    assert ran.documents, ran
    for document in ran.documents:
        validate(document)
        assert json.loads(fleet.evidence_file(document).read_text()) == document
    verdicts = {document["verdict"] for document in ran.documents}
    worst = next(name for name in ("failed", "inconclusive", "verified") if name in verdicts)
    assert ran.exit_code == EXIT_OF[worst], ran


def truncated(dump: Path) -> bytes:
    return cut_bytes(dump.read_bytes(), dump.stat().st_size // 2)


# --- verdicts and exit codes


def test_a_fleet_in_s3_is_drilled_from_a_shell_on_a_configured_server(
    shell: Shell, fleet: Fleet, weed_bucket: Bucket, orders_dump: Path
) -> None:
    at = hours_ago(2)
    weed_bucket.put(f"prod/orders/orders_{at:%Y%m%dT%H%M%SZ}.dump", orders_dump.read_bytes())
    fleet.keys["store"] = {"endpoint_url": weed_bucket.endpoint, "region": "us-east-1"}
    fleet.keys["evidence"] = f"{weed_bucket.uri}/evidence"
    where = f"{weed_bucket.uri}/prod/{{database}}/{{database}}_%Y%m%dT%H%M%SZ.dump"
    fleet.add("orders", backup={"at": where}, rpo="26h", rto="1h")
    access, secret = OWNER
    ran = shell("run", fleet.path, "--json", AWS_ACCESS_KEY_ID=access, AWS_SECRET_ACCESS_KEY=secret)
    assert ran.exit_code == 0, ran
    validate(ran.document)
    (key,) = (
        item["Key"]
        for item in weed_bucket.client.list_objects_v2(Bucket=weed_bucket.name)["Contents"]
        if item["Key"].startswith("evidence/tests/orders/")
    )
    stored = weed_bucket.client.get_object(Bucket=weed_bucket.name, Key=key)["Body"].read()
    assert json.loads(stored) == ran.document
    assert ran.document["sandbox"]["left_behind"] == []
    assert "orders: restore" in ran.err
    assert secret not in ran.out + ran.err


def test_each_database_gets_its_own_verdict_and_the_fleet_the_worst(
    here: Here, fleet: Fleet, orders_dump: Path
) -> None:
    fleet.add("good", orders_dump)
    fleet.add("cut", truncated(orders_dump))
    fleet.add("unjudged", orders_dump, sandbox={"postgres": 99})
    fleet.add("empty", b"")
    fleet.add("none")
    ran = here("run", fleet.path, "--json")
    agrees(ran, fleet)
    assert ran.exit_code == 1
    assert {d["database"]: d["verdict"] for d in ran.documents} == {
        "good": "verified",
        "cut": "failed",
        "unjudged": "inconclusive",
        "empty": "failed",
        "none": "failed",
    }, ran
    assert rules_of(ran.of("cut")) == {"archive-truncated"}
    assert rules_of(ran.of("unjudged")) == {"postgres-unavailable"}
    assert rules_of(ran.of("empty")) == {"archive-empty"}
    assert "no-backup-found" in rules_of(ran.of("none"))
    assert (fleet.evidence / "report" / "index.html").is_file()


def test_a_failed_drill_alone_exits_with_1_and_says_why_in_words(
    here: Here, fleet: Fleet, orders_dump: Path
) -> None:
    fleet.add("good", orders_dump)
    fleet.add("cut", truncated(orders_dump))
    ran = here("run", fleet.path, "-d", "cut")
    assert ran.exit_code == 1
    assert "x cut" in ran.out, ran
    assert "good" not in ran.out
    assert f"evidence: {fleet.evidence}" in ran.out


def test_a_postgresql_that_cannot_be_had_exits_with_2(here: Here, fleet: Fleet, orders_dump: Path) -> None:
    fleet.add("orders", orders_dump, sandbox={"postgres": 99, "postgres_source": "installed"})
    ran = here("run", fleet.path, "--json")
    agrees(ran, fleet)
    assert ran.exit_code == 2
    assert rules_of(ran.document) == {"postgres-unavailable"}


def test_a_bad_fleet_file_exits_with_3_and_nothing_is_drilled(
    here: Here, fleet: Fleet, orders_dump: Path
) -> None:
    fleet.add("orders", orders_dump, rpo="6")
    ran = here("run", fleet.path)
    assert (ran.exit_code, ran.out) == (3, "")
    assert "databases[0].rpo" in ran.err
    assert "6h" in ran.err
    assert not fleet.evidence.exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ("--nonsense",),
        ("-d", "nobody"),
        ("--select", "oldest"),
        ("--select", "walk_back:x"),
        ("--select", "at:yesterday"),
    ],
)
def test_wrong_usage_exits_with_3_and_nothing_is_drilled(
    here: Here, fleet: Fleet, orders_dump: Path, arguments: tuple[str, ...]
) -> None:
    fleet.add("orders", orders_dump)
    ran = here("run", fleet.path, *arguments)
    assert (ran.exit_code, ran.out) == (3, ""), ran
    assert ran.err
    assert not fleet.evidence.exists()


def test_usage_errors_of_the_real_program_exit_with_3(shell: Shell) -> None:
    assert shell("run").exit_code == 3
    assert shell("rum").exit_code == 3
    assert shell("run", "no-such-file.yaml").exit_code == 3


def test_a_database_whose_drill_crashes_does_not_stop_the_others(
    here: Here, fleet: Fleet, orders_dump: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fleet.add("crashing", orders_dump)
    fleet.add("good", orders_dump)
    whole = drill_module.rebuild

    def rebuild(ledger: Ledger, **options: Any) -> None:
        if ledger.drill.target.name == "crashing":
            raise RuntimeError("something unforeseen with secret-value-4711")
        whole(ledger, **options)

    monkeypatch.setattr(drill_module, "rebuild", rebuild)
    ran = here("run", fleet.path, "--json")
    assert ran.exit_code == 2, ran
    assert ran.of("good")["verdict"] == "verified", ran
    crashed = ran.of("crashing")
    assert (crashed["verdict"], rules_of(crashed)) == ("inconclusive", {"drill-crashed"})
    agrees(ran, fleet)
    assert "secret-value-4711" not in ran.out + ran.err


def test_an_error_of_the_program_itself_never_reads_as_a_failed_backup(
    here: Here, fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    canary = "canary-in-an-error"  # the traceback quotes code, and the code must not hold it

    def broken(*_: object) -> None:
        raise RuntimeError(canary)

    fleet.add("orders")
    monkeypatch.setattr("deployments.commands.run.read_fleet", broken)
    ran = here("run", fleet.path)
    assert (ran.exit_code, ran.out) == (2, "")
    assert "RuntimeError" in ran.err
    assert canary not in ran.err


def test_without_a_configured_server_a_run_brings_its_own_and_leaves_nothing_of_it(
    own_server_shell: Shell, hostile_folder: Path, fleet: Fleet, orders_dump: Path
) -> None:
    fleet.add("orders", orders_dump)
    ran = replace(own_server_shell, folder=hostile_folder)("run", fleet.path, "--json")
    assert ran.exit_code == 0, ran
    assert not list((own_server_shell.folder / "tmp").glob("restore-drill-*"))


# --- which recovery points


def test_walking_back_finds_what_is_recoverable_and_stays_failed(
    here: Here, fleet: Fleet, orders_dump: Path
) -> None:
    fleet.add("orders", backup={"select": {"newest": {"walk_back": 3}}})
    fleet.put("orders", orders_dump, hours_ago(72))
    good = fleet.put("orders", orders_dump, hours_ago(48))
    fleet.put("orders", b"", hours_ago(24))
    fleet.put("orders", truncated(orders_dump), hours_ago(1))
    ran = here("run", fleet.path, "--json")
    assert ran.exit_code == 1, ran
    newest, *older = ran.documents
    assert newest["verdict"] == "failed"
    assert newest["newest_recoverable"]["uri"].endswith(good.name)
    assert newest["newest_recoverable"]["drill_id"] == older[-1]["drill_id"]
    assert [document["verdict"] for document in older] == ["failed", "verified"]
    for document in ran.documents:
        validate(document)
        assert json.loads(fleet.evidence_file(document).read_text()) == document


def test_an_old_good_backup_is_not_judged_by_todays_clock(
    here: Here, fleet: Fleet, orders_of: Callable[[str], Path]
) -> None:
    dump = orders_of("UPDATE public.orders SET placed_at = now() - interval '9 days 1 hour'")
    fleet.add(
        "orders",
        rpo="26h",
        expect={"freshness": {"table": "public.orders", "column": "placed_at", "max_age": "26h"}},
    )
    old = fleet.put("orders", dump, hours_ago(24 * 9))
    fleet.put("orders", dump, hours_ago(24 * 5))
    assert rules_of(here("run", fleet.path, "--json").document) == {"rpo-missed", "content-stale"}
    for select in (f"key:{old}", f"key:{old.name}", f"at:{hours_ago(24 * 9 - 1):%Y-%m-%dT%H:%M:%SZ}"):
        ran = here("run", fleet.path, "--json", "--select", select)
        assert ran.exit_code == 0, (select, ran)
        assert ran.document["recovery_point"]["uri"].endswith(old.name)
        assert ran.document["as_of"] == ran.document["recovery_point"]["at"]


def test_a_random_point_can_be_drawn_again_by_its_seed(here: Here, fleet: Fleet, orders_dump: Path) -> None:
    fleet.add("orders")
    for day in range(1, 9):
        fleet.put("orders", b"" if day % 2 else b"<html>", hours_ago(24 * day))
    first = here("run", fleet.path, "--json", "--select", "random:7").document
    again = here("run", fleet.path, "--json", "--select", "random:7").document
    assert first["recovery_point"]["uri"] == again["recovery_point"]["uri"]
    assert "7" in json.dumps(first["config"])


def test_all_points_of_a_window_are_drilled_and_the_worst_counts(
    here: Here, fleet: Fleet, orders_dump: Path
) -> None:
    fleet.add("orders")
    fleet.put("orders", b"", hours_ago(48))
    fleet.put("orders", orders_dump, hours_ago(24))
    ran = here("run", fleet.path, "--json", "--select", "all")
    assert ran.exit_code == 1
    assert sorted(document["verdict"] for document in ran.documents) == ["failed", "verified"]
    agrees(ran, fleet)


def test_bisect_finds_the_first_bad_backup(here: Here, fleet: Fleet, orders_dump: Path) -> None:
    fleet.add("orders")
    fleet.put("orders", orders_dump, hours_ago(24 * 4))
    fleet.put("orders", orders_dump, hours_ago(24 * 3))
    bad = fleet.put("orders", truncated(orders_dump), hours_ago(24 * 2))
    fleet.put("orders", b"", hours_ago(24))
    ran = here("bisect", fleet.path, "-d", "orders")
    assert ran.exit_code == 1
    assert f"the first bad backup is {bad.stem}" in ran.out.replace(".dump", ""), ran
    assert "3 of 4 recovery points were restored" in ran.out


# --- drift, accepted


def test_a_loss_fails_until_accepted_and_a_further_one_fails_again(
    here: Here, fleet: Fleet, orders_dump: Path, fewer_orders_dump: Path, few_orders_dump: Path
) -> None:
    fleet.add("orders", orders_dump, age_h=72)
    assert here("run", fleet.path, "--json").exit_code == 0

    fleet.put("orders", fewer_orders_dump, hours_ago(48))
    lost = here("run", fleet.path, "--json")
    assert (lost.exit_code, rules_of(lost.document)) == (1, {"rows-dropped"})
    assert here("run", fleet.path, "--json").exit_code == 1, "a bad drill became the baseline"

    accept = ("--rule", "rows-dropped", "--where", "public.orders", "--why", "old orders were purged")
    accepted = here("accept", fleet.evidence_file(lost.document), *accept)
    assert accepted.exit_code == 0, accepted
    after = here("run", fleet.path, "--json")
    agrees(after, fleet)
    assert after.exit_code == 0, after
    assert not [check for check in after.document["checks"] if check["outcome"] == "failed"]
    assert [taken["why"] for taken in after.document["accepted"]] == ["old orders were purged"]

    fleet.put("orders", few_orders_dump, hours_ago(24))
    further = here("run", fleet.path, "--json")
    assert (further.exit_code, rules_of(further.document)) == (1, {"rows-dropped"})


def test_a_dated_exception_makes_a_drift_verified_and_leaves_no_failed_check(
    here: Here, fleet: Fleet, orders_dump: Path, fewer_orders_dump: Path
) -> None:
    fleet.add("orders", orders_dump, age_h=48)
    assert here("run", fleet.path, "--json").exit_code == 0
    fleet.put("orders", fewer_orders_dump, hours_ago(24))
    until = (utc_now() + timedelta(days=30)).date()
    fleet.databases[0]["accept"] = [
        {"rule": "rows-dropped", "where": "public.orders", "until": date.isoformat(until), "why": "a purge"}
    ]
    fleet.write()
    ran = here("run", fleet.path, "--json")
    agrees(ran, fleet)
    assert ran.exit_code == 0, ran
    assert not [check for check in ran.document["checks"] if check["outcome"] == "failed"]
    assert "rows-dropped" in rules_of(ran.document, "info")
    assert ran.document["accepted"]


def test_only_drift_that_is_there_can_be_accepted(here: Here, fleet: Fleet, orders_dump: Path) -> None:
    fleet.add("orders", truncated(orders_dump))
    lost = here("run", fleet.path, "--json").document
    path = fleet.evidence_file(lost)
    for rule in ("archive-truncated", "rows-dropped"):
        ran = here("accept", path, "--rule", rule, "--where", "public.orders", "--why", "because")
        assert ran.exit_code == 3, ran


# --- the other commands


def test_check_looks_without_restoring(here: Here, fleet: Fleet, orders_dump: Path) -> None:
    fleet.add("good", orders_dump)
    assert here("check", fleet.path).exit_code == 0
    fleet.add("cut", b"<html>no such key</html>")
    ran = here("check", fleet.path)
    assert ran.exit_code == 1, ran
    assert "+ good" in ran.out
    assert "x cut" in ran.out
    as_json = here("check", fleet.path, "--json")
    assert [line["database"] for line in as_json.documents] == ["good", "cut"]
    assert not fleet.evidence.exists()


def test_list_shows_what_was_taken_and_what_was_not_and_why(
    here: Here, fleet: Fleet, orders_dump: Path
) -> None:
    fleet.add("orders", orders_dump)
    (fleet.backups / "orders" / "orders_20260101.partial").write_bytes(b"x")
    ran = here("list", fleet.path, "-d", "orders", "--json")
    assert ran.exit_code == 0
    assert [candidate["taken"] for candidate in ran.documents].count(True) == 1
    assert all(candidate["reason"] for candidate in ran.documents)
    assert here("list", fleet.path, "-d", "nobody").exit_code == 3


def test_the_report_is_rendered_from_evidence(
    here: Here, fleet: Fleet, orders_dump: Path, tmp_path: Path
) -> None:
    fleet.add("orders", truncated(orders_dump))
    assert here("run", fleet.path).exit_code == 1
    ran = here("report", fleet.evidence, "--out", tmp_path / "site")
    assert ran.exit_code == 0
    assert "orders" in (tmp_path / "site" / "index.html").read_text()


def test_sweep_and_the_list_of_postgresqls_say_what_is_there(here: Here) -> None:
    assert "0 removed" in here("sweep").out
    installs = here("postgres", "list", "--json")
    assert {install["major"] for install in installs.documents} & {14, 15, 16, 17, 18}


def test_evidence_can_go_elsewhere(here: Here, fleet: Fleet, tmp_path: Path) -> None:
    fleet.add("orders", b"")
    assert here("run", fleet.path, "--evidence", tmp_path / "elsewhere").exit_code == 1
    assert list((tmp_path / "elsewhere" / "tests" / "orders").glob("*.json"))
    assert not fleet.evidence.exists()


def test_a_backup_with_its_manifest_is_compared_exactly(
    here: Here,
    fleet: Fleet,
    cluster: Callable[[int], Source],
    orders_of: Callable[[str], Path],
    fewer_orders_dump: Path,
) -> None:
    orders_of("SELECT")
    source = cluster(MAJOR)
    fleet.add("orders", backup={"manifest": "required"})
    path = fleet.put("orders", b"", hours_ago(2))
    command = (source.install.bindir / "pg_dump", "-Fc", "-f", path, "-d", source.dsn("orders"))
    assert here("manifest", "--", *command).exit_code == 0
    healthy = here("run", fleet.path, "--json")
    assert healthy.exit_code == 0, healthy
    path.write_bytes(fewer_orders_dump.read_bytes())
    lost = here("run", fleet.path, "--json")
    assert lost.exit_code == 1, lost
    assert lost.document["verdict"] == "failed"
