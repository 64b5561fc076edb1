"""Physical copies for tests: productions to back up, and copies brought up behind the wall."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tasks.model.backup import Material, StoredObject
from tasks.model.clock import utc_now
from tasks.model.deadline import Deadline
from tasks.model.errors import DrillError, StageFailed
from tasks.model.findings import Severity
from tasks.model.sandbox import Sandbox, Workspace
from tasks.model.target import Selection, Target
from tasks.physical.bring_up import Adopted, BroughtUp, Copy, bring, bring_up, take_over
from tasks.physical.chain import NamedBackup, chain_of
from tasks.physical.combine import combine
from tasks.physical.layout import BaseBackup, recognise
from tasks.physical.start import adopt
from tasks.physical.target import RecoveryTarget
from tasks.recovery.kinds import recovery_of
from tasks.sandbox import connect, find_postgres
from tasks.stores.local import LocalStore
from tasks.stores.uris import file_uri
from tests.corpus.base_backups import Production, production

DEADLINE_S = 120.0


@dataclass
class Drilled:
    """One base backup taken through all steps in one workspace."""

    workspace: Workspace

    def brought(self, folder: Path) -> Copy:
        store = LocalStore(str(folder))
        return bring(listed(store, folder), store, self.workspace, Deadline.within(DEADLINE_S), _quiet)

    def chained(self, newest: Path, *others: Path) -> tuple[Copy, Adopted]:
        """Bring *newest* with those of *others* that it builds on, put together."""
        store, deadline = LocalStore(str(newest.parent)), Deadline.within(DEADLINE_S)
        named = [NamedBackup(folder.name, listed(store, folder)) for folder in (newest, *others)]
        *priors, last = chain_of(named[0], named[1:], store)
        copy = bring(last.backup, store, self.workspace, deadline, _quiet, priors)
        install = find_postgres(copy.major)
        combine(self.workspace, install, deadline)
        return copy, take_over(adopt(self.workspace, install))

    def adopted(self, folder: Path, major: int) -> tuple[Copy, Adopted]:
        copy = self.brought(folder)
        return copy, take_over(adopt(self.workspace, find_postgres(major)))

    def up(
        self, folder: Path, major: int, target: RecoveryTarget | None = None, **recovery: Any
    ) -> BroughtUp:
        copy, adopted = self.adopted(folder, major)
        return bring_up(copy, adopted, target or RecoveryTarget(), Deadline.within(DEADLINE_S), **recovery)


def listed(store: LocalStore, folder: Path) -> BaseBackup:
    """Recognise the base backup in *folder*, which must hold one."""
    backup = recognise(objects_in(store, folder))
    assert backup is not None
    return backup


def objects_in(store: LocalStore, folder: Path) -> dict[str, StoredObject]:
    prefix = f"{file_uri(folder)}/"
    return {obj.uri.removeprefix(prefix): obj for obj in store.list(prefix)}


def rows(sandbox: Sandbox, query: str, database: str = "shop") -> list[tuple[Any, ...]]:
    with connect(sandbox, database, sandbox.reader) as session:
        return session.execute(query).fetchall()


def refused(sandbox: Sandbox, statement: str, database: str = "shop") -> str:
    """Run *statement* as superuser and return what the server says against it."""
    with connect(sandbox, database) as session, pytest.raises(psycopg.Error) as refusal:
        session.execute(statement)
    return str(refusal.value)


def to_the_end(target: Target, workspace: Workspace) -> tuple[list[str], list[str]]:
    """Restore the newest backup of *target*, even where the preflight says what is wrong with it.

    Returns:
        The rules of all failures that were said, and the marks that came back.
    """
    recovery, deadline = recovery_of(target), Deadline.within(DEADLINE_S)
    store = recovery.reach(target)
    point = recovery.points(target, store, utc_now(), Selection()).points[0]
    readiness = recovery.preflight(point, store, target, None)
    download = recovery.fetch(point, store, target, workspace, deadline, _quiet)
    material: Material = recovery.prove(download, point, target, workspace, deadline)
    install = find_postgres(recovery.major(material, target))
    sandbox = recovery.provision(point, workspace, install, target, deadline)
    restored = recovery.restore(material, sandbox, target, deadline, lambda _: None)
    findings = (*readiness.seen.findings, *readiness.standing, *restored.findings)
    failures = {found.rule for found in findings if found.severity is Severity.FAILURE}
    with connect(sandbox, "shop") as session:
        marks = session.execute("SELECT name FROM shop.marks ORDER BY name").fetchall()
    return sorted(failures), [str(name) for (name,) in marks]


def failed_rules(work: Callable[[], object]) -> list[str]:
    """Return the rules under which *work* fails."""
    with pytest.raises(DrillError) as failure:
        work()
    error = failure.value
    return [found.rule for found in error.findings] if isinstance(error, StageFailed) else [error.rule]


@pytest.fixture
def drilled(workspace: Workspace) -> Drilled:
    """The drill of one base backup, in a workspace of its own."""
    return Drilled(workspace)


@pytest.fixture(scope="module")
def source() -> Iterator[Callable[..., Production]]:
    """Give a running production of a major, one per module."""
    running: dict[int, Production] = {}
    with contextlib.ExitStack() as stack:

        def start(major: int) -> Production:
            if major not in running:
                running[major] = stack.enter_context(production(find_postgres(major)))
            return running[major]

        yield start


def _quiet(done: int, total: int) -> None:
    assert done <= total
