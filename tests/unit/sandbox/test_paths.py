"""Where things lie, and who may pass."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from tasks.sandbox import isolation
from tasks.sandbox.paths import drill_dir, first_closed, make_folder, postgres_dir, spread
from tasks.sandbox.servers import free_bytes
from tasks.sandbox.settings import server_settings
from tasks.sandbox.view import covered_folders, kept_install


def test_the_two_folders_do_not_depend_on_each_other(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("RESTORE_DRILL_DIR", "RESTORE_DRILL_POSTGRES_DIR"):
        monkeypatch.delenv(name, raising=False)
    before = postgres_dir()
    monkeypatch.setenv("RESTORE_DRILL_DIR", str(tmp_path))
    assert (drill_dir(), postgres_dir()) == (tmp_path, before)


@pytest.mark.parametrize("uid", [0, 1000])
def test_root_uses_a_cache_that_others_may_pass(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, uid: int
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: uid)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    for name in ("RESTORE_DRILL_DIR", "RESTORE_DRILL_POSTGRES_DIR"):
        monkeypatch.delenv(name, raising=False)
    base = Path("/var/cache") if uid == 0 else tmp_path
    assert drill_dir() == base / "restore-drill"
    assert postgres_dir() == base / "restore-drill" / "postgres"


def test_new_folders_get_their_mode_whatever_the_umask_and_old_ones_stay(tmp_path: Path) -> None:
    (tmp_path / "old").mkdir(mode=0o700)
    before = os.umask(0o077)
    try:
        make_folder(tmp_path / "old" / "new" / "below", 0o755)
    finally:
        os.umask(before)
    modes = [
        path.stat().st_mode & 0o777
        for path in (tmp_path / "old", tmp_path / "old/new", tmp_path / "old/new/below")
    ]
    assert modes == [0o700, 0o755, 0o755]


def test_the_uppermost_closed_folder_is_found() -> None:
    stranger = 54321
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        top = Path(name).resolve()
        top.chmod(0o755)
        deep = top / "a" / "b" / "c"
        make_folder(deep, 0o755)
        assert first_closed(deep, stranger, stranger) is None
        (top / "a" / "b").chmod(0o700)
        deep.chmod(0o700)
        assert first_closed(deep, stranger, stranger) == top / "a" / "b"
        assert first_closed(deep, os.geteuid(), stranger) is None


def test_the_view_hides_homes_and_sockets_and_keeps_the_system() -> None:
    hidden = covered_folders((Path("/var/cache/x"),), None)
    assert {"/tmp", "/var", "/home", "/etc", "/dev", "/sys"} <= set(hidden)  # noqa: S108
    assert not {"/usr", "/proc", "/"} & set(hidden)
    assert not any(one != other and other.startswith(f"{one}/") for one in hidden for other in hidden)


def test_the_view_never_hides_what_holds_a_kept_folder_as_a_whole() -> None:
    assert "/var" not in covered_folders((Path("/var"),), None)


def test_linked_packages_are_kept_with_their_neighbours() -> None:
    assert kept_install(Path("/usr/lib/postgresql/17/bin")) == Path("/usr/lib/postgresql/17")
    assert kept_install(Path("/home/b/.brew/Cellar/postgresql@17/17.2/bin")) == Path("/home/b/.brew")


def test_profiles_differ_in_durability_and_never_in_isolation() -> None:
    fast, production = server_settings("fast", 400 << 30), server_settings("production", 400 << 30)
    assert (fast["fsync"], fast["max_wal_size"]) == ("off", "65536MB")
    assert "fsync" not in production
    for settings in (fast, production):
        assert settings["listen_addresses"] == settings["shared_preload_libraries"] == ""
        assert settings["log_min_messages"] == "log"
    assert server_settings("fast", 8 << 30)["max_wal_size"] == "2048MB"
    assert server_settings("fast", 8 << 30, jobs=64)["max_connections"] == "148"


def test_an_ordinary_user_runs_as_himself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert isolation.choose_os_user() is None


def test_the_free_disk_of_a_folder_that_no_drill_has_made_yet_is_known(tmp_path: Path) -> None:
    assert free_bytes(tmp_path / "not" / "yet") > 0


LSATTR = shutil.which("lsattr")


@pytest.mark.skipif(LSATTR is None, reason="lsattr shows the flag")
def test_drills_are_laid_apart_where_the_file_system_can(tmp_path: Path) -> None:
    def flags() -> str:
        shown = subprocess.run([str(LSATTR), "-d", tmp_path], capture_output=True, text=True, check=False)
        return shown.stdout.partition(" ")[0]

    if "e" not in flags():
        pytest.skip("not ext4")
    before = flags()
    spread(tmp_path)
    assert "T" in flags()
    assert flags().replace("T", "-") == before


def test_a_folder_that_cannot_be_spread_is_left_as_it_is(tmp_path: Path) -> None:
    spread(tmp_path / "gone")
    spread(Path("/proc"))
