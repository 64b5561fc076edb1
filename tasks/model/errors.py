"""What goes wrong, as errors that carry the rule under which it is judged.

Every error says what failed, where, and what to do next. An error raised in a step becomes the finding of its
rule; whether it may be retried is its class: only `TransientError` is.
"""

from __future__ import annotations

from tasks.model.findings import Finding, Stage
from tasks.model.printable import printable, printable_lines
from tasks.model.rules import RULES, finding


class DrillError(Exception):
    """A step could not do its work.

    Args:
        what: a sentence of fact, one of meaning.
        where: the object, file or URI concerned.
        hint: what to do next; the rule's own hint when None.
        rule: the rule under which it is judged; the class's default when None.
    """

    default_rule = "drill-crashed"

    def __init__(
        self, what: str, where: str | None = None, hint: str | None = None, rule: str | None = None
    ) -> None:
        super().__init__(what, where, hint, rule)
        self.what = what
        self.where = where
        self.rule = rule or self.default_rule
        self.hint = hint if hint is not None else RULES[self.rule].hint

    def __str__(self) -> str:
        where = f" ({printable(self.where)})" if self.where else ""
        hint = f"\nHINT: {printable(self.hint)}" if self.hint else ""
        return f"{self._said()}{where}{hint}"

    def _said(self) -> str:
        return printable(self.what)

    def finding(self, stage: Stage | None = None) -> Finding:
        """Return the finding that this error is."""
        return finding(self.rule, self.what, where=self.where, hint=self.hint, stage=stage)


class TransientError(DrillError):
    """May pass: throttling, a cut connection. The only kind that is retried."""

    default_rule = "store-unreachable"


class PermanentError(DrillError):
    """Fails again however often it is tried."""


class ConfigInvalid(PermanentError):  # noqa: N818  what went wrong, in the field's words
    """A fleet file, suite or command line that cannot be used: nothing is drilled, exit code 3."""

    default_rule = "config-invalid"

    def _said(self) -> str:
        return printable_lines(self.what)  # one line for each problem


class StageFailed(PermanentError):  # noqa: N818
    """Several findings end a stage at once; *findings* are all of them."""

    def __init__(self, findings: tuple[Finding, ...]) -> None:
        first = findings[0]
        super().__init__(first.message, first.where, first.hint, first.rule)
        self.args = (findings,)
        self.findings = findings
