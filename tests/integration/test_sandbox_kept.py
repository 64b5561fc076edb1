"""A kept sandbox stays without its server, is started by one at a time, and goes when it has expired."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from tasks.model.clock import utc_now
from tasks.model.errors import PermanentError
from tasks.model.sandbox import Sandbox
from tasks.sandbox import alive, connect, sweep
from tasks.sandbox.kept import KEPT_FILE, Kept, drop_kept, find_kept, keep_for_later, started_again
from tasks.sandbox.stamp import read_stamp

UNTIL = timedelta(hours=1)


@pytest.fixture
def kept(sandbox: Callable[..., Sandbox]) -> Kept:
    """A sandbox with a table in it, kept for an hour."""
    box = sandbox(17)
    with connect(box) as session:
        session.execute("CREATE TABLE public.t AS SELECT 7 AS x")
    (box.workspace.backup_dir / "x.dump").write_bytes(b"PGDMP")
    keep_for_later(box, utc_now() + UNTIL, {"uri": "file:///x.dump"})
    stamp = read_stamp(box.workspace.root)
    assert stamp is not None
    (found,) = find_kept(stamp.fleet, stamp.database, utc_now())
    return found


def names(kept: Kept) -> tuple[str, str]:
    return kept.stamp.fleet, kept.stamp.database


def test_the_data_stay_the_server_and_the_download_do_not(kept: Kept) -> None:
    assert not alive(kept.sandbox)
    assert list(kept.sandbox.workspace.backup_dir.iterdir()) == []
    assert kept.note == {"uri": "file:///x.dump"}
    with started_again(kept, utc_now() + UNTIL, 60) as box, connect(box) as session:
        assert session.execute("SELECT x FROM public.t").fetchone() == (7,)
    assert not alive(kept.sandbox)


def test_one_at_a_time_starts_it_and_no_sweep_takes_it_meanwhile(kept: Kept) -> None:
    with started_again(kept, utc_now() + UNTIL, 60):
        with pytest.raises(PermanentError) as refused, started_again(kept, utc_now() + UNTIL, 60):
            pytest.fail("it was started twice")
        assert refused.value.rule == "already-running"
        assert sweep(utc_now() + timedelta(days=2)).removed == ()
    assert sweep(utc_now()).kept == (kept.sandbox.workspace.drill_id,)


def test_it_is_found_under_its_own_name_only_until_it_expires(kept: Kept) -> None:
    fleet, database = names(kept)
    assert [one.root for one in find_kept(fleet, database, utc_now())] == [kept.root]
    assert find_kept(fleet, "other", utc_now()) == find_kept("other", database, utc_now()) == ()
    assert find_kept(fleet, database, utc_now() + timedelta(days=1)) == ()


@pytest.mark.parametrize("text", ["", "[]", '{"schema": "other"}', '{"schema": "restore-drill/kept/v1"}'])
def test_a_note_that_cannot_be_read_is_no_kept_sandbox(kept: Kept, text: str) -> None:
    (kept.root / KEPT_FILE).write_text(text)
    assert find_kept(*names(kept), utc_now()) == ()


def test_what_a_killed_server_left_is_cleared_away(kept: Kept) -> None:
    pid_file = kept.sandbox.workspace.data_dir / "postmaster.pid"
    pid_file.write_text("1\n/nowhere\n")
    with started_again(kept, utc_now() + UNTIL, 60) as box:
        assert alive(box)


def test_it_can_be_dropped_at_once(kept: Kept) -> None:
    assert drop_kept(kept) == ()
    assert not Path(kept.root).exists()
    with pytest.raises(PermanentError) as refused, started_again(kept, utc_now() + UNTIL, 60):
        pytest.fail("it is gone")
    assert refused.value.rule == "workspace-unusable"
