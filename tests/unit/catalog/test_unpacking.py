"""The commands that a person types to unpack a backup, typed: they make what the drill has restored."""

from __future__ import annotations

import gzip
import io
import shlex
import shutil
import subprocess
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tasks.catalog import open_backup
from tasks.catalog.unpacking import decompress, decrypt, take_out
from tasks.model.backup import LocalBackup
from tests.corpus import archives
from tests.strategies import write_tar

DUMP = archives.custom()
OWNER = b"0001750 0001750 "
FILES = sorted(archives.directory_members().items())


def zipped(members: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return out.getvalue()


def folder_in(place: str) -> bytes:
    return write_tar([(f"{place}{name}", data) for name, data in FILES], owner=OWNER)


STORED: dict[str, bytes] = {
    "x.dump": DUMP,
    **{f"x.dump{suffix}": archives.COMPRESS[kind](DUMP) for suffix, kind in
       ((".gz", "gzip"), (".zst", "zstd"), (".lz4", "lz4"), (".xz", "xz"), (".bz2", "bzip2"))},
    "no suffix": gzip.compress(DUMP, mtime=0),
    "-x.GZ": gzip.compress(DUMP, mtime=0),
    "twice.dump.gz.xz": archives.COMPRESS["xz"](gzip.compress(DUMP, mtime=0)),
    "x.tar": write_tar([("./nightly/shop.dump", DUMP), ("./readme", b"hello")], owner=OWNER),
    "x.tgz": gzip.compress(folder_in("shop/"), mtime=0),
    "root.tar.xz": archives.COMPRESS["xz"](folder_in("./")),
    "x.tar.zst": archives.COMPRESS["zstd"](write_tar([("a b/shop.dump", DUMP)], owner=OWNER)),
    "x.zip": zipped({"db/shop.dump": DUMP, "notes.txt": b"hello"}),
    "odd": zipped({"shop.dump.gz": gzip.compress(DUMP, mtime=0)}),
}  # fmt: skip


def opened(folder: Path, name: str, data: bytes) -> LocalBackup:
    path = folder / name
    path.write_bytes(data)
    work = folder.parent / "work"
    work.mkdir()
    return open_backup(
        path, name=name, sha256="ab", bytes=1, integrity="sidecar", fetch_s=0.0, decrypt=None, workdir=work
    )


def content(path: Path) -> dict[str, bytes]:
    files = [path] if path.is_file() else sorted(path.iterdir())
    return {"" if path.is_file() else file.name: file.read_bytes() for file in files}


@pytest.mark.parametrize("name", STORED)
def test_what_is_typed_makes_what_the_drill_restores(name: str, tmp_path: Path) -> None:
    stored = tmp_path / "stored"
    stored.mkdir()
    backup = opened(stored, name, STORED[name])
    for command in backup.unpacking:
        program = shlex.split(command.command)[0]
        if shutil.which(program) is None:
            pytest.skip(f"no {program} here")
        subprocess.run(["/bin/sh", "-ec", command.command], cwd=stored, check=True, capture_output=True)
    assert content(stored / backup.file_name) == content(backup.path)
    assert (stored / name).read_bytes() == STORED[name], "what was stored stays"
    assert "unwrapped" not in backup.file_name


def test_a_backup_that_lies_open_is_taken_as_it_is(tmp_path: Path) -> None:
    folder = tmp_path / "stored"
    folder.mkdir()
    backup = opened(folder, "x.dump", DUMP)
    assert (backup.unpacking, backup.file_name) == ((), "x.dump")


def test_a_compressed_script_is_unpacked_where_it_is_read(tmp_path: Path) -> None:
    folder = tmp_path / "stored"
    folder.mkdir()
    backup = opened(folder, "x.sql.gz", gzip.compress(archives.script().encode()))
    assert (backup.unpacking, backup.file_name) == ((), "x.sql.gz")


@pytest.mark.parametrize(
    ("typed", "lines", "made"),
    [
        (decrypt("gpg", "x.dump.gpg"), ["gpg --output x.dump --decrypt x.dump.gpg"], "x.dump"),
        (decrypt("gpg", "-x"), ["gpg --output ./-x.decrypted --decrypt ./-x"], "-x.decrypted"),
        (decrypt("age", "x.age"), ["age --decrypt -i KEY -o x x.age"], "x"),
        (decompress((), "x"), [], "x"),
        (decompress(("gzip",), ".gz"), ["gunzip -c .gz | dd of=.gz.unpacked"], ".gz.unpacked"),
        (take_out("zip", (), "a b.zip", "shop.sql"), ["unzip -q 'a b.zip' -d 'a b'"], "a b/shop.sql"),
        (take_out("tar", ("gzip",), "x.tgz", ""), ["mkdir x", "tar -z -xf x.tgz -C x"], "x"),
        (take_out("tar", (), "x", "d"), ["mkdir x.d", "tar -xf x -C x.d"], "x.d/d"),
    ],
)  # fmt: skip
def test_lines_name_what_they_read_and_make(
    typed: tuple[list[str], str], lines: list[str], made: str
) -> None:
    assert typed == (lines, made)


@pytest.mark.parametrize(
    "line", [lambda name: decrypt("gpg", name), lambda name: take_out("tar", (), name, "x")]
)
def test_no_name_is_an_option_or_a_command(line: Callable[[str], tuple[list[str], str]]) -> None:
    for name in ("-rf", "$(id).tar", "a;b", "it's.gpg"):
        for command in line(name)[0]:
            words = shlex.split(command)
            assert words[0] in ("gpg", "mkdir", "tar")
            assert name not in words or not name.startswith("-")
