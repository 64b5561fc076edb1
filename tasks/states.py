"""The named final states: what the run says in the UI, and what exit code a shell gets."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from prefect.client.schemas.objects import State
from prefect.states import Completed, Crashed, Failed

from tasks.model.backup import RecoveryPoint
from tasks.model.bounded_list import listing
from tasks.model.findings import Verdict
from tasks.model.printable import printable
from tasks.model.recorded import Recorded
from tasks.model.selftest import Ability

_log = logging.getLogger(__name__)
_NAMES = {Verdict.VERIFIED: "Verified", Verdict.FAILED: "Failed", Verdict.INCONCLUSIVE: "Inconclusive"}
_ABILITIES = {
    Ability.CAN_FAIL: "CanFail",
    Ability.CANNOT_FAIL: "CannotFail",
    Ability.INCONCLUSIVE: "Inconclusive",
}

Drills = list[Recorded]


def conclude(drills: Drills, *, walked_back: bool = False) -> State[Drills]:
    """Return the final state of one database's drills: that of the worst.

    Args:
        drills: what they came to, the one that counts first.
        walked_back: the further ones only look for what is recoverable; the first one counts.
    """
    counted = drills[:1] if walked_back else drills
    worst = worst_of([drill.verdict for drill in counted])
    message = next(drill.message for drill in counted if drill.verdict is worst)
    if len(counted) > 1:
        message = f"{tally(counted)}; {message}"
    return _state(worst, message, drills)


def conclude_fleet(fleet: str, drills: Drills, verdicts: Mapping[str, Verdict]) -> State[Drills]:
    """Return the final state of a fleet: failed if any database failed, else inconclusive if any was.

    Args:
        fleet: its name.
        drills: what those of all databases came to.
        verdicts: database to the verdict of its run; one that left no evidence is inconclusive.
    """
    worst = worst_of(list(verdicts.values()))
    counts = Counter(verdicts.values())
    counted = ", ".join(f"{counts[verdict]} {verdict.value}" for verdict in Verdict if counts[verdict])
    bad = sorted(name for name, verdict in verdicts.items() if verdict is not Verdict.VERIFIED)
    trouble = f": {listing(bad, place='')}" if bad else ""
    return _state(worst, f"{fleet}: {counted} of {len(verdicts)} databases{trouble}", drills)


def conclude_search(
    database: str,
    drills: Drills,
    points: Sequence[RecoveryPoint],
    *,
    good: int | None,
    bad: int | None,
    unclear: int | None,
) -> State[Drills]:
    """Return the final state of a search; *points* oldest first, indexes as `search` gives them."""
    restores = f"{len(drills)} of {len(points)} recovery points were restored"
    last_good = (
        "none in the window is good" if good is None else f"the last good one is {_named(points[good])}"
    )
    if unclear is not None:
        unjudged = _named(points[unclear])
        text = f"{database}: the drill of {unjudged} was inconclusive, so the search ended; {restores}"
        return _state(Verdict.INCONCLUSIVE, text, drills)
    if bad is None:
        return _state(
            Verdict.VERIFIED, f"{database}: the newest backup is good: {last_good}; {restores}", drills
        )
    return _state(
        Verdict.FAILED,
        f"{database}: the first bad backup is {_named(points[bad])}; {last_good}; {restores}",
        drills,
    )


def conclude_selftest(document: dict[str, Any]) -> State[dict[str, Any]]:
    """Return the final state of a self test: a drill that cannot fail is as loud as a failed one."""
    ability = Ability(document["ability"])
    make = Completed if ability is Ability.CAN_FAIL else Failed
    message = printable(f"{document['database']}: {document['why']}")
    return make(name=_ABILITIES[ability], message=message, data=document)


def conclude_comparison(document: dict[str, Any]) -> State[dict[str, Any]]:
    """Return the final state of a comparison: `Agree`, `Differ` or `Untold`."""
    word = str(document["agreement"])
    names = f"{document['first']['database']} and {document['second']['database']}"
    counted = f"{document['tables']:,} tables, {document['rows']:,} rows compared"
    different = len(document["differences"])
    text = {
        "agree": f"{names} agree: {counted}",
        "differ": f"{names} differ: in {different:,} of {counted}, and in what only one of them has",
        "untold": f"whether {names} agree cannot be told: {counted}, not all",
    }[word]
    make = Completed if word == "agree" else Failed
    return make(name=word.capitalize(), message=printable(text), data=document)


def crashed(database: str, error: Exception) -> State[Drills]:
    """Return the final state of a drill whose run itself could not be carried on."""
    _log.error("%s: the run could not be carried on: %s", database, type(error).__name__)
    return Crashed(message=f"{database}: the run could not be carried on: {type(error).__name__}")


def verdict_of(state: State[Any]) -> Verdict:
    """Return what a drill's final state says; a run that was cut short could not judge.

    Prefect too names the state of a flow that raised `Failed`: it is ours only where it carries its drills.
    """
    if _carried(state) is None:
        return Verdict.INCONCLUSIVE
    return next(verdict for verdict, name in _NAMES.items() if name == state.name)


def drills_of(state: State[Any]) -> Drills:
    """Return what a final state carries of the drills that led to it; none if the run crashed."""
    return _carried(state) or []


def worst_of(verdicts: Sequence[Verdict]) -> Verdict:
    """Return the verdict that counts; nothing drilled is inconclusive."""
    order = list(Verdict)
    return max(verdicts, key=order.index, default=Verdict.INCONCLUSIVE)


def tally(drills: Drills) -> str:
    """Return how many drills have each verdict."""
    counts = Counter(drill.verdict.value for drill in drills)
    return ", ".join(f"{count} {verdict}" for verdict, count in sorted(counts.items()))


def _named(point: RecoveryPoint) -> str:
    return f"{point.label} of {point.at:%Y-%m-%d %H:%M} UTC"


def _state(verdict: Verdict, message: str, drills: Drills) -> State[Drills]:
    make = Completed if verdict is Verdict.VERIFIED else Failed
    return make(name=_NAMES[verdict], message=printable(message), data=drills)


def _carried(state: State[Any]) -> Drills | None:
    if state.name not in _NAMES.values():
        return None
    found = state.result(raise_on_failure=False)
    return found if isinstance(found, list) else None
