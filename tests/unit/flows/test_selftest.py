"""The matrix of a self test comes whatever its damages do to the drill."""

from __future__ import annotations

import pytest

from flows.selftest import surely_judged
from tasks.drill.process import Stopped
from tasks.model.errors import PermanentError
from tasks.model.selftest import Family, Fate, Judged, Mutant

MUTANTS = [Mutant(Family.BACKUP, "flipped-byte-contents", f"a byte at {at}") for at in range(3)]


def test_what_was_judged_is_the_matrix() -> None:
    rows = [Judged(mutant, Fate.CAUGHT) for mutant in MUTANTS]
    assert surely_judged(lambda: rows, MUTANTS) == rows


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (PermanentError("The drill's process died.", rule="drill-process-died"), "The drill's process died."),
        (UnicodeEncodeError("utf-8", "\udcff", 0, 1, "no"), "UnicodeEncodeError"),
        (MemoryError(), "MemoryError"),
    ],
)
def test_a_damage_that_takes_its_judge_with_it_has_a_row(error: Exception, why: str) -> None:
    def judge() -> list[Judged]:
        raise error

    rows = surely_judged(judge, MUTANTS)
    assert [row.mutant for row in rows] == MUTANTS
    assert {row.fate for row in rows} == {Fate.ERRORED}
    assert all(why in (row.why or "") for row in rows)


def test_a_self_test_that_is_stopped_stops() -> None:
    def judge() -> list[Judged]:
        raise Stopped("stopped")

    with pytest.raises(Stopped):
        surely_judged(judge, MUTANTS)
