"""Which backups an incremental one is put together of, by what their labels say and nothing else."""

from __future__ import annotations

import gzip
import io
import tarfile
from pathlib import Path

import pytest

from tasks.model.errors import PermanentError
from tasks.physical.chain import NamedBackup, chain_of, label_of
from tasks.physical.layout import recognise
from tasks.stores.local import LocalStore
from tests.fix_physical import objects_in

LABEL = "START WAL LOCATION: 0/{start:X} (file 000000010000000000000002)\nSTART TIMELINE: {timeline}\n"
PRIOR = "INCREMENTAL FROM LSN: 0/{prior:X}\nINCREMENTAL FROM TLI: {timeline}\n"


def label(start: int, prior: int | None = None, timeline: int = 1, prior_timeline: int = 1) -> bytes:
    text = LABEL.format(start=start, timeline=timeline)
    return (text + ("" if prior is None else PRIOR.format(prior=prior, timeline=prior_timeline))).encode()


def tar(*members: tuple[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for name, body in members:
            info = tarfile.TarInfo(name)
            info.size = len(body)
            archive.addfile(info, io.BytesIO(body))
    return packed.getvalue()


class Repository:
    """Backups in a folder that are nothing but their labels."""

    def __init__(self, folder: Path) -> None:
        self.store = LocalStore(str(folder))
        self._folder = folder

    def put(self, name: str, text: bytes) -> NamedBackup:
        return self.put_tar(name, tar(("backup_label", text)))

    def put_tar(self, name: str, body: bytes, file: str = "base.tar") -> NamedBackup:
        folder = self._folder / name
        folder.mkdir()
        (folder / file).write_bytes(body)
        return self.named(name)

    def named(self, name: str) -> NamedBackup:
        backup = recognise(objects_in(self.store, self._folder / name))
        assert backup is not None
        return NamedBackup(name, backup)

    def names(self, newest: NamedBackup, *others: NamedBackup) -> list[str]:
        return [link.name for link in chain_of(newest, others, self.store)]

    def broken(self, newest: NamedBackup, *others: NamedBackup) -> PermanentError:
        with pytest.raises(PermanentError) as failure:
            chain_of(newest, others, self.store)
        assert failure.value.rule == "chain-broken"
        return failure.value


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path)


def test_a_full_backup_is_a_chain_of_one(repository: Repository) -> None:
    full, other = repository.put("full", label(0x100)), repository.put("other", label(0x50))
    assert repository.names(full, other) == ["full"]


def test_a_chain_is_followed_by_places_in_the_wal_whatever_the_names(repository: Repository) -> None:
    full, first = repository.put("z", label(0x100)), repository.put("a", label(0x200, 0x100))
    newest, stranger = repository.put("m", label(0x300, 0x200)), repository.put("b", label(0x250, 0x100))
    assert repository.names(newest, full, stranger, first) == ["z", "a", "m"]


def test_a_prior_on_another_timeline_is_another_backup(repository: Repository) -> None:
    wrong, right = repository.put("wrong", label(0x100)), repository.put("right", label(0x100, timeline=2))
    newest = repository.put("newest", label(0x200, 0x100, timeline=3, prior_timeline=2))
    assert repository.names(newest, wrong, right) == ["right", "newest"]
    assert "on timeline 2" in repository.broken(newest, wrong).what


def test_no_more_is_read_than_the_chain_needs(repository: Repository, tmp_path: Path) -> None:
    full, newest = repository.put("full", label(0x100)), repository.put("newest", label(0x200, 0x100))
    gone = repository.put("gone", label(0x50))
    (tmp_path / "gone/base.tar").unlink()
    assert repository.names(newest, full, gone) == ["full", "newest"]


@pytest.mark.parametrize("prior", [0x200, 0x300])
def test_a_backup_that_builds_on_itself_or_a_later_one_is_broken(prior: int, repository: Repository) -> None:
    newest, later = repository.put("newest", label(0x200, prior)), repository.put("later", label(0x300))
    repository.broken(newest, newest, later)


def test_what_is_no_backup_is_passed_over_and_told(repository: Repository) -> None:
    newest = repository.put("newest", label(0x200, 0x100))
    cut = repository.put_tar("cut", tar(("backup_label", label(0x100)))[:520])
    without = repository.put("without", b"nothing")
    assert "2 of them could not be read (cut, without)" in repository.broken(newest, cut, without).what


@pytest.mark.parametrize("first", [("backup_label",), ("PG_VERSION", "backup_label"), ("./backup_label",)])
def test_the_label_is_found_among_the_first_members(first: tuple[str, ...], repository: Repository) -> None:
    members = tuple((name, label(0x100, 0x50)) for name in first)
    packed = repository.put_tar("packed", gzip.compress(tar(*members)), "base.tar.gz")
    found = label_of(packed.backup, repository.store)
    assert found is not None
    assert (found.start_lsn, found.incremental_from) == (0x100, 0x50)


def test_a_label_behind_much_else_is_not_looked_for(repository: Repository) -> None:
    members = (("base/1/1259", bytes(2 << 20)), ("backup_label", label(0x100)))
    assert label_of(repository.put_tar("sorted", tar(*members)).backup, repository.store) is None


def test_the_label_of_a_data_folder_is_its_file(repository: Repository, tmp_path: Path) -> None:
    (tmp_path / "plain/global").mkdir(parents=True)
    (tmp_path / "plain/global/pg_control").write_bytes(b"x")
    (tmp_path / "plain/backup_label").write_bytes(label(0x100))
    found = label_of(repository.named("plain").backup, repository.store)
    assert found is not None
    assert found.start_lsn == 0x100
