"""Damage to a repository of physical backups, one file at a time: WAL, pages, what a recovery begins with.

Decided here: nothing is written to the repository; a spoilt copy of one file stands in for it (or nothing
does) for whoever reads through us. A file that is stored compressed is spoilt unpacked and stands in so,
since a turned byte in a compressed stream only shows that the stream has a checksum.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path

from tasks.catalog.compression import unwrap
from tasks.catalog.tar import TarMember, walk
from tasks.model.backup import StoredObject
from tasks.model.deadline import Deadline
from tasks.model.selftest import Family, Mutant
from tasks.mutants.damage import Void
from tasks.stores.base import Store

_PIECE_BYTES = 1 << 20
_TURNED = 16
_CONTROL_AT = 40  # in pg_control: behind identifier, versions, state and time

Spoil = Callable[[Path], None]
"""Damages a file of ours in place; it travels between processes."""


@dataclass(frozen=True, slots=True)
class Harm:
    """What becomes of one stored file.

    Attributes:
        uri: of the file.
        spoil: done to a copy of it, which stands in for it; None: it is gone.
        as_uri: where the copy stands; another than *uri* where it is unpacked first.
        wrapper: what it is unpacked of; None: it stands in as it is stored.
        new: the bytes of a file that was not there.
        at: when it was written, as the store says it of the copy.
    """

    uri: str
    at: datetime
    spoil: Spoil | None = None
    as_uri: str = ""
    wrapper: str | None = None
    new: bytes | None = None


@dataclass(frozen=True, slots=True)
class Harmed:
    """A damage that can be done to a repository; without a harm the reason why not."""

    mutant: Mutant
    harm: Harm | None
    reason: str = ""


# --- doing it


def changes_of(store: Store, harm: Harm, folder: Path, deadline: Deadline) -> dict[str, Path | None]:
    """Make what stands in for the harmed file in *folder*; return the changes of the store.

    Raises:
        Void: there is nothing to damage in it.
        DrillError: the file cannot be read.
    """
    if harm.spoil is None and harm.new is None:
        return {harm.uri: None}
    copy = folder / "stands-in"
    if harm.new is not None:
        copy.write_bytes(harm.new)
    else:
        _bring(store, harm, copy, deadline)
    if harm.spoil is not None:
        harm.spoil(copy)
    os.utime(copy, (harm.at.timestamp(),) * 2)
    as_uri = harm.as_uri or harm.uri
    return {as_uri: copy} if as_uri == harm.uri else {harm.uri: None, as_uri: copy}


def _bring(store: Store, harm: Harm, to: Path, deadline: Deadline) -> None:
    source = store.source(store.head(harm.uri))
    pieces = (source.read(at, _PIECE_BYTES) for at in range(0, source.size, _PIECE_BYTES))
    with to.open("wb") as file:
        for piece in pieces if harm.wrapper is None else unwrap(harm.wrapper, pieces, harm.uri):
            deadline.check("the repository was damaged", harm.uri)
            file.write(piece)


# --- the base backup


def tar_harms(base: StoredObject, wrapper: str | None, other: Mapping[str, StoredObject]) -> Iterator[Harmed]:
    """Yield the damages to a base backup in tars.

    Args:
        base: the data folder's tar.
        wrapper: its compression.
        other: its manifest, WAL and tablespaces, by what they are.
    """
    as_uri = re.sub(r"\.tar\.\w+$", ".tar", base.uri) if wrapper else base.uri

    def inside(kind: str, what: str, spoil: Spoil, *, must: bool = True) -> Harmed:
        return Harmed(
            damage_to(kind, what, must=must), Harm(base.uri, base.modified_at, spoil, as_uri, wrapper)
        )

    yield inside(
        "page-turned", "bytes of a page of a table turned", partial(_in_tar, pattern=_PAGES), must=False
    )
    yield inside("backup-label-missing", "backup_label is gone", partial(_out_of_tar, pattern="backup_label"))
    control = partial(_in_tar, pattern="global/pg_control", at=_CONTROL_AT)
    yield inside("control-file-turned", "bytes of pg_control turned", control)
    cut = Harm(base.uri, base.modified_at, halve)
    yield Harmed(damage_to("base-cut", "the data folder's tar cut in half"), cut)
    yield inside(
        "table-file-missing", "a table's file is gone", partial(_out_of_tar, pattern=_PAGES), must=False
    )
    yield from gone(other)


def folder_harms(files: Mapping[str, StoredObject], other: Mapping[str, StoredObject]) -> Iterator[Harmed]:
    """Yield the damages to a plain data folder; arguments as `tar_harms`."""
    pages = sorted(
        (obj.bytes, name) for name, obj in files.items() if re.fullmatch(_PAGES, name) and obj.bytes
    )
    if pages:
        _, name = pages[-1]
        table = files[name]
        turned = Harm(table.uri, table.modified_at, partial(turn, at=table.bytes // 2))
        yield Harmed(damage_to("page-turned", f"bytes of a page in {name} turned", must=False), turned)
        lost = Harm(table.uri, table.modified_at)
        yield Harmed(damage_to("table-file-missing", f"the file {name} is gone", must=False), lost)
    label, control = files.get("backup_label"), files["global/pg_control"]
    if label is not None:
        yield Harmed(
            damage_to("backup-label-missing", "backup_label is gone"), Harm(label.uri, label.modified_at)
        )
    spoil = partial(turn, at=_CONTROL_AT)
    harm = Harm(control.uri, control.modified_at, spoil)
    yield Harmed(damage_to("control-file-turned", "bytes of pg_control turned"), harm)
    yield from gone(other)


def file_harms(members: Sequence[StoredObject]) -> Iterator[Harmed]:
    """Yield the damages to the largest file of a base backup in a form that is not known here."""
    if not members:
        reason = "its files are read by its own tool"
        yield from (Harmed(damage_to(kind, kind.replace("-", " ")), None, reason) for kind in _FILE_KINDS)
        return
    largest = max(members, key=lambda member: (member.bytes, member.uri))
    name = largest.uri.rpartition("/")[2]
    spoils: tuple[Spoil | None, ...] = (None, halve, partial(turn, at=largest.bytes // 2))
    for kind, spoil in zip(_FILE_KINDS, spoils, strict=True):
        mutant = damage_to(kind, f"{name}: {kind.replace('-', ' ')}", must=spoil is None or spoil is halve)
        yield Harmed(mutant, Harm(largest.uri, largest.modified_at, spoil))


_FILE_KINDS = ("base-file-missing", "base-file-cut", "base-file-turned")
_PAGES = r"base/\d{5,}/\d+"
"""Files of databases that people made: their OIDs are above 16383."""
_MUST_BE_THERE = frozenset({"wal", "tablespace"})


def gone(other: Mapping[str, StoredObject]) -> Iterator[Harmed]:
    """Yield the loss of each of the files beside the data folder, named by what it is."""
    for what in ("manifest", "wal", "tablespace"):
        stored = other.get(what)
        mutant = damage_to(f"{what}-missing", f"the backup's {what} is gone", must=what in _MUST_BE_THERE)
        if stored is None:
            yield Harmed(mutant, None, f"the backup has no {what} of its own that could be lost")
        else:
            yield Harmed(mutant, Harm(stored.uri, stored.modified_at))


# --- single files


def damage_to(kind: str, what: str, *, must: bool = True) -> Mutant:
    """Return *what* is done to the repository as the matrix names it."""
    return Mutant(Family.BACKUP, kind, what, must=must)


def halve(path: Path) -> None:
    """Cut a file in half."""
    os.truncate(path, path.stat().st_size // 2)


def turn(path: Path, *, at: int) -> None:
    """Turn bytes of a file.

    Raises:
        Void: it holds none there.
    """
    with path.open("r+b") as file:
        file.seek(at)
        found = file.read(_TURNED)
        if not found:
            raise Void("it holds no bytes there")
        file.seek(at)
        file.write(bytes(byte ^ 0xFF for byte in found))


def _in_tar(path: Path, *, pattern: str, at: int | None = None) -> None:
    """Turn bytes of the first member whose name matches *pattern*, at *at* or in its middle."""
    member = _member(path, pattern)
    turn(path, at=member.offset + (member.size // 2 if at is None else at))


def _out_of_tar(path: Path, *, pattern: str) -> None:
    """Take the first member whose name matches *pattern* out of a tar."""
    member = _member(path, pattern)
    to = member.at
    with path.open("r+b") as file:
        file.seek(member.next_at)
        while piece := file.read(_PIECE_BYTES):
            behind = file.tell()
            file.seek(to)
            to += file.write(piece)
            file.seek(behind)
        file.truncate(to)


def _member(path: Path, pattern: str) -> TarMember:
    with path.open("rb") as file:

        def read(offset: int, length: int) -> bytes:
            file.seek(offset)
            return file.read(length)

        for member in walk(read, str(path)):
            if member.size and re.fullmatch(pattern, member.name.removeprefix("./")):
                return member
    raise Void(f"the tar holds no file {pattern}")
