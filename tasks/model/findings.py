"""Findings, checks and verdicts: the words in which a drill speaks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from tasks.model.printable import printable

NAMES_KEPT = 5000
"""Names that one finding keeps: evidence must stay readable, and a dump decides how many there are."""


class Verdict(StrEnum):
    """What one drill shows, worst last."""

    VERIFIED = "verified"
    INCONCLUSIVE = "inconclusive"
    FAILED = "failed"


class FindingClass(StrEnum):
    """Which promise was broken: the backup, the way back, its age, its speed, or the drill's own working."""

    DATA = "data"
    PATH = "path"
    STALE = "stale"
    SLOW = "slow"
    DRILL = "drill"


class Severity(StrEnum):
    """Only a failure moves the verdict."""

    FAILURE = "failure"
    WARNING = "warning"
    INFO = "info"


class Stage(StrEnum):
    """The steps of a drill, in drill order."""

    DISCOVER = "discover"
    PREFLIGHT = "preflight"
    FETCH = "fetch"
    PROVISION = "provision"
    RESTORE = "restore"
    VERIFY = "verify"
    VALIDATE = "validate"
    MEASURE = "measure"
    TEARDOWN = "teardown"
    RECORD = "record"


class Outcome(StrEnum):
    """What became of a check; `not_run` is never a pass."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_RUN = "not_run"
    NOT_CONFIGURED = "not_configured"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing observed. Built by `rules.finding`, so that its rule is a documented one.

    Whatever names and messages it was made of, its texts are printable.

    Attributes:
        rule: stable kebab-case name, documented in docs/errors.md.
        message: a sentence of fact, one of meaning; no row of user data, no secret.
        where: the object, archive entry or URI concerned.
        hint: what to do next.
        names: everything that the message names, where it names only the first few.
    """

    rule: str
    klass: FindingClass
    severity: Severity
    stage: Stage
    message: str
    where: str | None
    hint: str
    names: Sequence[str] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "message", printable(self.message))
        object.__setattr__(self, "where", self.where and printable(self.where))
        object.__setattr__(self, "hint", printable(self.hint))
        object.__setattr__(self, "names", tuple(map(printable, self.names[:NAMES_KEPT])))

    def as_dict(self) -> dict[str, Any]:
        """Return the finding as the evidence holds it, with `class` for the class."""
        names = {"names": list(self.names)} if self.names else {}
        return names | {
            "rule": self.rule,
            "class": self.klass.value,
            "severity": self.severity.value,
            "stage": self.stage.value,
            "message": self.message,
            "where": self.where,
            "hint": self.hint,
        }


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at, with what was seen and what was expected; its texts are printable.

    Attributes:
        name: stable kebab-case name, unique in its stage (`suite.orders: public.orders ...` of a suite).
        why: for a check that did not run or is not configured, the reason.
        seconds: wall time that it cost, if measured.
    """

    name: str
    stage: Stage
    outcome: Outcome
    observed: str | int | float | None = None
    expected: str | int | float | None = None
    why: str | None = None
    seconds: float | None = None

    def __post_init__(self) -> None:
        for name in ("name", "observed", "expected", "why"):
            value = getattr(self, name)
            if isinstance(value, str):
                object.__setattr__(self, name, printable(value))

    def as_dict(self) -> dict[str, str | int | float | None]:
        """Return the check as the evidence holds it."""
        return {
            "name": self.name,
            "stage": self.stage.value,
            "outcome": self.outcome.value,
            "observed": self.observed,
            "expected": self.expected,
            "why": self.why,
            "seconds": None if self.seconds is None else round(self.seconds, 3),
        }
