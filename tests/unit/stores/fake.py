"""A store in memory that counts what it is asked."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tasks.model.backup import ByteSource, StoredObject
from tasks.model.deadline import Deadline
from tasks.model.errors import PermanentError
from tasks.model.findings import Finding
from tasks.model.target import DumpBackup, Selection, Target
from tasks.stores.base import Progress
from tasks.stores.checksums import Digests
from tasks.stores.ranged_reads import BlockSource

PAGE = 1000
NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
BUCKET = "s3://acme-backups/"
AT = BUCKET + "prod/orders/%Y/%m/%d/orders_%Y%m%dT%H%M%SZ.dump"


@dataclass
class FakeStore:
    """Keys, and bytes where they were given. `pages` counts a real store's answers of a thousand keys."""

    objects: dict[str, StoredObject] = field(default_factory=dict)
    hidden: list[StoredObject] = field(default_factory=list)
    pages: int = 0
    prefixes: list[str] = field(default_factory=list)
    skew_s: float | None = None
    bodies: dict[str, bytes] = field(default_factory=dict)
    _sorted: list[str] = field(default_factory=list)

    def put(self, key: str, size: int = 100, modified_at: datetime = NOW, **more: Any) -> StoredObject:
        uri = key if "://" in key else BUCKET + key
        self.objects[uri] = StoredObject(uri=uri, bytes=size, modified_at=modified_at, **more)
        self._sorted = []
        return self.objects[uri]

    def put_body(self, key: str, body: bytes) -> str:
        """Store *body*; return the URI."""
        uri = self.put(key, len(body)).uri
        self.bodies[uri] = body
        return uri

    def remove(self, uri: str) -> None:
        del self.objects[uri]
        self.bodies.pop(uri, None)
        self._sorted = []

    def put_all(self, keys: Iterable[str]) -> None:
        for key in keys:
            self.put(key)

    def identity(self) -> str | None:
        return None

    def findings(self) -> tuple[Finding, ...]:
        return ()

    def clock_skew_s(self) -> float | None:
        return self.skew_s

    def list(
        self, prefix: str, *, start_after: str | None = None, limit: int | None = None
    ) -> Iterator[StoredObject]:
        self.prefixes.append(prefix)
        keys = self._under(prefix, start_after)[:limit]
        for i, uri in enumerate(keys):
            if i % PAGE == 0:
                self.pages += 1
            yield self.objects[uri]
        if not keys:
            self.pages += 1

    def folders(self, prefix: str) -> tuple[str, ...]:
        self.pages += 1
        below = (uri[len(prefix) :].split("/") for uri in self._under(prefix, None))
        names = dict.fromkeys(f"{prefix}{parts[0]}/" for parts in below if len(parts) > 1)
        return tuple(names)[:PAGE]

    def files(self, prefix: str) -> tuple[str, ...]:
        self.pages += 1
        return tuple(uri for uri in self._under(prefix, None) if "/" not in uri[len(prefix) :])[:PAGE]

    def head(self, uri: str) -> StoredObject:
        if uri not in self.objects:
            raise PermanentError("There is no such object.", uri, rule="object-gone")
        return self.objects[uri]

    def source(self, obj: StoredObject) -> ByteSource:
        return BlockSource(obj.uri, obj.bytes, lambda offset, length: self._body(obj)[offset:][:length])

    def fetch(
        self,
        obj: StoredObject,
        dest: Path,
        progress: Progress,
        deadline_s: float,
        digests: Digests | None = None,
    ) -> None:
        body = self._body(obj)
        Deadline.within(deadline_s).check("the backup was downloaded", obj.uri)
        dest.write_bytes(body)
        if digests is not None:
            digests.update(body)
        progress(len(body), len(body))

    def _body(self, obj: StoredObject) -> bytes:
        self.head(obj.uri)
        return self.bodies[obj.uri]

    def deleted(self, prefix: str) -> Iterator[StoredObject]:
        return (obj for obj in self.hidden if obj.uri.startswith(prefix))

    def _under(self, prefix: str, start_after: str | None) -> Sequence[str]:
        if not self._sorted:
            self._sorted = sorted(self.objects)
        start = bisect_left(self._sorted, prefix)
        if start_after is not None:
            start = max(start, bisect_right(self._sorted, start_after))
        end = bisect_right(self._sorted, prefix + "\U0010ffff")
        return self._sorted[start:end]


def key_of(at: datetime, database: str = "orders", suffix: str = "") -> str:
    """The key that `AT`'s backup script writes at *at*."""
    return at.strftime(f"prod/{database}/%Y/%m/%d/{database}_%Y%m%dT%H%M%SZ.dump") + suffix


def nightly(days: int, *, newest: datetime = NOW - timedelta(hours=9), database: str = "orders") -> list[str]:
    """Keys of one backup a night, the newest first."""
    return [key_of(newest - timedelta(days=day), database) for day in range(days)]


def target(at: str = AT, *, select: Selection | None = None, rpo: str | None = None, **backup: Any) -> Target:
    return Target(
        fleet="shop",
        name="orders",
        backup=DumpBackup(at=at, select=select or Selection(), **backup),
        rpo=rpo,
        evidence="/nowhere",
        fleet_databases=("orders", "customers"),
    )
