"""Tars that PostgreSQL never wrote: nothing leaves the data folder, whatever they hold."""

from __future__ import annotations

import io
import tarfile
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tasks.model.errors import PermanentError
from tasks.model.sandbox import Workspace
from tasks.physical.extract import DataFolder, extract_tar, spaces_folder


@pytest.fixture
def own(tmp_path: Path) -> Workspace:
    now = datetime(2026, 11, 25, tzinfo=UTC)
    workspace = Workspace("drill", tmp_path / "root", None, frozenset(), now, now)
    workspace.data_dir.mkdir(parents=True)
    workspace.scratch_dir.mkdir()
    return workspace


def tar_of(*members: tarfile.TarInfo | tuple[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for member in members:
            if isinstance(member, tarfile.TarInfo):
                archive.addfile(member)
            else:
                info = tarfile.TarInfo(member[0])
                info.size = len(member[1])
                archive.addfile(info, io.BytesIO(member[1]))
    return packed.getvalue()


def linked(name: str, to: str, kind: bytes = tarfile.SYMTYPE) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, to
    return info


def unpacked(workspace: Workspace, data: bytes, place: str = "", step: int = 1000) -> DataFolder:
    folder = DataFolder(workspace)
    extract_tar((data[at : at + step] for at in range(0, len(data), step)), folder, place, "here")
    return folder


def files_below(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_dir()}


@pytest.mark.parametrize("step", [1, 511, 512, 1 << 20])
def test_files_and_folders_come_out_however_the_bytes_arrive(own: Workspace, step: int) -> None:
    folder = unpacked(own, tar_of(("PG_VERSION", b"17\n"), ("base/1/1259", b"x" * 9000)), step=step)
    assert (own.data_dir / "base/1/1259").read_bytes() == b"x" * 9000
    assert folder.extracted.files.keys() == {"PG_VERSION", "base/1/1259"}
    assert folder.extracted.bytes == 9003


@pytest.mark.parametrize(
    "name", ["/etc/passwd", "../out", "base/../../out", "pg_tblspc/../../out", "pg_tblspc/1/../../../../out"]
)
def test_a_name_that_leads_out_is_refused(own: Workspace, name: str) -> None:
    with pytest.raises(PermanentError) as failure:
        unpacked(own, tar_of((name, b"x")))
    assert failure.value.rule == "archive-hostile"
    assert files_below(own.root) == set()


def test_nothing_is_written_through_a_link(own: Workspace, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    members = (linked("base", str(outside)), ("base/1", b"x"))
    folder = unpacked(own, tar_of(*members))
    assert list(outside.iterdir()) == []
    assert (own.data_dir / "base/1").read_bytes() == b"x"
    assert folder.extracted.links_left_out == ["base"]


@pytest.mark.parametrize("kind", [tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE])
def test_what_is_no_file_is_refused(own: Workspace, kind: bytes) -> None:
    with pytest.raises(PermanentError) as failure:
        unpacked(own, tar_of(linked("thing", "PG_VERSION", kind)))
    assert failure.value.rule == "archive-hostile"
    assert files_below(own.root) == set()


def test_a_file_that_stands_twice_is_refused(own: Workspace) -> None:
    with pytest.raises(PermanentError) as failure:
        unpacked(own, tar_of(("PG_VERSION", b"17\n"), ("./PG_VERSION", b"18\n")))
    assert failure.value.rule == "archive-hostile"
    assert (own.data_dir / "PG_VERSION").read_bytes() == b"17\n"


@pytest.mark.parametrize("names", [("base", "base/1"), ("base/1", "base")])
def test_a_file_where_a_folder_is_is_refused(own: Workspace, names: tuple[str, str]) -> None:
    with pytest.raises(PermanentError) as failure:
        unpacked(own, tar_of(*((name, b"x") for name in names)))
    assert failure.value.rule == "archive-hostile"


def test_a_size_beyond_the_disk_is_said_before_it_is_written(own: Workspace) -> None:
    info = tarfile.TarInfo("base/1")
    info.size = 1 << 60
    with pytest.raises(PermanentError) as failure:
        unpacked(own, info.tobuf(tarfile.GNU_FORMAT) + bytes(1024))
    assert failure.value.rule == "disk-full"
    assert files_below(own.root) == set()


@pytest.mark.parametrize("kept", [513, 512 + 4000, -1024 - 300])
def test_a_tar_that_ends_early_is_truncated(own: Workspace, kept: int) -> None:
    data = tar_of(("base/1", b"x" * 5000)).rstrip(b"\0")
    with pytest.raises(PermanentError) as failure:
        unpacked(own, data[:kept])
    assert failure.value.rule == "archive-truncated"


def test_a_tablespace_lies_beside_the_data_folder_and_is_linked(own: Workspace) -> None:
    folder = unpacked(
        own, tar_of(linked("pg_tblspc/16385", "/srv/fast"), ("tablespace_map", b"16385 /srv/fast\n"))
    )
    extract_tar([tar_of(("PG_17_202406281/5/16386", b"x"))], folder, "pg_tblspc/16385", "here")
    folder.finish()
    assert (own.data_dir / "pg_tblspc/16385").readlink() == spaces_folder(own) / "16385"
    assert (own.data_dir / "pg_tblspc/16385/PG_17_202406281/5/16386").read_bytes() == b"x"
    assert not (own.data_dir / "tablespace_map").exists()
    assert "pg_tblspc/16385/PG_17_202406281/5/16386" in folder.extracted.files


@pytest.mark.parametrize(
    "member", [linked("pg_tblspc/16385", "/srv/fast"), ("tablespace_map", b"16385 /srv/fast\n")]
)
def test_a_tablespace_that_is_not_there_is_named(
    own: Workspace, member: tarfile.TarInfo | tuple[str, bytes]
) -> None:
    folder = unpacked(own, tar_of(member))
    with pytest.raises(PermanentError) as failure:
        folder.finish()
    assert (failure.value.rule, failure.value.where) == ("tablespace-missing", "pg_tblspc/16385")


def test_folders_that_a_store_lost_are_made(own: Workspace) -> None:
    folder = unpacked(own, tar_of(("PG_VERSION", b"17\n")))
    folder.finish()
    assert {"pg_notify", "pg_replslot", "pg_tblspc", "pg_wal"} <= {
        path.name for path in own.data_dir.iterdir()
    }
