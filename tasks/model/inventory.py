"""What a restored database holds: every object by kind, every table's rows."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

OBJECT_KINDS = (
    "indexes",
    "constraints",
    "triggers",
    "sequences",
    "views",
    "matviews",
    "functions",
    "types",
    "extensions",
    "policies",
)


@dataclass(frozen=True, slots=True)
class TableFigures:
    """Rows and bytes of one table; a partitioned parent counts its partitions.

    Attributes:
        rows: exact, or None where it was not counted.
        bytes: heap, TOAST and indexes.
        partition_of: the parent's name for a partition.
    """

    rows: int | None
    bytes: int | None
    partition_of: str | None = None


@dataclass(frozen=True, slots=True)
class Inventory:
    """A database's content, without a value of it. Names are the catalogue's, unquoted (DESIGN: names).

    Attributes:
        tables: `schema.name` to figures; ordinary, partitioned and partition tables of the user's schemas.
        objects: kind to sorted names; kinds as in `OBJECT_KINDS`.
        large_objects, large_object_bytes: count, and bytes of all of them.
    """

    tables: dict[str, TableFigures]
    objects: dict[str, tuple[str, ...]] = field(default_factory=dict)
    large_objects: int = 0
    large_object_bytes: int = 0

    def as_dict(self) -> dict[str, Any]:
        """Return the inventory as the evidence, a seed or a manifest holds it."""
        return {
            "tables": {
                name: {"rows": t.rows, "bytes": t.bytes}
                | ({"partition_of": t.partition_of} if t.partition_of else {})
                for name, t in sorted(self.tables.items())
            },
            "objects": {kind: list(self.objects.get(kind, ())) for kind in OBJECT_KINDS},
            "large_objects": {"count": self.large_objects, "bytes": self.large_object_bytes},
        }
