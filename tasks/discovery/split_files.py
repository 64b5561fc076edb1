"""Split files: `orders.dump.partaa` and its fellows, which are one backup only when put together.

Names alone do not tell them from rotated backups (`orders.dump.01`): parts are of one size, but for the last.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

from tasks.model.bounded_list import beyond, listing
from tasks.model.findings import Finding
from tasks.model.printable import printable
from tasks.model.rules import finding

_MARK = re.compile(r"[._-]?(?:part)?[._-]?\Z")
_MARK_CHARS = 6
_LENGTHS = (2, 3, 4)
_FIRST = frozenset({"aa", "aaa", "aaaa", "00", "000", "0000", "01", "001", "0001"})


def split_files(sizes: Mapping[str, int]) -> dict[str, list[str]]:
    """Return the whole file's URI -> its parts' URIs in order, of every split file among *sizes*."""
    groups: dict[tuple[str, int], dict[str, str]] = defaultdict(dict)
    for uri in sizes:
        for before, number in _numbered(uri):
            groups[before, len(number)][number] = uri
    return {
        _without_mark(before): [uri for _, uri in sorted(numbered.items())]
        for (before, _), numbered in groups.items()
        if _are_parts(sorted(numbered), [sizes[uri] for _, uri in sorted(numbered.items())])
    }


def is_numbered(uri: str) -> bool:
    """Tell whether *uri* ends as a part of a split file may."""
    return any(True for _ in _numbered(uri))


def split_finding(whole: str, parts: Sequence[str]) -> Finding:
    """Return why the backup *whole*, of which only *parts* are stored, is not drilled."""
    names = [printable(uri.rpartition("/")[2]) for uri in parts]
    return finding(
        "format-unsupported",
        f"The backup lies there as {len(names)} parts of a split file ({listing(names, 3)}), which this "
        "drill does not put together. Nothing is said about the backup.",
        where=whole,
        hint="Store it whole (S3 takes 5 TiB in one object), or as a directory dump, which has many files.",
        names=beyond(names, 3),
    )


def _numbered(uri: str) -> Iterator[tuple[str, str]]:
    for length in _LENGTHS:
        before, number = uri[:-length], uri[-length:]
        letters = number.isalpha() and number.islower()
        if number.isascii() and (letters or (number.isdigit() and not before[-1:].isdigit())):
            yield before, number


def _without_mark(before: str) -> str:
    tail = before[-_MARK_CHARS:]
    return before[: len(before) - len(tail)] + _MARK.sub("", tail)


def _are_parts(numbers: list[str], sizes: list[int]) -> bool:
    if len(numbers) < 2 or numbers[0] not in _FIRST:  # noqa: PLR2004  one part is a whole
        return False
    following = all(_next(before) == after for before, after in pairwise(numbers))
    return following and len(set(sizes[:-1])) == 1 and 0 < sizes[-1] <= sizes[0]


def _next(number: str) -> str:
    """Return the suffix that `split` gives the next part."""
    if number.isdigit():
        return f"{int(number) + 1:0{len(number)}}"
    stem = number.rstrip("z")
    return f"{stem[:-1]}{chr(ord(stem[-1]) + 1)}{'a' * (len(number) - len(stem))}" if stem else ""
