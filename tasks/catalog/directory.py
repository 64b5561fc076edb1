"""Directory dumps: every file that the TOC names, there, not empty, and whole.

What a restore of an incomplete one does depends on luck: a table whose file is empty comes back empty, and
the exit code tells only if a foreign key pointed at it. A compressed file is read to its end here, for
older pg_restore releases take a cut gzip for a short one.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import TypeVar

from tasks.catalog.compression import GZIP, LZ4, ZSTD, unwrap
from tasks.catalog.contained import Contained, Wanted, choose, parts_of
from tasks.catalog.custom import label
from tasks.catalog.physical import TOOLS, recognise_layout
from tasks.catalog.sources import file_pieces
from tasks.catalog.tar import large_objects
from tasks.catalog.toc import ParsedToc, TocCutError, read_toc_pieces
from tasks.model.backup import ArchiveHead, ByteSource, Format, Toc, TocEntry
from tasks.model.deadline import Deadline
from tasks.model.errors import PermanentError

TOC_NAME = "toc.dat"
_SUFFIXES = {"": "", ".gz": GZIP, ".lz4": LZ4, ".zst": ZSTD}
_COPY_END = b"\\.\n\n\n"
_TOC_READ = 4 << 20
_BATCH = 1000
_DATA_MEMBER = re.compile(r"(^|/)(\d+\.dat|blob_\d+\.dat|blobs(_\d+)?\.toc)(\.(gz|lz4|zst))?$")
File = TypeVar("File")


def is_data_member(name: str) -> bool:
    """Say whether a tar's member *name* is a file of a directory dump."""
    return _DATA_MEMBER.search(name) is not None


def directory_dumps(files: Mapping[str, File]) -> dict[str, dict[str, File]]:
    """Return each folder of *files* that holds a dump, with the dump's own files by their base names.

    Where no folder has a toc.dat, those that hold data files are returned: what is lost is said of them.
    """
    folders: dict[str, dict[str, File]] = {}
    for name, file in files.items():
        folder, _, base = name.rpartition("/")
        if base == TOC_NAME or is_data_member(base):
            folders.setdefault(folder, {})[base] = file
    return {folder: members for folder, members in folders.items() if TOC_NAME in members} or folders


def dump_folder(members: Mapping[str, ByteSource], wanted: Wanted, where: str) -> str:
    """Return the folder below a backup's own that holds the dump that is meant; "" for the backup's own.

    Raises:
        PermanentError: `database-choice-ambiguous`, `database-not-in-dump`.
    """
    files = {"/".join(parts): source for name, source in members.items() if (parts := parts_of(name))}
    folders = {} if TOC_NAME in files else directory_dumps(files)
    dumps = [
        Contained(folder, databases_of(dump_files[TOC_NAME]))
        for folder, dump_files in folders.items()
        if TOC_NAME in dump_files
    ]
    return choose(dumps, wanted, where).place if dumps else ""


def below(members: Mapping[str, File], folder: str) -> Mapping[str, File]:
    """Return the files of *folder* by their names in it; all of them for ""."""
    if not folder:
        return members
    named = {"/".join(parts_of(name)): file for name, file in members.items()}
    return {
        name.removeprefix(f"{folder}/"): file for name, file in named.items() if name.startswith(f"{folder}/")
    }


def databases_of(toc: ByteSource) -> tuple[str, ...]:
    """Return the database that a `toc.dat` names; none where it is damaged, which shows later."""
    try:
        database = read_toc(toc, TOC_NAME).toc.database
    except PermanentError:
        return ()
    return (database,) if database else ()


def read_directory_head(members: Mapping[str, ByteSource], where: str) -> ArchiveHead:
    """Return what the `toc.dat` among *members* (relative names) tells, and prove that its files are listed.

    Raises:
        PermanentError: `archive-empty`, `archive-uploading`, `archive-truncated`, `archive-corrupt`,
            `archive-incomplete`, `not-a-backup`.
    """
    if TOC_NAME not in members:
        return _without_toc(members, where)
    toc = read_toc(members[TOC_NAME], where).toc
    sizes = {name: source.size for name, source in members.items()}
    for entry in _with_files(toc):
        _stored_as(entry, sizes, where)
    return ArchiveHead(Format.DIRECTORY, toc=toc)


def read_toc(source: ByteSource, where: str) -> ParsedToc:
    """Return the TOC in a `toc.dat`.

    Raises:
        PermanentError: `archive-truncated`, `archive-corrupt`, `archive-version-unsupported`,
            `archive-contents-too-large`.
    """
    pieces = (source.read(at, _TOC_READ) for at in range(0, source.size, _TOC_READ))
    try:
        return read_toc_pieces(pieces, where)
    except TocCutError as exc:
        raise PermanentError(
            f"toc.dat ends at byte {exc.read_bytes}, {exc.place}. Nothing can be restored without it.",
            where,
            rule="archive-truncated",
        ) from exc


def verify_directory(folder: Path, toc: Toc, where: str, deadline: Deadline) -> None:
    """Prove that the files of the dump in *folder* are there and whole.

    Args:
        folder: holds `toc.dat`.
        toc: what it lists.
        where: the backup, for messages.
        deadline: how long reading them may take.

    Raises:
        PermanentError: `archive-incomplete`, `archive-truncated`, `archive-corrupt`, `stage-deadline`.
    """
    sizes = {path.name: path.stat().st_size for path in folder.iterdir() if path.is_file()}
    with ThreadPoolExecutor(os.cpu_count() or 1, thread_name_prefix="verify") as pool:
        jobs = _stored_files(folder, toc, sizes, where, deadline)
        while batch := list(islice(jobs, _BATCH)):  # a pool takes all that it is given at once
            for _ in pool.map(lambda job: _read_whole(*job, deadline=deadline), batch):
                pass  # the first error is raised here


def _stored_files(
    folder: Path, toc: Toc, sizes: Mapping[str, int], backup_name: str, deadline: Deadline
) -> Iterator[tuple[Path, TocEntry | None]]:
    """Yield each file that the TOC needs, once, with the entry whose rows it holds."""
    names: set[str] = set()
    for entry in _with_files(toc):
        stored = _stored_as(entry, sizes, backup_name)
        if stored in names:
            continue
        names.add(stored)
        yield folder / stored, entry
        if (entry.filename or "").endswith(".toc"):
            for name in _large_objects(folder / stored, sizes, backup_name, deadline):
                yield folder / name, None


def _without_toc(members: Mapping[str, ByteSource], backup_name: str) -> ArchiveHead:
    layout = recognise_layout(members)
    if layout is not None:
        return ArchiveHead(layout)
    if not members:
        raise PermanentError(
            "The folder holds no file. There is nothing to restore.", backup_name, rule="archive-empty"
        )
    data = sum(".dat" in name for name in members)
    if data:
        raise PermanentError(
            f"The folder holds {data} data files and no toc.dat. Without it none of them can be restored.",
            backup_name,
            rule="archive-uploading",
        )
    raise PermanentError(
        f"The folder holds {len(members)} files and no toc.dat: it is no directory dump.",
        backup_name,
        rule="not-a-backup",
    )


def unsupported(layout: Format, where: str) -> PermanentError:
    """Return the error for a physical backup, which is recognised and not drilled here."""
    return PermanentError(
        f"This is a physical backup of {TOOLS[layout]}, not a dump. It may be good; this drill cannot "
        "restore it.",
        where,
        rule="format-unsupported",
    )


def _with_files(toc: Toc) -> Iterable[TocEntry]:
    return (entry for entry in toc.entries if entry.has_data and entry.filename)


def _stored_as(entry: TocEntry, sizes: Mapping[str, int], backup_name: str) -> str:
    """Return the name under which the entry's file is stored, compressed or not."""
    name = _find(entry.filename or "", sizes, backup_name)
    if name is None:
        raise PermanentError(
            f"The file {entry.filename} of {label(entry)} is missing. That data is lost.",
            backup_name,
            rule="archive-incomplete",
        )
    if sizes[name] == 0:
        raise PermanentError(
            f"The file {name} of {label(entry)} is empty. Even a table without rows leaves bytes: its data "
            "is lost.",
            backup_name,
            rule="archive-incomplete",
        )
    return name


def _find(name: str, sizes: Mapping[str, int], backup_name: str = "") -> str | None:
    """Return the name under which a file is stored.

    Raises:
        PermanentError: `archive-doubled`: it is there twice, and pg_restore takes the first that it knows.
    """
    stored = [name + suffix for suffix in _SUFFIXES if name + suffix in sizes]
    if len(stored) > 1:
        raise PermanentError(
            f"The folder holds {' and '.join(stored)}: two dumps lie in it, one over the other. pg_restore "
            f"reads {stored[0]}, of whichever of them that is.",
            backup_name or name,
            "Dump into an empty folder, and copy it with what deletes the files of the dump before "
            "(aws s3 sync --delete).",
            rule="archive-doubled",
        )
    return stored[0] if stored else None


def _large_objects(
    listing: Path, sizes: Mapping[str, int], backup_name: str, deadline: Deadline
) -> Iterator[str]:
    """Yield the files that a large objects' list names, as they are stored."""
    for name in large_objects(_unwrapped(listing, deadline), backup_name):
        stored = _find(name, sizes, backup_name)
        if stored is None:
            raise _lost(name, "missing", backup_name)
        # gzip leaves 20 bytes for a large object without any; others leave an empty file (measured, 14 to 18)
        if stored.endswith(".gz") and not sizes[stored]:
            raise _lost(stored, "empty", backup_name)
        yield stored


def _lost(name: str, how: str, backup_name: str) -> PermanentError:
    return PermanentError(
        f"The large object file {name} is {how}. Its bytes are lost.", backup_name, rule="archive-incomplete"
    )


def _unwrapped(path: Path, deadline: Deadline) -> Iterable[bytes]:
    wrapper = _SUFFIXES.get(path.suffix, "")
    pieces = file_pieces(path, deadline)
    return unwrap(wrapper, pieces, path.name) if wrapper else pieces


def _read_whole(path: Path, entry: TocEntry | None, *, deadline: Deadline) -> None:
    """Read a data file to its end; a table's rows end with the line that ends every COPY."""
    if entry is None and path.stat().st_size == 0:
        return  # a large object without bytes
    if path.suffix not in {".gz", ".lz4", ".zst"}:
        _check_copy_end(_tail(path), path, entry)
        return
    tail = b""
    for piece in _unwrapped(path, deadline):
        tail = (tail + piece[-len(_COPY_END) :])[-len(_COPY_END) :]
    _check_copy_end(tail, path, entry)


def _tail(path: Path) -> bytes:
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - len(_COPY_END)))
        return file.read()


def _check_copy_end(tail: bytes, path: Path, entry: TocEntry | None) -> None:
    if entry is None or entry.desc != "TABLE DATA" or not entry.copy_stmt.startswith("COPY "):
        return
    if tail != _COPY_END:
        raise PermanentError(
            f"The rows of {label(entry)} end at byte {path.stat().st_size} of {path.name} without the end "
            "of the "
            "COPY. The rows after that are lost.",
            path.name,
            rule="archive-truncated",
        )
