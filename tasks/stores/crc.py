"""CRC-32C and CRC-64/NVME of long streams without a native library.

S3 stores the latter with every new object. Byte by byte Python does 10 MB/s. A CRC is linear, so a block
is cut into lanes that numpy carries forward side by side; the lanes are then joined in pairs, each pair's
first moved over the length of its second. Measured: 100 MB/s on a busy core. awscrt is ten times faster
and is used where it is installed.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Words = npt.NDArray[np.uint64]

POLYNOMIALS = {"crc32c": (0x82F63B78, 32), "crc64nvme": (0x9A6C9329AC4BC9B5, 64)}
"""Reflected, with the width in bits; both begin and end with all bits inverted."""
_LANE = 256
_BLOCK = 1 << 20

Map = tuple[int, ...]
"""A linear map of CRC states: the image of each bit."""


def update(name: str, chunk: bytes | memoryview, before: int) -> int:
    """Return the CRC *name* of what gave *before* (0 for nothing) followed by *chunk*."""
    ones = (1 << POLYNOMIALS[name][1]) - 1
    state = before ^ ones
    view = memoryview(chunk)
    for start in range(0, len(view), _BLOCK):
        block = view[start : start + _BLOCK]
        state = _moved(name, state, len(block)) ^ _plain(name, block)
    return state ^ ones


def _plain(name: str, block: memoryview) -> int:
    """Return the CRC of *block* from state 0. Zeros before it change nothing: it can fill whole lanes."""
    import numpy as np  # noqa: PLC0415  most drills never need it

    lanes = 1 << max(0, (-(-len(block) // _LANE) - 1).bit_length())
    padded = np.zeros(lanes * _LANE, dtype=np.uint8)
    padded[lanes * _LANE - len(block) :] = np.frombuffer(block, dtype=np.uint8)
    columns = np.ascontiguousarray(padded.view("<u2").reshape(lanes, _LANE // 2).T)
    table, two_bytes = _pair_table(name), np.uint64(16)
    states = np.zeros(lanes, dtype=np.uint64)
    for column in columns:
        states = table.take(states.astype(np.uint16) ^ column) ^ (states >> two_bytes)
    return _joined(name, states)


def _joined(name: str, states: Words) -> int:
    import numpy as np  # noqa: PLC0415

    length = _LANE
    while len(states) > 1:
        tables = _map_tables(name, length)
        first, second = states[0::2], states[1::2]
        moved = np.zeros_like(first)
        for i, table in enumerate(tables):
            moved ^= table[((first >> np.uint64(8 * i)) & np.uint64(0xFF)).astype(np.intp)]
        states = moved ^ second
        length *= 2
    return int(states[0])


def _moved(name: str, state: int, length: int) -> int:
    """Return *state* after *length* zero bytes."""
    for power in range(length.bit_length()):
        if length >> power & 1:
            state = _apply(_zeros(name, power), state)
    return state


@cache
def _table(name: str) -> Sequence[int]:
    polynomial, _ = POLYNOMIALS[name]
    table = []
    for byte in range(256):
        state = byte
        for _ in range(8):
            state = state >> 1 ^ (polynomial if state & 1 else 0)
        table.append(state)
    return table


@cache
def _pair_table(name: str) -> Words:
    """Return the table of two bytes at a time."""
    import numpy as np  # noqa: PLC0415

    single = np.array(_table(name), dtype=np.uint64)
    pairs = np.arange(1 << 16, dtype=np.uint64)
    for _ in range(2):
        pairs = single[(pairs & np.uint64(0xFF)).astype(np.intp)] ^ (pairs >> np.uint64(8))
    return pairs


@cache
def _zeros(name: str, power: int) -> Map:
    """Return the map of 2**power zero bytes."""
    if power:
        half = _zeros(name, power - 1)
        return tuple(_apply(half, image) for image in half)
    table, (_, width) = _table(name), POLYNOMIALS[name]
    return tuple(table[bit & 0xFF] ^ bit >> 8 for bit in (1 << i for i in range(width)))


@cache
def _map_tables(name: str, length: int) -> list[Words]:
    """Return the map of *length* (a power of two) zero bytes as one table for each byte of a state."""
    import numpy as np  # noqa: PLC0415

    images = _zeros(name, length.bit_length() - 1)
    width = POLYNOMIALS[name][1]
    return [
        np.array([_apply(images, byte << 8 * i) for byte in range(256)], dtype=np.uint64)
        for i in range(width // 8)
    ]


def _apply(images: Map, state: int) -> int:
    moved = 0
    while state:
        low = state & -state
        moved ^= images[low.bit_length() - 1]
        state ^= low
    return moved
