"""What every store offers: listing, ranged reads and whole downloads, whatever lies behind it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

from tasks.model.backup import ByteSource, StoredObject
from tasks.model.findings import Finding
from tasks.stores.checksums import Digests

Progress = Callable[[int, int], None]
"""Called with the bytes done and the bytes in all, from any thread."""


class Store(Protocol):
    """Where backups lie. Prefixes and objects are named by their whole URI."""

    def identity(self) -> str | None:
        """Return the ARN of whoever reads, or None where the store knows none."""
        ...

    def findings(self) -> tuple[Finding, ...]:
        """Return what is to be said of the access itself, such as `role-not-assumed`."""
        ...

    def clock_skew_s(self) -> float | None:
        """Return the worker's clock less the store's, seconds; None if the store does not tell."""
        ...

    def list(
        self, prefix: str, *, start_after: str | None = None, limit: int | None = None
    ) -> Iterator[StoredObject]:
        """Yield what is stored under *prefix*, lazily, in the store's order, after *start_after* in that.

        The order is that of the URIs; some S3-compatible servers order by folders instead.
        """
        ...

    def folders(self, prefix: str) -> tuple[str, ...]:
        """Return the folders' URIs directly under *prefix*, each with `/` at its end; a thousand at most."""
        ...

    def files(self, prefix: str) -> tuple[str, ...]:
        """Return the URIs of what lies directly under *prefix*, no folders; at most a thousand."""
        ...

    def head(self, uri: str) -> StoredObject:
        """Return the facts of one object, with its checksums.

        Raises:
            PermanentError: `object-gone`, `get-denied`, a KMS rule.
        """
        ...

    def source(self, obj: StoredObject) -> ByteSource:
        """Return *obj* for ranged reads.

        Raises:
            PermanentError: `object-archived`, before anything is read.
        """
        ...

    def fetch(
        self,
        obj: StoredObject,
        dest: Path,
        progress: Progress,
        deadline_s: float,
        digests: Digests | None = None,
    ) -> None:
        """Copy *obj* to the file *dest*, feeding *digests* on the way.

        Raises:
            TransientError: `transfer-incomplete`, `object-changed` and what the way to the store can show.
            PermanentError: `object-gone`, `get-denied`, `disk-full`, `stage-deadline`, ...
        """
        ...

    def deleted(self, prefix: str) -> Iterator[StoredObject]:
        """Yield what is hidden under *prefix* by delete markers; nothing where none are kept or shown."""
        ...
