"""Dumps that PostgreSQL's own tools made, of several majors, in every format: none of them may be called "
"broken."""

from __future__ import annotations

import io
import subprocess
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tasks.catalog import open_backup, open_script, read_head
from tasks.catalog.sources import FileSource
from tasks.model.backup import ArchiveHead, Format, LocalBackup
from tests.corpus.archives import COMPRESS, SUFFIX
from tests.corpus.dumps import TABLES, build_database, dump_every_format
from tests.fix_postgres import Source

MAJORS = [14, 16, 17, 18]
FORMATS = {
    "custom": Format.CUSTOM,
    "directory": Format.DIRECTORY,
    "tar": Format.TAR,
    "plain": Format.PLAIN,
    "cluster": Format.CLUSTER,
    "globals": Format.CLUSTER,
}


@pytest.fixture(scope="module", params=MAJORS)
def dumps(
    request: pytest.FixtureRequest,
    cluster: Callable[[int], Source],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[Source, dict[str, Path]]]:
    source = cluster(request.param)
    database = build_database(source)
    yield source, dump_every_format(source, database, tmp_path_factory.mktemp(f"dumps{source.major}"))
    source.execute(f'DROP DATABASE "{database}" WITH (FORCE)')


def head_of(path: Path) -> ArchiveHead:
    if path.is_dir():
        return read_head({item.name: FileSource(item) for item in path.iterdir()}, path.name)
    return read_head(FileSource(path), path.name)


def opened(path: Path, workdir: Path) -> LocalBackup:
    return open_backup(
        path, name=path.name, sha256="", bytes=1, integrity="s3-sha256", fetch_s=0.0, decrypt=None,
        workdir=workdir, deadline_s=120.0,
    )  # fmt: skip


def test_every_healthy_dump_is_whole_and_yields_no_finding(
    dumps: tuple[Source, dict[str, Path]], tmp_path: Path
) -> None:
    source, made = dumps
    for name, path in made.items():
        backup = opened(path, tmp_path)
        assert backup.findings == (), name
        assert backup.head.format is FORMATS[name.split("-")[0]], name
        assert backup.path == path
        head = head_of(path)
        assert head.format is backup.head.format, name
        if head.toc is not None and name != "globals":
            assert (head.toc.major, head.toc.dump_major, head.toc.encoding) == (
                source.major,
                source.major,
                "UTF8",
            )


def test_the_toc_lists_what_pg_restore_lists(dumps: tuple[Source, dict[str, Path]]) -> None:
    source, made = dumps
    for name in ("custom", "directory", "tar"):
        listing = source.run("pg_restore", "-l", str(made[name])).stdout.decode()
        theirs = [
            int(line.split(";")[0]) for line in listing.splitlines() if line and not line.startswith(";")
        ]
        toc = head_of(made[name]).toc
        assert toc is not None
        ours = {entry.dump_id for entry in toc.entries}
        assert set(theirs) <= ours, name
        assert {entry.tag for entry in toc.of("TABLE")} == TABLES
        assert toc.database == "shop_archives"


def test_scripts_name_the_databases_that_they_connect_to(
    dumps: tuple[Source, dict[str, Path]], tmp_path: Path
) -> None:
    _, made = dumps
    assert opened(made["plain-create"], tmp_path).head.databases == ("shop_archives",)
    assert "shop_archives" in opened(made["cluster"], tmp_path).head.databases
    assert opened(made["plain"], tmp_path).head.databases == ()


@pytest.mark.parametrize("wrapper", sorted(COMPRESS))
def test_every_healthy_dump_is_whole_in_every_compression(
    wrapper: str, dumps: tuple[Source, dict[str, Path]], tmp_path: Path
) -> None:
    _, made = dumps
    for name in ("custom", "tar", "plain", "cluster"):
        data = made[name].read_bytes()
        path = tmp_path / f"{made[name].name}{SUFFIX[wrapper]}"
        path.write_bytes(COMPRESS[wrapper](data))
        backup = opened(path, tmp_path)
        assert (backup.findings, backup.head.wrappers) == ((), (wrapper,)), name
        whole = b"".join(open_script(backup)) if "sql" in path.name else backup.path.read_bytes()
        assert whole == data
        if backup.path != path:
            backup.path.unlink()


@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_every_healthy_dump_beside_uploads_is_whole(
    kind: str, dumps: tuple[Source, dict[str, Path]], tmp_path: Path
) -> None:
    _, made = dumps
    for name, path in made.items():
        if name.startswith("globals"):
            continue
        container = tmp_path / f"{name}.{kind}"
        _pack(container, path)
        backup = opened(container, tmp_path)
        assert backup.findings == (), name
        assert backup.head.format is FORMATS[name.split("-")[0]], name
        assert backup.head.wrappers[0] == kind, name
        assert read_head(FileSource(container), name).format is backup.head.format, name


def _pack(container: Path, dump: Path) -> None:
    """Put *dump*, a file or a folder, and an upload into a ZIP archive or a tar."""
    files = sorted(dump.rglob("*")) if dump.is_dir() else [dump]
    named = [(f"db/{path.name}", path.read_bytes()) for path in files] + [("uploads/a.png", b"\x89PNG\r\n")]
    if container.suffix == ".zip":
        with zipfile.ZipFile(container, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in named:
                archive.writestr(name, content)
        return
    with tarfile.open(container, "w") as archive:
        for name, content in named:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))


def test_globals_and_a_dump_in_one_file_are_whole(
    dumps: tuple[Source, dict[str, Path]], tmp_path: Path
) -> None:
    _, made = dumps
    path = tmp_path / "both.sql"
    path.write_bytes(made["globals"].read_bytes() + made["plain-create"].read_bytes())
    assert opened(path, tmp_path).findings == ()


def test_a_tar_made_of_a_directory_dump_can_be_restored_from(
    dumps: tuple[Source, dict[str, Path]], tmp_path: Path
) -> None:
    source, made = dumps
    for name in ("directory", "directory-none"):
        for arguments in (["-C", str(made[name].parent), made[name].name], ["-C", str(made[name]), "."]):
            path = tmp_path / "dump.tar.gz"
            subprocess.run(["tar", "czf", str(path), *arguments], check=True)  # noqa: S607
            workdir = tmp_path / f"{name}{len(arguments[-1])}"
            workdir.mkdir()
            backup = opened(path, workdir)
            assert (backup.findings, backup.head.format) == ((), Format.DIRECTORY)
            source.run("pg_restore", "-f", "/dev/null", str(backup.path))
