"""What a tool that reads an attacker's repository can do: nothing beyond the drill's own folder."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tasks.model.deadline import Deadline
from tasks.model.errors import PermanentError
from tasks.model.sandbox import Workspace
from tasks.physical.pgbackrest.access import Access
from tasks.physical.pgbackrest.program import Program
from tasks.physical.pgbackrest.restoring import walk
from tasks.physical.pgbackrest.run import Done, run, temporary_workspace
from tests.fix_postgres import wait_for

SECRET = "not for a tool"


def tool(folder: Path, *lines: str) -> Program:
    """Return a program in the tool's place that runs *lines*, in a shell that may start nothing."""
    path = folder / "pgbackrest"
    path.write_text("\n".join(("#!/bin/sh", *lines)) + "\n")
    path.chmod(0o755)
    return Program(path, (2, 55), "2.55.1")


def ran(program: Program, repository: Path, workspace: Workspace, seconds: float = 60) -> Done:
    access = Access((), {"PGBACKREST_REPO1_CIPHER_PASS": SECRET}, folder=repository)
    return run(program, access, workspace, Deadline.within(seconds), "info")


@pytest.fixture
def shelf() -> Iterator[Path]:
    """A folder for the tool, with a path as short as an installed one's: longer ones have no doorkeeper."""
    with tempfile.TemporaryDirectory(prefix="rd-tool-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "repository"
    folder.mkdir()
    (folder / "file").write_text("as it lies there\n")
    return folder


def test_it_reads_its_repository_and_writes_the_drills_folder_alone(
    tmp_path: Path, shelf: Path, repository: Path, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "the worker's own")
    (tmp_path / "private").write_text("the worker's own\n")
    outside = [
        tmp_path / "made",
        repository / "made",
        repository / "file",
        Path("/etc/made"),
        Path.home() / "made",
    ]
    program = tool(
        shelf,
        f'read -r line < {repository}/file && echo "$line"',
        f'read -r line < {tmp_path}/private && echo "$line"',
        *(f"echo x > {path}" for path in outside),
        f"echo x > {workspace.data_dir}/made",
        'echo "$AWS_SECRET_ACCESS_KEY$PGBACKREST_REPO1_CIPHER_PASS"',
    )
    done = ran(program, repository, workspace)
    assert done.output.decode().splitlines() == ["as it lies there", SECRET]
    assert (workspace.data_dir / "made").exists()
    assert (repository / "file").read_text() == "as it lies there\n"
    assert [path for path in outside if path.exists()] == [repository / "file"]


def test_what_it_says_is_kept_without_the_secrets(
    shelf: Path, repository: Path, workspace: Workspace
) -> None:
    program = tool(shelf, 'printf "WARN: \\377 $PGBACKREST_REPO1_CIPHER_PASS\\n" >&2', "exit 75")
    done = ran(program, repository, workspace)
    assert (done.exit_code, done.lines) == (75, ("WARN: \ufffd ***",))


def test_it_starts_itself_and_nothing_else(shelf: Path, repository: Path, workspace: Workspace) -> None:
    program = tool(
        shelf,
        '[ "$1" = again ] && echo again && exit',
        "/bin/ls / > /dev/null && echo others",
        '( exec "$0" again )',
    )
    assert ran(program, repository, workspace).output == b"again\n"


def test_it_ends_with_its_deadline(shelf: Path, repository: Path, workspace: Workspace) -> None:
    program, begun = tool(shelf, "trap '' TERM; while :; do :; done"), time.monotonic()
    with pytest.raises(PermanentError) as ended:
        ran(program, repository, workspace, seconds=1)
    assert ended.value.rule == "stage-deadline"
    assert time.monotonic() - begun < 20


def test_what_only_tells_leaves_nothing_behind(shelf: Path, repository: Path) -> None:
    program = tool(shelf, "echo told; echo x > made")
    with temporary_workspace() as workspace:
        assert ran(program, repository, workspace).output == b"told\n"
        assert (workspace.scratch_dir / "made").exists()
    assert wait_for(lambda: not workspace.root.exists(), 5)


class TestWhatCame:
    """The walk through what the tool made of a manifest that is somebody else's."""

    @pytest.fixture
    def data_dir(self, workspace: Workspace) -> Path:
        (workspace.data_dir / "pg_tblspc").mkdir()
        (workspace.data_dir / "PG_VERSION").write_text("17\n")
        (workspace.scratch_dir / "tablespaces" / "far").mkdir(parents=True)
        (workspace.scratch_dir / "tablespaces" / "far" / "16385").write_text("rows")
        return workspace.data_dir

    def refused(self, workspace: Workspace) -> None:
        with pytest.raises(PermanentError) as refusal:
            walk(workspace, "/r")
        assert refusal.value.rule == "archive-hostile"

    def test_files_and_tablespaces_of_ours_are_counted(self, workspace: Workspace, data_dir: Path) -> None:
        (data_dir / "pg_tblspc" / "16384").symlink_to(workspace.scratch_dir / "tablespaces" / "far")
        walked = walk(workspace, "/r")
        assert (walked.files, walked.bytes) == (2, 7)

    @pytest.mark.parametrize("target", ["/etc", "../../../..", "/nowhere", ""])
    def test_a_tablespace_that_leads_out(self, workspace: Workspace, data_dir: Path, target: str) -> None:
        whole = workspace.scratch_dir / "tablespaces"
        (data_dir / "pg_tblspc" / "16384").symlink_to(target or whole)
        self.refused(workspace)

    @pytest.mark.parametrize("name", ["pg_wal", "pg_tblspc/far", "16384"])
    def test_a_link_that_is_no_tablespaces(self, workspace: Workspace, data_dir: Path, name: str) -> None:
        (data_dir / name).symlink_to(workspace.scratch_dir / "tablespaces" / "far")
        self.refused(workspace)

    def test_a_second_name_of_a_file(self, workspace: Workspace, data_dir: Path) -> None:
        os.link(data_dir / "PG_VERSION", data_dir / "again")
        self.refused(workspace)

    def test_a_pipe(self, workspace: Workspace, data_dir: Path) -> None:
        os.mkfifo(data_dir / "pipe")
        self.refused(workspace)
