"""A store in which some files are others or are gone, for whoever reads through us; nothing is written to it.

The self test damages a user's repository in this way: one file changed, however large the rest is.
"""

from __future__ import annotations

from pathlib import Path

from tasks.model.target import StoreConfig


class OverlaidStore(StoreConfig):
    """How such a store is reached; no fleet file can say this.

    Attributes:
        folder: of ours, that the other files lie in.
        changes: URI of the store to the path of the file that stands there; None: there is none.
    """

    folder: Path
    changes: dict[str, Path | None]


def overlaid(config: StoreConfig, folder: Path, changes: dict[str, Path | None]) -> OverlaidStore:
    """Return the store of *config* with *changes*."""
    return OverlaidStore.model_construct(**dict(config), folder=folder, changes=changes)
