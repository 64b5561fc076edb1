"""Bytes in memory as a source that counts how much of it was read."""

from __future__ import annotations


class MemorySource:
    def __init__(self, data: bytes, uri: str = "s3://bk/x") -> None:
        self.data = data
        self.uri = uri
        self.reads: list[tuple[int, int]] = []

    @property
    def size(self) -> int:
        return len(self.data)

    def read(self, offset: int, length: int) -> bytes:
        self.reads.append((offset, length))
        return self.data[offset : offset + length]
