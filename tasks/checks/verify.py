"""Step 6: everything that is verified without anybody having written a suite, in one call.

Decided here: where a manifest lies beside the backup the comparison is exact, and drift only informs. A
check of drift whose findings are all accepted has passed; the findings themselves are left for the record to
lower, so that it can name the exceptions that were made use of.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date

from tasks.checks.accept import apply_acceptances
from tasks.checks.baseline import Baseline, choose_baselines
from tasks.checks.context import Context
from tasks.checks.deep import check_deep
from tasks.checks.drift import judge_drift
from tasks.checks.manifest import compare_exactly, read_manifest
from tasks.checks.outcome import judged, not_configured
from tasks.checks.structure import check_structure
from tasks.model.clock import utc_now
from tasks.model.findings import Finding, Severity
from tasks.model.history import History, load_seed
from tasks.model.inventory import Inventory
from tasks.model.restored import Checked
from tasks.model.rules import finding
from tasks.model.target import Target

DRIFT_CHECKS: Mapping[str, frozenset[str]] = {
    "drift-tables": frozenset({"table-lost", "partition-lost", "partition-expired"}),
    "drift-rows": frozenset({"rows-dropped", "rows-grown", "rows-drifted-slowly"}),
    "drift-objects": frozenset({"object-lost", "object-lost-minor", "object-new"}),
    "drift-large-objects": frozenset({"large-objects-dropped"}),
}
"""Each check of drift, and the rules that are its own."""


def verify(context: Context, *, today: date | None = None) -> Checked:
    """Hold what came back against the archive, the manifest, the history and its own constraints.

    *today* is the day by which dated exceptions count.

    Raises:
        ConfigInvalid: seed or manifest cannot be used.
        PermanentError: the sandbox is at fault.
    """
    target, history = context.target, with_seed(context.history, context.target)
    context = replace(context, history=history)
    baselines = choose_baselines(history, context.as_of, target.expect.drift.baseline.last)
    promised = None if context.manifest is None else read_manifest(context.manifest)
    return (
        check_structure(context, source=_source(promised, baselines))
        + check_manifest(context, promised)
        + check_drift(context, baselines, today=today or utc_now().date(), exact=is_exact(promised))
        + check_deep(context.within_budget())
    )


def with_seed(history: History, target: Target) -> History:
    """Return *history* with the target's seed, if it names one that was not loaded yet."""
    path = target.expect.drift.baseline.seed
    if history.seed is not None or path is None:
        return history
    return replace(history, seed=load_seed(path))


def check_manifest(context: Context, promised: Inventory | None) -> Checked:
    """Return the check `manifest`: what the source held in the dump's own snapshot, exactly.

    What this host or policy kept out is not compared.
    """
    if promised is None:
        return not_configured("manifest", "no manifest lies beside the backup")
    findings = compare_exactly(context.inventory, promised, context.absent_ok, context.kept_out)
    return judged(
        "manifest",
        findings,
        observed=f"{len(findings)} differences" if findings else _the_same(context.target),
        expected=f"{len(promised.tables)} tables, exactly",
    )


def _the_same(target: Target) -> str:
    return "the same, rows not counted" if target.checks.counts == "off" else "the same"


def check_drift(context: Context, baselines: Sequence[Baseline], *, today: date, exact: bool) -> Checked:
    """Return the checks of drift; *exact* says that a manifest was compared and drift only informs.

    What this host or policy kept out is not compared.
    """
    target = context.target
    if not baselines:
        why = "no verified drill and no seed to compare with yet: this drill starts the baseline"
        started = finding(
            "baseline-started", "There is no earlier verified drill and no seed to compare with."
        )
        checks = Checked()
        for name in DRIFT_CHECKS:
            checks += not_configured(name, why)
        return checks + Checked((), (started,))
    findings = judge_drift(
        context.inventory, baselines, target.expect.drift, context.absent_ok, context.kept_out
    )
    if exact:
        findings = tuple(replace(finding, severity=Severity.INFO) for finding in findings)
    accepted, _ = apply_acceptances(findings, target.accept, context.history, today)
    checks = Checked()
    for name, rules in DRIFT_CHECKS.items():
        if name == "drift-rows" and target.checks.counts == "off":
            checks += not_configured(name, "checks.counts is off: no row was compared")
            continue
        mine = [finding for finding in accepted if finding.rule in rules]
        checks += Checked(judged(name, mine, observed=_observed(mine), expected=baselines[0].label).checks)
    return checks + Checked((), findings)


def _observed(findings: Sequence[Finding]) -> str:
    worse = sum(finding.severity is not Severity.INFO for finding in findings)
    return f"{worse} differences" if worse else "nothing lost"


def is_exact(promised: Inventory | None) -> bool:
    """Whether every table was compared with the source: a manifest without tables promises nothing."""
    return promised is not None and bool(promised.tables)


def _source(promised: Inventory | None, baselines: Sequence[Baseline]) -> Inventory | None:
    """Return what the source is known to have held: the manifest says it exactly, else the baseline."""
    return promised or (baselines[0].inventory if baselines else None)
