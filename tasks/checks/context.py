"""What the checks work on, made once when stock has been taken; values only, so that it travels by pickle."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from tasks.checks.session import Connection, reading
from tasks.model.deadline import Deadline
from tasks.model.drill import Drill
from tasks.model.expected import Expected
from tasks.model.history import History
from tasks.model.inventory import Inventory
from tasks.model.restored import Restored
from tasks.model.sandbox import Sandbox
from tasks.model.target import Target


@dataclass(frozen=True, slots=True)
class Context:
    """A restored database, and what it is held against.

    Attributes:
        database: of a cluster with several, the one that is looked at; None for one by itself.
        manifest: the document that was written at the source, if one lies beside the backup.
        as_of: the moment that is judged, aware UTC.
        deadline: by when the checks must be done.
    """

    sandbox: Sandbox
    restored: Restored
    inventory: Inventory
    target: Target
    history: History
    manifest: Mapping[str, Any] | None
    as_of: datetime
    deadline: Deadline
    database: str | None = None

    @classmethod
    def of(cls, drill: Drill, database: str | None, deadline: Deadline) -> Context:
        """Return the context of *drill*, whose *database* has been restored and counted."""
        restored, history = drill.completed_restore, drill.history
        return cls(
            drill.running_sandbox,
            restored.of(database),
            drill.counted_in(database),
            drill.target.of_database(database),
            history.of_only(restored.database) if database is None else history.of_database(database),
            drill.manifest,
            drill.judged_at,
            deadline,
            database,
        )

    @property
    def expected(self) -> Expected:
        """What the backup says that should be there."""
        return self.restored.expected

    @property
    def kept_out(self) -> Mapping[str, str]:
        """What this host or policy kept out, and the rule that says so: it is not judged."""
        return self.restored.kept_out

    @property
    def absent_ok(self) -> tuple[str, ...]:
        """The extensions that are left out on purpose."""
        return self.target.sandbox.extensions.absent_ok

    def until(self, deadline: Deadline) -> Context:
        """Return the same with *deadline*."""
        return replace(self, deadline=deadline)

    def within_budget(self) -> Context:
        """Return the same within `checks.budget`, where that ends first."""
        budget = self.target.checks.budget
        if budget is None:
            return self
        return self.until(self.deadline.sooner(Deadline.within(budget, "check-over-budget")))

    def asked(self, check: str) -> bool:
        """Tell whether the fleet file itself says what *check* is worth, and does not take the default."""
        return check in self.target.checks.model_fields_set

    def reading(self, role: str | None = None) -> AbstractContextManager[Connection]:
        """Open a connection as the reader, or as *role*."""
        return reading(self.sandbox, self.restored.database, self.deadline, role)
