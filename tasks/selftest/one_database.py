"""Of a cluster with several databases the rows of one are damaged; its repository is damaged for all."""

from __future__ import annotations

from dataclasses import replace

from tasks.model.drill import Drill


def largest_of(proven: Drill) -> str | None:
    """Return which of a cluster's databases is damaged: the one with most rows; None for the only one."""

    def rows(name: str) -> int:
        return sum(table.rows or 0 for table in proven.counted_in(name).tables.values())

    return max(sorted(proven.completed_restore.databases), key=rows, default=None)


def of_one(drill: Drill, database: str | None) -> Drill:
    """Return *drill* as if *database* alone had been asked for; None stands for the only one."""
    if database is None:
        return drill
    inventory = None if drill.inventory is None else drill.inventory.of(database)
    backup = drill.target.physical.model_copy(update={"databases": None, "database": database})
    return replace(
        drill,
        target=drill.target.of_database(database).model_copy(update={"backup": backup}),
        restored=replace(drill.completed_restore, database=database, databases=()),
        history=drill.history.of_database(database),
        inventory=inventory,
    )
