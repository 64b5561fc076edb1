"""What checks work on: it travels to the drill's process, its deadline only narrows, it holds no archive."""

from __future__ import annotations

import ast
import pickle
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

import tasks.checks
from tasks.model.deadline import Deadline
from tests.fix_checks import context_of, inventory_of, restored_of, target_of


def test_it_travels_by_pickle() -> None:
    context = context_of(
        restored=restored_of("shop", roles=("app",)), inventory=inventory_of({"a.t": 1}), manifest={"a": 1}
    )
    assert vars_of(pickle.loads(pickle.dumps(context))) == vars_of(context)  # noqa: S301  our own bytes


def vars_of(context: object) -> dict[str, object]:
    return {
        name: repr(getattr(context, name))
        for name in ("sandbox", "inventory", "history", "manifest", "as_of", "deadline")
    }


@pytest.mark.parametrize(
    ("budget", "rule", "seconds"),
    [(None, "stage-deadline", 60), ("10s", "check-over-budget", 10), ("10m", "stage-deadline", 60)],
    ids=["none", "sooner", "later"],
)
def test_a_budget_only_narrows_the_deadline(budget: str | None, rule: str, seconds: float) -> None:
    context = context_of(target=target_of(checks={"budget": budget})).within_budget()
    assert (context.deadline.rule, context.deadline.seconds) == (rule, seconds)


def test_each_stage_has_its_own_deadline_and_the_rest_stays() -> None:
    context, deadline = context_of(), Deadline.within(5)
    assert context.until(deadline) == replace(context, deadline=deadline)


def test_what_the_fleet_file_says_is_told_from_a_default() -> None:
    context = context_of(target=target_of(checks={"sequences": "failure"}))
    assert context.asked("sequences")
    assert not context.asked("matviews")


def imported(module: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


READS_HEADS = "preflight.py"
CHECKS = sorted(Path(tasks.checks.__file__).parent.glob("*.py"))


@pytest.mark.parametrize("module", CHECKS, ids=lambda module: module.stem)
def test_no_check_knows_how_a_backup_is_stored(module: Path) -> None:
    """A database may come from no archive at all; only the look before a restore reads a head."""
    names = {
        name
        for name in imported(module)
        if name.startswith(("tasks.catalog", "tasks.engines", "tasks.model.backup"))
    }
    assert (names != set()) == (module.name == READS_HEADS)
