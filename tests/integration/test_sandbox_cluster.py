"""Real clusters of every major."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tasks.model.sandbox import Sandbox
from tasks.sandbox import base, connect, dsn, run_tool
from tasks.sandbox.local import LocalCluster
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


def test_a_local_cluster_answers_what_every_kind_of_sandbox_is_asked(sandbox: Callable[..., Sandbox]) -> None:
    cluster = sandbox(17)
    box: base.Sandbox = LocalCluster(cluster)
    with box.connect(role=cluster.reader) as session:
        assert session.execute("SELECT current_user").fetchone() == ("drill_reader",)
    assert (box.version, box.isolation) == (cluster.postgres.version, cluster.workspace.isolation)
    assert box.expires_at == cluster.workspace.expires_at
    assert box.facts()["restored_as"] == "owner"
    assert box.cause_of_death() is None
    assert box.destroy() == ()
    assert box.cause_of_death() == "postgres-failed"
    assert box.destroy() == ()
