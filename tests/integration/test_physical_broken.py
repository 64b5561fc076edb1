"""Base backups broken in one respect each: the respect is named, and nothing comes up as if it were whole."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tasks.model.errors import PermanentError
from tests.corpus.base_backups import Production
from tests.fix_physical import Drilled

MAJOR = 17
MAJORS = (15, 17, 18)


@pytest.fixture
def plain(source: Callable[..., Production], request: pytest.FixtureRequest) -> Iterator[Path]:
    """A plain base backup of this test's own, to break."""
    folder = source(MAJOR).base_backup(f"broken-{request.node.name}"[:60], "-Fp", "-X", "stream")
    yield folder
    shutil.rmtree(folder)


def failed(drilled: Drilled, folder: Path, major: int = MAJOR) -> PermanentError:
    with pytest.raises(PermanentError) as failure:
        drilled.up(folder, major)
    return failure.value


def test_a_copy_without_backup_label_is_refused_before_it_starts(drilled: Drilled, plain: Path) -> None:
    (plain / "backup_label").unlink()
    assert failed(drilled, plain).rule == "backup-label-missing"


def test_a_backup_label_that_was_cut_is_no_label(drilled: Drilled, plain: Path) -> None:
    (plain / "backup_label").write_text("CHECKPOINT LOCATION: 0/2000080\n")
    assert failed(drilled, plain).rule == "backup-label-missing"


@pytest.mark.parametrize("major", MAJORS)
def test_a_torn_control_file_is_named_by_its_checksum(
    major: int, drilled: Drilled, source: Callable[..., Production]
) -> None:
    folder = source(major).base_backup("torn-control", "-Fp", "--no-manifest")
    flip(folder / "global" / "pg_control", 40)
    assert failed(drilled, folder, major).rule == "control-file-corrupt"
    shutil.rmtree(folder)


def test_a_control_file_that_was_cut_is_corrupt(drilled: Drilled, plain: Path) -> None:
    (plain / "backup_manifest").unlink()
    (plain / "global" / "pg_control").write_bytes(b"short")
    assert failed(drilled, plain).rule == "control-file-corrupt"


def test_a_flipped_byte_is_found_by_the_manifest_which_names_the_file(drilled: Drilled, plain: Path) -> None:
    path = largest_file(plain)
    flip(path, 9000)
    failure = failed(drilled, plain)
    assert failure.rule == "backup-manifest-mismatch"
    assert failure.where == str(path.relative_to(plain))
    assert "another checksum" in failure.what


def test_a_file_that_is_gone_is_found_by_the_manifest(drilled: Drilled, plain: Path) -> None:
    path = largest_file(plain)
    path.unlink()
    failure = failed(drilled, plain)
    assert (failure.rule, failure.where) == ("backup-manifest-mismatch", str(path.relative_to(plain)))
    assert "missing" in failure.what


def test_a_file_of_another_size_is_found_by_the_manifest(drilled: Drilled, plain: Path) -> None:
    path = largest_file(plain)
    with path.open("ab") as file:
        file.write(bytes(8192))
    failure = failed(drilled, plain)
    assert (failure.rule, failure.where) == ("backup-manifest-mismatch", str(path.relative_to(plain)))


def test_a_manifest_that_was_edited_proves_nothing(drilled: Drilled, plain: Path) -> None:
    path = plain / "backup_manifest"
    path.write_text(path.read_text().replace('"Size": 3,', '"Size": 4,'))
    failure = failed(drilled, plain)
    assert failure.rule == "backup-manifest-mismatch"
    assert "own checksum" in failure.what


@pytest.mark.parametrize("algorithm", ["SHA224", "SHA256", "SHA384", "SHA512"])
def test_every_checksum_of_a_manifest_is_checked(
    algorithm: str, drilled: Drilled, source: Callable[..., Production]
) -> None:
    folder = source(MAJOR).base_backup(algorithm, "-Fp", f"--manifest-checksums={algorithm}")
    drilled.brought(folder)
    shutil.rmtree(drilled.workspace.data_dir)
    drilled.workspace.data_dir.mkdir()
    flip(largest_file(folder), 9000)
    assert failed(drilled, folder).rule == "backup-manifest-mismatch"


@pytest.mark.parametrize("major", MAJORS)
def test_a_flipped_page_without_manifest_is_found_by_its_checksum_and_its_table(
    major: int, drilled: Drilled, source: Callable[..., Production]
) -> None:
    production = source(major)
    with production.connect("shop") as session:
        (path,) = session.execute("SELECT pg_relation_filepath('shop.orders')").fetchone() or ("",)
    folder = production.base_backup("flipped-page", "-Fp", "--no-manifest")
    flip(folder / path, 8192 + 4000)
    failure = failed(drilled, folder, major)
    assert failure.rule == "page-checksum-failed"
    assert failure.where == "shop:shop.orders"
    assert failure.what.startswith(
        "1 pages of the copy do not match their checksums (block 1 of shop:shop.orders)"
    )
    shutil.rmtree(folder)


@pytest.mark.parametrize("major", MAJORS)
def test_a_copy_without_its_wal_cannot_become_consistent(
    major: int, drilled: Drilled, source: Callable[..., Production]
) -> None:
    folder = source(major).base_backup("without-wal", "-Fp", "-X", "none")
    failure = failed(drilled, folder, major)
    assert failure.rule == "wal-missing-for-backup"
    assert "backup_label" not in failure.what
    shutil.rmtree(folder)


def test_wal_that_ends_before_the_backup_does_is_missing(
    drilled: Drilled, source: Callable[..., Production]
) -> None:
    folder = source(MAJOR).base_backup("half-wal", "-Fp", "-X", "stream", "--no-manifest")
    for segment in (folder / "pg_wal").glob("[0-9A-F]" * 24):
        cut_after_checkpoint(segment, folder)
    assert failed(drilled, folder).rule == "wal-missing-for-backup"
    shutil.rmtree(folder)


@pytest.mark.parametrize("shape", ["", "-z"])
def test_a_tar_that_was_cut_is_truncated(
    shape: str, drilled: Drilled, source: Callable[..., Production]
) -> None:
    folder = source(MAJOR).base_backup(f"cut{shape}", "-Ft", *filter(None, (shape,)))
    path = next(folder.glob("base.tar*"))
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size // 2)
    assert failed(drilled, folder).rule == "archive-truncated"
    shutil.rmtree(folder)


def test_another_majors_copy_is_never_started(drilled: Drilled, source: Callable[..., Production]) -> None:
    folder = source(15).base_backup("of-15", "-Fp")
    failure = failed(drilled, folder, 17)
    assert failure.rule == "architecture-differs"
    assert "PostgreSQL 15" in failure.what
    shutil.rmtree(folder)


def flip(path: Path, at: int) -> None:
    with path.open("r+b") as file:
        file.seek(at)
        (byte,) = file.read(1)
        file.seek(at)
        file.write(bytes([byte ^ 0xFF]))


def largest_file(folder: Path) -> Path:
    return max(
        (folder / "base").rglob("[0-9]*"), key=lambda path: path.stat().st_size if path.is_file() else 0
    )


def cut_after_checkpoint(segment: Path, folder: Path) -> None:
    """Zero what follows the backup's own checkpoint in its segment; leave the others empty of records."""
    match = re.search(r"CHECKPOINT LOCATION: 0/([0-9A-F]+)", (folder / "backup_label").read_text())
    assert match is not None
    at = int(match[1], 16) % (16 << 20) + 120
    named = re.search(r"\(file ([0-9A-F]{24})\)", (folder / "backup_label").read_text())
    assert named is not None
    with segment.open("r+b") as file:
        start = at if segment.name == named[1] else 0
        file.seek(start)
        file.write(bytes((16 << 20) - start))
