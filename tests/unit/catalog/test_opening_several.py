"""Containers with more than one dump, made with Python's own tarfile as tar programs make them."""

from __future__ import annotations

import gzip
import io
import tarfile
from pathlib import Path

import pytest

from tasks.catalog import Wanted, open_backup, read_head
from tasks.catalog.sources import FileSource
from tasks.model.backup import Format, LocalBackup
from tasks.model.errors import PermanentError
from tests.corpus import archives

FORMATS = {"ustar": tarfile.USTAR_FORMAT, "gnu": tarfile.GNU_FORMAT, "pax": tarfile.PAX_FORMAT}
LONG = "d" * 120


def members_of(database: str, compression: str = "gzip") -> dict[str, bytes]:
    """A directory dump whose TOC names *database*; its rows name it too."""
    members = archives.directory_members(compression)
    members["toc.dat"] = members["toc.dat"].replace(archives.text_of("shop"), archives.text_of(database))
    members["10.dat.gz"] = gzip.compress(database.encode() + b"\n" + archives.COPY_END, mtime=0)
    return members


def tar_of(entries: list[tuple[str, bytes]], form: int = tarfile.PAX_FORMAT) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as made:
        for name, content in entries:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            made.addfile(member, io.BytesIO(content))
    return out.getvalue()


def folders(**databases: str) -> list[tuple[str, bytes]]:
    return [
        (f"{folder}/{name}", content)
        for folder, database in databases.items()
        for name, content in members_of(database).items()
    ]


def opened(data: bytes, folder: Path, wanted: Wanted, name: str = "x.tar") -> LocalBackup:
    path = folder / name
    path.write_bytes(data)
    return opened_path(path, folder, wanted)


def opened_path(path: Path, folder: Path, wanted: Wanted) -> LocalBackup:
    workdir = folder / "work"
    workdir.mkdir(exist_ok=True)
    return open_backup(
        path, name=path.name, sha256="ab", bytes=1, integrity="s3-sha256", fetch_s=0.0, decrypt=None,
        workdir=workdir, wanted=wanted,
    )  # fmt: skip


def rows_of(backup: LocalBackup) -> str:
    """Whose rows lie in the folder that was opened."""
    return gzip.decompress((backup.path / "10.dat.gz").read_bytes()).decode().split("\n", 1)[0]


def database_of(backup: LocalBackup) -> str:
    assert backup.head.toc is not None
    return backup.head.toc.database


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("meant", ["alpha", "beta"])
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_the_folder_of_the_database_is_opened_and_no_file_of_another(
    form: str, meant: str, pack: type[bytes], tmp_path: Path
) -> None:
    data = pack(tar_of(folders(a="alpha", b="beta"), FORMATS[form]))
    for wanted in (Wanted(meant, "x"), Wanted(None, meant), Wanted(None, meant[0])):
        backup = opened(data, tmp_path, wanted)
        assert (database_of(backup), rows_of(backup)) == (meant, meant)


def test_a_mixture_is_never_made_where_one_folder_lacks_a_file(tmp_path: Path) -> None:
    """Flattened, beta's file would have stood in for the one that alpha lost."""
    entries = [entry for entry in folders(a="alpha", b="beta") if entry[0] != "a/10.dat.gz"]
    with pytest.raises(PermanentError, match=r"10\.dat") as failure:
        opened(tar_of(entries), tmp_path, Wanted("alpha"))
    assert failure.value.rule == "archive-incomplete"


@pytest.mark.parametrize("wanted", [Wanted(None, "shop"), Wanted()])
def test_folders_of_which_none_is_meant_are_named(wanted: Wanted, tmp_path: Path) -> None:
    with pytest.raises(PermanentError, match="a of alpha; b of beta") as failure:
        opened(tar_of(folders(a="alpha", b="beta")), tmp_path, wanted)
    assert failure.value.rule == "database-choice-ambiguous"


def test_a_database_that_no_folder_holds_is_not_in_the_backup(tmp_path: Path) -> None:
    with pytest.raises(PermanentError) as failure:
        opened(tar_of(folders(a="alpha", b="beta")), tmp_path, Wanted("gamma"))
    assert failure.value.rule == "database-not-in-dump"


@pytest.mark.parametrize("prefix", ["./", "", f"{LONG}/", "srv/backup/./"])
@pytest.mark.parametrize("form", ["gnu", "pax"])
def test_one_dump_is_found_however_its_members_are_called(prefix: str, form: str, tmp_path: Path) -> None:
    entries = [
        (f"{prefix}db/._toc.dat", b"x"), (f"{prefix}db/.DS_Store", b"x"), ("__MACOSX/db/._10.dat.gz", b"x"),
        *((f"{prefix}db/{name}", content) for name, content in members_of("alpha").items()),
    ]  # fmt: skip
    data = tar_of(entries, FORMATS[form])
    path = tmp_path / "head.tar"
    path.write_bytes(data)
    assert database_of(opened(data, tmp_path, Wanted(None, "any"))) == "alpha"
    head = read_head(FileSource(path), "x.tar", Wanted(None, "any"))
    assert head.toc is not None
    assert head.toc.database == "alpha"


def test_of_two_members_of_one_name_the_last_counts_as_for_tar(tmp_path: Path) -> None:
    entries = [(f"db/{name}", content) for name, content in members_of("alpha").items()]
    entries.append(("./db/10.dat.gz", gzip.compress(b"newer\n" + archives.COPY_END)))
    assert rows_of(opened(tar_of(entries), tmp_path, Wanted())) == "newer"


@pytest.mark.parametrize("kind", [tarfile.LNKTYPE, tarfile.SYMTYPE])
@pytest.mark.parametrize("depth", ["", f"{LONG}/"])
def test_a_link_is_the_file_that_it_leads_to(kind: bytes, depth: str, tmp_path: Path) -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as made:
        for name, content in members_of("alpha").items():
            kept = name == "10.dat.gz"
            member = tarfile.TarInfo(f"{depth}pool/rows" if kept else f"db/{name}")
            member.size = len(content)
            made.addfile(member, io.BytesIO(content))
        link = tarfile.TarInfo("db/10.dat.gz")
        link.type = kind
        link.linkname = f"../{depth}pool/rows" if kind == tarfile.SYMTYPE else f"{depth}pool/rows"
        made.addfile(link)
    backup = opened(out.getvalue(), tmp_path, Wanted())
    assert rows_of(backup) == "alpha"
    assert not (backup.path / "10.dat.gz").is_symlink()


@pytest.mark.parametrize("target", ["/etc/passwd", "../../../../etc/passwd", "10.dat.gz", "nowhere"])
def test_a_link_that_leads_nowhere_in_the_tar_is_a_missing_file(target: str, tmp_path: Path) -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as made:
        for name, content in members_of("alpha").items():
            member = tarfile.TarInfo(f"db/{name}")
            if name == "10.dat.gz":
                member.type, member.linkname = tarfile.SYMTYPE, target
                made.addfile(member)
            else:
                member.size = len(content)
                made.addfile(member, io.BytesIO(content))
    with pytest.raises(PermanentError, match=r"10\.dat") as failure:
        opened(out.getvalue(), tmp_path, Wanted())
    assert failure.value.rule == "archive-incomplete"


def test_a_sparse_member_is_not_taken_for_its_rows(tmp_path: Path) -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as made:
        for name, content in members_of("alpha").items():
            member = tarfile.TarInfo(f"db/{name}")
            member.size = len(content)
            if name == "10.dat.gz":
                member.pax_headers = {"GNU.sparse.major": "1", "GNU.sparse.name": f"db/{name}"}
            made.addfile(member, io.BytesIO(content))
    with pytest.raises(PermanentError) as failure:
        opened(out.getvalue(), tmp_path, Wanted())
    assert failure.value.rule == "format-unsupported"


FILES = {
    "orders.dump": archives.custom(listed=archives.toc(database="alpha")),
    "eu.dump": archives.custom(listed=archives.toc(database="beta")),
}


@pytest.mark.parametrize(
    ("wanted", "name"), [(Wanted("beta"), "eu.dump"), (Wanted(None, "orders"), "orders.dump")]
)
def test_of_several_dump_files_the_one_that_is_meant_is_opened(
    wanted: Wanted, name: str, tmp_path: Path
) -> None:
    backup = opened(tar_of([("readme.txt", b"dumps of all"), *FILES.items()]), tmp_path, wanted)
    assert backup.path.read_bytes() == FILES[name]


def test_files_that_are_no_dump_leave_no_choice(tmp_path: Path) -> None:
    beside = [
        ("a/README.md", b"# what this is\n"), ("a/uploads/logo.png", b"\x89PNG\r\n\x1a\n" + b"\0" * 600),
        ("a/globals.sql", archives.globals_script().encode()), ("a/empty", b""),
        ("a/config.json", b'{"a": 1}'),
    ]  # fmt: skip
    backup = opened(tar_of([*beside, ("a/db.dump", FILES["eu.dump"])]), tmp_path, Wanted(None, "any"))
    assert backup.path.read_bytes() == FILES["eu.dump"]


def test_a_dump_that_is_cut_is_not_passed_over_for_a_whole_one(tmp_path: Path) -> None:
    """The one that is asked for may be the cut one."""
    entries = [("orders.dump", FILES["orders.dump"][:200]), ("eu.dump", FILES["eu.dump"])]
    with pytest.raises(PermanentError) as failure:
        opened(tar_of(entries), tmp_path, Wanted(None, "orders"))
    assert failure.value.rule == "archive-truncated"
    with pytest.raises(PermanentError) as failure:
        opened(tar_of(entries), tmp_path, Wanted("gamma"))
    assert failure.value.rule == "database-choice-ambiguous"


@pytest.mark.parametrize("zeros", [0, 9000])
def test_a_tar_of_a_folder_written_behind_another_is_two_in_one(zeros: int, tmp_path: Path) -> None:
    """`tar -cz db >> x.tgz`: tar reads the first and stops."""
    once = [gzip.compress(tar_of(folders(db=name)) + b"\0" * zeros, mtime=0) for name in ("old", "new")]
    assert database_of(opened(once[0], tmp_path, Wanted())) == "old"
    with pytest.raises(PermanentError) as failure:
        opened(once[0] + once[1], tmp_path, Wanted())
    assert failure.value.rule == "archive-doubled"


def test_a_tar_without_any_dump_is_not_guessed_at(tmp_path: Path) -> None:
    entries = [("a.json", b'{"a": 1}'), ("b.png", b"\x89PNG" + b"\0" * 600)]
    with pytest.raises(PermanentError, match="none of them a dump") as failure:
        opened(tar_of(entries), tmp_path, Wanted())
    assert failure.value.rule == "format-unsupported"


def test_the_folder_below_a_stored_folder_is_chosen_the_same_way(tmp_path: Path) -> None:
    root = tmp_path / "20261125"
    for name, content in folders(a="alpha", b="beta"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    sources = {str(path.relative_to(root)): FileSource(path) for path in root.rglob("*.*")}
    backup = opened_path(root, tmp_path, Wanted("beta"))
    assert (database_of(backup), rows_of(backup), backup.path) == ("beta", "beta", root / "b")
    head = read_head(sources, "20261125/", Wanted("beta"))
    assert (head.format, head.toc is not None and head.toc.database) == (Format.DIRECTORY, "beta")
    with pytest.raises(PermanentError) as failure:
        read_head(sources, "20261125/", Wanted(None, "gamma"))
    assert failure.value.rule == "database-choice-ambiguous"


def test_a_dump_at_the_top_of_a_stored_folder_is_the_backup_whatever_lies_below(tmp_path: Path) -> None:
    root = tmp_path / "orders"
    for name, content in [*members_of("alpha").items(), *folders(old="beta")]:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    assert database_of(opened_path(root, tmp_path, Wanted("beta"))) == "alpha"


def test_before_the_download_only_what_every_dump_of_its_name_shares_is_said(tmp_path: Path) -> None:
    """Two days of one database: the first one's age and tables are not held against the second."""
    path = tmp_path / "x.tar"
    path.write_bytes(tar_of(folders(monday="orders", tuesday="orders")))
    head = read_head(FileSource(path), "x.tar", Wanted("orders"))
    assert head.toc is not None
    assert [entry.desc for entry in head.toc.entries] == ["EXTENSION"]
    assert (head.toc.made_at, head.toc.archive_version) == (None, None)
    path.write_bytes(tar_of(folders(a="alpha", b="beta")))
    assert read_head(FileSource(path), "x.tar", Wanted("gamma")).toc is None
