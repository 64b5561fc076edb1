"""The commands that a drill of pgBackRest prints, typed by a person: they bring the copy back."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tasks.model.clock import utc_now
from tasks.model.target import Selection
from tasks.physical.target import RecoveryTarget
from tasks.sandbox import find_postgres
from tasks.sandbox.extensions import library_env
from tests.corpus.base_backups import as_nobody
from tests.corpus.pgbackrest_repos import SECRETS, Stanza
from tests.fix_pgbackrest import RECOVERY, target_of
from tests.integration.test_physical_by_hand import READY_S, asked
from tests.real_tools import ESSENTIAL

pytestmark = ESSENTIAL
MAJOR = 17


@pytest.mark.usefixtures("passphrase")
def test_what_is_printed_recovers(stanza: Callable[[int], Stanza]) -> None:
    original = stanza(MAJOR)
    with tempfile.TemporaryDirectory(prefix="rd-by-hand-") as name:
        work, owner = Path(name), original.folder.stat()
        os.chown(work, owner.st_uid, owner.st_gid)
        repository = original.copy(work / "repo")
        assert typed(repository, work, printed(repository, work)) == [(1, 1)]
        (link,) = (work / "data" / "pg_tblspc").iterdir()
        assert link.resolve().is_relative_to(work.resolve())


def printed(repository: Stanza, work: Path) -> list[str]:
    """Return the commands, with a person's folders for what stands for them."""
    target = target_of(repository)
    (point,) = RECOVERY.points(target, RECOVERY.reach(target), utc_now(), Selection()).points
    commands = RECOVERY.repository.commands(point, target, RecoveryTarget())
    places = {"DATA": str(work / "data"), "SPACES": str(work / "spaces")}
    for word, place in places.items():
        Path(place).mkdir(mode=0o700)
        os.chown(place, repository.folder.stat().st_uid, repository.folder.stat().st_gid)
        commands = tuple(command.replace(word, place) for command in commands)
    return list(commands)


def typed(repository: Stanza, work: Path, commands: list[str]) -> list[Any]:
    """Type *commands* and return the tablespace's first row and how often the last mark came back."""
    install = find_postgres(MAJOR)
    path = f"{install.bindir}:{repository.program.parent}:{os.environ['PATH']}"
    secret = {name: text for name, text in SECRETS.items() if name.endswith("_PASS")}
    how: dict[str, Any] = {
        "cwd": work,
        "env": {"LC_ALL": "C", "PATH": path, **library_env(install), **secret},
        **as_nobody(),
    }
    for command in commands[:-1]:
        subprocess.run(["/bin/sh", "-ec", command], check=True, timeout=60, **how)
    start = f"exec {commands[-1]} -k {work} -c listen_addresses="
    with (
        (work / "log").open("wb") as log,
        subprocess.Popen(["/bin/sh", "-c", start], stderr=log, **how) as server,
    ):
        try:
            return asked(work, "m6")[:1]
        finally:
            server.send_signal(signal.SIGINT)
            server.wait(READY_S)
