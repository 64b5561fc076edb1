"""The comments of whole lines with which dumps begin and end, and clusters that hold dumps."""

from __future__ import annotations

import re
from collections.abc import Iterator

_EDGES = re.compile(
    rb"\n--\r?\n-- PostgreSQL database (?P<cluster>cluster )?dump(?P<end> complete)?[ \t]{0,9}\r?\n--\r?\n"
)


class Edges:
    """Follows the first comments and end markers of dumps, and of clusters that hold dumps.

    Attributes:
        ended: something ended, and nothing that was begun goes on.
    """

    def __init__(self) -> None:
        self.ended = False
        self._begun: set[bytes | None] = set()

    def follow(self, text: bytes) -> Iterator[re.Match[bytes]]:
        """Take *text*; yield its end markers, each when it has been taken."""
        for match in _EDGES.finditer(text):
            kind = match["cluster"]
            if match["end"] is None:
                self._begun.add(kind)
                self.ended = False
            else:
                self._begun.discard(kind)
                self.ended = not self._begun
                yield match
