"""Repositories of the real pgBackRest for tests, made once in a session, and the steps of a drill on them."""

from __future__ import annotations

import fcntl
import os
import pickle
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tasks.model.clock import utc_now
from tasks.model.deadline import Deadline
from tasks.model.errors import DrillError, StageFailed
from tasks.model.findings import Severity
from tasks.model.restored import Restored
from tasks.model.sandbox import Workspace
from tasks.model.target import PgBackRestBackup, Selection, StoreConfig, Target
from tasks.recovery.pgbackrest import PgBackRestRepository
from tasks.recovery.physical import PhysicalRecovery
from tasks.sandbox import find_postgres
from tests.corpus.pgbackrest_repos import PASSPHRASE, STANZA, Stanza, make_stanza
from tests.fix_physical import rows
from tests.real_tools import pgbackrest_for

VARIABLE = "ORDERS_REPO_PASSPHRASE"
RECOVERY = PhysicalRecovery(PgBackRestRepository())
_DEADLINE_S = 120.0


@pytest.fixture(scope="session")
def stanza(tmp_path_factory: pytest.TempPathFactory) -> Callable[[int], Stanza]:
    """Give the repository of a production of a major; without its tool the test is skipped."""
    made: dict[int, Stanza] = {}

    def get(major: int) -> Stanza:
        program = pgbackrest_for(major)
        if program is None:
            pytest.skip(f"no pgBackRest for PostgreSQL {major} is here: `make setup` fetches it with apt")
        if major not in made:
            made[major] = _shared(tmp_path_factory, program, major)
        return made[major]

    return get


def _shared(tmp_path_factory: pytest.TempPathFactory, program: Path, major: int) -> Stanza:
    """Return the repository that all workers of a run share; whoever needs it first makes it."""
    base = tmp_path_factory.getbasetemp()
    run = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    made = run / f"stanza{major}.pickle"
    with (run / f"stanza{major}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists():
            made.write_bytes(pickle.dumps(make_stanza(run / f"stanza{major}" / "repo", program, major)))
        stanza = pickle.loads(made.read_bytes())  # noqa: S301  our own
    assert isinstance(stanza, Stanza)
    return stanza


@pytest.fixture
def passphrase(monkeypatch: pytest.MonkeyPatch) -> None:
    """The repositories' passphrase in the worker's environment."""
    monkeypatch.setenv(VARIABLE, PASSPHRASE)


@dataclass
class StanzaDrill:
    """The steps of a drill on one repository, in one workspace.

    Attributes:
        foreseen: rules of what stood before the download and did not end the drill.
        marks: that came back.
    """

    workspace: Workspace
    foreseen: tuple[str, ...] = ()
    marks: tuple[str, ...] = ()

    def __call__(
        self, repository: Stanza, label: str | None = None, store: StoreConfig | None = None, **backup: Any
    ) -> Restored:
        target = target_of(repository, store or StoreConfig(), **backup)
        reader = RECOVERY.reach(target)
        selection = Selection(kind="newest") if label is None else Selection(kind="key", key=label)
        (point,) = RECOVERY.points(target, reader, utc_now(), selection).points
        readiness = RECOVERY.preflight(point, reader, target, None)
        self.foreseen = tuple(item.rule for item in readiness.standing)
        blocking = [item for item in readiness.seen.findings if item.severity is Severity.FAILURE]
        if blocking:
            raise StageFailed(tuple(blocking))
        deadline = Deadline.within(_DEADLINE_S)
        brought = RECOVERY.fetch(point, reader, target, self.workspace, deadline, lambda *_: None)
        material = RECOVERY.prove(brought, point, target, self.workspace, deadline)
        install = find_postgres(RECOVERY.major(material, target))
        sandbox = RECOVERY.provision(point, self.workspace, install, target, deadline)
        restored = RECOVERY.restore(material, sandbox, target, deadline, lambda _: None)
        self.marks = tuple(name for (name,) in rows(sandbox, "SELECT name FROM shop.marks ORDER BY 1"))
        return restored

    def rules(self, repository: Stanza, label: str | None = None, **keys: Any) -> list[str]:
        """Return the rules of what ends the drill, which must not come to its end."""
        with pytest.raises(DrillError) as ended:
            self(repository, label, **keys)
        if isinstance(ended.value, StageFailed):
            return [item.rule for item in ended.value.findings]
        return [ended.value.rule]


@pytest.fixture
def stanza_drill(workspace: Workspace, passphrase: None) -> StanzaDrill:
    """A drill of one repository."""
    return StanzaDrill(workspace)


def place_of(repository: Stanza) -> dict[str, Any]:
    """Return a fleet file's `backup` for *repository*."""
    return {
        "kind": "pgbackrest",
        "at": str(repository.folder),
        "stanza": STANZA,
        "cipher": {"passphrase_env": VARIABLE},
        "database": "shop",
        "tool": str(repository.program),
    }


def target_of(repository: Stanza, store: StoreConfig | None = None, **backup: Any) -> Target:
    """Return a target whose backups are in *repository*; *backup* replaces its keys."""
    place = PgBackRestBackup.model_validate({**place_of(repository), **backup})
    return Target(fleet="tests", name="shop", evidence="/nowhere", backup=place, store=store or StoreConfig())
