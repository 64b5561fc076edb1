"""Finding PostgreSQL: what counts, what is preferred, and what is said when there is none."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from tasks.model.errors import PermanentError
from tasks.sandbox import builds, install
from tasks.sandbox.install import PROGRAMS, find_postgres, inspect_install, list_postgres


def fake(folder: Path, version: str, programs: tuple[str, ...] = PROGRAMS) -> Path:
    """Make a folder of programs that say they are PostgreSQL *version*."""
    bindir = folder / "bin"
    bindir.mkdir(parents=True)
    for name in programs:
        (bindir / name).write_text(f'#!/bin/sh\necho "{name} (PostgreSQL) {version} (Some Build)"\n')
        (bindir / name).chmod(0o755)
    return bindir


@pytest.fixture(autouse=True)
def nothing_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker without any PostgreSQL."""
    monkeypatch.setattr(install, "_LAYOUTS", (f"{tmp_path}/layout/*/bin",))
    monkeypatch.setenv("RESTORE_DRILL_POSTGRES_DIR", str(tmp_path / "cache"))
    monkeypatch.delenv("RESTORE_DRILL_POSTGRES", raising=False)
    monkeypatch.setattr(shutil, "which", lambda _: None)


def test_a_configured_folder_is_preferred_to_an_installed_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake(tmp_path / "layout" / "17", "17.2")
    mine = fake(tmp_path / "mine", "17.5")
    other = fake(tmp_path / "other", "16.1")
    assert find_postgres(17).version == "17.2"
    monkeypatch.setenv("RESTORE_DRILL_POSTGRES", os.pathsep.join((str(other), str(mine))))
    found = find_postgres(17)
    assert (found.version, found.bindir, found.source) == ("17.5", mine, "installed")
    assert [each.version for each in list_postgres()] == ["16.1", "17.5", "17.2"]


def test_an_installed_one_is_preferred_to_the_cache(tmp_path: Path) -> None:
    fake(tmp_path / "cache" / builds.RELEASES[17], "17.11")
    assert (find_postgres(17).version, find_postgres(17).source) == ("17.11", "cache")
    fake(tmp_path / "layout" / "17", "17.2")
    assert find_postgres(17).source == "installed"


@pytest.mark.parametrize("missing", PROGRAMS)
def test_half_an_install_does_not_count(tmp_path: Path, missing: str) -> None:
    bindir = fake(tmp_path / "half", "17.2", tuple(name for name in PROGRAMS if name != missing))
    assert inspect_install(bindir, "installed") is None


def test_a_mixture_of_majors_does_not_count(tmp_path: Path) -> None:
    bindir = fake(tmp_path / "mixed", "17.2")
    (bindir / "psql").write_text('#!/bin/sh\necho "psql (PostgreSQL) 16.1"\n')
    assert inspect_install(bindir, "installed") is None


def test_prereleases_have_a_major_too(tmp_path: Path) -> None:
    found = inspect_install(fake(tmp_path / "beta", "19beta2"), "installed")
    assert found is not None
    assert (found.major, found.version) == (19, "19beta2")


def test_installed_fetches_nothing_and_says_what_was_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(install, "fetch_build", lambda _: pytest.fail("it was fetched"))
    fake(tmp_path / "layout" / "15", "15.3")
    with pytest.raises(PermanentError) as caught:
        find_postgres(17, "installed")
    assert caught.value.rule == "postgres-unavailable"
    assert "15.3" in str(caught.value)


def test_a_major_without_a_pinned_build_is_named() -> None:
    with pytest.raises(PermanentError) as caught:
        find_postgres(12)
    assert caught.value.rule == "postgres-unavailable"
    assert "PostgreSQL 12" in caught.value.what


@pytest.mark.parametrize("major", [9, 10, 12])
def test_a_dump_older_than_any_build_is_told_the_oldest_newer_one(tmp_path: Path, major: int) -> None:
    with pytest.raises(PermanentError) as caught:
        find_postgres(major)
    assert "sandbox.postgres: 14" in caught.value.hint
    fake(tmp_path / "layout" / "13", "13.20")
    with pytest.raises(PermanentError) as caught:
        find_postgres(major)
    assert "sandbox.postgres: 13" in caught.value.hint


def test_only_what_can_be_had_is_named(tmp_path: Path) -> None:
    fake(tmp_path / "layout" / "16", "16.3")
    with pytest.raises(PermanentError) as caught:
        find_postgres(12, "installed")
    assert "sandbox.postgres: 16" in caught.value.hint
    with pytest.raises(PermanentError) as caught:
        find_postgres(15, "installed")
    assert "sandbox.postgres" not in caught.value.hint
