"""Which parts of a database an archive's table of contents lists.

Filters in a backup job leave an archive that is formally perfect. What can be told from the TOC alone is
told here; what needs the rows is for the checks after the restore.
"""

from __future__ import annotations

from dataclasses import dataclass

from tasks.model.backup import Toc, TocEntry

_RELATIONS = ("TABLE", "FOREIGN TABLE", "VIEW", "MATERIALIZED VIEW")
_ROWS = ("TABLE DATA",)


@dataclass(frozen=True, slots=True)
class TocShape:
    """Counts of what an archive lists.

    Attributes:
        tables: that hold rows themselves: neither partitioned parents nor foreign.
        parents: partitioned tables.
        data: entries of table data.
        large_objects: entries of large objects' data.
        post_data: keys, indexes, triggers and whatever else follows the data.
        extensions: extensions.
    """

    tables: int
    parents: int
    data: int
    large_objects: int
    post_data: int
    extensions: int

    @property
    def schema_only(self) -> bool:
        """There are tables, and no rows for any of them: an empty table has its (empty) data entry too."""
        return self.tables > 0 and self.data == 0

    @property
    def data_only(self) -> bool:
        """There are rows, and no table to put them in, nor an extension that might own one."""
        return self.data > 0 and self.tables + self.parents == 0 and self.extensions == 0

    @property
    def no_post_data(self) -> bool:
        """Tables and rows without a key or index. A small database may be like that; a large one is not."""
        return self.tables > 0 and self.data > 0 and self.post_data == 0


def toc_shape(toc: Toc) -> TocShape | None:
    """Return what *toc* lists; None for a script, whose head does not say."""
    if toc.archive_version is None:
        return None
    tables = toc.of("TABLE")
    parents = sum(_is_parent(entry) for entry in tables)
    return TocShape(
        tables=len(tables) - parents,
        parents=parents,
        data=len(toc.of(*_ROWS)),
        large_objects=len(toc.of("BLOBS")),
        post_data=sum(entry.section == "post-data" for entry in toc.entries),
        extensions=len(toc.of("EXTENSION")),
    )


def listed_relations(toc: Toc) -> frozenset[str]:
    """Return `schema.name` of every table and view that an archive lists, with or without its rows."""
    return frozenset(f"{entry.namespace}.{entry.tag}" for entry in toc.of(*_RELATIONS, *_ROWS))


def _is_parent(entry: TocEntry) -> bool:
    """Say whether the definition, without a partition's own bounds, ends in PARTITION BY."""
    return "\nPARTITION BY " in entry.defn
