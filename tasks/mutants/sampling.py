"""Which mutants are made: spread over the kinds first, over tables and columns then, by the seed.

Each chosen one brings what stands in for it should it turn out to change nothing; who stands in for whom is
settled beforehand, so that the same seed gives the same mutants however the work is divided.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from tasks.mutants.damage import Damage
from tasks.mutants.operators import QUICK

MOST_STAND_INS = 6
Slot = tuple[Damage, ...]
"""A mutant to be made, and those that stand in for it, in order."""


def choose(
    found: Mapping[str, Sequence[Damage]], wanted: int, seed: int, *, quick: bool = False
) -> list[Slot]:
    """Return at most *wanted* slots out of the candidates *found* by kind; *quick* takes one of the first.

    Kinds take turns in their order; each takes the candidate whose table, then column, was taken least.
    """
    if quick:
        found = {kind: found[kind] for kind in QUICK}
        wanted = min(wanted, sum(1 for damages in found.values() if damages))
    left = {kind: _shuffled(damages, seed, kind) for kind, damages in found.items() if damages}
    per_table: Counter[str] = Counter()
    chosen: list[Damage] = []
    while left and len(chosen) < wanted:
        for kind in list(left):
            if len(chosen) == wanted:
                break
            best = min(left[kind], key=lambda damage: (per_table[damage.table], per_table[_place(damage)]))
            left[kind].remove(best)
            chosen.append(best)
            per_table[best.table] += 1
            per_table[_place(best)] += 1
            if not left[kind]:
                del left[kind]
    return _with_stand_ins(chosen, left)


def _with_stand_ins(chosen: Sequence[Damage], left: Mapping[str, Sequence[Damage]]) -> list[Slot]:
    """Deal what is left of each kind to the chosen of that kind."""
    places: dict[str, list[int]] = {}
    for at, damage in enumerate(chosen):
        places.setdefault(damage.kind, []).append(at)
    slots = [[damage] for damage in chosen]
    for kind, rest in left.items():
        owners = places.get(kind, [])
        for number, damage in enumerate(rest[: MOST_STAND_INS * len(owners)]):
            slots[owners[number % len(owners)]].append(damage)
    return [tuple(slot) for slot in slots]


def _shuffled(damages: Iterable[Damage], seed: int, kind: str) -> list[Damage]:
    """Return *damages* in the seed's order; the strongest form of each stays before its weaker ones."""
    places: dict[str, list[Damage]] = {}
    for damage in damages:
        places.setdefault(_place(damage), []).append(damage)
    order = sorted(places)
    random.Random(f"{seed} {kind}").shuffle(order)  # noqa: S311  a choice that can be repeated, no secret
    longest = max(map(len, places.values()))
    return [places[name][at] for at in range(longest) for name in order if at < len(places[name])]


def _place(damage: Damage) -> str:
    return f"{damage.table}\0{damage.column or ''}"
