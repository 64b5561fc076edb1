"""pgBackRest's repositories, whole and broken in one respect each: what every step says of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from tasks.model.clock import utc_now
from tasks.model.deadline import Deadline
from tasks.model.errors import DrillError, StageFailed
from tasks.model.restored import Restored
from tasks.model.sandbox import Workspace
from tasks.model.target import PgBackRestBackup, Selection, Target
from tasks.recovery.pgbackrest import PgBackRestRepository
from tasks.recovery.physical import PhysicalRecovery
from tasks.sandbox import find_postgres
from tests.corpus.pgbackrest_repos import MARKS, PASSPHRASE, STANZA, Stanza, flipped, replaced
from tests.fix_physical import rows
from tests.real_tools import ESSENTIAL

pytestmark = ESSENTIAL
VARIABLE = "ORDERS_REPO_PASSPHRASE"
RECOVERY = PhysicalRecovery(PgBackRestRepository())
MAJOR = 17


@pytest.fixture(autouse=True)
def passphrase(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, PASSPHRASE)


@pytest.fixture
def repository(stanza: Callable[[int], Stanza], tmp_path: Path) -> Stanza:
    """A copy to do harm to."""
    return stanza(MAJOR).copy(tmp_path / "repo")


@dataclass
class Drill:
    """The steps of a drill on one repository, in one workspace."""

    workspace: Workspace

    def __call__(self, repository: Stanza, label: str | None = None, **backup: Any) -> Restored:
        target = target_of(repository, **backup)
        store = RECOVERY.reach(target)
        selection = Selection(kind="newest") if label is None else Selection(kind="key", key=label)
        (point,) = RECOVERY.points(target, store, utc_now(), selection).points
        RECOVERY.preflight(point, store, target, None)
        deadline = Deadline.within(120)
        brought = RECOVERY.fetch(point, store, target, self.workspace, deadline, lambda *_: None)
        material = RECOVERY.prove(brought, point, target, self.workspace, deadline)
        install = find_postgres(RECOVERY.major(material, target))
        sandbox = RECOVERY.provision(point, self.workspace, install, target, deadline)
        restored = RECOVERY.restore(material, sandbox, target, deadline, lambda _: None)
        self.marks = [name for (name,) in rows(sandbox, "SELECT name FROM shop.marks ORDER BY 1")]
        return restored

    def rules(self, repository: Stanza, label: str | None = None, **backup: Any) -> list[str]:
        """Return the rules of what ends the drill, which must not come to its end."""
        with pytest.raises(DrillError) as ended:
            self(repository, label, **backup)
        if isinstance(ended.value, StageFailed):
            return [item.rule for item in ended.value.findings]
        return [ended.value.rule]


@pytest.fixture
def drill(workspace: Workspace) -> Drill:
    return Drill(workspace)


def target_of(repository: Stanza, **backup: Any) -> Target:
    keys = {
        "at": str(repository.folder),
        "stanza": STANZA,
        "cipher": {"passphrase_env": VARIABLE},
        "database": "shop",
        "tool": str(repository.program),
    }
    place = PgBackRestBackup.model_validate({**keys, **backup})
    return Target(fleet="tests", name="shop", evidence="/nowhere", backup=place)


@pytest.mark.parametrize("place", [0, 1, 2])
def test_each_backup_comes_back_with_all_that_was_archived_after_it(
    drill: Drill, stanza: Callable[[int], Stanza], place: int
) -> None:
    repository = stanza(MAJOR)
    restored = drill(repository, repository.labels[place])
    assert drill.marks == [*MARKS]
    assert [item.rule for item in restored.findings] == ["settings-neutralised"]
    assert "postgresql.auto.conf: archive_command" in restored.neutralised


def test_a_wrong_passphrase(drill: Drill, repository: Stanza, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "another one")
    assert drill.rules(repository) == ["cipher-wrong"]


def test_no_passphrase(drill: Drill, repository: Stanza) -> None:
    assert drill.rules(repository, cipher=None) == ["cipher-missing"]


def test_a_flipped_bit_in_a_base_file(drill: Drill, repository: Stanza) -> None:
    flipped(repository.folder / "backup" / STANZA / repository.labels[0] / "bundle" / "1")
    assert drill.rules(repository) == ["backup-manifest-mismatch"]


def test_a_prior_that_is_gone(drill: Drill, repository: Stanza) -> None:
    folder = repository.folder / "backup" / STANZA / repository.labels[0]
    folder.rename(repository.folder / "elsewhere")
    assert drill.rules(repository) == ["chain-broken"]


def test_a_segment_that_is_gone_from_the_middle(drill: Drill, repository: Stanza) -> None:
    repository.segment("m4").unlink()
    for path in repository.wal.glob("*-*"):
        replaced(path, path.read_bytes())
    restored = drill(repository)
    assert "wal-gap" in [item.rule for item in restored.findings]
    assert drill.marks == ["m1", "m2", "m3"]


def test_a_flipped_bit_in_a_segment(drill: Drill, repository: Stanza) -> None:
    flipped(repository.segment("m5"))
    assert drill.rules(repository) == ["wal-corrupt"]


def test_another_segment_under_a_segments_name(drill: Drill, repository: Stanza) -> None:
    replaced(repository.segment("m5"), repository.segment("m4").read_bytes())
    assert drill.rules(repository) == ["wal-corrupt"]


def test_the_catalogue_is_gone(drill: Drill, repository: Stanza) -> None:
    for name in ("backup.info", "backup.info.copy"):
        (repository.folder / "backup" / STANZA / name).unlink()
    assert drill.rules(repository) == ["catalogue-unreadable"]


def test_the_catalogue_is_damaged_under_the_right_passphrase(drill: Drill, repository: Stanza) -> None:
    for name in ("backup.info", "backup.info.copy"):
        flipped(repository.folder / "backup" / STANZA / name)
    assert drill.rules(repository) == ["catalogue-unreadable"]


def test_the_archives_own_file_is_gone(drill: Drill, repository: Stanza) -> None:
    for name in ("archive.info", "archive.info.copy"):
        (repository.folder / "archive" / STANZA / name).unlink()
    assert drill.rules(repository) == ["catalogue-unreadable"]


def test_another_stanza(drill: Drill, repository: Stanza) -> None:
    assert drill.rules(repository, stanza="ordres") == ["path-missing"]


def test_no_tool(drill: Drill, repository: Stanza) -> None:
    assert drill.rules(repository, tool="/nowhere/pgbackrest") == ["tool-missing"]


def test_a_tool_that_is_too_old(drill: Drill, repository: Stanza, stanza: Callable[[int], Stanza]) -> None:
    older = replace(repository, program=stanza(15).program)
    assert drill.rules(older) == ["tool-too-old"]
