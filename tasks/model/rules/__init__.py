"""The rules: every name that a finding can carry, with its class, its severity and its remedy.

One module per source of trouble; `docs/errors.md` is generated from here.
"""

from __future__ import annotations

from collections.abc import Sequence

from tasks.model.findings import Finding, FindingClass, Severity, Stage
from tasks.model.rules import (
    access,
    archive,
    content,
    coverage,
    discovery,
    drill,
    objectives,
    physical,
    restore,
    validation,
)
from tasks.model.rules.rule import Rule

RULES: dict[str, Rule] = {
    rule.name: rule
    for module in (
        discovery,
        access,
        archive,
        restore,
        physical,
        content,
        validation,
        objectives,
        drill,
        coverage,
    )
    for rule in module.RULES
}


def finding(
    rule: str,
    message: str,
    *,
    where: str | None = None,
    hint: str | None = None,
    severity: Severity | None = None,
    stage: Stage | None = None,
    names: Sequence[str] = (),
) -> Finding:
    """Return a finding of *rule*; hint, severity and stage default to the rule's own.

    *names* are all that the message shortens, from `listing.beyond`.

    Raises:
        KeyError: no rule has that name; a finding without documentation is a mistake of ours.
    """
    known = RULES[rule]
    return Finding(
        rule=rule,
        klass=known.klass,
        severity=severity or known.severity,
        stage=stage or known.stage,
        message=message,
        where=where,
        hint=known.hint if hint is None else hint,
        names=names,
    )


__all__ = ["RULES", "Finding", "FindingClass", "Rule", "Severity", "Stage", "finding"]
