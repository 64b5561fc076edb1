"""Tables that are read while a restore still builds: the same answers, sooner; nothing else is kept.

The index of `archive` is not built before the test takes a lock; all else is finished long before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from expectations.loader import load_suite
from expectations.results import Outcome, SuiteResult
from expectations.runner import run_suite
from expectations.suite import Suite
from tasks.checks import ahead as reading_ahead
from tasks.checks.ahead import Ahead, read_tables_ahead
from tasks.model.clock import utc_now
from tasks.model.deadline import Deadline
from tasks.model.history import History
from tasks.model.sandbox import Sandbox
from tasks.model.target import SandboxConfig
from tasks.sandbox import connect, url
from tasks.sandbox.settled import tell_over
from tests import fix_restore
from tests.fix_checks import target_of
from tests.fix_drill import ORDERS
from tests.fix_postgres import Source, wait_for

MAJOR = 17
TABLES = (
    ORDERS
    + """
CREATE TABLE public.unkeyed (id int);
CREATE TABLE public.twice (id int);
CREATE TABLE public.parent (id int PRIMARY KEY);
CREATE TABLE public.child (PRIMARY KEY (id)) INHERITS (public.parent);
CREATE TABLE public.archive (id int);
INSERT INTO public.archive SELECT generate_series(1, 3);
INSERT INTO public.twice SELECT generate_series(1, 2);
CREATE FUNCTION public.slowly(id int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT id';
CREATE FUNCTION public.alike(id int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT id';
CREATE INDEX archive_id ON public.archive (public.slowly(id));
CREATE UNIQUE INDEX twice_id ON public.twice (public.alike(id));
CREATE OR REPLACE FUNCTION public.slowly(id int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    IF current_query() LIKE 'CREATE INDEX%' THEN
        WHILE pg_catalog.pg_try_advisory_lock_shared(7) LOOP
            PERFORM pg_catalog.pg_advisory_unlock_shared(7), pg_catalog.pg_sleep(0.02);
        END LOOP;
    END IF;
    RETURN id;
END $$;
"""
)
BROKEN = """
CREATE OR REPLACE FUNCTION public.alike(id int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 1';
DELETE FROM public.orders WHERE id > 2000;
"""
SUITE = """
suite: shop
tables:
  public.archive:
    - {type: expect_column_values_to_not_be_null, kwargs: {column: id}}
  public.orders:
    - {type: expect_table_row_count_to_be_between, kwargs: {min_value: 3000}}
    - {type: expect_column_values_to_be_unique, kwargs: {column: id}}
    - {type: expect_column_max_to_be_between,
       kwargs: {column: placed_at, min_value: {param: newest_row}}}
  public.customers:
    - {type: expect_column_values_to_not_be_null, kwargs: {column: name}}
    - {type: expect_column_values_to_be_in_set, kwargs: {column: id, value_set: [1],
       row_condition: "id IN (SELECT min(customer) FROM public.orders)"}}
  public.twice:
    - {type: expect_table_row_count_to_be_between, kwargs: {min_value: 2}}
  public.parent:
    - {type: expect_table_row_count_to_be_between, kwargs: {max_value: 0}}
  public.child:
    - {type: expect_table_row_count_to_be_between, kwargs: {max_value: 0}}
  public.unkeyed:
    - {type: expect_table_row_count_to_be_between, kwargs: {max_value: 0}}
"""


@dataclass(frozen=True)
class Read:
    """A restore beside which was read ahead."""

    sandbox: Sandbox
    outcome: fix_restore.Outcome
    ahead: Ahead
    suite: Suite
    as_of: datetime

    def run(self, run: Any = run_suite) -> SuiteResult:
        assert self.outcome.restored is not None
        place = url(self.sandbox, self.outcome.restored.database, self.sandbox.reader)
        ran: SuiteResult = run(self.suite, place, as_of=self.as_of, parameters={})
        return ran


Reading = Callable[..., Read]


@pytest.fixture(scope="module")
def dumps(cluster: Callable[[int], Source], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The healthy dump, and one whose orders are fewer and whose unique index cannot be made."""
    source, folder = cluster(MAJOR), tmp_path_factory.mktemp("ahead")
    source.create_database("shop")
    source.execute(TABLES, "shop")
    healthy = source.dump("shop", folder / "healthy.dump", "-Fc")
    source.execute(BROKEN, "shop")
    return {"healthy": healthy, "broken": source.dump("shop", folder / "broken.dump", "-Fc")}


@pytest.fixture
def read(
    sandbox: Callable[..., Sandbox],
    dumps: dict[str, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Reading]:
    """Restore one of the dumps with so many jobs, and read ahead until the tables *wanted* were asked."""
    path = tmp_path / "shop.yaml"
    path.write_text(SUITE)
    target = target_of(expect={"suite": path})
    asked: set[str] = set()

    def noted(suite: Suite, *args: Any, **how: Any) -> SuiteResult:
        ran = run_suite(suite, *args, **how)
        asked.update(suite.tables)
        return ran

    monkeypatch.setattr(reading_ahead, "run_suite", noted)
    with ThreadPoolExecutor(2) as pool:

        def reading(name: str, wanted: set[str], jobs: int = 2) -> Read:
            config, as_of = SandboxConfig(jobs=jobs), utc_now()
            box, about = sandbox(MAJOR, config), fix_restore.target_of("shop", None, config)
            ahead = pool.submit(read_tables_ahead, target, box, History(), as_of, Deadline.within(120))
            restore = pool.submit(fix_restore.restored_in, box, dumps[name], about)
            try:
                assert wait_for(lambda: wanted <= asked and _is_there(box), 60), asked
            finally:
                with connect(box, "shop") as session:
                    session.execute("SELECT pg_advisory_lock(7)")
                    outcome = restore.result()
                tell_over(box.workspace)
            return Read(box, outcome, ahead.result(), load_suite(path), as_of)

        yield reading


def _is_there(sandbox: Sandbox) -> bool:
    with connect(sandbox) as session:
        return session.execute("SELECT FROM pg_database WHERE datname = 'shop'").fetchone() is not None


def outcomes(ran: SuiteResult) -> list[tuple[str, Outcome, object]]:
    return [(one.name, one.outcome, one.observed) for one in ran.results]


def test_finished_tables_answer_during_the_restore_and_the_whole_is_the_same(read: Reading) -> None:
    # not: what could look elsewhere, what others inherit from, what has no index, what is still built
    wanted = {"public.orders", "public.twice", "public.child"}
    seen = read("healthy", wanted)
    assert (seen.outcome.failures, set(seen.ahead.answered)) == (set(), wanted)
    late, early = seen.run(), seen.run(seen.ahead)
    assert outcomes(early) == outcomes(late)
    assert (early.suite, early.gate, early.newest) == (late.suite, late.gate, late.newest)
    assert {table: document["statistics"] for table, document in early.documents.items()} == {
        table: document["statistics"] for table, document in late.documents.items()
    }
    assert early.table_seconds.keys() == late.table_seconds.keys()
    with seen.outcome.sandbox_session() as session:
        session.execute("TRUNCATE public.orders")
    changed = seen.run(seen.ahead)
    assert outcomes(changed) == outcomes(seen.run())
    assert changed.results[1].outcome is Outcome.FAILED, "a table that has changed since is asked again"


def test_of_a_broken_backup_nothing_bad_is_kept_and_the_restore_fails_as_before(read: Reading) -> None:
    seen = read("broken", {"public.orders", "public.child"})
    assert "public.child" in seen.ahead.answered
    assert not {"public.orders", "public.twice"} & set(seen.ahead.answered)
    assert seen.outcome.failures == {"duplicate-keys"}
    assert outcomes(seen.run(seen.ahead)) == outcomes(seen.run())


def test_with_one_job_no_core_is_free_and_nothing_is_read(read: Reading) -> None:
    seen = read("healthy", set(), jobs=1)
    assert seen.ahead.answered == {}
    assert outcomes(seen.run(seen.ahead)) == outcomes(seen.run())
