"""What one deep check works on, and how it is run: within its limit, timed, its errors told apart."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace

import psycopg

from tasks.checks.outcome import errored, not_configured, not_run
from tasks.checks.session import Connection, reading, timed_out, why
from tasks.model.backup import Toc
from tasks.model.deadline import Deadline
from tasks.model.inventory import Inventory
from tasks.model.restored import Checked, Restored
from tasks.model.rules import finding
from tasks.model.sandbox import Sandbox
from tasks.model.target import Target


@dataclass(frozen=True, slots=True)
class Scope:
    """What the deep checks share.

    Attributes:
        limit: by when they must be done: the stage's deadline or `checks.budget`, whichever ends first.
    """

    sandbox: Sandbox
    restored: Restored
    inventory: Inventory
    target: Target
    limit: Deadline

    @property
    def toc(self) -> Toc:
        """What the archive listed."""
        return self.restored.toc

    def asked(self, check: str) -> bool:
        """Tell whether the fleet file itself says what *check* is worth, and does not take the default."""
        return check in self.target.checks.model_fields_set

    def reading(self, role: str | None = None) -> AbstractContextManager[Connection]:
        """Open a connection as the reader, or as *role*."""
        return reading(self.sandbox, self.restored.database, self.limit, role)


def run_check(name: str, level: str, check: Callable[[Scope], Checked], scope: Scope) -> Checked:
    """Run *check* at *level* within the scope's limit; over it, or in error, it did not run."""
    if level == "off":
        return not_configured(name, f"checks.{name.replace('-', '_')} is off")
    if scope.limit.passed:
        return _over(name, scope.limit)
    started = time.monotonic()
    try:
        done = check(scope)
    except psycopg.Error as exc:
        done = _over(name, scope.limit) if timed_out(exc) else errored(name, why(exc))
    seconds = time.monotonic() - started
    return replace(done, checks=tuple(replace(one, seconds=one.seconds or seconds) for one in done.checks))


def _over(name: str, limit: Deadline) -> Checked:
    reason = f"not done within {limit.seconds:.0f} s"
    return not_run(name, reason, [finding(limit.rule, f"The check {name} was {reason}.", where=name)])
