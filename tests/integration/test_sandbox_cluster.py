"""Real clusters of every major."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tasks.model.sandbox import Sandbox
from tasks.sandbox import connect, dsn, run_tool
from tests.fix_postgres import Source


@pytest.mark.parametrize("major", [14, 15, 16, 17, 18])
def test_a_dump_of_every_major_is_restored_in_a_sandbox_of_its_own(
    cluster: Callable[[int], Source], sandbox: Callable[..., Sandbox], tmp_path: Path, major: int
) -> None:
    source = cluster(major)
    source.create_database("shop")
    source.execute("CREATE TABLE orders AS SELECT g AS id FROM generate_series(1, 10) g", "shop")
    box = sandbox(major)
    dump = source.dump("shop", box.workspace.backup_dir / "shop.dump", "-Fc")
    with connect(box) as session:
        session.execute("CREATE DATABASE shop OWNER drill_owner")
    result = run_tool(
        box,
        ["pg_restore", "--no-owner", "--exit-on-error", "-d", dsn(box, "shop", box.owner), str(dump)],
        env={},
        deadline_s=60,
    )
    assert (result.exit_code, result.stderr_lines) == (0, ())
    with connect(box, "shop", box.reader) as session:
        assert session.execute("SELECT count(*) FROM orders").fetchone() == (10,)
