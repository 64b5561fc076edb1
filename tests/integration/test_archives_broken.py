"""Real dumps, each broken in one respect: every one is found before a tool of PostgreSQL's sees it."""

from __future__ import annotations

import gzip
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tasks.catalog import open_backup, tar
from tasks.catalog.sources import FileSource
from tasks.model.backup import LocalBackup
from tasks.model.errors import PermanentError
from tests.corpus import damage
from tests.corpus.dumps import build_database, dump_every_format
from tests.fix_postgres import Source


@pytest.fixture(scope="module", params=[14, 18])
def made(
    request: pytest.FixtureRequest, cluster: Callable[[int], Source], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Path]:
    source = cluster(request.param)
    database = build_database(source, "shop_broken")
    return dump_every_format(source, database, tmp_path_factory.mktemp("dumps"))


Append = Callable[[list[str], Path], tuple[bytes, bytes]]


@pytest.fixture(params=[14, 18])
def append(request: pytest.FixtureRequest, cluster: Callable[[int], Source]) -> Append:
    """Dump twice into one file, as `>>` in a backup job does; give it after the first and the second time."""
    source = cluster(request.param)
    source.create_database("appended")
    source.execute("CREATE TABLE t AS SELECT generate_series(1, 1000) AS id", "appended")

    def run(options: list[str], path: Path) -> tuple[bytes, bytes]:
        sizes: list[bytes] = []
        for _ in range(2):
            with path.open("ab") as file:
                argv = [str(source.install.bindir / "pg_dump"), *options, "-d", source.dsn("appended")]
                subprocess.run(argv, check=True, stdout=file, env={"LC_ALL": "C"}, timeout=120)
            sizes.append(path.read_bytes())
            source.execute("INSERT INTO t SELECT generate_series(1001, 3000)", "appended")
        return sizes[0], sizes[1]

    return run


def opened(path: Path, workdir: Path) -> LocalBackup:
    return open_backup(
        path, name=path.name, sha256="", bytes=1, integrity="s3-sha256", fetch_s=0.0, decrypt=None,
        workdir=workdir, deadline_s=120.0,
    )  # fmt: skip


def failure_of(path: Path, workdir: Path) -> PermanentError:
    with pytest.raises(PermanentError) as failure:
        opened(path, workdir)
    return failure.value


@pytest.mark.parametrize("share", [0.0005, 0.005, 0.1, 0.5, 0.9, 0.999])
@pytest.mark.parametrize("name", ["custom", "custom-none", "custom-pipe", "custom-stdout"])
def test_a_custom_archive_cut_anywhere_is_truncated(
    name: str, share: float, made: dict[str, Path], tmp_path: Path
) -> None:
    path = damage.copy_of(made[name], tmp_path)
    at = int(path.stat().st_size * share)
    error = failure_of(damage.cut_file(path, at), tmp_path)
    assert (error.rule, f"byte {at}" in error.what) == ("archive-truncated", True)


@pytest.mark.parametrize("lost", [1, 2000])
@pytest.mark.parametrize("name", ["custom", "custom-none", "custom-pipe", "custom-stdout", "tar"])
def test_the_last_bytes_of_an_archive_are_missed(
    name: str, lost: int, made: dict[str, Path], tmp_path: Path
) -> None:
    path = damage.copy_of(made[name], tmp_path)
    assert failure_of(damage.cut_file(path, -lost), tmp_path).rule == "archive-truncated"


def test_a_tar_cut_at_every_border_and_inside_every_member_is_truncated(
    made: dict[str, Path], tmp_path: Path
) -> None:
    whole = made["tar"].read_bytes()
    members = tar.members_of(FileSource(made["tar"]), "x")
    assert any(member.name.startswith("blob_") for member in members)
    path = tmp_path / "cut.tar"
    for member in members:
        for at in (member.at, member.at + 100, member.offset, member.offset + member.size // 2):
            if at:
                path.write_bytes(whole[:at])
                assert failure_of(path, tmp_path).rule == "archive-truncated", (member.name, at)


def test_a_tar_whose_end_was_written_over_a_cut_is_truncated_too(
    made: dict[str, Path], tmp_path: Path
) -> None:
    """A repaired cut: whole members, a proper end, and large objects that are not there."""
    whole = made["tar"].read_bytes()
    members = [m for m in tar.members_of(FileSource(made["tar"]), "x") if m.name.startswith("blob_")]
    path = tmp_path / "cut.tar"
    path.write_bytes(whole[: members[3].at] + b"\0" * 1024)
    error = failure_of(path, tmp_path)
    assert (error.rule, "without the member" in error.what) == ("archive-truncated", True)


def rule_of_folder(name: str, break_it: Callable[[Path], object]) -> str:
    """Return what a folder's file, lost, emptied or cut, comes to; the contents are written last."""
    if name == "toc.dat":
        return "archive-uploading" if break_it is Path.unlink else "archive-truncated"
    cut = break_it is damage.cut_in_half and not name.startswith("blobs")
    return "archive-truncated" if cut else "archive-incomplete"


@pytest.mark.parametrize("name", ["directory", "directory-none", "directory-parallel"])
def test_a_directory_that_lost_or_cut_any_file_is_found(
    name: str, made: dict[str, Path], tmp_path: Path
) -> None:
    for item in sorted(made[name].iterdir()):
        for break_it in (Path.unlink, damage.empty_file, damage.cut_in_half):
            folder = damage.copy_of(made[name], tmp_path)
            # without compression nothing says where a large object's bytes end, nor where those of none begin
            loose = item.name.startswith("blob_") and item.suffix != ".gz" and break_it is not Path.unlink
            unprovable = loose or (break_it is damage.cut_in_half and not item.stat().st_size)
            break_it(folder / item.name)
            if not unprovable:
                error = failure_of(folder, tmp_path)
                assert error.rule == rule_of_folder(item.name, break_it), (item, break_it)
            shutil.rmtree(folder)


def test_a_leaf_table_whose_file_is_empty_is_named(made: dict[str, Path], tmp_path: Path) -> None:
    folder = damage.copy_of(made["directory"], tmp_path)
    error = failure_of(_emptied(folder), tmp_path)
    assert (error.rule, "is empty" in error.what) == ("archive-incomplete", True)


@pytest.mark.parametrize("name", ["plain", "plain-create", "plain-inserts", "cluster", "globals"])
def test_a_script_without_its_last_lines_is_found(name: str, made: dict[str, Path], tmp_path: Path) -> None:
    path = damage.copy_of(made[name], tmp_path)
    assert failure_of(damage.without_end_marker(path), tmp_path).rule == "end-marker-missing"


@pytest.mark.parametrize("name", ["plain", "plain-create", "cluster", "plain-data-only"])
def test_a_script_cut_in_its_rows_is_found(name: str, made: dict[str, Path], tmp_path: Path) -> None:
    path = damage.copy_of(made[name], tmp_path)
    assert failure_of(damage.cut_in_copy_data(path), tmp_path).rule == "end-marker-missing"


def test_a_cluster_dump_that_ended_after_one_of_its_databases_is_found(
    made: dict[str, Path], tmp_path: Path
) -> None:
    path = damage.copy_of(made["cluster"], tmp_path)
    text = path.read_bytes()
    path.write_bytes(text[: text.rindex(b"--\n-- PostgreSQL database cluster dump complete")])
    assert failure_of(path, tmp_path).rule == "end-marker-missing"


def test_a_dump_that_died_in_its_pipe_is_named(made: dict[str, Path], tmp_path: Path) -> None:
    for data, rule in ((b"", "archive-tiny"), (made["plain"].read_bytes()[:90000], "end-marker-missing")):
        path = tmp_path / "shop.sql.gz"
        path.write_bytes(gzip.compress(data))
        assert failure_of(path, tmp_path).rule == rule


def test_a_compressed_dump_that_is_cut_or_damaged_is_found(made: dict[str, Path], tmp_path: Path) -> None:
    data = gzip.compress(made["custom-none"].read_bytes())
    path = tmp_path / "shop.dump.gz"
    for broken, rules in (
        (data[: len(data) // 2], {"archive-truncated"}),
        (data[:-4], {"archive-truncated"}),
        (damage.flip_bit(data, len(data) // 2), {"archive-corrupt"}),
        (damage.flip_bit(data, -6), {"archive-corrupt"}),
    ):
        path.write_bytes(broken)
        assert failure_of(path, tmp_path).rule in rules


def test_a_script_in_utf16_is_named(made: dict[str, Path], tmp_path: Path) -> None:
    error = failure_of(damage.utf16(damage.copy_of(made["plain"], tmp_path)), tmp_path)
    assert (error.rule, "UTF-16" in error.what) == ("not-a-backup", True)


def _emptied(folder: Path) -> Path:
    smallest = min((p for p in folder.iterdir() if p.name[0].isdigit()), key=lambda p: p.stat().st_size)
    damage.empty_file(smallest)
    return folder


@pytest.mark.parametrize("options", [["-Fc"], ["-Fc", "-Z0"], ["-Ft"]])
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_a_dump_written_behind_another_is_named(
    options: list[str], pack: Callable[[bytes], bytes], append: Append, tmp_path: Path
) -> None:
    """`>>` for `>`: pg_restore brings back the older one, and exits 0."""
    once, twice = append(options, tmp_path / "x.dump")
    path = tmp_path / "y.dump"
    path.write_bytes(pack(once))
    assert opened(path, tmp_path).findings == ()
    path.write_bytes(pack(twice) if pack is bytes else pack(once) + pack(twice[len(once) :]))
    error = failure_of(path, tmp_path)
    assert (error.rule, f"byte {len(once)}" in error.what) == ("archive-doubled", True)


def test_several_members_of_one_compressed_dump_are_one_dump(made: dict[str, Path], tmp_path: Path) -> None:
    """As pigz and bgzip write them."""
    data = made["custom"].read_bytes()
    path = tmp_path / "x.dump.gz"
    path.write_bytes(b"".join(gzip.compress(data[at : at + 9000]) for at in range(0, len(data), 9000)))
    assert opened(path, tmp_path).path.read_bytes() == data
