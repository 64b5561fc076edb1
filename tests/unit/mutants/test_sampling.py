"""Which mutants are made: spread, seeded, and with stand-ins that are settled beforehand."""

from __future__ import annotations

from collections import Counter

from tasks.mutants.operators import KINDS, QUICK, candidates
from tasks.mutants.sampling import choose
from tests.unit.mutants.schemas import SHOP

FOUND = candidates(SHOP, seed=1)


def test_every_kind_takes_its_turn_before_any_takes_a_second() -> None:
    kinds = [slot[0].kind for slot in choose(FOUND, 100, seed=1)]
    possible = [kind for kind in KINDS if FOUND[kind]]
    assert kinds[: len(possible)] == possible
    counts = Counter(kinds)
    assert all(counts[kind] >= min(2, len(FOUND[kind])) for kind in possible)


def test_a_kind_goes_round_the_tables_before_it_comes_back_to_one() -> None:
    emptied = [slot[0].table for slot in choose(FOUND, 60, seed=1) if slot[0].kind == "table-emptied"]
    assert len(set(emptied)) == len(emptied)


def test_the_same_seed_chooses_the_same_and_another_seed_others() -> None:
    def names(seed: int) -> list[list[str]]:
        return [[one.name for one in slot] for slot in choose(candidates(SHOP, seed), 40, seed)]

    assert names(7) == names(7)
    assert names(7) != names(8)


def test_no_damage_is_chosen_twice_and_no_more_than_asked_for() -> None:
    slots = choose(FOUND, 25, seed=3)
    names = [one.name for slot in slots for one in slot]
    assert len(slots) == 25
    assert len(names) == len(set(names))


def test_a_stand_in_is_of_the_same_kind() -> None:
    for slot in choose(FOUND, 30, seed=2):
        assert {one.kind for one in slot} == {slot[0].kind}


def test_a_quick_self_test_takes_one_of_each_kind_that_matters_most() -> None:
    kinds = [slot[0].kind for slot in choose(FOUND, 98, seed=1, quick=True)]
    assert kinds == [kind for kind in QUICK if FOUND[kind]]
    assert len(QUICK) == 8


def test_more_than_there_is_gives_all_there_is() -> None:
    every = sum(len(damages) for damages in FOUND.values())
    assert len(choose(FOUND, 10_000, seed=1)) == every
