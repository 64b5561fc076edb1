"""What one process tells another of tables that are finished."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from tasks.model.deadline import Deadline
from tasks.model.sandbox import Workspace
from tasks.sandbox.settled import Settled, settled_tables, tell_over, tell_settled
from tests.fix_checks import NOWHERE


def workspace_in(folder: Path) -> Workspace:
    return replace(NOWHERE.workspace, root=folder)


def test_tables_come_in_their_order_whatever_their_names_until_it_is_over(tmp_path: Path) -> None:
    workspace = workspace_in(tmp_path)
    told = settled_tables(workspace, Deadline.within(60))
    tell_settled(workspace, "shop", "public.orders")
    tell_settled(workspace, "shop", 'public.two\nlines "ü"')
    assert next(told) == [Settled("shop", "public.orders"), Settled("shop", 'public.two\nlines "ü"')]
    tell_settled(workspace, "shop", "public.last")
    assert next(told) == [Settled("shop", "public.last")]
    tell_settled(workspace, "shop", "public.too_late")
    tell_over(workspace)
    assert list(told) == []


def test_half_a_line_is_waited_for(tmp_path: Path) -> None:
    workspace = workspace_in(tmp_path)
    file = tmp_path / "settled"
    file.write_text('{"database": "shop", "table": "a"}\n{"data')
    told = settled_tables(workspace, Deadline.within(60))
    assert next(told) == [Settled("shop", "a")]
    file.write_text(file.read_text() + 'base": "shop", "table": "b"}\n')
    assert next(told) == [Settled("shop", "b")]


def test_nobody_listens_beyond_the_deadline_or_the_folder(tmp_path: Path) -> None:
    assert list(settled_tables(workspace_in(tmp_path), Deadline.within(0.1))) == []
    assert list(settled_tables(workspace_in(tmp_path / "gone"), Deadline.within(60))) == []


def test_telling_fails_nobody(tmp_path: Path) -> None:
    tell_settled(workspace_in(tmp_path / "gone"), "shop", "a")
    assert not (tmp_path / "gone").exists()
