"""Whatever a sandbox leaves is removed, and nothing beside it is touched."""

from __future__ import annotations

import os
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.sandbox.removal import empty_folder, is_there, open_regular, read_regular, remove_tree

NAMES = st.binary(min_size=1, max_size=30).map(lambda name: name.translate(None, b"/\0") + b"n")
MODES = st.sampled_from([0o000, 0o100, 0o200, 0o300, 0o400, 0o500, 0o700, 0o777, 0o2775, 0o1777])
KINDS = st.sampled_from(["file", "fifo", "socket", "link out", "link up", "link nowhere"])
TREES = st.recursive(
    st.tuples(KINDS, MODES),
    lambda inner: st.tuples(st.just("folder"), MODES, st.dictionaries(NAMES, inner, max_size=5)),
    max_leaves=25,
)


@contextmanager
def place() -> Iterator[tuple[Path, Path]]:
    """A folder to be removed, and one beside it that must stay as it is."""
    with tempfile.TemporaryDirectory() as name:
        outside = Path(name) / "outside"
        (outside / "inner").mkdir(parents=True)
        (outside / "inner" / "file").write_text("stays")
        yield Path(name) / "doomed", outside


def plant(path: Path, tree: object, outside: Path) -> None:
    """Make *tree* at *path*."""
    assert isinstance(tree, tuple)
    kind, mode, *inner = tree
    if kind.startswith("link"):
        places: dict[str, Path | str] = {"link out": outside, "link up": "..", "link nowhere": "/nonexistent"}
        path.symlink_to(places[kind])
        return
    if kind == "folder":
        path.mkdir()
        for name, child in inner[0].items():
            plant(path / os.fsdecode(name), child, outside)
    elif kind == "fifo":
        os.mkfifo(path)
    elif kind == "socket":
        plant_socket(path)
    else:
        path.touch()
    path.chmod(mode)


def plant_socket(path: Path) -> None:
    """Make a socket, or where its path is too long for one, a FIFO."""
    with socket.socket(socket.AF_UNIX) as server, suppress(OSError):
        server.bind(os.fsencode(path))
        return
    os.mkfifo(path)


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(NAMES, TREES, min_size=1, max_size=6))
def test_any_tree_goes_and_what_links_lead_to_stays(tree: dict[bytes, object]) -> None:
    with place() as (doomed, outside):
        plant(doomed, ("folder", 0o700, tree), outside)
        assert remove_tree(doomed)
        assert not is_there(doomed)
        assert (outside / "inner" / "file").read_text() == "stays"
        assert stat.S_IMODE((outside / "inner").stat().st_mode) & 0o700 == 0o700


@pytest.mark.skipif(os.geteuid() != 0, reason="the tests above run as an ordinary user already")
def test_an_ordinary_user_removes_his_closed_folders(tmp_path: Path) -> None:
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        os.chown(name, 65534, 65534)
        child = os.fork()
        if child == 0:
            os.setgroups([])
            os.setgid(65534)
            os.setuid(65534)
            doomed = Path(name) / "doomed"
            tree = {b"closed": ("folder", 0, {b"in": ("folder", 0o100, {b"file": ("file", 0)})})}
            plant(doomed, ("folder", 0o500, tree), tmp_path)
            os._exit(0 if not os.access(doomed / "closed", os.R_OK) and remove_tree(doomed) else 1)
        assert os.waitpid(child, 0)[1] == 0


def deep(top: Path, levels: int) -> None:
    """Nest *levels* folders, far beyond the length of any path."""
    top.mkdir()
    here = os.open(top, os.O_RDONLY)
    for _ in range(levels):
        os.mkdir("d" * 50, dir_fd=here)
        inner = os.open("d" * 50, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = inner
    os.close(here)


@pytest.mark.parametrize("levels", [1_500, 4_000])
def test_folders_are_removed_however_deep(tmp_path: Path, levels: int) -> None:
    deep(tmp_path / "doomed", levels)
    assert remove_tree(tmp_path / "doomed")


def test_a_wide_folder_is_removed_in_passes(tmp_path: Path) -> None:
    doomed = tmp_path / "doomed"
    doomed.mkdir()
    for at in range(12_000):
        (doomed / f"{at}").touch()
    for at in range(50):
        (doomed / f"d{at}").mkdir()
    assert remove_tree(doomed)


def test_names_that_go_last_are_there_while_anything_else_is(tmp_path: Path) -> None:
    doomed = tmp_path / "doomed"
    (doomed / "mounted").mkdir(parents=True)
    (doomed / "stamp").write_text("ours")
    (doomed / "other").write_text("goes")
    assert remove_tree(doomed, ("stamp",), timeout_s=0.0) is False
    assert (doomed / "stamp").exists()
    assert remove_tree(doomed, ("stamp",))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes files immutable")
def test_immutable_files_and_folders_are_removed(tmp_path: Path) -> None:
    doomed = tmp_path / "doomed"
    (doomed / "inner").mkdir(parents=True)
    (doomed / "inner" / "file").write_text("x")
    (doomed / "log").write_text("x")
    marks = (("+i", doomed / "inner" / "file"), ("+i", doomed / "inner"), ("+a", doomed / "log"))
    for flag, path in marks:
        if subprocess.run(["/usr/bin/chattr", flag, str(path)], capture_output=True, check=False).returncode:
            subprocess.run(
                ["/usr/bin/chattr", "-R", "-i", "-a", str(doomed)], capture_output=True, check=False
            )
            pytest.skip("this file system has no such flags")
    assert remove_tree(doomed)


def test_a_link_is_removed_itself(tmp_path: Path) -> None:
    (tmp_path / "target").mkdir()
    (tmp_path / "target" / "file").write_text("stays")
    (tmp_path / "link").symlink_to(tmp_path / "target")
    assert remove_tree(tmp_path / "link")
    assert (tmp_path / "target" / "file").read_text() == "stays"
    (tmp_path / "link").symlink_to(tmp_path / "target")
    with pytest.raises(NotADirectoryError):
        empty_folder(tmp_path / "link")


def test_what_vanishes_meanwhile_is_gone(tmp_path: Path) -> None:
    assert remove_tree(tmp_path / "never-there")
    assert remove_tree(tmp_path / "no-parent" / "never-there")


def test_while_somebody_still_writes_nothing_hangs_or_escapes(tmp_path: Path) -> None:
    doomed = tmp_path / "doomed"
    doomed.mkdir()
    code = (
        "import os, sys, itertools\n"
        "os.chdir(sys.argv[1])\n"
        "print(flush=True)\n"
        "for at in itertools.count():\n"
        "    try:\n"
        "        os.makedirs(f'{at % 7}/{at % 5}/{at % 3}')\n"
        "        os.rename(f'{at % 7}/{at % 5}', f'{at % 3}/moved')\n"
        "    except OSError: pass\n"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(doomed)], stdout=subprocess.PIPE) as writer:
        assert writer.stdout is not None
        writer.stdout.readline()
        for _ in range(20):
            remove_tree(doomed, timeout_s=0.2)
        writer.kill()
    assert remove_tree(doomed)
    assert [path.name for path in tmp_path.iterdir()] == []


@pytest.mark.parametrize("kind", ["fifo", "socket", "link", "folder", "large", "nothing"])
def test_only_a_small_regular_file_is_read(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "file"
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "socket":
        plant_socket(path)
    elif kind == "link":
        (tmp_path / "target").write_text("x")
        path.symlink_to(tmp_path / "target")
    elif kind == "folder":
        path.mkdir()
    elif kind == "large":
        path.touch()
        os.truncate(path, 1 << 30)
    with pytest.raises(OSError):  # noqa: PT011  whatever the kernel calls it
        read_regular(path, 1000)
    if kind != "large":
        with pytest.raises(OSError), open_regular(path, os.O_WRONLY):  # noqa: PT011
            pass


def test_a_small_regular_file_is_read_whole(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x" * 1000)
    assert read_regular(tmp_path / "file", 1000) == b"x" * 1000
