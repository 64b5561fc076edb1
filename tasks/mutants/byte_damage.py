"""Damage to the backup itself: copies of the stored bytes, each spoilt in one respect.

Decided here: what a byte is worth depends on where it lies, so that head, table of contents, data and end are
each cut and each turned; a folder's files are spoilt one at a time. Formats without a checksum of their own
cannot show a turned byte inside of a value: such a mutant may survive, and is not one that has to be caught.
"""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tasks.model.backup import Format, LocalBackup
from tasks.model.selftest import Family, Mutant

_HEAD_BYTES = 100
_END_BYTES = 8
_CUTS = (0.5, 0.9, 0.25)
_FLIPS = (0.5, 0.2, 0.85)
_TOC = "toc.dat"

Spoil = Callable[[Path, Path], None]
"""Writes the spoilt copy of the first path to the second; it travels between processes."""


@dataclass(frozen=True, slots=True)
class Spoilt:
    """A damaged backup that can be made from the stored bytes.

    Attributes:
        make: see `Spoil`; None where the backup offers nothing to damage in this way, with the reason.
    """

    mutant: Mutant
    make: Spoil | None
    reason: str = ""


def spoils(original: Path, backup: LocalBackup, seed: int) -> Iterator[Spoilt]:
    """Yield every damage to the stored bytes at *original*, those that matter most first.

    Args:
        original: the file or folder as it was stored.
        backup: what is known of it.
        seed: shifts the places in the data a little.
    """
    chance = random.Random(f"{seed} bytes")  # noqa: S311  a choice that can be repeated, no secret
    if original.is_dir():
        yield from _of_folder(original, chance)
        return
    size, start = original.stat().st_size, _data_start(backup)
    cuts = [_cut("truncated-data", _within(share, start, size, chance), size) for share in _CUTS]
    flips = [_flip("flipped-byte-data", _within(share, start, size, chance)) for share in _FLIPS]
    yield cuts[0]
    yield _spoilt("empty-object", "the object is empty", _nothing)
    yield flips[0]
    yield _cut("truncated-end", max(0, size - _END_BYTES), size)
    yield _cut("truncated-head", min(_HEAD_BYTES, size // 2), size)
    if start:
        yield _cut("truncated-contents", start // 2, size)
        yield _flip("flipped-byte-contents", start // 2)
    else:
        for kind in ("truncated-contents", "flipped-byte-contents"):
            yield _not(kind, "the backup has no table of contents of its own that could be cut")
    yield from (*cuts[1:], *flips[1:])
    for kind in ("file-missing", "file-empty", "file-truncated"):
        yield _not(kind, "the backup is one file, no folder")


def _of_folder(folder: Path, chance: random.Random) -> Iterator[Spoilt]:
    members = sorted(
        (path for path in folder.iterdir() if path.is_file() and path.name != _TOC and ".dat" in path.name),
        key=lambda path: (-path.stat().st_size, path.name),
    )
    if members:
        largest = members[0].name
        yield _in_folder("file-truncated", largest, f"the file {largest} cut in half", _halve)
        yield _in_folder("file-missing", largest, f"the file {largest} missing", Path.unlink)
        yield _in_folder("file-empty", largest, f"the file {largest} empty", _empty)
        at = _within(0.5, 0, members[0].stat().st_size, chance)
        yield _in_folder("flipped-byte-data", largest, f"a byte of {largest} turned", partial(_turn, at=at))
    yield _in_folder("truncated-contents", _TOC, f"{_TOC} cut in half", _halve)
    yield _in_folder("truncated-head", _TOC, f"{_TOC} cut after a few bytes", partial(_keep, at=8))
    yield _in_folder("empty-object", _TOC, f"{_TOC} empty", _empty)
    at = (folder / _TOC).stat().st_size // 2
    yield _in_folder("flipped-byte-contents", _TOC, f"a byte of {_TOC} turned", partial(_turn, at=at))
    for kind in ("truncated-data", "truncated-end"):
        yield _not(kind, "the backup is a folder: see what was done to its files")


def _cut(kind: str, at: int, size: int) -> Spoilt:
    what = f"cut after {at:,} of {size:,} bytes"
    return _spoilt(kind, what, partial(_spoilt_file, spoil=partial(_keep, at=at)))


def _flip(kind: str, at: int) -> Spoilt:
    make = partial(_spoilt_file, spoil=partial(_turn, at=at))
    return _spoilt(kind, f"one byte turned, at {at:,}", make, must=False)


def _in_folder(kind: str, name: str, what: str, spoil: Callable[[Path], None]) -> Spoilt:
    make = partial(_spoilt_folder, name=name, spoil=spoil)
    return _spoilt(kind, what, make, must=not kind.startswith("flipped"))


def _spoilt_file(source: Path, to: Path, *, spoil: Callable[[Path], None]) -> None:
    shutil.copyfile(source, to)
    spoil(to)


def _spoilt_folder(source: Path, to: Path, *, name: str, spoil: Callable[[Path], None]) -> None:
    shutil.copytree(source, to)
    spoil(to / name)


def _nothing(_: Path, to: Path) -> None:
    to.touch()


def _spoilt(kind: str, what: str, make: Spoil, *, must: bool = True) -> Spoilt:
    return Spoilt(Mutant(Family.BACKUP, kind, what, must=must), make)


def _not(kind: str, reason: str) -> Spoilt:
    return Spoilt(Mutant(Family.BACKUP, kind, kind.replace("-", " ")), None, reason)


def _keep(path: Path, *, at: int) -> None:
    with path.open("r+b") as file:
        file.truncate(at)


def _halve(path: Path) -> None:
    _keep(path, at=path.stat().st_size // 2)


def _empty(path: Path) -> None:
    _keep(path, at=0)


def _turn(path: Path, *, at: int) -> None:
    with path.open("r+b") as file:
        file.seek(at)
        byte = file.read(1)
        file.seek(at)
        file.write(bytes([byte[0] ^ 0xFF]))


def _within(share: float, start: int, end: int, chance: random.Random) -> int:
    """Return a place near *share* of the way from *start* to *end*."""
    return start + round((end - start) * (share + chance.uniform(-0.05, 0.05)))


def _data_start(backup: LocalBackup) -> int:
    """Return where the data of a custom archive begins; 0 where the stored bytes do not tell."""
    head = backup.head
    if head.format is not Format.CUSTOM or head.wrappers or head.toc is None:
        return 0
    offsets = [entry.data_offset for entry in head.toc.entries if entry.data_offset]
    return min(offsets, default=0)
