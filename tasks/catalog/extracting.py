"""Out of a tar or ZIP archive that somebody made: the one dump in it, beside whatever else it holds.

Decided here: a directory dump is its folder, any other dump a file. Where an application wrote the archive,
it is known which file is the dump; else every file is looked at, and more than one dump is the user's choice.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tasks.catalog import tar
from tasks.catalog.contained import Contained, Wanted, application_dumps, choose
from tasks.catalog.directory import TOC_NAME, directory_dumps, is_data_member, unsupported
from tasks.catalog.disk import write_pieces
from tasks.catalog.head import NO_DUMP, is_closed, read_stream_head, read_stream_toc
from tasks.catalog.physical import recognise_layout
from tasks.catalog.sniff import ZIP
from tasks.catalog.sources import PIECE_BYTES, FileSource, Stream
from tasks.catalog.zip_archive import ZipArchive
from tasks.model.backup import Format
from tasks.model.deadline import Deadline
from tasks.model.errors import PermanentError
from tasks.model.findings import Finding

_CLOSED: tuple[str, ...] = ("",)
"""Of an archive in the archive, in which no dump shows."""


@dataclass(frozen=True, slots=True)
class Extraction:
    """What taking a dump out of a container needs to know.

    Attributes:
        name: of the backup, for messages.
        wanted: the database that is to be drilled, where there are several dumps.
        deadline: how long it may take.
    """

    name: str
    wanted: Wanted
    deadline: Deadline


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file in a container.

    Attributes:
        pieces: what it holds, read anew at each call.
        at: where its bytes lie; links share it.
        refusal: why it cannot be read here, if it cannot.
    """

    pieces: Callable[[], Iterator[bytes]]
    at: int
    refusal: PermanentError | None = None


def extract(kind: str, path: Path, dest: Path, extraction: Extraction) -> tuple[str, tuple[Finding, ...]]:
    """Write the dump that is meant to *dest*: a file, or the folder of a directory dump.

    Args:
        kind: `tar` or `zip`.
        path: the container.
        dest: replaced if an attempt before this one left it.
        extraction: what is meant, and for how long.

    Returns:
        Where in the container it is, and warnings on the container itself.

    Raises:
        PermanentError: the `archive-*` rules, `format-unsupported`, `database-choice-ambiguous`,
            `database-not-in-dump`, `disk-full`, `stage-deadline`.
    """
    source = FileSource(path, deadline=extraction.deadline)
    files, findings = (_zipped if kind == ZIP else _tarred)(source, extraction.name)
    files = application_dumps(files) or files
    folders = directory_dumps(files)
    place = None if _are_whole(folders) else _file_meant(files, extraction, alone=not folders)
    if place is not None:
        _write_file(files[place], dest, extraction)
    elif folders:
        places = [Contained(place, _databases_of(members)) for place, members in folders.items()]
        place = choose(places, extraction.wanted, extraction.name).place
        _write_folder(folders[place], dest, extraction)
    else:
        raise _no_dump(files, kind, extraction)
    return place, findings


def member_pieces(source: FileSource, member: tar.TarMember) -> Iterator[bytes]:
    """Yield what a tar's *member* holds."""
    at, end = member.offset, member.offset + member.size
    while at < end:
        piece = source.read(at, min(PIECE_BYTES, end - at))
        if not piece:
            return
        at += len(piece)
        yield piece


def _tarred(source: FileSource, name: str) -> tuple[dict[str, StoredFile], tuple[Finding, ...]]:
    members = tar.members_of(source, name)
    layout = recognise_layout(member.name for member in members if member.kind == tar.REGULAR)
    if layout is not None:
        raise unsupported(layout, name)
    findings = tar.refuse_appended(source, members, name)
    return {
        place: StoredFile(partial(member_pieces, source, member), member.offset, _sparse(member, name))
        for place, member in tar.files_of(members).items()
    }, findings


def _zipped(source: FileSource, name: str) -> tuple[dict[str, StoredFile], tuple[Finding, ...]]:
    archive = ZipArchive(source, name)
    layout = recognise_layout(archive.files)
    if layout is not None:
        raise unsupported(layout, name)
    return {
        place: StoredFile(partial(archive.pieces, member), member.header_offset, archive.refusal(member))
        for place, member in archive.files.items()
    }, ()


def _sparse(member: tar.TarMember, name: str) -> PermanentError | None:
    if member.kind != tar.SPARSE:
        return None
    return PermanentError(
        f"The tar's member {member.name} is stored as a sparse file, which this drill cannot unpack.",
        name,
        "Make the tar without --sparse (-S).",
        rule="format-unsupported",
    )


def _databases_of(members: Mapping[str, StoredFile]) -> tuple[str, ...]:
    """Return the database that a directory dump's `toc.dat` names; none where it does not tell."""
    if TOC_NAME not in members:
        return ()
    try:
        database = read_stream_toc(Stream(members[TOC_NAME].pieces()), TOC_NAME).toc.database
    except PermanentError:
        return ()
    return (database,) if database else ()


def _write_folder(files: Mapping[str, StoredFile], dest: Path, extraction: Extraction) -> None:
    _remove(dest)
    dest.mkdir()
    dest.chmod(0o755)
    written: dict[int, Path] = {}
    for name, file in files.items():
        if file.at in written:  # a link: the bytes are there already
            os.link(written[file.at], dest / name)
            continue
        _write(file, dest / name, extraction)
        written[file.at] = dest / name


def _write_file(file: StoredFile, dest: Path, extraction: Extraction) -> None:
    _remove(dest)
    _write(file, dest, extraction)


def _remove(dest: Path) -> None:
    """Remove what an attempt before this one left."""
    if dest.is_dir():
        shutil.rmtree(dest)
    dest.unlink(missing_ok=True)


def _write(file: StoredFile, dest: Path, extraction: Extraction) -> None:
    if file.refusal is not None:
        raise file.refusal
    write_pieces(file.pieces(), dest, extraction.deadline, extraction.name)


def _are_whole(folders: Mapping[str, Mapping[str, StoredFile]]) -> bool:
    """Say whether the folders are directory dumps, and not uploads with names like theirs."""
    return any(TOC_NAME in members for members in folders.values())


def _file_meant(files: Mapping[str, StoredFile], extraction: Extraction, *, alone: bool) -> str | None:
    """Return the place of the one dump that can be meant; None where no file is a dump.

    Where it stands *alone*, the only file is the backup whatever it looks like.
    """
    if alone and len(files) == 1:
        return next(iter(files))
    dumps: list[Contained] = []
    closed: list[Contained] = []
    for name, file in files.items():
        if alone or not _is_of_an_archive(name):
            databases = _databases_in(file, name)
            (closed if databases is _CLOSED else dumps).extend(_contained(name, databases))
    called = [archive for archive in closed if archive.stem == extraction.wanted.database_or_name]
    dumps += called or ([] if dumps else closed)
    return choose(dumps, extraction.wanted, extraction.name).place if dumps else None


def _contained(name: str, databases: tuple[str, ...] | None) -> tuple[Contained, ...]:
    return () if databases is None else (Contained(name, databases),)


def _is_of_an_archive(name: str) -> bool:
    """Say whether pg_dump gives a file of its tar or directory format this name."""
    return is_data_member(name) or name.rsplit("/", 1)[-1] == "restore.sql"


def _no_dump(files: Mapping[str, StoredFile], kind: str, extraction: Extraction) -> PermanentError:
    refusal = next((file.refusal for file in files.values() if file.refusal is not None), None)
    if refusal is not None:
        return refusal
    if not files:
        return PermanentError(
            f"The backup is a {kind} archive without a file.", extraction.name, rule="archive-tiny"
        )
    return PermanentError(
        f"The {kind} archive holds {len(files):,} files, none of them a dump. Which of them is the backup "
        "cannot be known.",
        extraction.name,
        "Store each dump by itself, or the folder of a directory dump as one tar.",
        rule="format-unsupported",
    )


def _databases_in(file: StoredFile, name: str) -> tuple[str, ...] | None:
    """Return the databases that a file names, if it is a dump of any; None where it is something else.

    A file that holds roles alone is not what is restored. An archive in which no dump shows is `_CLOSED`:
    uploads, most likely.
    """
    try:
        head = read_stream_head(Stream(file.pieces()), name)
    except PermanentError as error:
        return None if error.rule in NO_DUMP else ()
    if head.format is Format.CLUSTER and not head.databases:
        return None
    if is_closed(head):
        return _CLOSED
    if head.databases:
        return head.databases
    return (head.toc.database,) if head.toc is not None and head.toc.database else ()
