"""The deep checks, in the order of what they cost; each can be switched off, all share one budget.

Cost, measured on 1 GiB in bench/: counting is one read of each table; sequences, materialised views and
valid foreign keys are answered by the catalogue and by indexes; large objects and NOT VALID keys read what
they concern.
"""

from __future__ import annotations

from tasks.checks.context import Scope, run_check
from tasks.checks.foreign_keys import check_foreign_keys
from tasks.checks.large_objects import check_large_objects
from tasks.checks.matviews import check_matviews
from tasks.checks.reads import check_amcheck, check_collations, check_full_read, check_triggers
from tasks.checks.sequences import check_sequences
from tasks.model.restored import Checked


def check_deep(scope: Scope) -> Checked:
    """Return every deep check: done, over its budget, or not configured."""
    levels = scope.target.checks
    done = Checked()
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
        done += run_check(name, level, check, scope)
    return done
