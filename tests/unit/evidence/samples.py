"""Drills as they end, made by code: what the evidence, the report and the goldens are tested with."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tasks.engines.expected import origin_of
from tasks.model import rules
from tasks.model.backup import (
    ArchiveHead,
    Candidate,
    Discovery,
    DumpPoint,
    Format,
    LocalBackup,
    StoredObject,
    Toc,
)
from tasks.model.drill import Drill
from tasks.model.findings import Check, Finding, Outcome, Severity, Stage
from tasks.model.inventory import Inventory, TableFigures
from tasks.model.restored import LeftOut, RecoveryCommand, Restored
from tasks.model.sandbox import PostgresInstall, Sandbox, Workspace
from tasks.model.target import DumpBackup, Expect, Freshness, Rto, Target

NOW = datetime(2026, 11, 22, 7, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
MIB = 1 << 20
HOST = {
    "name": "worker-1",
    "cpus": 2,
    "memory_bytes": 8 << 30,
    "disk": {"total_bytes": 100 << 30, "free_bytes": 64 << 30},
}
TOOL = {"restore_drill": "0.1.0", "python": "3.12.9", "prefect": "3.8.8", "great_expectations": "1.24.1"}
PHASES = {
    "discover": 0.4,
    "preflight": 0.7,
    "fetch": 3.2,
    "provision": 1.9,
    "restore": 34.6,
    "analyze": 1.3,
    "verify": 4.2,
    "validate": 2.8,
    "measure": 0.01,
    "teardown": 0.4,
}


HINTS = {
    "archive-truncated": "Did the backup job finish? Compare the object's size with the job's log.",
    "rows-dropped": "Was the source purged? Then take the change in with `restore-drill accept`.",
    "store-unreachable": "Check the endpoint, the network and the proxy of this worker.",
    "role-not-assumed": "Set `store.role_arn` to the role that a real recovery would use.",
    "object-new": "Nothing.",
}


def finding(rule: str, message: str, *, where: str | None = None, hint: str | None = None) -> Finding:
    """A finding whose hint is ours, so that the goldens do not follow every better wording of a rule."""
    said = hint or HINTS.get(rule, "Look at the backup job's log.")
    return rules.finding(rule, message, where=where, hint=said)


def target(name: str = "orders", **changed: Any) -> Target:
    facts: dict[str, Any] = {
        "fleet": "shop",
        "name": name,
        "owner": "team-dba",
        "backup": DumpBackup(at=f"s3://acme-backups/prod/{name}/%Y/%m/%d/{name}_%Y%m%dT%H%M%SZ.dump"),
        "expect": Expect(
            suite=Path("expectations/suites/orders.yaml"),
            freshness=Freshness(table="public.orders", column="placed_at", max_age="26h"),
        ),
        "rpo": "26h",
        "rto": Rto(objective="1h", overhead="15m"),
        "evidence": "/evidence",
        "fleet_sha256": "5f" * 32,
    }
    return Target(**(facts | changed))


def point(at: datetime, name: str = "orders", size: int = 412 * MIB) -> DumpPoint:
    uri = f"s3://acme-backups/prod/{name}/{at:%Y/%m/%d}/{name}_{at:%Y%m%dT%H%M%SZ}.dump"
    return DumpPoint.of(
        StoredObject(uri, size, at + timedelta(minutes=4), version_id="3HL4kqtJvjVBH40Nrjfkd"), at
    )


def discovery(newest: datetime, name: str = "orders", days: int = 14) -> Discovery[DumpPoint]:
    points = tuple(newest - timedelta(days=back) for back in reversed(range(days)))
    taken = point(newest, name)
    folder = taken.uri.rsplit("/", 1)[0]
    candidates = (
        Candidate(taken.uri, taken.bytes, newest, taken=True, reason="newest that matches"),
        Candidate(
            f"{taken.uri}.partial",
            9 * MIB,
            None,
            taken=False,
            reason="a partial upload: its name ends in .partial",
        ),
        Candidate(
            f"{folder}/{name}_archive_20261121T030000Z.dump",
            88 * MIB,
            None,
            taken=False,
            reason=f"another database: the pattern names {name}",
        ),
    )
    return Discovery((taken,), candidates, points)


def workspace(drill_id: str, started_at: datetime) -> Workspace:
    made = started_at + timedelta(seconds=5)
    return Workspace(
        drill_id,
        Path("/var/lib/drills") / drill_id,
        "drill",
        frozenset({"network", "user"}),
        made,
        made + 8 * HOUR,
    )


def sandbox(drill_id: str, started_at: datetime) -> Sandbox:
    install = PostgresInstall(17, "17.11", Path("/usr/lib/postgresql/17/bin"), "cache")
    settings = {"fsync": "off", "wal_level": "minimal", "maintenance_work_mem": "512MB"}
    return Sandbox(workspace(drill_id, started_at), install, "s7f3", settings=settings, jobs=2)


def inventory(scale: float = 1.0) -> Inventory:
    return Inventory(
        tables={
            "public.customers": TableFigures(int(48_210 * scale), 22 * MIB),
            "public.orders": TableFigures(int(1_204_882 * scale), 610 * MIB),
            "public.orders_2026_10": TableFigures(int(604_000 * scale), 305 * MIB, "public.orders"),
            "public.orders_2026_11": TableFigures(int(600_882 * scale), 305 * MIB, "public.orders"),
            "public.order_lines": TableFigures(int(4_918_337 * scale), 540 * MIB),
            "shop.Gift Cards": TableFigures(1_940, MIB),
        },
        objects={
            "indexes": ("public.customers_email_idx", "public.orders_pkey"),
            "constraints": ("public.orders.orders_customer_fkey", "public.orders.orders_pkey"),
            "extensions": ("pgcrypto",),
            "sequences": ("public.orders_id_seq",),
        },
        large_objects=25,
        large_object_bytes=3 * MIB,
    )


def checks() -> tuple[Check, ...]:
    verify, validate = Stage.VERIFY, Stage.VALIDATE
    return (
        Check("restore-errors", Stage.RESTORE, Outcome.PASSED, 0, 0),
        Check("tables-restored", verify, Outcome.PASSED, 6, "6 of the archive's list", seconds=0.02),
        Check("required-tables", verify, Outcome.PASSED, 2, 2),
        Check("rows-against-history", verify, Outcome.PASSED, "worst -0.4 %", "drop <= 10 %", seconds=1.81),
        Check("foreign-keys", verify, Outcome.PASSED, "7 keys, 0 orphans", "0 orphans", seconds=1.2),
        Check("amcheck", verify, Outcome.NOT_CONFIGURED, why="switched off"),
        Check(
            "suite.orders: public.orders expect_column_values_to_not_be_null customer_id",
            validate,
            Outcome.PASSED,
            "0 of 1,204,882 null",
            "no null",
            seconds=0.2,
        ),
        Check(
            "suite.orders: public.orders expect_column_max_to_be_between placed_at",
            validate,
            Outcome.PASSED,
            "4 h before as_of",
            ">= as_of - 26 h",
            seconds=0.1,
        ),
        Check("freshness", validate, Outcome.PASSED, "4 h 12 min", "<= 26 h"),
        Check("rpo", Stage.MEASURE, Outcome.PASSED, "4 h", "<= 26 h"),
        Check(
            "rto",
            Stage.MEASURE,
            Outcome.PASSED,
            ">= 15 min 41 s",
            "<= 1 h",
            "not disproved: fast settings give a lower bound",
        ),
    )


def toc_of(newest: datetime) -> Toc:
    return Toc(
        (),
        archive_version=(1, 16),
        server_version="17.11",
        dump_version="17.11",
        database="orders",
        made_at=newest.replace(tzinfo=None),
        compression="gzip",
        encoding="UTF8",
    )


def restored(newest: datetime) -> Restored:
    commands = (
        RecoveryCommand(
            "createdb --template=template0 --encoding=UTF8 --lc-collate=C --lc-ctype=C orders", 0.1
        ),
        RecoveryCommand(
            "pg_restore --dbname=orders --jobs=2 --no-owner --no-tablespaces orders_20261122T030000Z.dump",
            34.5,
        ),
        RecoveryCommand("psql --dbname=orders --command=ANALYZE", 1.3),
    )
    origin = origin_of(toc_of(newest))
    return Restored("orders", (), (), commands, origin=origin, restore_s=34.6, analyze_s=1.3)


def verified(
    now: datetime = NOW, name: str = "orders", drill_id: str = "d1f0a7c2", scale: float = 1.0
) -> Drill:
    """A healthy drill of the newest backup, four hours old."""
    newest = now - 4 * HOUR
    head = ArchiveHead(Format.CUSTOM, (), toc_of(newest), ("orders",), "pg_dump")
    return Drill(
        drill_id=drill_id,
        target=target(name),
        started_at=now,
        finished_at=now + timedelta(seconds=50),
        findings=(
            finding(
                "role-not-assumed",
                "No recovery role is configured. The store was read with this worker's rights.",
            ),
            finding(
                "object-new", "public.order_notes is new since the last drill.", where="public.order_notes"
            ),
        ),
        checks=checks(),
        discovery=discovery(newest, name),
        point=point(newest, name),
        backup=LocalBackup(
            path=Path("/var/lib/drills/x/backup/orders.dump"),
            head=head,
            bytes=412 * MIB,
            sha256="ab" * 32,
            integrity="s3-sha256",
            fetch_s=3.2,
        ),
        sandbox=sandbox(drill_id, now),
        destroyed_at=now + timedelta(seconds=49),
        phases_s=PHASES,
        restored=restored(newest),
        inventory=inventory(scale),
        content_age_s=4.2 * 3600,
        identity="arn:aws:sts::123456789012:assumed-role/recovery/drill",
        suites_sha256={None: "c4" * 32},
        actor="dba@worker-1",
        suite_results={"orders": suite_results()},
        host=HOST,
        tool=TOOL,
    )


def suite_results() -> dict[str, Any]:
    return {
        "suite": "orders",
        "gate": "fail",
        "results": [
            {
                "table": "public.orders",
                "type": "expect_column_values_to_not_be_null",
                "column": "customer_id",
                "expected": "customer_id is never null",
                "outcome": "passed",
                "severity": "critical",
                "observed": "0 of 1,204,882 null",
                "owner": "data-team",
                "why": "an order without a customer cannot be shipped",
            },
            {
                "table": "public.orders",
                "type": "expect_column_max_to_be_between",
                "column": "placed_at",
                "expected": "the newest placed_at is at most 26 h before the recovery point",
                "outcome": "passed",
                "severity": "critical",
                "observed": "4 h before",
            },
        ],
    }


def truncated(now: datetime = NOW, name: str = "customers") -> Drill:
    """The newest dump was cut off: nothing was restored, an older one is known to come back."""
    good = verified(now, name, "7be1")
    size = 41 * MIB
    cut = replace(good.point, bytes=size)
    message = (
        "The archive ends at byte 42,991,616, inside the data of public.customers. "
        "What follows was never stored."
    )
    return replace(
        good,
        point=cut,
        backup=None,
        head=good.backup.head,
        sandbox=None,
        workspace=workspace("7be1", now),
        restored=None,
        inventory=None,
        content_age_s=None,
        suite_results={},
        suites_sha256={},
        findings=(finding("archive-truncated", message, where=cut.uri),),
        checks=(
            Check("restore-errors", Stage.RESTORE, Outcome.NOT_RUN, why="the archive is truncated"),
            Check(
                "rpo",
                Stage.MEASURE,
                Outcome.NOT_RUN,
                expected="<= 26 h",
                why="the age of the newest row was not measured",
            ),
            Check(
                "rto", Stage.MEASURE, Outcome.NOT_RUN, expected="<= 1 h", why="the restore did not complete"
            ),
        ),
        phases_s={"discover": 0.5, "preflight": 0.9, "fetch": 0.4, "teardown": 0.1},
        newest_recoverable={
            "uri": point(now - 28 * HOUR, name).uri,
            "at": "2026-11-21T03:00:00Z",
            "drill_id": "7be0",
        },
    )


def stale(now: datetime = NOW, name: str = "ledger") -> Drill:
    """The backup job stopped a week ago; what is there restores."""
    good = verified(now, name, "51a3")
    newest = now - timedelta(days=7, hours=4)
    message = (
        "The newest backup is 7.2 d old and the RPO is 26 h. A loss now would cost the last 7.2 d of writes."
    )
    missed = Check("rpo", Stage.MEASURE, Outcome.FAILED, "7.2 d", "<= 26 h")
    return replace(
        good,
        discovery=discovery(newest, name),
        point=point(newest, name),
        content_age_s=(now - newest).total_seconds() + 700,
        findings=(finding("rpo-missed", message, where=point(newest, name).uri),),
        checks=(*(check for check in good.checks if check.name != "rpo"), missed),
    )


def shrunk(now: datetime = NOW, name: str = "inventory") -> Drill:
    """A third of a table's rows is gone and no tool complained."""
    good = verified(now, name, "90cc")
    figures = dict(good.inventory.tables)
    figures["public.orders"] = replace(figures["public.orders"], rows=803_255)
    message = (
        "public.orders holds 803,255 rows, 33 % fewer than the 1,204,102 of the last verified drill. "
        "Rows are missing from the backup."
    )
    failed = Check(
        "rows-against-history", Stage.VERIFY, Outcome.FAILED, "worst -33 %", "drop <= 10 %", seconds=1.7
    )
    return replace(
        good,
        inventory=replace(good.inventory, tables=figures),
        findings=(
            finding("rows-dropped", message, where="public.orders"),
            finding(
                "object-lost-minor",
                "The index public.orders_note_idx is gone since the last drill. Nothing depends on it.",
                where="public.orders_note_idx",
            ),
            finding(
                "rows-grown",
                "public.order_lines grew by 61 %. It may be a bulk load.",
                where="public.order_lines",
            ),
        ),
        checks=(*(check for check in good.checks if check.name != failed.name), failed),
    )


def unreachable(now: datetime = NOW, name: str = "payments") -> Drill:
    """The store did not answer: nothing is known of the backup."""
    message = "The store did not answer within 20 s, three times. Nothing can be said of the backup."
    return Drill(
        drill_id="e07f",
        target=target(name),
        started_at=now,
        finished_at=now + timedelta(seconds=64),
        findings=(finding("store-unreachable", message, where="s3://acme-backups/prod/payments/"),),
        checks=(
            Check(
                "rpo",
                Stage.MEASURE,
                Outcome.NOT_RUN,
                expected="<= 26 h",
                why="there is no recovery point to measure from",
            ),
        ),
        phases_s={"discover": 63.8},
        actor="dba@worker-1",
        host=HOST,
        tool=TOOL,
    )


def hostile(now: datetime = NOW) -> Drill:
    """A dump whose names would run in a careless page."""
    good = verified(now, "evil", "0bad")
    name = "public.<script>alert(1)</script>"
    figures = dict(good.inventory.tables) | {name: TableFigures(2_000, MIB)}
    message = f"{name} holds 2,000 rows, 50 % fewer than before. <img src=x onerror=alert(2)>"
    left_out = (LeftOut(f"SERVER {name}", "superuser-entry", (f"FOREIGN TABLE {name}",), (f"VIEW {name}",)),)
    return replace(
        good,
        inventory=replace(good.inventory, tables=figures),
        restored=replace(good.restored, left_out=left_out),
        findings=(finding("rows-dropped", message, where=name, hint='"><script>alert(3)</script>'),),
        checks=(
            *good.checks,
            Check(f"rows of {name}", Stage.VERIFY, Outcome.FAILED, "'><b>bold</b>", "&lt;"),
        ),
    )


def with_severity(facts: Drill, severity: Severity) -> Drill:
    """The same drill with every finding of *severity*."""
    return replace(facts, findings=tuple(replace(item, severity=severity) for item in facts.findings))


ALL = {
    "verified": verified,
    "truncated": truncated,
    "stale": stale,
    "shrunk": shrunk,
    "unreachable": unreachable,
    "hostile": hostile,
}
