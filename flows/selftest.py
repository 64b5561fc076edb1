"""Whether a drill can fail: the user's healthy backup, damaged in many ways, each judged as a drill would.

    discover -> ... -> restore -> verify -> validate     once, on the healthy backup
    damage restored data                                 copies of the restored database, two at a time
    damage the backup                                    copies of the backup, each a whole drill of its own
    teardown -> record

A healthy backup that is not verified proves nothing, and the self test is inconclusive.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State

from flows.drill import discover_points, prove, rebuild, wind_up
from tasks.conclude import conclude_selftest
from tasks.ledger import Ledger
from tasks.model.clock import utc_now
from tasks.model.errors import DrillError
from tasks.model.findings import Verdict
from tasks.model.selftest import Judged
from tasks.model.target import Selection
from tasks.mutants.choose import choose
from tasks.mutants.kinds import candidates
from tasks.plan import begin, read_target
from tasks.record import publish_report
from tasks.selftest import Ground, clone, for_selftest, judge_mutants, prepare, without_candidates
from tasks.selftest_backup import Bench, judge_backups, plan_backups, share_of
from tasks.selftest_record import record_selftest
from tasks.stores import Store
from tasks.teardown import dispose_of_sandbox, sweep_leftovers

Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Wish:
    """What was asked for: how many mutants, under which seed, or only those that matter most."""

    seed: int
    mutants: int
    quick: bool


@flow(name="selftest", flow_run_name="selftest {database}", persist_result=False)
def selftest(
    fleet: str, database: str, seed: int = 1, mutants: int = 100, quick: bool = False, evidence: str = ""
) -> State[Document]:
    """Damage the newest healthy backup in many ways and show which damage the drill catches.

    Args:
        fleet: path of the fleet file, as this worker sees it.
        database: its name in the fleet file.
        seed: of the damage: the same seed on the same backup damages it in the same way.
        mutants: how many damages are tried.
        quick: only the ten that matter most.
        evidence: where the result goes; empty takes the fleet file's.
    """
    target = for_selftest(read_target(fleet, database, evidence))
    sweep_leftovers(utc_now())
    base = begin(target, Selection(kind="newest"), utc_now())
    wish = Wish(seed, mutants, quick)
    rows: list[Judged] = []
    try:
        store = discover_points(base)
        ground = None if store is None else break_ground(base, store)
        if store is not None and ground is not None:
            rows = break_everything(ground, store, wish)
    finally:
        dispose_of_sandbox(base)
    document = record_selftest(base, rows, seed=seed, wanted=mutants, quick=quick)
    publish_report(target)
    return conclude_selftest(document)


def break_ground(base: Ledger, store: Store) -> Ground | None:
    """Drill the healthy backup; None, with the reason in *base*, where it or a copy of it is not verified."""
    try:
        rebuild(base, store)
        fresh = clone(base)
        prove(base)
        if base.verdict is not Verdict.VERIFIED:
            return None
        ground = prepare(fresh, base, prove)
    except DrillError as error:
        base.note(error)
        return None
    except Exception as error:  # noqa: BLE001  as in a drill: told by its class, and never a pass
        base.crashed(error)
        return None
    if ground.healthy.verdict is not Verdict.VERIFIED:
        base.findings.extend(ground.healthy.findings)
        return None
    return ground


def break_everything(ground: Ground, store: Store, wish: Wish) -> list[Judged]:
    """Make every mutant and judge it; what could not be damaged is listed too."""
    folder = ground.fresh.own_workspace.root / "damaged"
    bench = Bench(ground, folder, store, drill_mutant)
    found = candidates(ground.schema, wish.seed)
    planned, left = plan_backups(bench, wish.seed)
    planned = planned[: share_of(wish.mutants, quick=wish.quick)]
    slots = choose(found, wish.mutants - len(planned), wish.seed, quick=wish.quick)
    rows = judge_mutants(ground, slots)
    rows += judge_backups(bench, planned)
    return rows if wish.quick else [*rows, *without_candidates(found), *left]


def drill_mutant(ledger: Ledger) -> None:
    """Take a damaged backup through a whole drill; it leaves no evidence of its own."""
    try:
        store = discover_points(ledger)
        if store is not None:
            rebuild(ledger, store)
            prove(ledger)
    except DrillError as error:
        ledger.note(error)
    except Exception as error:  # noqa: BLE001  as in a drill: told by its class, and never a pass
        ledger.crashed(error)
    finally:
        wind_up(ledger)
