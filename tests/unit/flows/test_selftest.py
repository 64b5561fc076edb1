"""The matrix of a self test comes whatever its damages do to the drill."""

from __future__ import annotations

import pytest

from flows.selftest import surely_judged
from tasks.drill.process import Stopped
from tasks.model.errors import PermanentError
from tasks.model.selftest import Family, Fate, Judged, Mutant

MUTANT = Mutant(Family.BACKUP, "flipped-byte-contents", "a byte at 7")


def test_what_was_judged_is_the_matrix() -> None:
    row = surely_judged(lambda: Judged(MUTANT, Fate.CAUGHT), MUTANT)
    assert (row.mutant, row.fate) == (MUTANT, Fate.CAUGHT)


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (PermanentError("The drill's process died.", rule="drill-process-died"), "The drill's process died."),
        (UnicodeEncodeError("utf-8", "\udcff", 0, 1, "no"), "UnicodeEncodeError"),
        (MemoryError(), "MemoryError"),
    ],
)
def test_a_damage_that_takes_its_judge_with_it_has_a_row(error: Exception, why: str) -> None:
    def judge() -> Judged:
        raise error

    row = surely_judged(judge, MUTANT)
    assert (row.mutant, row.fate) == (MUTANT, Fate.ERRORED)
    assert why in (row.why or "")


def test_a_self_test_that_is_stopped_stops() -> None:
    def judge() -> Judged:
        raise Stopped("stopped")

    with pytest.raises(Stopped):
        surely_judged(judge, MUTANT)
