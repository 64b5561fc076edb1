"""`restore-drill compare`: two ways back of one database, restored side by side, from a shell.

Exit codes: 0 they agree, 1 they differ, 2 that could not be told.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, cast

from deployments.commands.run import at_work
from deployments.terminal import echo
from tasks.config import choose_selection, read_target
from tasks.model.bounded_list import listing
from tasks.model.canonical_json import to_json
from tasks.model.errors import ConfigInvalid
from tasks.model.target import PhysicalBackup, Target

_EXIT = {"agree": 0, "differ": 1, "untold": 2}


def compare_two(fleet: Path, databases: Sequence[str], select: str, *, as_json: bool) -> int:
    """Restore and compare two databases of *fleet*; print what differs; return the exit code.

    Raises:
        ConfigInvalid: the fleet file cannot be used, or not two databases are named.
        DrillError: one of them could not be restored.
    """
    if len(set(databases)) != 2 or len(databases) != 2:  # noqa: PLR2004  a comparison is of two
        raise ConfigInvalid(
            "two databases are compared", hint="Name both: -d orders-dump -d orders-physical."
        )
    for name in databases:
        target = read_target(str(fleet), name)
        if choose_selection(target, select).kind in ("all", "random") or _is_drawn(target, select):
            raise ConfigInvalid(
                f"{name}: one backup of each is compared", hint="Select newest, at:TIME or key:KEY."
            )
    with at_work(list(databases), as_json=as_json):
        from flows.compare import compare  # noqa: PLC0415  imports Prefect

        state = compare(str(fleet), *databases, select, return_state=True)
        document = cast(
            "dict[str, Any]", state.result(raise_on_failure=state.name not in {"Differ", "Untold"})
        )
    if as_json:
        sys.stdout.write(to_json(document))
    for line in lines_of(document):
        echo(line, err=as_json)
    echo(state.message, err=as_json)
    return _EXIT[document["agreement"]]


def _is_drawn(target: Target, select: str) -> bool:
    """Say whether a physical copy would come back as of a moment that nobody else is asked for."""
    backup = target.backup
    drawn = isinstance(backup, PhysicalBackup) and backup.recover.random is not None
    return drawn and choose_selection(target, select).kind != "at"


def lines_of(document: dict[str, Any]) -> Iterator[str]:
    """Yield what was compared and what differs, in lines."""
    for side in (document["first"], document["second"]):
        yield f"{side['database']}: {side['uri']} of {side['at']}{_recovered(side['recovery'])}"
        for message in side["failures"]:
            yield f"  its restore: {message}"
    for difference in document["differences"]:
        yield f"  {difference['table']}: {_rows(difference)}"
    for which in ("first", "second"):
        for kind, names in document[f"only_{which}"].items():
            yield f"  only in {document[which]['database']}: {kind} {listing(names)}"
    for table, reason in document["not_compared"].items():
        yield f"  not compared: {table}: {reason}"


def _recovered(recovery: dict[str, Any] | None) -> str:
    """Return how far a physical copy came; nothing for a dump."""
    reached = (recovery or {}).get("reached")
    if not recovery or not reached:
        return ""
    last = reached["last_commit_at"] or "nothing after the base backup"
    return f", recovered to {recovery['target']}, the last commit {last}"


def _rows(difference: dict[str, Any]) -> str:
    first, second = difference["rows"]
    parts = [f"{first:,} and {second:,} rows"]
    parts += [f"{difference['only_first']:,} only in the first"] if difference["only_first"] else []
    parts += [f"{difference['only_second']:,} only in the second"] if difference["only_second"] else []
    parts += [f"{difference['changed']:,} that differ"] if difference["changed"] else []
    parts += [f"columns of one alone: {listing(difference['columns'])}"] if difference["columns"] else []
    return ", ".join(parts)
