"""However much there is to name, a message names a few, says how many there are, and stays readable."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.catalog.contained import Contained, Wanted, choose
from tasks.discovery import discover
from tasks.discovery.split_files import split_finding
from tasks.engines.script_databases import ScriptDatabases
from tasks.model.backup import ArchiveHead, Format
from tasks.model.errors import PermanentError, StageFailed
from tasks.model.findings import Finding, Stage, Verdict
from tasks.model.target import DumpBackup, Target
from tasks.states import conclude_fleet
from tests.unit.stores.fake import BUCKET, NOW, FakeStore, target

READABLE = 1000
"""Characters of a message: a few names of 63 letters, and sentences round them."""
Said = Callable[[Sequence[str]], list[Finding]]
NAMES = st.integers(20, 400).map(lambda count: [f"{'n' * 40}_{number:04}" for number in range(count)])


def of_error(fail: Callable[[], object]) -> list[Finding]:
    with pytest.raises(PermanentError) as failure:
        fail()
    return [failure.value.finding(Stage.FETCH)]


def several_dumps(names: Sequence[str]) -> list[Finding]:
    return of_error(lambda: choose([Contained(f"{name}.sql") for name in names], Wanted(None, "x"), "x.tar"))


def dumps_without_the_database(names: Sequence[str]) -> list[Finding]:
    dumps = [Contained(f"{name}.dump", (name,)) for name in names]
    return of_error(lambda: choose(dumps, Wanted("x", "x"), "x.zip"))


def dumps_of_many_databases(names: Sequence[str]) -> list[Finding]:
    dumps = [Contained(name[-4:], tuple(names)) for name in names]
    return of_error(lambda: choose(dumps, Wanted(None, "x"), "x.zip"))


def dropped_databases(names: Sequence[str]) -> list[Finding]:
    drilled = Target(fleet="t", name="shop", backup=DumpBackup(at="unused"), evidence="unused")
    followed = ScriptDatabases(ArchiveHead(Format.PLAIN, databases=("shop",)), drilled, "shop")
    for name in names:
        followed.drop(f"DROP DATABASE {name};".encode())
    return list(followed.findings())


def split_parts(names: Sequence[str]) -> list[Finding]:
    return [split_finding("s3://b/x.dump", [f"s3://b/x.dump.{name}" for name in names])]


def neighbours(names: Sequence[str]) -> list[Finding]:
    store = FakeStore()
    for name in ("orders", *names):
        store.put_all(f"prod/{name}_{NOW - timedelta(days=day):%Y%m%d}.dump" for day in range(3))
    return list(discover(target(BUCKET + "prod/orders_%Y%m%d.dump"), store, NOW).findings)


def nothing_but_strangers(names: Sequence[str]) -> list[Finding]:
    store = FakeStore()
    store.put_all(f"prod/orders_{NOW:%Y%m%d}.{name}" for name in names)
    with pytest.raises(StageFailed) as failure:
        discover(target(BUCKET + "prod/orders_%Y%m%d.dump"), store, NOW)
    return list(failure.value.findings)


SAID = [
    several_dumps, dumps_without_the_database, dumps_of_many_databases, dropped_databases, split_parts,
    neighbours, nothing_but_strangers,
]  # fmt: skip


@pytest.mark.parametrize("said", SAID)
@given(names=NAMES)
@settings(max_examples=10, deadline=None)
def test_a_message_names_a_few_and_counts_the_rest(said: Said, names: list[str]) -> None:
    findings = said(names)
    assert 0 < len(findings) <= 3
    for finding in findings:
        assert len(finding.message) < READABLE
        assert len(finding.hint) < READABLE
        assert sum(name in finding.message for name in names) <= 20
        rest = len(names) - sum(name in finding.message for name in names)
        assert f"{rest:,} more" in finding.message or f"{len(names)}" in finding.message


@given(names=NAMES)
@settings(max_examples=10, deadline=None)
def test_a_fleets_state_names_a_few_databases(names: list[str]) -> None:
    message = conclude_fleet("shop", [], dict.fromkeys(names, Verdict.FAILED)).message or ""
    assert len(message) < READABLE
    assert f"{len(names)} failed" in message


def test_a_database_beside_is_named_once_however_many_files_it_has() -> None:
    findings = neighbours(["payroll"])
    assert [finding.rule for finding in findings] == ["undrilled-backup"]
    assert findings[0].message.count("payroll") == 1
