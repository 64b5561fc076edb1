"""The named final states: what the run says in the UI, and what exit code a shell gets."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from prefect.client.schemas.objects import State
from prefect.states import Completed, Crashed, Failed

from tasks.evidence import state_message
from tasks.model.backup import RecoveryPoint
from tasks.model.findings import Verdict
from tasks.model.printable import printable
from tasks.model.selftest import Ability

_log = logging.getLogger(__name__)
_NAMES = {Verdict.VERIFIED: "Verified", Verdict.FAILED: "Failed", Verdict.INCONCLUSIVE: "Inconclusive"}
_ABILITIES = {
    Ability.CAN_FAIL: "CanFail",
    Ability.CANNOT_FAIL: "CannotFail",
    Ability.INCONCLUSIVE: "Inconclusive",
}

Documents = list[dict[str, Any]]


def conclude(documents: Documents, *, walked_back: bool = False) -> State[Documents]:
    """Return the final state of one database's drill: that of its worst document.

    Args:
        documents: the evidence, the one that counts first.
        walked_back: the further documents only look for what is recoverable; the first one counts.
    """
    counted = documents[:1] if walked_back else documents
    worst = worst_of([Verdict(document["verdict"]) for document in counted])
    leading = next(document for document in counted if document["verdict"] == worst)
    message = state_message(leading)
    if len(counted) > 1:
        message = f"{tally(counted)}; {message}"
    return _state(worst, message, documents)


def conclude_fleet(fleet: str, documents: Documents, verdicts: Mapping[str, Verdict]) -> State[Documents]:
    """Return the final state of a fleet: failed if any database failed, else inconclusive if any was.

    Args:
        fleet: its name.
        documents: the evidence of all databases.
        verdicts: database to the verdict of its drill; one that left no document is inconclusive.
    """
    worst = worst_of(list(verdicts.values()))
    counts = Counter(verdicts.values())
    counted = ", ".join(f"{counts[verdict]} {verdict.value}" for verdict in Verdict if counts[verdict])
    bad = sorted(name for name, verdict in verdicts.items() if verdict is not Verdict.VERIFIED)
    trouble = f": {', '.join(bad)}" if bad else ""
    return _state(worst, f"{fleet}: {counted} of {len(verdicts)} databases{trouble}", documents)


def conclude_search(
    database: str,
    documents: Documents,
    points: Sequence[RecoveryPoint],
    *,
    good: int | None,
    bad: int | None,
    unclear: int | None,
) -> State[Documents]:
    """Return the final state of a search; *points* oldest first, indexes as `search` gives them."""
    restores = f"{len(documents)} of {len(points)} recovery points were restored"
    last_good = (
        "none in the window is good" if good is None else f"the last good one is {_named(points[good])}"
    )
    if unclear is not None:
        unjudged = _named(points[unclear])
        text = f"{database}: the drill of {unjudged} was inconclusive, so the search ended; {restores}"
        return _state(Verdict.INCONCLUSIVE, text, documents)
    if bad is None:
        return _state(
            Verdict.VERIFIED, f"{database}: the newest backup is good: {last_good}; {restores}", documents
        )
    return _state(
        Verdict.FAILED,
        f"{database}: the first bad backup is {_named(points[bad])}; {last_good}; {restores}",
        documents,
    )


def conclude_selftest(document: dict[str, Any]) -> State[dict[str, Any]]:
    """Return the final state of a self test: a drill that cannot fail is as loud as a failed one."""
    ability = Ability(document["ability"])
    make = Completed if ability is Ability.CAN_FAIL else Failed
    message = printable(f"{document['database']}: {document['why']}")
    return make(name=_ABILITIES[ability], message=message, data=document)


def crashed(database: str, error: Exception) -> State[Documents]:
    """Return the final state of a drill whose run itself could not be carried on."""
    _log.error("%s: the run could not be carried on: %s", database, type(error).__name__)
    return Crashed(message=f"{database}: the run could not be carried on: {type(error).__name__}")


def verdict_of(state: State[Any]) -> Verdict:
    """Return what a drill's final state says; a run that was cut short could not judge.

    Prefect too names the state of a flow that raised `Failed`: it is ours only where it carries documents.
    """
    if _carried(state) is None:
        return Verdict.INCONCLUSIVE
    return next(verdict for verdict, name in _NAMES.items() if name == state.name)


def documents_of(state: State[Any]) -> Documents:
    """Return the evidence documents that a drill's final state carries; none if it crashed."""
    return _carried(state) or []


def worst_of(verdicts: Sequence[Verdict]) -> Verdict:
    """Return the verdict that counts; nothing drilled is inconclusive."""
    order = list(Verdict)
    return max(verdicts, key=order.index, default=Verdict.INCONCLUSIVE)


def tally(documents: Documents) -> str:
    """Return how many documents have each verdict."""
    counts = Counter(document["verdict"] for document in documents)
    return ", ".join(f"{count} {verdict}" for verdict, count in sorted(counts.items()))


def _named(point: RecoveryPoint) -> str:
    return f"{point.label} of {point.at:%Y-%m-%d %H:%M} UTC"


def _state(verdict: Verdict, message: str, documents: Documents) -> State[Documents]:
    make = Completed if verdict is Verdict.VERIFIED else Failed
    return make(name=_NAMES[verdict], message=printable(message), data=documents)


def _carried(state: State[Any]) -> Documents | None:
    if state.name not in _NAMES.values():
        return None
    found = state.result(raise_on_failure=False)
    return found if isinstance(found, list) else None
