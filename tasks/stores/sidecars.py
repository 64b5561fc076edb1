"""Checksums that the backup job wrote: `<key>.sha256` beside a file, `SHA256SUMS` in a folder.

They prove more than the store's own checksum: they were taken before the upload.
"""

from __future__ import annotations

from collections.abc import Iterable

from tasks.model.backup import MANIFEST_SUFFIX, StoredObject
from tasks.model.errors import PermanentError
from tasks.stores.base import Store
from tasks.stores.checksums import digests_by_name, parse_sidecar

SUFFIXES = (".sha256", ".sha256sum")
SUMS = ("SHA256SUMS", "sha256sums", "SHA256SUMS.txt", "sha256sums.txt", "checksums.sha256")
_MAX_BYTES = 16 << 20
_BESIDE = 50


def sidecar_of_file(store: Store, obj: StoredObject) -> str | None:
    """Return the SHA-256 that lies beside the file *obj*, or None if none does.

    Raises:
        PermanentError: `checksum-unreadable`, or what the way to the sidecar shows.
    """
    for neighbour in store.list(obj.uri, limit=_BESIDE):
        if neighbour.uri.removeprefix(obj.uri) in SUFFIXES:
            text = read_text(store, neighbour)
            digest = parse_sidecar(text, _name(obj.uri))
            if digest is None:
                raise _unreadable(neighbour.uri)
            return digest
    return None


def sidecars_of_folder(store: Store, folder: StoredObject, inside: Iterable[StoredObject]) -> dict[str, str]:
    """Return relative name -> SHA-256 of a directory dump's files, as far as sidecars in or beside it tell.

    Raises:
        PermanentError: `checksum-unreadable`, or what the way to a sidecar shows.
    """
    digests: dict[str, str] = {}
    for sidecar in (*_beside(store, folder.uri), *inside):
        name = sidecar.uri.removeprefix(folder.uri)
        if sidecar.uri.startswith(folder.uri) and not is_sidecar(name):
            continue
        lines = digests_by_name(read_text(store, sidecar))
        if not lines:
            raise _unreadable(sidecar.uri)
        own = _without_suffix(_name(sidecar.uri))
        digests.update({own if own and not line else line: digest for line, digest in lines.items()})
    return digests


def is_sidecar(name: str) -> bool:
    """Tell whether a file of a directory dump is a checksum file or a manifest, not a part of the dump."""
    return name in SUMS or name.endswith((*SUFFIXES, MANIFEST_SUFFIX)) or name == "inventory.json"


def read_text(store: Store, obj: StoredObject) -> str:
    """Return a small object as text; bytes that are no UTF-8 become marks."""
    source = store.source(obj)
    return source.read(0, min(source.size, _MAX_BYTES)).decode("utf-8", "replace")


def _beside(store: Store, folder: str) -> list[StoredObject]:
    bare = folder.rstrip("/")
    names = {bare + suffix for suffix in SUFFIXES}
    return [
        obj for suffix in SUFFIXES[:1] for obj in store.list(bare + suffix, limit=_BESIDE) if obj.uri in names
    ]


def _without_suffix(name: str) -> str | None:
    return next((name.removesuffix(suffix) for suffix in SUFFIXES[::-1] if name.endswith(suffix)), None)


def _name(uri: str) -> str:
    return uri.rstrip("/").rpartition("/")[2]


def _unreadable(uri: str) -> PermanentError:
    return PermanentError(
        "A checksum file lies beside the backup and holds no SHA-256 of it: the bytes cannot be proven.",
        uri,
        rule="checksum-unreadable",
    )
