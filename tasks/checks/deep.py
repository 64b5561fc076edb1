"""The deep checks, in the order of what they cost; each can be switched off, all share one budget.

Cost, measured on 1 GiB in bench/: counting is one read of each table; sequences, materialised views and
valid foreign keys are answered by the catalogue and by indexes; large objects and NOT VALID keys read what
they concern.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

import psycopg

from tasks.checks.amcheck import check_amcheck
from tasks.checks.collations import check_collations
from tasks.checks.context import Context
from tasks.checks.foreign_keys import check_foreign_keys
from tasks.checks.full_read import check_full_read
from tasks.checks.large_objects import check_large_objects
from tasks.checks.matviews import check_matviews
from tasks.checks.outcome import errored, not_configured, not_run
from tasks.checks.sequences import check_sequences
from tasks.checks.session import timed_out, why
from tasks.checks.triggers import check_triggers
from tasks.model.deadline import Deadline
from tasks.model.restored import Checked
from tasks.model.rules import finding


def check_deep(context: Context) -> Checked:
    """Return every deep check: done, over the deadline of *context*, or not configured."""
    levels = context.target.checks
    checked = Checked()
    for name, level, check in (
        ("triggers", "warning", check_triggers),
        ("collations", "warning", check_collations),
        ("matviews", levels.matviews, check_matviews),
        ("sequences", levels.sequences, check_sequences),
        ("large-objects", levels.large_objects, check_large_objects),
        ("foreign-keys", levels.foreign_keys, check_foreign_keys),
        ("amcheck", levels.amcheck, check_amcheck),
        ("full-read", levels.full_read, check_full_read),
    ):
        checked += run_check(name, level, check, context)
    return checked


def run_check(name: str, level: str, check: Callable[[Context], Checked], context: Context) -> Checked:
    """Run *check* at *level* within the deadline; over it, or in error, it did not run."""
    if level == "off":
        return not_configured(name, f"checks.{name.replace('-', '_')} is off")
    if context.deadline.passed:
        return _over(name, context.deadline)
    started = time.monotonic()
    try:
        checked = check(context)
    except psycopg.Error as exc:
        checked = _over(name, context.deadline) if timed_out(exc) else errored(name, why(exc))
    seconds = time.monotonic() - started
    return replace(
        checked, checks=tuple(replace(check, seconds=check.seconds or seconds) for check in checked.checks)
    )


def _over(name: str, deadline: Deadline) -> Checked:
    reason = f"not done within {deadline.seconds:.0f} s"
    return not_run(name, reason, [finding(deadline.rule, f"The check {name} was {reason}.", where=name)])
