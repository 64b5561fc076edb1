"""`restore-drill accept`: a legitimate change is taken in, with who, when and why."""

from __future__ import annotations

import getpass
import platform

from tasks.checks import ACCEPTABLE_RULES
from tasks.evidence import read_evidence, write_acceptance
from tasks.model.clock import utc_now
from tasks.model.errors import ConfigInvalid
from tasks.model.target import StoreConfig


def accept_change(evidence: str, *, rule: str, where: str, why: str, store: StoreConfig) -> str:
    """Record the acceptance beside the evidence document; return what was done, in a sentence.

    Raises:
        ConfigInvalid: the rule is not one of drift, or the document holds no such finding.
    """
    if rule not in ACCEPTABLE_RULES:
        raise ConfigInvalid(
            f'"{rule}" cannot be accepted: only drift can',
            hint=f"Acceptable: {', '.join(sorted(ACCEPTABLE_RULES))}.",
        )
    if not why.strip():
        raise ConfigInvalid(
            "an acceptance needs a reason", hint="Say why the change is legitimate with --why."
        )
    try:
        document = read_evidence(evidence, store)
    except ValueError as error:
        raise ConfigInvalid(f"cannot read the evidence: {error}", evidence) from error
    places = [finding["where"] for finding in document["findings"] if finding["rule"] == rule]
    if where not in places:
        held = f"it has {rule} at {', '.join(map(str, places))}" if places else f"it has no finding of {rule}"
        raise ConfigInvalid(f"the evidence holds no {rule} at {where}: {held}", evidence)
    who = f"{getpass.getuser()}@{platform.node()}"
    uri = write_acceptance(evidence, store, rule=rule, where=where, why=why, who=who, now=utc_now())
    return f"accepted {rule} at {where}: its figure is the baseline of the next drill ({uri})"
