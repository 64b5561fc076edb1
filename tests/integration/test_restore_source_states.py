"""States that the source had come back as they were: a warning in every format, unless one asks for more."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tasks.checks import take_inventory, verify
from tasks.model.restored import Checked
from tests.fix_checks import context_of, failures, target_of, warnings
from tests.fix_postgres import Source
from tests.fix_restore import Outcome, Restore

MAJOR = 17
STATES = """
CREATE TABLE behind (id serial PRIMARY KEY, note text);
INSERT INTO behind VALUES (1, 'x'), (2, 'y'), (3, 'z');
CREATE TABLE never_filled (id int PRIMARY KEY);
CREATE MATERIALIZED VIEW asleep AS SELECT * FROM behind WITH NO DATA;
CREATE TABLE refers (behind int);
INSERT INTO refers VALUES (1), (77);
ALTER TABLE refers ADD CONSTRAINT refers_fkey FOREIGN KEY (behind) REFERENCES behind NOT VALID;
"""
SO_IT_WAS = {
    ("sequence-behind", "public.behind_id_seq"),
    ("required-table-empty", "public.never_filled"),
    ("matview-unpopulated", "public.asleep"),
    ("foreign-key-orphans", "public.refers.refers_fkey"),
}
FORMATS = ["-Fc", "-Fd", "-Ft", "-Fp", "-C", "--inserts", "pg_dumpall"]
REQUIRED = {"required_tables": ["public.never_filled", "public.behind"]}


def verified(outcome: Outcome, **keys: object) -> Checked:
    assert outcome.restored is not None
    database = outcome.restored.database
    inventory = take_inventory(outcome.sandbox, database)
    target = target_of(**{"expect": REQUIRED, **keys})
    return verify(context_of(outcome.sandbox, outcome.restored, inventory=inventory, target=target))


@pytest.fixture
def states(cluster: Callable[[int], Source]) -> Source:
    source = cluster(MAJOR)
    source.create_database("shop")
    source.execute(STATES, "shop")
    return source


@pytest.mark.parametrize("form", FORMATS)
def test_what_the_source_had_is_a_warning_that_says_so(
    states: Source, restore_dump: Restore, tmp_path: Path, form: str
) -> None:
    path = tmp_path / "shop.dump"
    states.dump_all(path, "shop") if form == "pg_dumpall" else states.dump("shop", path, form)
    outcome = restore_dump(MAJOR, path)
    assert outcome.failures == set()
    seen = verified(outcome)
    assert (failures(seen), warnings(seen)) == (set(), SO_IT_WAS)
    assert all(
        "So it was at the source" in found.message
        for found in seen.findings
        if found.rule != "baseline-started"
    )
    asked = verified(outcome, checks=dict.fromkeys(("sequences", "matviews", "foreign_keys"), "failure"))
    assert failures(asked) == SO_IT_WAS - {("required-table-empty", "public.never_filled")}


def test_a_script_by_hand_sets_its_sequences_too(restore_dump: Restore, tmp_path: Path) -> None:
    path = tmp_path / "shop.sql"
    script = STATES.split("CREATE MATERIALIZED", maxsplit=1)[0]
    for more, found in (
        ("SELECT setval('public.behind_id_seq', 2);", warnings),
        ("SELECT setval('behind_id_seq', 2, false);", warnings),
        ("", failures),
    ):
        path.write_text(script + more)
        seen = verified(restore_dump(MAJOR, path), expect={})
        assert found(seen) >= {("sequence-behind", "public.behind_id_seq")}


def test_an_archive_without_the_entry_that_sets_a_sequence_has_lost_it(
    states: Source, restore_dump: Restore, tmp_path: Path
) -> None:
    whole = states.dump("shop", tmp_path / "whole.sql", "-Fp").read_text()
    kept = [line for line in whole.splitlines(keepends=True) if "setval" not in line]
    path = tmp_path / "shop.sql"
    path.write_text("".join(kept))
    seen = verified(restore_dump(MAJOR, path))
    assert failures(seen) == {("sequence-behind", "public.behind_id_seq")}
