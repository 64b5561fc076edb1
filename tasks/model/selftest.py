"""The words of a self test: mutants, what became of them, and when a drill is said to be unable to fail."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Family(StrEnum):
    """What is damaged: the restored data, or the backup before the drill takes it."""

    DATA = "data"
    BACKUP = "backup"


class Fate(StrEnum):
    """What became of a mutant.

    Caught: the drill is not verified, and something says so that a healthy one does not say. Noticed: only
    warnings are new. Survived: nothing is. Errored: we could not judge it, which is no catch.
    """

    CAUGHT = "caught"
    NOTICED = "noticed"
    SURVIVED = "survived"
    NOT_APPLICABLE = "not_applicable"
    ERRORED = "errored"


class Ability(StrEnum):
    """What the self test says of the drill."""

    CAN_FAIL = "can_fail"
    CANNOT_FAIL = "cannot_fail"
    INCONCLUSIVE = "inconclusive"


@dataclass(frozen=True, slots=True)
class Mutant:
    """One damage.

    Attributes:
        kind: stable kebab-case name, such as `rows-deleted-newest`.
        table, column: `schema.name` and the column, where it has one.
        what: what was done, in words; no value of a row.
        content: it changes rows or values, not only the structure.
        must: damage to a backup that every drill has to notice.
    """

    family: Family
    kind: str
    what: str
    table: str | None = None
    column: str | None = None
    content: bool = False
    must: bool = False


@dataclass(frozen=True, slots=True)
class Judged:
    """A mutant and what became of it.

    Attributes:
        rows: that the damage touched, None where rows are not what it touches.
        by: what caught or noticed it: `rule where`.
        why: why it was not applicable or could not be judged; for a survivor, what could be done.
        expectation: of a survivor, the expectation that would have caught it, as YAML.
        seconds: wall time.
    """

    mutant: Mutant
    fate: Fate
    rows: int | None = None
    by: tuple[str, ...] = ()
    why: str | None = None
    expectation: str | None = None
    seconds: float = 0.0

    def as_dict(self) -> dict[str, Any]:
        """Return the row of the matrix as the document holds it."""
        return {
            "family": self.mutant.family.value,
            "kind": self.mutant.kind,
            "table": self.mutant.table,
            "column": self.mutant.column,
            "what": self.mutant.what,
            "content": self.mutant.content,
            "must": self.mutant.must,
            "rows": self.rows,
            "outcome": self.fate.value,
            "by": list(self.by),
            "why": self.why,
            "expectation": self.expectation,
            "seconds": round(self.seconds, 3),
        }


@dataclass(slots=True)
class Score:
    """How many mutants of a group had which fate; mutable while it is counted."""

    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys((fate.value for fate in Fate), 0))

    def add(self, fate: Fate) -> None:
        """Count one more."""
        self.counts[fate.value] += 1

    @property
    def judged(self) -> int:
        """Mutants that could be judged."""
        return sum(self.counts[fate.value] for fate in (Fate.CAUGHT, Fate.NOTICED, Fate.SURVIVED))

    def as_dict(self) -> dict[str, Any]:
        """Return counts and the share that was caught, None where nothing was judged."""
        share = round(self.counts[Fate.CAUGHT.value] / self.judged, 4) if self.judged else None
        return {**self.counts, "judged": self.judged, "share": share}
