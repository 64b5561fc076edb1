"""Whether the cluster brought the databases that it should: those that are named, those that it had before.

Decided here:
- A database that the fleet file names must be there. One that nobody names and that is there is verified all
  the same under `databases: all`, without a suite: it is somebody's.
- Under `databases: all` one that the last verified drill had must be there too, by the same baselines as
  tables (`baseline`); `accept` takes in that it was dropped.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from tasks.checks.accept import apply_acceptances
from tasks.checks.baseline import choose_baselines
from tasks.checks.outcome import judged
from tasks.model.bounded_list import listing
from tasks.model.clock import utc_now
from tasks.model.drill import Drill
from tasks.model.findings import Finding
from tasks.model.restored import Checked
from tasks.model.rules import finding

NAME = "databases"


def check_databases(drill: Drill, *, today: date | None = None) -> Checked:
    """Return the check `databases` of a cluster with several; nothing for one database by itself."""
    several = drill.target.several
    if several is None:
        return Checked()
    present = drill.completed_restore.databases
    named = several if several != "all" else tuple(drill.target.expect.databases)
    missing = tuple(name for name in named if name not in present)
    findings = tuple(map(_missing, missing))
    if several == "all":
        findings += tuple(_lost(name) for name in _gone(drill, present) if name not in missing)
    accepted, _ = apply_acceptances(findings, drill.target.accept, drill.history, today or utc_now().date())
    expected = listing(named, place="") if named else "all that came back"
    return Checked(
        judged(NAME, accepted, observed=listing(present, place=""), expected=expected).checks, findings
    )


def _gone(drill: Drill, present: tuple[str, ...]) -> Iterator[str]:
    """Yield the databases that every baseline held and the copy does not."""
    last = drill.target.expect.drift.baseline.last
    held = [set(base.inventory.databases) for base in choose_baselines(drill.history, drill.judged_at, last)]
    if held:
        yield from sorted(set.intersection(*held) - set(present))


def _missing(name: str) -> Finding:
    return finding(
        "required-database-missing",
        f"The database {name} is named in the fleet file and is not in the cluster that came back.",
        where=name,
    )


def _lost(name: str) -> Finding:
    return finding(
        "database-lost",
        f"The database {name}, which the last verified drill had, is not in the cluster that came back.",
        where=name,
    )
