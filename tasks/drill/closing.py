"""What a drill came to: its record as the evidence takes it, and its verdict."""

from __future__ import annotations

import getpass
import platform
from dataclasses import replace

from tasks.checks.accept import apply_acceptances
from tasks.evidence import judge, settle
from tasks.model.drill import Drill
from tasks.model.findings import Check, Outcome, Severity, Stage, Verdict

_WORK = (
    Stage.DISCOVER,
    Stage.PREFLIGHT,
    Stage.FETCH,
    Stage.PROVISION,
    Stage.RESTORE,
    Stage.VERIFY,
    Stage.VALIDATE,
)


def closed(drill: Drill) -> Drill:
    """Return the record of *drill* as if it ended now: exceptions applied, what did not run named."""
    findings, accepted = apply_acceptances(
        drill.findings, drill.target.accept, drill.history, drill.started_at.date()
    )
    return replace(
        drill,
        findings=findings,
        accepted=accepted,
        checks=(*drill.checks, *_missed(drill)),
        phases_s=_disjoint_phases_s(drill),
        actor=drill.actor or f"{getpass.getuser()}@{platform.node()}",
    )


def verdict_of(drill: Drill) -> Verdict:
    """Return what *drill* shows so far."""
    over = closed(drill)
    return judge(settle(over.findings, over.checks, over.inventory), over.checks)


def _missed(drill: Drill) -> tuple[Check, ...]:
    """Name every stage that the drill did not come to: what did not run is never a pass."""
    failures = (finding.message for finding in drill.findings if finding.severity is Severity.FAILURE)
    why = next(failures, "the drill ended before it")
    return tuple(
        Check(f"{stage.value}-completed", stage, Outcome.NOT_RUN, why=why)
        for stage in _WORK
        if stage not in drill.reached
    )


def _disjoint_phases_s(drill: Drill) -> dict[str, float]:
    """Take out of `fetch` and `restore` what is timed within them: decryption and ANALYZE."""
    phases = dict(drill.phases_s)
    if drill.backup is not None:
        phases["decrypt"] = drill.backup.decrypt_s
        phases["fetch"] = max(0.0, phases["fetch"] - drill.backup.decrypt_s)
    if drill.restored is not None:
        phases["analyze"] = drill.restored.analyze_s
        phases["restore"] = max(0.0, phases["restore"] - drill.restored.analyze_s)
    return phases
