"""Backups of which no table comes back: a failure in every format, unless this host kept the tables out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tasks.checks import take_inventory, verify
from tasks.model.history import History
from tasks.model.inventory import Inventory
from tasks.model.restored import Checked
from tests.fix_checks import check, context_of, failures, inventory_of, past, target_of
from tests.fix_postgres import Source
from tests.fix_restore import Outcome, Restore

MAJOR = 18
FORMATS = ["-Fc", "-Fd", "-Ft", "-Fp", "-C", "pg_dumpall"]
UNKNOWN_HERE = """
CREATE COLLATION odd (LOCALE = 'C');
CREATE TABLE t (a text COLLATE odd PRIMARY KEY);
UPDATE pg_collation SET collcollate = 'xx_XX', collctype = 'xx_XX' WHERE collname = 'odd';
"""
BROKEN = """
CREATE TABLE u (a int);
INSERT INTO u VALUES (-1);
ALTER TABLE u ADD CONSTRAINT positive CHECK (a > 0) NOT VALID;
UPDATE pg_constraint SET convalidated = true WHERE conname = 'positive';
"""


def shop(source: Source, script: str) -> Source:
    source.create_database("shop")
    for statement in script.split(";\n"):
        source.execute(statement, "shop")
    return source


def dump(source: Source, path: Path, form: str) -> Path:
    return source.dump_all(path, "shop") if form == "pg_dumpall" else source.dump("shop", path, form)


def verified(outcome: Outcome, baseline: Inventory) -> Checked:
    assert outcome.restored is not None
    return verify(
        context_of(
            outcome.sandbox,
            outcome.restored,
            inventory=take_inventory(outcome.sandbox, outcome.restored.database),
            target=target_of(expect={"required_tables": ["public.t"]}),
            history=History((past(baseline),)),
        )
    )


@pytest.mark.parametrize("form", FORMATS)
def test_an_empty_database_is_a_failure_and_so_is_what_it_held_before(
    cluster: Callable[[int], Source], restore_dump: Restore, tmp_path: Path, form: str
) -> None:
    source = cluster(MAJOR)
    source.create_database("shop")
    outcome = restore_dump(MAJOR, dump(source, tmp_path / "shop.dump", form))
    assert outcome.failures == {"nothing-restored"}
    seen = verified(outcome, inventory_of({"public.t": 5000}))
    assert failures(seen) == {("table-lost", "public.t"), ("required-table-missing", "public.t")}


def test_a_file_of_roles_alone_is_no_backup_of_a_database(
    cluster: Callable[[int], Source], restore_dump: Restore, tmp_path: Path
) -> None:
    outcome = restore_dump(MAJOR, cluster(MAJOR).dump_globals(tmp_path / "globals.sql"))
    assert outcome.failures == {"nothing-restored"}


@pytest.mark.parametrize("form", FORMATS)
def test_tables_that_this_host_kept_out_are_no_failure_of_the_backup(
    cluster: Callable[[int], Source], restore_dump: Restore, tmp_path: Path, form: str
) -> None:
    source = shop(cluster(MAJOR), UNKNOWN_HERE)
    outcome = restore_dump(MAJOR, dump(source, tmp_path / "shop.dump", form))
    assert outcome.failures == {"host-feature-missing"}
    assert outcome.restored is not None
    assert outcome.restored.kept_out["public.t"] == "host-feature-missing"
    seen = verified(outcome, inventory_of({"public.t": 5000}, {"constraints": ["public.t.t_pkey"]}))
    assert failures(seen) == set()
    assert check(seen, "required-tables").outcome.value == "not_run"


@pytest.mark.parametrize("form", ["-Fc", "-Fp"])
def test_a_table_that_is_broken_beside_those_is_one(
    cluster: Callable[[int], Source], restore_dump: Restore, tmp_path: Path, form: str
) -> None:
    source = shop(cluster(MAJOR), UNKNOWN_HERE + BROKEN)
    outcome = restore_dump(MAJOR, source.dump("shop", tmp_path / "shop.dump", form))
    assert outcome.failures == {"host-feature-missing", "rows-not-restored"}
    assert outcome.restored is not None
    assert set(outcome.restored.kept_out) >= {"public.t", "public.odd"}
    assert "public.u" not in outcome.restored.kept_out
