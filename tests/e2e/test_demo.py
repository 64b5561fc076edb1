"""`restore-drill demo`, as a newcomer runs it: with a Prefect server of its own, to verdicts and report."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from deployments.commands.demo import PLANS, as_planned, latest_documents

DEADLINE_S = 500


@pytest.mark.slow
@pytest.mark.timeout(DEADLINE_S + 30)
def test_the_demo_catches_every_sabotage_and_leaves_nothing_behind(
    tmp_path: Path, hostile_folder: Path
) -> None:
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "PREFECT_"))},
        "PREFECT_HOME": str(tmp_path / "prefect"),
        "RESTORE_DRILL_DIR": str(tmp_path / "drills"),
        "TMPDIR": str(temporary),
    }
    out = tmp_path / "demo"
    command = [str(Path(sys.executable).with_name("restore-drill")), "demo", "--out", str(out)]
    done = subprocess.run(
        command,
        env=environment,
        cwd=hostile_folder,
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "every sabotage was caught" in done.stdout
    documents = latest_documents(out / "evidence")
    assert all(as_planned(name, documents[name]) for name in PLANS)
    assert {d["sandbox"]["left_behind"] == [] for d in documents.values() if d["sandbox"]} == {True}
    assert (out / "evidence" / "report" / "index.html").is_file()
    assert not list((tmp_path / "drills" / "drills").glob("*"))
    assert not list(temporary.glob("restore-drill-*"))
    assert not _processes_that_mention(str(tmp_path))


def _processes_that_mention(text: str) -> list[bytes]:
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            line = (folder / "cmdline").read_bytes()
        except OSError:
            continue
        if text.encode() in line and int(folder.name) != os.getpid():
            found.append(line)
    return found
