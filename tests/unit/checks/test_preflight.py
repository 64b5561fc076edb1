"""The preflight: a drill that cannot succeed says so before anything is downloaded."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tasks.catalog import DEFAULT_EXTENSIONS
from tasks.checks import preflight as readiness
from tasks.checks.preflight import assess, major_to_use
from tasks.model.backup import ArchiveHead, DumpPoint, Format
from tasks.model.errors import PermanentError
from tasks.model.findings import Outcome
from tasks.model.sandbox import PostgresInstall
from tasks.model.target import DumpBackup, SandboxConfig, Target
from tasks.stores import open_store
from tests.corpus import archives

AT = archives.MADE_AT.replace(tzinfo=UTC)


@pytest.fixture(autouse=True)
def _postgres_17_is_here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def find(major: int, source: str = "auto") -> PostgresInstall:
        if major != 17:
            raise PermanentError(f"PostgreSQL {major} is not here.", rule="postgres-unavailable")
        return PostgresInstall(17, "17.0", tmp_path, "installed")

    monkeypatch.setattr(readiness, "find_postgres", find)
    monkeypatch.setattr(readiness, "available_extensions", lambda _: DEFAULT_EXTENSIONS)
    monkeypatch.setenv("RESTORE_DRILL_DIR", str(tmp_path / "drills-not-made-yet"))


def target(folder: Path, **sandbox: Any) -> Target:
    return Target(
        fleet="shop",
        name="orders",
        backup=DumpBackup(at=f"{folder}/orders_%Y%m%dT%H%M%SZ.dump"),
        sandbox=SandboxConfig(postgres=17).model_copy(update=sandbox),
        evidence=str(folder / "evidence"),
    )


def look(folder: Path, wanted: Target) -> readiness.Readiness:
    path = folder / f"orders_{AT:%Y%m%dT%H%M%SZ}.dump"
    if not path.exists():
        path.write_bytes(archives.custom())
    store = open_store(wanted.store, wanted.backup.at)
    return assess(DumpPoint.of(store.head(path.as_uri()), AT), store, wanted, None)


def rules(seen: readiness.Readiness) -> list[str]:
    return [found.rule for found in seen.seen.findings]


def with_manifest(wanted: Target, choice: str) -> Target:
    return wanted.model_copy(update={"backup": wanted.backup.model_copy(update={"manifest": choice})})


def test_a_healthy_backup_is_ready_and_its_head_is_known(tmp_path: Path) -> None:
    seen = look(tmp_path, target(tmp_path))
    assert rules(seen) == []
    assert seen.head is not None
    assert seen.head.format is Format.CUSTOM
    assert {check.outcome for check in seen.seen.checks} == {Outcome.PASSED}


def test_a_major_that_is_not_here_is_said_before_the_download(tmp_path: Path) -> None:
    seen = look(tmp_path, target(tmp_path, postgres=18))
    assert rules(seen) == ["postgres-unavailable"]
    assert {check.name: check.outcome for check in seen.seen.checks}["ready"] is Outcome.FAILED


def test_a_disk_that_is_too_small_is_said_before_the_download(tmp_path: Path) -> None:
    assert rules(look(tmp_path, target(tmp_path, disk=1 << 60))) == ["disk-too-small"]


def test_the_last_restored_size_counts_for_the_disk(tmp_path: Path) -> None:
    wanted = target(tmp_path)
    look(tmp_path, wanted)
    path = next(tmp_path.glob("*.dump"))
    store = open_store(wanted.store, wanted.backup.at)
    seen = assess(DumpPoint.of(store.head(path.as_uri()), AT), store, wanted, 1 << 60)
    assert rules(seen) == ["disk-too-small"]


@pytest.mark.parametrize(
    ("choice", "expected"), [("required", ["manifest-missing"]), ("auto", []), ("none", [])]
)
def test_a_manifest_is_missed_only_where_it_is_required(
    tmp_path: Path, choice: str, expected: list[str]
) -> None:
    assert rules(look(tmp_path, with_manifest(target(tmp_path), choice))) == expected


def test_a_manifest_beside_the_backup_is_read(tmp_path: Path) -> None:
    beside = tmp_path / f"orders_{AT:%Y%m%dT%H%M%SZ}.dump.inventory.json"
    beside.write_text(json.dumps({"tables": {}}))
    assert look(tmp_path, target(tmp_path)).manifest == {"tables": {}}
    assert look(tmp_path, with_manifest(target(tmp_path), "none")).manifest is None


TABLE = '{"tables": {"a.t": {"rows": %s}}}'


@pytest.mark.parametrize(
    "text",
    [
        "{", "[]", "", "null", '"x"', "{}", '{"objects": {}}', '{"tables": [1]}',
        '{"tables": {}, "objects": 5}', "[" * 100_000, '{"tables":' * 100_000, TABLE % "NaN", TABLE % "1e999",
        TABLE % "-5", TABLE % ("9" * 5000),
        TABLE % "true", '{"tables": {"a.\\ud800": {}}}', '{"tables": {}, "tables": {"a.t": {"rows": 1}}}',
    ],
    ids=lambda text: text[:24],
)  # fmt: skip
def test_a_manifest_that_is_none_is_never_taken_for_one(tmp_path: Path, text: str) -> None:
    (tmp_path / f"orders_{AT:%Y%m%dT%H%M%SZ}.dump.inventory.json").write_text(text)
    assert rules(look(tmp_path, target(tmp_path))) == ["manifest-unreadable"]


def test_a_script_that_names_no_version_takes_the_newest_major(tmp_path: Path) -> None:
    wanted = target(tmp_path, postgres="auto")
    assert major_to_use(ArchiveHead(Format.PLAIN), wanted) == readiness.NEWEST_MAJOR
    assert major_to_use(None, target(tmp_path, postgres=15)) == 15


def test_the_recovery_point_of_these_tests_is_the_archives_own_time() -> None:
    assert datetime(2026, 5, 4, 3, tzinfo=UTC) == AT
