"""Foreign keys that are marked valid and were never checked: the restore knows which; those are joined."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tasks.checks.foreign_keys import check_foreign_keys
from tasks.model.restored import Checked
from tests.fix_checks import context_of, failures
from tests.fix_postgres import Source
from tests.fix_restore import Outcome, Restore

TABLES = """
CREATE TABLE public.parent (id int PRIMARY KEY);
CREATE TABLE public.child (id int PRIMARY KEY, p int NOT NULL REFERENCES public.parent ON DELETE CASCADE);
INSERT INTO public.parent SELECT generate_series(1, 10);
"""
ROWS = "INSERT INTO public.child SELECT i, i FROM generate_series(1, {last}) i;"
CALL = "SELECT public.load();"
LOAD = "CREATE FUNCTION public.load() RETURNS void LANGUAGE plpgsql {settings} AS $$ BEGIN {body} END $$;"
ASLEEP = {
    "a setting": "SET session_replication_role = replica; {rows}",
    "a setting of a transaction": "BEGIN; SET LOCAL Session_Replication_Role TO 'replica'; {rows} COMMIT;",
    "a function call": "SELECT set_config('session_replication_role', 'replica', false); {rows}",
    "a block": "DO $$ BEGIN PERFORM set_config('session_replication_role', 'replica', true); {rows} END $$;",
    "the system's own triggers switched off": "ALTER TABLE public.child DISABLE TRIGGER ALL; {rows}",
    "a function's own setting": LOAD.format(
        settings="SET session_replication_role = replica", body="{rows}"
    ) + CALL,
}  # fmt: skip
ORPHANS = {("foreign-key-orphans", "public.child.child_p_fkey")}


def checked(outcome: Outcome) -> Checked:
    assert outcome.restored is not None
    return check_foreign_keys(context_of(outcome.sandbox, outcome.restored))


@pytest.mark.parametrize("way", ASLEEP)
def test_rows_that_came_while_the_triggers_slept_are_joined(
    restore_dump: Restore, tmp_path: Path, way: str
) -> None:
    path = tmp_path / "x.sql"
    for last, found in ((1000, ORPHANS), (10, set())):
        path.write_text(TABLES + ASLEEP[way].replace("{rows}", ROWS.format(last=last)))
        outcome = restore_dump(18, path)
        assert outcome.failures == set()
        seen = checked(outcome)
        assert failures(seen) == found
        if not found:
            assert "1 of them by anti-join" in str(seen.checks[0].observed)


AWAKE = TABLES + "{before} {last} {after} INSERT INTO public.child VALUES (77, 77);"
BY_STATEMENT = [
    ("SET session_replication_role = replica;", "RESET session_replication_role;"),
    ("BEGIN; SET LOCAL session_replication_role TO 'replica';", "COMMIT;"),
    ("SET SESSION Session_Replication_Role = 'replica';", "SET session_replication_role = DEFAULT;"),
    ("SET session_replication_role = replica;", "RESET ALL;"),
]


@pytest.mark.parametrize(("before", "after"), BY_STATEMENT)
def test_on_14_triggers_sleep_by_statement_and_wake_again(
    restore_dump: Restore, tmp_path: Path, before: str, after: str
) -> None:
    path = tmp_path / "x.sql"
    for last, orphans in ((20, ORPHANS), (10, set())):
        path.write_text(AWAKE.format(before=before, last=ROWS.format(last=last), after=after))
        outcome = restore_dump(14, path)
        assert outcome.failures == {"foreign-key-violated"}, "the key is kept again behind it"
        assert "public.child" in outcome.message("foreign-key-violated")
        assert failures(checked(outcome)) == orphans
        with outcome.sandbox_session() as session:
            assert session.execute("SELECT count(*) FROM public.child").fetchone() == (last,)
            assert session.execute("SELECT FROM pg_proc WHERE proname ~ '^drill_'").fetchall() == []


UNSEEN = "DO $$ BEGIN EXECUTE 'SET session_repli' || 'cation_role = replica'; {rows} END $$;"


def test_what_would_put_the_triggers_to_sleep_unseen_is_not_allowed(
    restore_dump: Restore, tmp_path: Path
) -> None:
    path = tmp_path / "x.sql"
    path.write_text(TABLES + UNSEEN.replace("{rows}", ROWS.format(last=50)))
    outcome = restore_dump(18, path)
    assert outcome.failures, "the drill is not verified"
    assert failures(checked(outcome)) == set()


def test_a_cascade_that_a_trigger_kept_from_the_rows_is_found(restore_dump: Restore, tmp_path: Path) -> None:
    keep = """
    CREATE FUNCTION public.keep() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
    CREATE TRIGGER keep BEFORE DELETE ON public.child FOR EACH ROW EXECUTE FUNCTION public.keep();
    """
    path = tmp_path / "x.sql"
    for trigger, found in ((keep, ORPHANS), ("", set())):
        path.write_text(TABLES + ROWS.format(last=10) + trigger + "DELETE FROM public.parent WHERE id > 5;")
        outcome = restore_dump(18, path)
        assert outcome.failures == set()
        assert failures(checked(outcome)) == found


@pytest.mark.parametrize("form", ["-Fc", "-Fp"])
@pytest.mark.parametrize("setting", ["SET session_replication_role = replica", ""])
def test_code_of_an_archive_that_breaks_a_key_after_it_was_proven_is_found(
    cluster: Callable[[int], Source], restore_dump: Restore, tmp_path: Path, form: str, setting: str
) -> None:
    """A refresh, the last thing of a restore, calls a function that takes the parents away."""
    source = cluster(17)
    source.create_database("shop")
    source.execute(
        TABLES + ROWS.format(last=10) + f"""
        CREATE FUNCTION public.keep() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
        CREATE TRIGGER keep BEFORE DELETE ON public.child FOR EACH ROW EXECUTE FUNCTION public.keep();
        CREATE FUNCTION public.purge() RETURNS int LANGUAGE plpgsql {setting} AS $$ BEGIN
            DELETE FROM public.parent WHERE id > 5; RETURN 1; END $$;
        CREATE MATERIALIZED VIEW public.purged AS SELECT 1 AS x;
        """,
        "shop",
    )  # fmt: skip
    healthy = source.dump("shop", tmp_path / "healthy.dump", form, "--no-owner")
    source.execute(
        "DROP MATERIALIZED VIEW public.purged;"
        "CREATE MATERIALIZED VIEW public.purged AS SELECT public.purge() AS x WITH NO DATA;"
        "UPDATE pg_class SET relispopulated = true WHERE relname = 'purged';",
        "shop",
    )
    broken = source.dump("shop", tmp_path / "broken.dump", form, "--no-owner")
    for path, found in ((healthy, set()), (broken, ORPHANS)):
        outcome = restore_dump(17, path)
        assert outcome.failures == set()
        assert failures(checked(outcome)) == found


STAMP = "CREATE FUNCTION public.stamp() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN UPDATE t SET a = 1; END';"
READ = "CREATE FUNCTION public.total() RETURNS bigint LANGUAGE sql AS 'SELECT count(*) FROM public.parent';"
UNREAD = [
    "CREATE FUNCTION public.purge() RETURNS int LANGUAGE sql AS 'DELETE FROM public.parent; SELECT 1';",
    "CREATE FUNCTION public.run(q text) RETURNS int LANGUAGE plpgsql AS 'BEGIN EXECUTE q; RETURN 1; END';",
    (
        "CREATE FUNCTION public.lie() RETURNS int LANGUAGE sql AS"
        " '/* RETURNS trigger */ DELETE FROM public.parent RETURNING 1';"
    ),
]


@pytest.mark.parametrize(
    ("functions", "form", "unproven"),
    [
        (STAMP + READ, "-Fc", frozenset()),
        ("", "-Fd", frozenset()),
        (STAMP + READ, "-Fp", None),
        *((function, "-Fc", None) for function in UNREAD),
    ],
)
def test_where_the_server_cannot_count_an_archive_that_cannot_write_proves_its_keys(
    cluster: Callable[[int], Source], restore_dump: Restore, tmp_path: Path,
    functions: str, form: str, unproven: frozenset[str] | None,
) -> None:  # fmt: skip
    source = cluster(14)
    source.create_database("shop")
    source.execute(TABLES + ROWS.format(last=10) + functions, "shop")
    outcome = restore_dump(14, source.dump("shop", tmp_path / "shop.dump", form, "--no-owner"))
    assert outcome.failures == set()
    assert outcome.restored is not None
    assert outcome.restored.unproven_keys == unproven


PARTITIONED = """
CREATE TABLE days (day date PRIMARY KEY) PARTITION BY RANGE (day);
CREATE TABLE days_1 PARTITION OF days FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
CREATE TABLE never (id int PRIMARY KEY);
CREATE TABLE refers (day date REFERENCES days, n int REFERENCES never);
INSERT INTO days VALUES ('2026-05-05'); INSERT INTO refers VALUES ('2026-05-05', NULL);
UPDATE days SET day = day; DELETE FROM parent WHERE id = 10;
"""


@pytest.mark.parametrize(
    ("major", "form"), [(15, "-Fc"), (18, "-Fc"), (18, "-Fd"), (18, "-Ft"), (18, "-Fp"), (18, "--inserts")]
)
def test_keys_of_a_dump_are_proven_by_the_restore_itself(
    cluster: Callable[[int], Source], restore_dump: Restore, tmp_path: Path, major: int, form: str
) -> None:
    """Joining large tables once more would cost what the restore has cost already."""
    source = cluster(major)
    source.create_database("shop")
    source.execute(TABLES + ROWS.format(last=10) + PARTITIONED, "shop")
    outcome = restore_dump(major, source.dump("shop", tmp_path / "shop.dump", form, "--no-owner"))
    assert outcome.failures == set()
    assert outcome.restored is not None
    assert outcome.restored.unproven_keys == frozenset()


def test_keys_are_joined_where_the_server_keeps_no_counts(
    cluster: Callable[[int], Source], restore_dump: Restore, tmp_path: Path
) -> None:
    """PostgreSQL 14 counts through a network socket, which the sandbox does not have."""
    source = cluster(14)
    source.create_database("shop")
    source.execute(TABLES + ROWS.format(last=10), "shop")
    outcome = restore_dump(14, source.dump("shop", tmp_path / "shop.sql", "--no-owner"))
    seen = checked(outcome)
    assert seen.findings == ()
    assert seen.checks[0].observed == "1 keys hold, 1 of them by anti-join"
