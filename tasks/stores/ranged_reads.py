"""Ranged reads with a little memory: an archive's head is read in many small pieces that lie side by side."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

BLOCK_BYTES = 128 << 10
_BLOCKS = 32


class BlockSource:
    """A `ByteSource` that asks for whole blocks and keeps the last few.

    Args:
        read_range: called with offset and length, returns exactly those bytes.
    """

    def __init__(self, uri: str, size: int, read_range: Callable[[int, int], bytes]) -> None:
        self._uri, self._size, self._read_range = uri, size, read_range
        self._kept: OrderedDict[int, bytes] = OrderedDict()

    @property
    def uri(self) -> str:
        """Where the bytes lie."""
        return self._uri

    @property
    def size(self) -> int:
        """How many bytes there are."""
        return self._size

    def read(self, offset: int, length: int) -> bytes:
        """Return up to *length* bytes from *offset*; fewer only at the end."""
        end = min(offset + length, self._size)
        if offset < 0 or end <= offset:
            return b""
        if end - offset > BLOCK_BYTES * 4:
            return self._read_range(offset, end - offset)
        first, last = offset // BLOCK_BYTES, (end - 1) // BLOCK_BYTES
        joined = b"".join(self._block(i) for i in range(first, last + 1))
        start = offset - first * BLOCK_BYTES
        return joined[start : start + end - offset]

    def _block(self, number: int) -> bytes:
        if number in self._kept:
            self._kept.move_to_end(number)
            return self._kept[number]
        offset = number * BLOCK_BYTES
        block = self._read_range(offset, min(BLOCK_BYTES, self._size - offset))
        self._kept[number] = block
        if len(self._kept) > _BLOCKS:
            self._kept.popitem(last=False)
        return block
