from __future__ import annotations

import gzip
import shutil
from pathlib import Path
from typing import Any

import lz4.frame
import pytest
import zstandard

from tasks.catalog import disk as disk_module
from tasks.catalog import open_backup, open_script
from tasks.model.backup import Format, LocalBackup
from tasks.model.deadline import Deadline
from tasks.model.errors import PermanentError
from tests.corpus import archives
from tests.corpus.damage import flip_bit
from tests.strategies import write_tar

PLAIN_OWNER = b"0001750 0001750 "


def opened(path: Path, **facts: Any) -> LocalBackup:
    workdir = path.parent / "work"
    workdir.mkdir(exist_ok=True)
    given: dict[str, Any] = {
        "name": path.name, "sha256": "ab", "bytes": 1, "integrity": "s3-sha256", "fetch_s": 1.5,
        "decrypt": None, "workdir": workdir, "deadline_s": 60.0,
    }  # fmt: skip
    return open_backup(path, **{**given, **facts})


def stored(folder: Path, name: str, data: bytes) -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


def rules_of(backup: LocalBackup) -> list[str]:
    return [found.rule for found in backup.findings]


def failure_of(path: Path, **facts: Any) -> PermanentError:
    with pytest.raises(PermanentError) as failure:
        opened(path, **facts)
    return failure.value


HEALTHY = {
    "x.dump": archives.custom(),
    "x.tar": archives.tar(),
    "x.sql": archives.script().encode(),
    "all.sql": archives.cluster_script().encode(),
}


@pytest.mark.parametrize("name", HEALTHY)
def test_a_whole_backup_is_taken_as_it_is(name: str, tmp_path: Path) -> None:
    path = stored(tmp_path, name, HEALTHY[name])
    backup = opened(path)
    assert (backup.path, backup.findings, backup.integrity) == (path, (), "s3-sha256")
    assert (backup.sha256, backup.bytes, backup.fetch_s) == ("ab", 1, 1.5)
    assert backup.decrypt_s == 0.0, "nothing had to be taken off"
    assert list((tmp_path / "work").iterdir()) == []


@pytest.mark.parametrize("wrapper", sorted(archives.COMPRESS))
@pytest.mark.parametrize("name", HEALTHY)
def test_a_wrapped_backup_is_unwrapped_where_a_file_is_needed_and_streamed_where_not(
    name: str, wrapper: str, tmp_path: Path
) -> None:
    path = stored(tmp_path, name + archives.SUFFIX[wrapper], archives.COMPRESS[wrapper](HEALTHY[name]))
    backup = opened(path)
    assert (backup.findings, backup.head.wrappers) == ((), (wrapper,))
    if name.endswith(".sql"):
        assert backup.path == path
        assert b"".join(open_script(backup)) == HEALTHY[name]
    else:
        assert backup.path.parent == tmp_path / "work"
        assert backup.decrypt_s > 0.0
        assert backup.path.read_bytes() == HEALTHY[name]
        assert backup.path.stat().st_mode & 0o777 == 0o644
        assert path.exists()


def test_the_databases_of_a_cluster_dump_are_all_known_after_opening(tmp_path: Path) -> None:
    assert opened(stored(tmp_path, "all.sql", HEALTHY["all.sql"])).head.databases == ("shop", "my shop")


@pytest.mark.parametrize("compression", ["none", "gzip", "zstd", "lz4"])
def test_a_whole_directory_is_taken_as_it_is(compression: str, tmp_path: Path) -> None:
    folder = archives.directory(tmp_path / "orders_20260504", compression)
    backup = opened(folder)
    assert (backup.path, backup.findings, backup.head.format) == (folder, (), Format.DIRECTORY)


@pytest.mark.parametrize("prefix", ["", "./", "orders/"])
def test_a_tar_of_a_directory_dump_becomes_a_folder(prefix: str, tmp_path: Path) -> None:
    members = [(prefix + name, data) for name, data in archives.directory_members().items()]
    path = stored(tmp_path, "x.tar.gz", gzip.compress(write_tar(members, owner=PLAIN_OWNER), mtime=0))
    backup = opened(path)
    assert (backup.head.format, backup.head.wrappers, backup.findings) == (
        Format.DIRECTORY,
        ("gzip", "tar"),
        (),
    )
    assert sorted(p.name for p in backup.path.iterdir()) == sorted(archives.directory_members())
    assert [p.name for p in (tmp_path / "work").iterdir()] == [backup.path.name], (
        "what was in between is removed"
    )


def test_members_that_lead_out_of_the_folder_are_not_followed(tmp_path: Path) -> None:
    members = [("../../" + name, data) for name, data in archives.directory_members().items()]
    members.append(("../../etc/cron.d/evil", b"* * * * * root true\n"))
    backup = opened(stored(tmp_path, "x.tar", write_tar(members, owner=PLAIN_OWNER)))
    assert sorted(p.name for p in backup.path.iterdir()) == sorted(archives.directory_members())


@pytest.mark.parametrize("name", ["x.dump", "x.sql"])
def test_the_one_file_in_a_tar_is_the_backup(name: str, tmp_path: Path) -> None:
    path = stored(
        tmp_path, "x.tar.gz", gzip.compress(write_tar([(name, HEALTHY[name])], owner=PLAIN_OWNER), mtime=0)
    )
    backup = opened(path)
    assert backup.findings == ()
    assert backup.path.read_bytes() == HEALTHY[name]
    if name == "x.sql":
        assert b"".join(open_script(backup)) == HEALTHY[name]


def test_which_of_two_files_in_a_tar_is_the_backup_is_not_guessed(tmp_path: Path) -> None:
    data = write_tar([("a.sql", HEALTHY["x.sql"]), ("b.dump", HEALTHY["x.dump"])], owner=PLAIN_OWNER)
    assert failure_of(stored(tmp_path, "x.tar", data)).rule == "database-choice-ambiguous"


def test_physical_backups_are_recognised_and_refused(tmp_path: Path) -> None:
    data = write_tar([("backup_label", b"x"), ("PG_VERSION", b"17")], owner=PLAIN_OWNER)
    assert (
        failure_of(stored(tmp_path, "base.tar.gz", gzip.compress(data, mtime=0))).rule == "format-unsupported"
    )
    folder = tmp_path / "base"
    (folder / "global").mkdir(parents=True)
    (folder / "global" / "pg_control").write_bytes(b"x")
    assert "pg_basebackup" in failure_of(folder).what


@pytest.mark.parametrize(
    ("name", "data", "rule"),
    [
        ("x.dump", HEALTHY["x.dump"][:-50], "archive-truncated"),
        ("x.dump.gz", gzip.compress(HEALTHY["x.dump"], mtime=0)[:-50], "archive-truncated"),
        ("x.dump.gz", flip_bit(gzip.compress(HEALTHY["x.dump"], mtime=0), -6), "archive-corrupt"),
        ("x.tar", HEALTHY["x.tar"][:-600], "archive-truncated"),
        ("x.sql", HEALTHY["x.sql"][:700], "end-marker-missing"),
        ("x.sql.gz", gzip.compress(HEALTHY["x.sql"][:700], mtime=0), "end-marker-missing"),
        ("x.sql.gz", gzip.compress(HEALTHY["x.sql"], mtime=0)[:-20], "archive-truncated"),
        ("x.sql.gz", flip_bit(gzip.compress(HEALTHY["x.sql"], mtime=0), -6), "archive-corrupt"),
        ("x.sql.gz", gzip.compress(b"", mtime=0), "archive-tiny"),
        ("x.sql", b"", "archive-empty"),
        ("x.sql", b"<html>", "not-a-backup"),
        ("x.sql.gz", gzip.compress(b"pg_dump: error: no route to host\n", mtime=0), "not-a-backup"),
    ],
)
def test_a_broken_backup_raises_its_own_rule(name: str, data: bytes, rule: str, tmp_path: Path) -> None:
    error = failure_of(stored(tmp_path, name, data))
    assert error.rule == rule
    assert list((tmp_path / "work").iterdir()) == []


@pytest.mark.parametrize(("name", "length"), [("x.dump", -50), ("x.tar", 3000)])
def test_an_archive_cut_before_it_was_packed_is_truncated_and_stays_unpacked(
    name: str, length: int, tmp_path: Path
) -> None:
    error = failure_of(stored(tmp_path, f"{name}.gz", gzip.compress(HEALTHY[name][:length], mtime=0)))
    assert error.rule == "archive-truncated"
    assert [path.name for path in (tmp_path / "work").iterdir()] == ["unwrapped-0"]


def test_a_script_by_hand_is_taken_with_a_warning(tmp_path: Path) -> None:
    backup = opened(stored(tmp_path, "x.sql", b"CREATE TABLE t (id int);\n"))
    assert rules_of(backup) == ["end-marker-unknown"]


UNPROVEN = {
    "x.dump": archives.custom("none"),
    "y.dump": archives.custom("zstd"),
    "x.tar": HEALTHY["x.tar"],
    "x.sql": HEALTHY["x.sql"],
    "x.sql.zst": zstandard.ZstdCompressor(write_checksum=False).compress(HEALTHY["x.sql"]),
    "x.sql.lz4": lz4.frame.compress(HEALTHY["x.sql"]),
}


@pytest.mark.parametrize("name", UNPROVEN)
def test_integrity_that_nothing_proves_is_a_warning(name: str, tmp_path: Path) -> None:
    backup = opened(stored(tmp_path, name, UNPROVEN[name]), integrity="none")
    assert (backup.integrity, rules_of(backup)) == ("none", ["integrity-unproven"])


@pytest.mark.parametrize("name", UNPROVEN)
def test_integrity_that_the_store_proves_is_not(name: str, tmp_path: Path) -> None:
    backup = opened(stored(tmp_path, name, UNPROVEN[name]), integrity="sidecar")
    assert (backup.integrity, rules_of(backup)) == ("sidecar", [])


@pytest.mark.parametrize("name", ["x.dump", *(f"x.sql{s}" for s in archives.SUFFIX.values())])
def test_integrity_that_the_format_proves_is_not(name: str, tmp_path: Path) -> None:
    wrapper = {suffix: wrapper for wrapper, suffix in archives.SUFFIX.items()}.get(Path(name).suffix)
    data = HEALTHY["x.dump"] if wrapper is None else archives.COMPRESS[wrapper](HEALTHY["x.sql"])
    backup = opened(stored(tmp_path, name, data), integrity="none")
    assert (backup.integrity, rules_of(backup)) == ("format", [])


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("x.sql.gz", HEALTHY["x.dump"]),
        ("x.sql", HEALTHY["x.dump"]),
        ("x.sql", gzip.compress(HEALTHY["x.sql"], mtime=0)),
        ("x.sql.gz", HEALTHY["x.sql"]),
        ("x.sql.zst", gzip.compress(HEALTHY["x.sql"], mtime=0)),
        ("x.tar", HEALTHY["x.dump"]),
        ("x.dump.gpg", HEALTHY["x.dump"]),
        ("x.sql.gz", gzip.compress(HEALTHY["x.dump"], mtime=0)),
    ],
)
def test_a_name_that_claims_another_format_is_a_warning(name: str, data: bytes, tmp_path: Path) -> None:
    assert rules_of(opened(stored(tmp_path, name, data))) == ["archive-misnamed"]


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("x.dump", gzip.compress(HEALTHY["x.sql"], mtime=0)),
        ("x.backup", HEALTHY["x.tar"]),
        ("x.bak", HEALTHY["x.dump"]),
        ("orders-2026.05.04", HEALTHY["x.dump"]),
        ("x.tgz", gzip.compress(HEALTHY["x.tar"], mtime=0)),
        ("X.SQL.GZ", gzip.compress(HEALTHY["x.sql"], mtime=0)),
    ],
)
def test_a_name_that_claims_nothing_is_not(name: str, data: bytes, tmp_path: Path) -> None:
    assert rules_of(opened(stored(tmp_path, name, data))) == []


def test_a_disk_that_runs_full_is_the_drills_trouble_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = stored(tmp_path, "x.dump.gz", gzip.compress(HEALTHY["x.dump"], mtime=0))
    monkeypatch.setattr(disk_module, "_LOOK_EVERY_BYTES", 0)
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=1))
    assert failure_of(path).rule == "disk-full"
    assert list((tmp_path / "work").iterdir()) == []


def test_a_write_error_of_a_full_disk_is_translated(tmp_path: Path) -> None:
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("no /dev/full here")
    with full.open("wb", buffering=0) as file:
        writer = disk_module.DiskWriter(file, tmp_path / "x", Deadline.within(None), "x")
        with pytest.raises(PermanentError, match="disk ran full") as failure:
            writer.write(b"x" * 4096)
    assert failure.value.rule == "disk-full"


def test_the_deadline_ends_it_without_a_word_on_the_backup(tmp_path: Path) -> None:
    assert failure_of(stored(tmp_path, "x.sql", HEALTHY["x.sql"]), deadline_s=0.0).rule == "stage-deadline"
