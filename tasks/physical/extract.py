"""A base backup taken apart straight into the data folder: no second copy on disk, nothing outside it.

A tar of a base backup holds files and folders, and the tablespaces' links. Whoever writes backups can write
more: names that lead out, links, devices, sizes beyond the disk. Files are made anew and never through a
link, since the only links here are ours, to tablespaces below the drill's own folder; other links are left
out and named, everything else is refused.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tasks.catalog.compression import unwrap
from tasks.catalog.tar import FOLDER, REGULAR, SYMBOLIC_LINK, TarMember, cut, walk
from tasks.model.backup import ByteSource
from tasks.model.deadline import Deadline
from tasks.model.errors import DrillError, PermanentError
from tasks.model.sandbox import Workspace
from tasks.physical.layout import BaseBackup
from tasks.physical.manifest import Manifest, WrittenFile
from tasks.sandbox.isolation import ids
from tasks.stores.base import Store
from tasks.stores.errors import Action, disk_full, translated

PIECE_BYTES = 4 << 20
DISK_RESERVE_BYTES = 64 << 20
"""What of the disk is left to everybody else."""
MOST_FILES = 20_000_000
_MOST_LINKS = 1000
_SPACES = "pg_tblspc"
_MAP = "tablespace_map"
_FOLDERS = (
    *("base", "global", "pg_commit_ts", "pg_dynshmem", "pg_logical", "pg_logical/mappings"),
    *("pg_logical/snapshots", "pg_multixact", "pg_multixact/members", "pg_multixact/offsets", "pg_notify"),
    *("pg_replslot", "pg_serial", "pg_snapshots", "pg_stat", "pg_stat_tmp", "pg_subtrans", _SPACES),
    *("pg_twophase", "pg_wal", "pg_wal/archive_status", "pg_wal/summaries", "pg_xact"),
)
"""Every data folder's. A store that knows no folders loses those that were empty, and a server needs them."""
_NO_ROOM = {errno.ENOSPC, errno.EDQUOT}
_NO_PLACE = {errno.EEXIST, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG}
_FILE_MODE, _FOLDER_MODE = 0o600, 0o700


@dataclass(slots=True)
class Extracted:
    """What came out of a base backup; made piece by piece.

    Attributes:
        files: by name in the data folder, tablespaces' by `pg_tblspc/OID/...`.
        links_left_out: links that are no tablespace's.
        spaces: the tablespaces that the copy speaks of, by OID.
        bytes: of all files.
    """

    files: dict[str, WrittenFile] = field(default_factory=dict)
    links_left_out: list[str] = field(default_factory=list)
    spaces: set[str] = field(default_factory=set)
    bytes: int = 0


def extract(
    backup: BaseBackup,
    store: Store,
    folder: DataFolder,
    deadline: Deadline,
    progress: Callable[[int], None],
) -> Extracted:
    """Bring *backup* out of *store* into *folder*, which is empty.

    Args:
        backup: its parts.
        store: that holds it.
        folder: the workspace's data folder, or one of a chain's.
        deadline: of all of it.
        progress: is told the bytes of each piece that was read.

    Raises:
        PermanentError: `archive-truncated`, `archive-corrupt`, `archive-hostile`, `tablespace-missing`,
            `disk-full`, `stage-deadline`, and what the store's reads raise.
    """
    for place, tar in backup.tars:
        pieces = _counted(read_pieces(store.source(tar.object), deadline), progress)
        plain = pieces if tar.wrapper is None else unwrap(tar.wrapper, pieces, tar.object.uri)
        extract_tar(plain, folder, place, tar.object.uri, rooted=tar.rooted)
    for name, obj in backup.files.items():
        pieces = _counted(read_pieces(store.source(obj), deadline), progress)
        folder.write(name, obj.bytes, pieces, obj.uri)
    for oid in backup.spaces:
        folder.make_folder(f"{_SPACES}/{oid}", oid)
    folder.finish()
    return folder.extracted


def extract_tar(
    pieces: Iterable[bytes], folder: DataFolder, place: str, where: str, *, rooted: bool = False
) -> None:
    """Write the members of one tar below *place* in the data folder; read it to its end.

    Args:
        pieces: of the tar.
        folder: of the copy.
        place: in it.
        where: the tar's URI, for messages.
        rooted: a slash at the beginning of a name means *place*.

    Raises:
        PermanentError: as `extract`.
    """
    reader = Reader(pieces)
    for member in walk(reader.read, where):
        own = member.name.removeprefix("/") if rooted else member.name
        name = f"{place}/{own}" if place else own
        if member.kind == FOLDER:
            folder.make_folder(name, where)
        elif member.kind == SYMBOLIC_LINK:
            folder.leave_out_link(name, where)
        elif member.kind == REGULAR:
            folder.write(name, member.size, reader.portion(member.size), where)
        else:
            raise _hostile(f"the member {member.name} is {_KINDS.get(member.kind, 'no file')}", where)
        _require_whole(member, reader, where)
    reader.drain()


class DataFolder:
    """The data folder of a copy, written from names that somebody else chose.

    Args:
        workspace: whose data folder it is.
        manifest: tells which digests are taken on the way.
        part: another folder of the workspace's, for a backup that is put together with others: its
            tablespaces lie inside, and nothing in it is a link.
    """

    def __init__(
        self, workspace: Workspace, manifest: Manifest | None = None, part: Path | None = None
    ) -> None:
        self.extracted = Extracted()
        self._root = part or workspace.data_dir
        self._spaces = spaces_folder(workspace) if part is None else part / _SPACES
        self._manifest = manifest
        self._ids = ids(workspace.os_user)
        self._folders: set[Path] = {self._root}
        self._space_left = _free(self._root) - DISK_RESERVE_BYTES

    def write(self, name: str, size: int, pieces: Iterable[bytes | memoryview], where: str) -> None:
        """Write the file *name* of *size* bytes."""
        parts = _parts(name, where)
        plain = "/".join(parts)
        if plain in self.extracted.files or len(self.extracted.files) >= MOST_FILES:
            raise _hostile(f"the file {plain} stands twice in it, or there are too many", where)
        self._take_space(size, where)
        digests = self._manifest.digests_for(plain) if self._manifest is not None else None
        path = self._place(parts)
        self._make(path.parent, where)
        try:
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, _FILE_MODE)
            try:
                written = _copy(pieces, handle, None if digests is None else digests.update)
                self._own(handle)
            finally:
                os.close(handle)
        except OSError as error:
            raise _not_written(error, plain, size, where) from error
        self.extracted.files[plain] = WrittenFile(written, digests)
        self.extracted.bytes += written

    def make_folder(self, name: str, where: str) -> None:
        """Make the folder *name*; it may be there."""
        parts = [part for part in name.split("/") if part not in {"", "."}]
        if parts:
            self._make(self._place(_parts(name, where)), where)

    def leave_out_link(self, name: str, where: str) -> None:
        """Take note of a link: a tablespace's is made by us, later and to elsewhere; others not at all."""
        parts = _parts(name, where)
        if len(parts) == 2 and parts[0] == _SPACES:  # noqa: PLR2004  pg_tblspc/OID
            self.extracted.spaces.add(parts[1])
        elif len(self.extracted.links_left_out) < _MOST_LINKS:
            self.extracted.links_left_out.append("/".join(parts))

    def finish(self) -> None:
        """Link the tablespaces, remove the map that would link them elsewhere, make what every server needs.

        Raises:
            PermanentError: `tablespace-missing`.
        """
        spaces = self.extracted.spaces | set(mapped_spaces(self._root / _MAP))
        (self._root / _MAP).unlink(missing_ok=True)
        missing = sorted(oid for oid in spaces if not (self._spaces / oid).is_dir())
        if missing:
            raise PermanentError(
                f"The copy speaks of the tablespace {missing[0]}, and the backup does not hold it. "
                "The tables in it cannot come back.",
                where=f"{_SPACES}/{missing[0]}",
                rule="tablespace-missing",
            )
        for name in _FOLDERS:
            self._make(self._root / name, name)
        if self._spaces != self._root / _SPACES:
            link_spaces(self._root, self._spaces)

    def _place(self, parts: tuple[str, ...]) -> Path:
        """Return where a file lies: a tablespace's outside the data folder, as a server wants it."""
        if len(parts) > 1 and parts[0] == _SPACES:
            return self._spaces.joinpath(*parts[1:])
        return self._root.joinpath(*parts)

    def _make(self, folder: Path, where: str) -> None:
        if folder in self._folders:
            return
        try:
            if folder not in {self._root.parent, self._spaces.parent}:
                self._make(folder.parent, where)
                folder.mkdir(_FOLDER_MODE, exist_ok=True)
                if self._ids is not None:
                    os.chown(folder, *self._ids, follow_symlinks=False)
        except OSError as error:
            raise _not_written(error, folder.name, 0, where) from error
        self._folders.add(folder)

    def _own(self, handle: int) -> None:
        if self._ids is not None:
            os.fchown(handle, *self._ids)

    def _take_space(self, size: int, where: str) -> None:
        self._space_left -= size
        if self._space_left < 0:
            raise disk_full(where, size)


def spaces_folder(workspace: Workspace) -> Path:
    """Return the folder that holds the copy's tablespaces: the server may write it, and not execute in it."""
    return workspace.scratch_dir / "tablespaces"


def move_spaces(workspace: Workspace) -> None:
    """Take the tablespaces that lie inside the data folder out of it, and link them."""
    spaces = spaces_folder(workspace)
    for space in (workspace.data_dir / _SPACES).iterdir():
        if not space.is_symlink():
            make_own(spaces, workspace)
            space.rename(spaces / space.name)
    link_spaces(workspace.data_dir, spaces)


def make_own(folder: Path, workspace: Workspace) -> None:
    """Make *folder*, which may be there, the sandbox's user's."""
    folder.mkdir(_FOLDER_MODE, exist_ok=True)
    owner = ids(workspace.os_user)
    if owner is not None:
        os.chown(folder, *owner)


def link_spaces(data_dir: Path, spaces: Path) -> None:
    """Link the tablespaces in the folder *spaces*, which need not be there, into *data_dir*."""
    if spaces.is_dir():
        for space in spaces.iterdir():
            (data_dir / _SPACES / space.name).symlink_to(space)


def unlink_spaces(data_dir: Path) -> None:
    """Remove the links to tablespaces from *data_dir*."""
    for space in (data_dir / _SPACES).iterdir():
        if space.is_symlink():
            space.unlink()


def mapped_spaces(path: Path) -> Iterator[str]:
    """Yield the OIDs of a tablespace_map; nothing where there is none."""
    if path.is_file():
        for line in path.read_bytes().splitlines():
            oid = line.partition(b" ")[0]
            if oid.isdigit():
                yield oid.decode()


def read_small(obj_source: ByteSource, limit: int) -> bytes:
    """Return a small file of a backup whole.

    Raises:
        PermanentError: `archive-hostile`: it is larger than *limit*.
    """
    if obj_source.size > limit:
        raise _hostile(f"a file of at most {limit >> 10} KiB has {obj_source.size >> 10}", obj_source.uri)
    return b"".join(read_pieces(obj_source, Deadline.within(None)))


_KINDS = {"1": "a hard link", "3": "a device", "4": "a device", "6": "a pipe", "S": "a file with holes"}


class Reader:
    """A stream of pieces, read forward only."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = iter(pieces)
        self._piece = memoryview(b"")
        self._at = 0

    def read(self, offset: int, length: int) -> bytes:
        """Return up to *length* bytes from *offset*, which is never behind what was read."""
        for _ in self.portion(offset - self._at):
            pass
        return b"".join(self.portion(length))

    def portion(self, length: int) -> Iterator[memoryview]:
        """Yield the next *length* bytes in pieces; fewer only at the end."""
        while length > 0:
            if not self._piece:
                piece = next(self._pieces, None)
                if piece is None:
                    return
                self._piece = memoryview(piece)
                continue
            part, self._piece = self._piece[:length], self._piece[length:]
            self._at += len(part)
            length -= len(part)
            yield part

    @property
    def at(self) -> int:
        """How many bytes were read."""
        return self._at

    def drain(self) -> None:
        """Read to the end: only there a compressed stream proves itself."""
        for piece in self._pieces:
            self._at += len(piece)


def _counted(pieces: Iterable[bytes], progress: Callable[[int], None]) -> Iterator[bytes]:
    for piece in pieces:
        progress(len(piece))
        yield piece


def read_pieces(source: ByteSource, deadline: Deadline, piece_bytes: int = PIECE_BYTES) -> Iterator[bytes]:
    """Yield the bytes of *source* in pieces, up to its end or the deadline's."""
    at = 0
    while at < source.size:
        deadline.check("the backup was read", source.uri)
        piece = source.read(at, piece_bytes)
        if not piece:
            return
        at += len(piece)
        yield piece


def _copy(
    pieces: Iterable[bytes | memoryview],
    handle: int,
    digest: Callable[[bytes | memoryview], None] | None,
) -> int:
    written = 0
    for piece in pieces:
        rest = memoryview(piece)
        while rest:
            rest = rest[os.write(handle, rest) :]
        if digest is not None:
            digest(piece)
        written += len(piece)
    return written


def _require_whole(member: TarMember, reader: Reader, where: str) -> None:
    if member.kind == REGULAR and reader.at < member.offset + member.size:
        raise cut(reader.at, f"in the member {member.name}", where)


def _parts(name: str, where: str) -> tuple[str, ...]:
    """Return the parts of a member's name.

    Raises:
        PermanentError: `archive-hostile`: it leads out of the folder.
    """
    parts = tuple(part for part in name.split("/") if part not in {"", "."})
    if name.startswith("/") or ".." in parts or "\0" in name or not parts:
        raise _hostile(f"the name {name!r} leads out of the data folder", where)
    return parts


def _not_written(error: OSError, name: str, size: int, where: str) -> DrillError:
    if error.errno in _NO_ROOM:
        return disk_full(where, size)
    if error.errno in _NO_PLACE:
        return _hostile(f"{name!r} is a file and a folder at once, or longer than a name can be", where)
    return translated(error, Action.WRITE, where)


def _free(path: Path) -> int:
    return shutil.disk_usage(path).free


def _hostile(what: str, where: str) -> PermanentError:
    return PermanentError(
        f"This is no base backup that PostgreSQL wrote: {what}. Nothing more of it was unpacked.",
        where,
        rule="archive-hostile",
    )
