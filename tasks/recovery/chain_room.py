"""Whether this worker has room for a chain of incremental backups: all its parts, and what they come to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tasks.checks.preflight import disk_findings
from tasks.model.findings import Finding
from tasks.model.target import Target
from tasks.physical.chain import NamedBackup
from tasks.physical.extract import read_small
from tasks.physical.manifest import LARGEST_BYTES, parse_manifest
from tasks.stores import Store


def room_for_chain(chain: Sequence[NamedBackup], store: Store, target: Target) -> tuple[Finding, ...]:
    """Return that the disk is too small, where it is; the manifests tell what each part unpacks to.

    Args:
        chain: the full backup first.
        store: that holds it.
        target: what the fleet file says of disk.
    """
    sizes = list(_unpacked_bytes(chain, store))
    if len(sizes) == len(chain):
        return tuple(disk_findings(0, target, sum(sizes) + sizes[0]))
    return tuple(disk_findings(sum(link.backup.bytes for link in chain), target, None))


def _unpacked_bytes(chain: Sequence[NamedBackup], store: Store) -> Iterator[int]:
    for link in chain:
        manifest = link.backup.manifest
        if manifest is not None:
            text = read_small(store.source(manifest), LARGEST_BYTES)
            yield sum(file.bytes for file in parse_manifest(text, manifest.uri).files.values())
