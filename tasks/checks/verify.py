"""Step 6: everything that is verified without anybody having written a suite, in one call.

Decided here: where a manifest lies beside the backup the comparison is exact, and drift only informs. A
check of drift whose findings are all accepted has passed; the findings themselves are left for the record to
lower, so that it can name the exceptions that were made use of.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime
from typing import Any

from tasks.checks.accept import apply_acceptances
from tasks.checks.baseline import Baseline, choose_baselines
from tasks.checks.context import Scope
from tasks.checks.deep import check_deep
from tasks.checks.drift import judge_drift
from tasks.checks.manifest import compare_exactly, read_manifest
from tasks.checks.outcome import judged, not_configured
from tasks.checks.structure import check_structure
from tasks.model.clock import utc_now
from tasks.model.deadline import Deadline
from tasks.model.findings import Finding, Severity
from tasks.model.history import History, load_seed
from tasks.model.inventory import Inventory
from tasks.model.restored import Checked, Restored
from tasks.model.rules import finding
from tasks.model.sandbox import Sandbox
from tasks.model.target import Target

DRIFT_CHECKS: Mapping[str, frozenset[str]] = {
    "drift-tables": frozenset({"table-lost", "partition-lost", "partition-expired"}),
    "drift-rows": frozenset({"rows-dropped", "rows-grown", "rows-drifted-slowly"}),
    "drift-objects": frozenset({"object-lost", "object-lost-minor", "object-new"}),
    "drift-large-objects": frozenset({"large-objects-dropped"}),
}
"""Each check of drift, and the rules that are its own."""


def verify(
    sandbox: Sandbox,
    restored: Restored,
    inventory: Inventory,
    target: Target,
    history: History,
    manifest: dict[str, Any] | None = None,
    *,
    as_of: datetime,
    deadline_s: float,
    today: date | None = None,
) -> Checked:
    """Hold what came back against the archive, the manifest, the history and its own constraints.

    *as_of* is the moment that is judged, *deadline_s* the seconds for all of it, *today* the day by which
    dated exceptions count.

    Raises:
        ConfigInvalid: seed or manifest cannot be used.
        PermanentError: the sandbox is at fault.
    """
    limit = Deadline.within(deadline_s)
    today = today or utc_now().date()
    history = with_seed(history, target)
    baselines = choose_baselines(history, as_of, target.expect.drift.baseline.last)
    promised = None if manifest is None else read_manifest(manifest)
    structure = check_structure(
        sandbox, restored, inventory, target, source=_source(promised, baselines), limit=limit
    )
    scope = Scope(sandbox, restored, inventory, target, _deep_limit(target, limit))
    return (
        structure
        + check_manifest(inventory, promised, target, restored.kept_out)
        + check_drift(
            inventory,
            baselines,
            target,
            history,
            today=today,
            exact=is_exact(promised),
            kept_out=restored.kept_out,
        )
        + check_deep(scope)
    )


def with_seed(history: History, target: Target) -> History:
    """Return *history* with the target's seed, if it names one that was not loaded yet."""
    path = target.expect.drift.baseline.seed
    if history.seed is not None or path is None:
        return history
    return replace(history, seed=load_seed(path))


def check_manifest(
    inventory: Inventory, promised: Inventory | None, target: Target, kept_out: Collection[str] = ()
) -> Checked:
    """Return the check `manifest`: what the source held in the dump's own snapshot, exactly.

    What this host or policy *kept_out* is not compared.
    """
    if promised is None:
        return not_configured("manifest", "no manifest lies beside the backup")
    findings = compare_exactly(inventory, promised, target.sandbox.extensions.absent_ok, kept_out)
    return judged(
        "manifest",
        findings,
        observed=f"{len(findings)} differences" if findings else _the_same(target),
        expected=f"{len(promised.tables)} tables, exactly",
    )


def _the_same(target: Target) -> str:
    return "the same, rows not counted" if target.checks.counts == "off" else "the same"


def check_drift(
    inventory: Inventory,
    baselines: Sequence[Baseline],
    target: Target,
    history: History,
    *,
    today: date,
    exact: bool,
    kept_out: Collection[str] = (),
) -> Checked:
    """Return the checks of drift; *exact* says that a manifest was compared and drift only informs.

    What this host or policy *kept_out* is not compared.
    """
    if not baselines:
        why = "no verified drill and no seed to compare with yet: this drill starts the baseline"
        started = finding(
            "baseline-started", "There is no earlier verified drill and no seed to compare with."
        )
        checks = Checked()
        for name in DRIFT_CHECKS:
            checks += not_configured(name, why)
        return checks + Checked((), (started,))
    found = judge_drift(
        inventory, baselines, target.expect.drift, target.sandbox.extensions.absent_ok, kept_out
    )
    if exact:
        found = tuple(replace(one, severity=Severity.INFO) for one in found)
    accepted, _ = apply_acceptances(found, target.accept, history, today)
    checks = Checked()
    for name, rules in DRIFT_CHECKS.items():
        if name == "drift-rows" and target.checks.counts == "off":
            checks += not_configured(name, "checks.counts is off: no row was compared")
            continue
        mine = [one for one in accepted if one.rule in rules]
        checks += Checked(judged(name, mine, observed=_observed(mine), expected=baselines[0].label).checks)
    return checks + Checked((), found)


def _observed(found: Sequence[Finding]) -> str:
    worse = sum(one.severity is not Severity.INFO for one in found)
    return f"{worse} differences" if worse else "nothing lost"


def is_exact(promised: Inventory | None) -> bool:
    """Whether every table was compared with the source: a manifest without tables promises nothing."""
    return promised is not None and bool(promised.tables)


def _source(promised: Inventory | None, baselines: Sequence[Baseline]) -> Inventory | None:
    """Return what the source is known to have held: the manifest says it exactly, else the baseline."""
    return promised or (baselines[0].inventory if baselines else None)


def _deep_limit(target: Target, limit: Deadline) -> Deadline:
    budget = target.checks.budget
    return limit if budget is None else limit.sooner(Deadline.within(budget, "check-over-budget"))
