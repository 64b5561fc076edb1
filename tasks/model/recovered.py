"""What a recovery leaves to its people: a data folder, and what remains to be done by hand."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class HandedOver:
    """A recovered cluster that is no drill's any more; its server is stopped.

    Attributes:
        data: the data folder.
        bindir: of the PostgreSQL that it belongs to.
        version: such as `17.11`.
        owner: uid and gid of the user who must run it.
        superuser: the role to begin with.
        remains: steps that a person has to take, in order.
    """

    data: Path
    bindir: Path
    version: str
    owner: tuple[int, int]
    superuser: str
    remains: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return it as `--json` prints it."""
        return {
            "data": str(self.data),
            "bindir": str(self.bindir),
            "postgres_version": self.version,
            "uid": self.owner[0],
            "superuser": self.superuser,
            "remains": list(self.remains),
        }
