"""What a restored database holds: every object by kind, every table's rows."""

from __future__ import annotations

from collections.abc import Mapping
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
        partition_rank: its place among its range-partitioned siblings, 0 the oldest; None for other kinds.
    """

    rows: int | None
    bytes: int | None
    partition_of: str | None = None
    partition_rank: int | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return the figures as the evidence holds them."""
        figures: dict[str, Any] = {"rows": self.rows, "bytes": self.bytes}
        if self.partition_of is not None:
            figures["partition_of"] = self.partition_of
        if self.partition_rank is not None:
            figures["partition_rank"] = self.partition_rank
        return figures


@dataclass(frozen=True, slots=True)
class Inventory:
    """A database's content, without a value of it. Names are the catalogue's, unquoted.

    Attributes:
        tables: `schema.name` to figures; ordinary, partitioned and partition tables of the user's schemas.
        objects: kind to sorted names; kinds as in `OBJECT_KINDS`.
        large_objects, large_object_bytes: count, and bytes of all of them.
        keys: those of the constraints that are primary, unique or foreign keys of their own (not inherited
            from a partitioned parent); None where an old record or a seed does not say.
        belongs_to: index, sequence or constraint to its table, where the name does not tell.
        newest_age_s: of the columns whose newest row a suite compares with, by table: its age at the moment
            that was judged; None where no row has a time.
        databases: of a cluster with several, what each holds; then nothing else is said here but sums.
    """

    tables: dict[str, TableFigures]
    objects: dict[str, tuple[str, ...]] = field(default_factory=dict)
    large_objects: int = 0
    large_object_bytes: int = 0
    keys: tuple[str, ...] | None = None
    belongs_to: dict[str, str] = field(default_factory=dict)
    newest_age_s: Mapping[str, Mapping[str, float | None]] = field(default_factory=dict)
    databases: Mapping[str, Inventory] = field(default_factory=dict)

    @classmethod
    def of_databases(cls, databases: Mapping[str, Inventory]) -> Inventory:
        """Return what a cluster holds in *databases*."""
        return cls(
            tables={},
            large_objects=sum(inventory.large_objects for inventory in databases.values()),
            large_object_bytes=sum(inventory.large_object_bytes for inventory in databases.values()),
            databases=dict(databases),
        )

    @property
    def each(self) -> tuple[Inventory, ...]:
        """What each database holds, of a cluster or of the only one."""
        return tuple(self.databases.values()) or (self,)

    def of(self, database: str | None) -> Inventory | None:
        """Return what *database* of a cluster holds, None if it has none; None is the only one."""
        return self if database is None else self.databases.get(database)

    def as_dict(self) -> dict[str, Any]:
        """Return the inventory as the evidence, a seed or a manifest holds it."""
        document: dict[str, Any] = {
            "tables": {name: figures.as_dict() for name, figures in sorted(self.tables.items())},
            "objects": {kind: list(self.objects.get(kind, ())) for kind in OBJECT_KINDS},
            "large_objects": {"count": self.large_objects, "bytes": self.large_object_bytes},
        }
        if self.keys is not None:
            document["keys"] = list(self.keys)
        if self.belongs_to:
            document["belongs_to"] = dict(sorted(self.belongs_to.items()))
        if self.newest_age_s:
            document["newest_age_s"] = {table: dict(ages) for table, ages in self.newest_age_s.items()}
        if self.databases:
            document["databases"] = {name: held.as_dict() for name, held in sorted(self.databases.items())}
        return document
