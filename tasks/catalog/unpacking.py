"""How a person takes a backup out of its wrappers: commands to type, and what they call the thing they make.

Every command keeps what it reads. Where a name does not end as its bytes ask, no tool would guess another:
the output is named in full.
"""

from __future__ import annotations

from collections.abc import Sequence

from tasks.catalog.compression import BZIP2, GZIP, LZ4, SUFFIXES, XZ, ZSTD
from tasks.catalog.sniff import AGE, GPG, SHORTHANDS, ZIP
from tasks.model.shell import file_argument, shell_line

Command = Sequence[str]

TO_STDOUT: dict[str, Command] = {
    GZIP: ("gunzip", "-c"),
    ZSTD: ("zstd", "-dc"),
    LZ4: ("lz4", "-dc"),
    XZ: ("xz", "-dc"),
    BZIP2: ("bunzip2", "-c"),
}
_IN_PLACE: dict[str, Command] = {
    GZIP: ("gunzip", "-k"),
    ZSTD: ("zstd", "-d"),
    LZ4: ("lz4", "-d", "-m"),  # where nobody sees it, lz4 alone writes to stdout
    XZ: ("unxz", "-k"),
    BZIP2: ("bunzip2", "-k"),
}
_OF_TAR: dict[str, Command] = {
    GZIP: ("-z",),
    ZSTD: ("--zstd",),
    LZ4: ("-I", "lz4"),
    XZ: ("-J",),
    BZIP2: ("-j",),
}
_CIPHER_SUFFIXES = {GPG: (".gpg", ".pgp", ".asc", ".enc"), AGE: (".age", ".enc")}


def decompress(compressions: Sequence[str], name: str) -> tuple[list[str], str]:
    """Return the lines that take *compressions*, outermost first, off the file *name*, and what is left."""
    lines: list[str] = []
    for compression in compressions:
        bare = _without(name, [suffix for suffix, kind in SUFFIXES.items() if kind == compression])
        if bare is None:
            bare = f"{name}.unpacked"
            lines.append(shell_line([*TO_STDOUT[compression], file_argument(name)], ["dd", f"of={bare}"]))
        else:
            lines.append(shell_line([*_IN_PLACE[compression], file_argument(name)]))
        name = bare
    return lines, name


def decrypt(kind: str, name: str) -> tuple[list[str], str]:
    """Return the line that decrypts the file *name* by a key that its tool finds, and what it makes."""
    bare = _without(name, _CIPHER_SUFFIXES[kind]) or f"{name}.decrypted"
    output, source = file_argument(bare), file_argument(name)
    if kind == GPG:
        return [shell_line(["gpg", "--output", output, "--decrypt", source])], bare
    return [shell_line(["age", "--decrypt", "-i", "KEY", "-o", output, source])], bare


def take_out(kind: str, compressions: Sequence[str], name: str, place: str) -> tuple[list[str], str]:
    """Return the lines that unpack a container, and where the dump at *place* in it then is.

    Args:
        kind: `tar` or `zip`.
        compressions: round it, outermost first; the last is left to tar.
        name: of the file.
        place: "" for a container that is the dump's own folder.
    """
    lines, name = decompress(compressions[: -1 if kind != ZIP else None], name)
    folder = _folder(name)
    made = f"{folder}/{place}".rstrip("/")
    if kind == ZIP:
        return [*lines, shell_line(["unzip", "-q", file_argument(name), "-d", folder])], made
    options = _OF_TAR[compressions[-1]] if compressions else ()
    unpack = ["tar", *options, "-xf", file_argument(name), "-C", folder]
    return [*lines, shell_line(["mkdir", folder]), shell_line(unpack)], made


def _folder(name: str) -> str:
    """Return a folder's name for what is in the archive *name*."""
    stem = next((_without(name, [short]) for short in SHORTHANDS if _without(name, [short])), None)
    if stem is None:
        stem = _without(name, list(SUFFIXES)) or name
        stem = _without(stem, [".tar", ".zip"]) or stem
    return file_argument(f"{name}.d" if stem == name else stem)


def _without(name: str, suffixes: Sequence[str]) -> str | None:
    """Return *name* without the one of *suffixes* that it ends in; None without one."""
    suffix = next((suffix for suffix in suffixes if name.lower().endswith(suffix)), None)
    bare = None if suffix is None else name[: -len(suffix)]
    return bare or None
