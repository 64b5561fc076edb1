"""Failures side by side: what one is explained by is what it needs, in every format and in parallel."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tasks.model.findings import Severity
from tasks.model.target import SandboxConfig
from tests.fix_postgres import Source
from tests.fix_restore import Outcome, Restore

FOREIGN = """
CREATE EXTENSION postgres_fdw;
CREATE SERVER far FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host 'far.example');
CREATE USER MAPPING FOR CURRENT_USER SERVER far;
CREATE FOREIGN TABLE linked (id integer) SERVER far;
CREATE TABLE t (id integer PRIMARY KEY);
INSERT INTO t SELECT generate_series(1, 100);
CREATE TABLE rates (k integer PRIMARY KEY, rate integer);
INSERT INTO rates VALUES (1, 2);
CREATE MATERIALIZED VIEW a_foreign AS SELECT * FROM linked WITH NO DATA;
UPDATE pg_class SET relispopulated = true WHERE relname = 'a_foreign';
CREATE MATERIALIZED VIEW c_over AS SELECT * FROM a_foreign WITH NO DATA;
UPDATE pg_class SET relispopulated = true WHERE relname = 'c_over';
"""
OWN = """
CREATE FUNCTION rated(integer) RETURNS integer LANGUAGE plpgsql STABLE AS
    'BEGIN RETURN (SELECT rate FROM rates WHERE k = 1) * $1; END';
CREATE MATERIALIZED VIEW b_own AS SELECT id, rated(id) AS v FROM t;
"""


def warned(outcome: Outcome) -> dict[str, str | None]:
    return {found.rule: found.where for found in outcome.findings if found.severity is Severity.WARNING}


@pytest.mark.parametrize(("form", "jobs"), [("-Fc", 1), ("-Fc", 2), ("-Ft", 1), ("-Fd", 2), ("-Fp", 1)])
def test_a_refresh_that_fails_beside_a_foreign_one_is_a_failure_of_its_own(
    cluster: Callable[[int], Source], restore_dump: Restore, tmp_path: Path, form: str, jobs: int
) -> None:
    source = cluster(16)
    source.create_database("shop")
    source.execute(FOREIGN, "shop")
    healthy = source.dump("shop", tmp_path / "healthy.dump", form)
    config = SandboxConfig(jobs=jobs)
    outcome = restore_dump(16, healthy, config=config)
    assert outcome.failures == set()
    assert warned(outcome)["foreign-data-unreached"] == "MATERIALIZED VIEW DATA public.a_foreign"
    assert "MATERIALIZED VIEW DATA public.c_over" in outcome.message("foreign-data-unreached")

    source.execute(OWN, "shop")
    outcome = restore_dump(16, source.dump("shop", tmp_path / "broken.dump", form), config=config)
    assert outcome.failures == {"function-breaks-restore"}
    assert "public.b_own" in outcome.message("function-breaks-restore")
    assert "b_own" not in outcome.message("foreign-data-unreached")
    assert warned(outcome)["foreign-data-unreached"] == "MATERIALIZED VIEW DATA public.a_foreign"


@pytest.mark.parametrize(("form", "jobs"), [("-Fc", 2), ("-Ft", 1), ("-Fp", 1)])
@pytest.mark.parametrize("broken", ["a", "c"])
def test_of_tables_of_one_name_the_one_that_lost_its_rows_is_named(
    cluster: Callable[[int], Source], restore_dump: Restore, tmp_path: Path, form: str, jobs: int, broken: str
) -> None:
    """Each tenant has a schema; pg_restore says which table, and not whose."""
    source = cluster(17)
    source.create_database("shop")
    for tenant in ("a", "b", "c"):
        source.execute(
            f"CREATE SCHEMA {tenant}; CREATE TABLE {tenant}.orders (id int);"
            f"INSERT INTO {tenant}.orders SELECT generate_series(-1, 500)",
            "shop",
        )
    source.execute(f"ALTER TABLE {broken}.orders ADD CONSTRAINT positive CHECK (id > 0) NOT VALID", "shop")
    source.execute("UPDATE pg_constraint SET convalidated = true WHERE conname = 'positive'", "shop")
    path = source.dump("shop", tmp_path / "shop.dump", form)
    outcome = restore_dump(17, path, config=SandboxConfig(jobs=jobs))
    assert outcome.failures == {"rows-not-restored"}
    (found,) = (found for found in outcome.findings if found.rule == "rows-not-restored")
    assert found.where == f"TABLE DATA {broken}.orders"
