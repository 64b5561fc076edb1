"""Ways to break a backup, each in one respect. Files are changed in place; bytes are returned."""

from __future__ import annotations

import shutil
from pathlib import Path


def cut_bytes(data: bytes, at: int) -> bytes:
    """Cut at byte *at*, or so many bytes before the end where it is negative."""
    return data[:at]


def flip_bit(data: bytes, at: int, bit: int = 2) -> bytes:
    """Turn one bit round."""
    broken = bytearray(data)
    broken[at] ^= 1 << bit
    return bytes(broken)


def cut_file(path: Path, at: int) -> Path:
    """Cut a file at byte *at*, or so many bytes before its end where it is negative."""
    path.write_bytes(cut_bytes(path.read_bytes(), at))
    return path


def cut_in_half(path: Path) -> Path:
    """Cut a file in the middle."""
    return cut_file(path, path.stat().st_size // 2)


def flip_in_file(path: Path, at: int) -> Path:
    """Turn one bit of a file round."""
    path.write_bytes(flip_bit(path.read_bytes(), at))
    return path


def empty_file(path: Path) -> Path:
    """Leave a file of 0 bytes."""
    path.write_bytes(b"")
    return path


def copy_of(path: Path, folder: Path) -> Path:
    """Copy a backup, file or folder, so that the healthy one stays."""
    copy = folder / path.name
    if path.is_dir():
        shutil.copytree(path, copy)
    else:
        shutil.copyfile(path, copy)
    return copy


def largest_data_file(folder: Path) -> Path:
    """The file of a directory dump that holds most."""
    return max(
        (p for p in folder.iterdir() if ".dat" in p.name and p.name != "toc.dat"),
        key=lambda p: p.stat().st_size,
    )


def without_end_marker(path: Path) -> Path:
    """Cut a plain script before the comment that ends it."""
    text = path.read_bytes()
    path.write_bytes(text[: text.rindex(b"--\n-- PostgreSQL database")])
    return path


def cut_in_copy_data(path: Path) -> Path:
    """Cut a plain script at a line's end inside the first COPY block: no tool notices."""
    text = path.read_bytes()
    begin = text.index(b" FROM stdin;\n")
    end = text.index(b"\n\\.\n", begin)
    path.write_bytes(text[: text.index(b"\n", (begin + end) // 2) + 1])
    return path


def utf16(path: Path) -> Path:
    """Write a script the way PowerShell's > does."""
    path.write_bytes(path.read_text(encoding="utf-8").encode("utf-16"))
    return path
