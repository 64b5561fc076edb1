"""What a backup says that its database should hold: what the restored one is held against, whatever its kind.

Decided here: names and figures only. A backup lists up to a million objects, so no statement and no owner is
kept, and a name that stands in several places is one string.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

Position = tuple[int, bool]
"""Where a sequence stands: its last value, and whether that was given out."""


@dataclass(frozen=True, slots=True)
class Expected:
    """What the backup lists. Names are `schema.name`.

    Attributes:
        tables: those that it creates.
        with_data: tables that it holds the rows of, be it none.
        filled_views: materialised views that it fills.
        extensions: those that it creates.
        sequences: where it sets each, by schema and name; the schema is "" where the backup does not say it.
        has_post_data: it lists a key, an index or a trigger.
    """

    tables: frozenset[str] = frozenset()
    with_data: frozenset[str] = frozenset()
    filled_views: frozenset[str] = frozenset()
    extensions: tuple[str, ...] = ()
    sequences: Mapping[tuple[str, str], frozenset[Position]] = field(default_factory=dict)
    has_post_data: bool = False

    @property
    def is_data_only(self) -> bool:
        """Whether there are rows and nothing to hold them; an extension's table comes with it."""
        return bool(self.with_data) and not self.tables and not self.extensions

    @property
    def is_schema_only(self) -> bool:
        """Whether there are tables and not one's rows, not even none."""
        return bool(self.tables) and not self.with_data

    def positions_of(self, schema: str, sequence: str) -> frozenset[Position]:
        """Return where the backup sets *sequence*."""
        nowhere: frozenset[Position] = frozenset()
        return self.sequences.get((schema, sequence), nowhere) | self.sequences.get(("", sequence), nowhere)


@dataclass(frozen=True, slots=True)
class Origin:
    """What a backup tells of how it came to be; "" and None where it does not.

    Attributes:
        server_version: of the database that was dumped, such as `17.11`.
        dump_version: of the pg_dump that wrote it.
        database: the name of the database that was dumped.
        made_at: naive, in the dumping host's local time.
        compression: `none`, `gzip`, `lz4`, `zstd`; of the data blocks, not of a wrapper.
        encoding: such as `UTF8`.
    """

    server_version: str = ""
    dump_version: str = ""
    database: str = ""
    made_at: datetime | None = None
    compression: str = "none"
    encoding: str = ""
