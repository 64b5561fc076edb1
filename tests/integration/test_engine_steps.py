"""What a restore does after the data, step by step on a real server: owners, grants, keys, statistics."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from tasks.engines.analyze import analyze, forget_settings
from tasks.engines.context import Job
from tasks.engines.errors.failure import Failure, label
from tasks.engines.grants import grant_entries, roles_known, run_grants
from tasks.engines.keys import lend_for, unproven_keys
from tasks.engines.ownership import set_owners
from tasks.engines.privileged import create_privileged
from tasks.engines.roles import Role, create_roles
from tasks.engines.same_names import tell_apart
from tasks.engines.ticker import so_far, ticking
from tasks.model.backup import Toc, TocEntry
from tasks.model.deadline import Deadline
from tasks.model.sandbox import Sandbox
from tasks.model.server_words import Refusal
from tasks.model.target import DumpBackup, Target
from tasks.sandbox import connect

MAJOR = 17
OWNED = """
CREATE SCHEMA sales;
CREATE TABLE sales.orders (id int PRIMARY KEY, customer int);
CREATE SEQUENCE sales.numbers;
CREATE VIEW sales.totals AS SELECT count(*) FROM sales.orders;
CREATE FUNCTION sales.f(integer) RETURNS integer LANGUAGE sql AS 'SELECT 1';
"""


def entry(
    number: int, desc: str, tag: str, owner: str = "", defn: str = "", namespace: str = "sales"
) -> TocEntry:
    return replace(TocEntry(number, desc, tag, namespace, owner, "none"), defn=defn)


ENTRIES = (
    entry(1, "SCHEMA", "sales", "app", namespace=""),
    entry(2, "TABLE", "orders", "app"),
    entry(3, "SEQUENCE", "numbers", "app"),
    entry(4, "VIEW", "totals", "clerk"),
    entry(5, "FUNCTION", "f(integer)", "pg_read_all_data"),
)


@pytest.fixture
def job(sandbox: Callable[..., Sandbox]) -> Job:
    """A restore whose objects are there and still belong to the role that restored them."""
    box = sandbox(MAJOR)
    target = Target(fleet="t", name="shop", backup=DumpBackup(at="unused"), evidence="unused")
    made = Job(box, target, Deadline.within(120), lambda _: None, Toc(ENTRIES), "shop")
    with connect(box) as ours:
        ours.execute(f"CREATE DATABASE shop OWNER {box.owner}".encode())
        create_roles(made, ours, ["app", "clerk"], [Role("boss", groups=("app",))])
    with made.owner() as session:
        session.execute(OWNED)
    return made


def owners(job: Job) -> dict[str, str]:
    query = (
        "SELECT relname, pg_get_userbyid(relowner) FROM pg_class WHERE relnamespace = 'sales'::regnamespace"
        " UNION ALL SELECT proname, pg_get_userbyid(proowner) FROM pg_proc"
        " WHERE pronamespace = 'sales'::regnamespace"
        " UNION ALL SELECT nspname, pg_get_userbyid(nspowner) FROM pg_namespace WHERE nspname = 'sales'"
    )
    with job.superuser() as session:
        return dict(session.execute(query.encode()).fetchall())  # type: ignore[arg-type]


def left_out(job: Job) -> list[str]:
    return [label(omission.entry) for omission in job.omissions if omission.entry is not None]


def test_objects_go_to_the_owners_that_the_archive_names(job: Job) -> None:
    with job.superuser() as session:
        assert set_owners(job, session) == 4
    now = owners(job)
    assert {now[name] for name in ("sales", "orders", "numbers", "orders_pkey")} == {"app"}
    assert (now["totals"], now["f"]) == ("clerk", job.sandbox.owner)
    assert left_out(job) == ["OWNER of FUNCTION sales.f(integer): pg_read_all_data"]
    assert job.failures == []


def test_given_twice_nothing_changes_hands_again(job: Job) -> None:
    with job.superuser() as session:
        set_owners(job, session)
        assert set_owners(job, session) == 0


def test_no_object_ever_belongs_to_a_role_of_ours(job: Job) -> None:
    job.toc = Toc((entry(2, "TABLE", "orders", job.sandbox.superuser), entry(4, "VIEW", "totals", "nobody")))
    with job.superuser() as session:
        assert set_owners(job, session) == 0
    assert set(owners(job).values()) == {job.sandbox.owner}
    assert len(left_out(job)) == 2


def test_an_owner_that_is_no_text_is_told_and_belongs_to_nobody(job: Job) -> None:
    job.toc = Toc((entry(2, "TABLE", "orders", "caf\udce9"),), encoding="UTF8")
    with job.superuser() as session:
        assert set_owners(job, session) == 0
    assert [(found.rule, found.severity.value) for found in job.findings] == [("invalid-encoding", "failure")]


def test_large_objects_go_to_their_owners_too(job: Job) -> None:
    with job.owner() as session:
        numbers = [session.execute("SELECT lo_create(0)").fetchone() for _ in range(2)]
    one, other = (str(row[0]) for row in numbers if row is not None)
    blob = entry(8, "BLOB", one, "app", namespace="")
    job.toc = Toc((blob, entry(9, "BLOB METADATA", "x", "clerk", other, namespace="")))
    with job.superuser() as session:
        assert set_owners(job, session) == 2
        rows = session.execute("SELECT oid::text, pg_get_userbyid(lomowner) FROM pg_largeobject_metadata")
        assert dict(rows.fetchall()) == {one: "app", other: "clerk"}


def test_a_role_may_not_log_in_and_has_the_groups_that_the_backup_gave_it(job: Job) -> None:
    with job.superuser() as session:
        rows = session.execute(
            "SELECT rolname FROM pg_roles WHERE rolcanlogin AND rolname IN ('app', 'boss')"
        )
        assert rows.fetchall() == []
        member = session.execute("SELECT pg_has_role('boss', 'app', 'MEMBER')").fetchone()
        assert member == (True,)
        assert {"app", "clerk", "boss", "pg_monitor"} <= roles_known(job, session)
        assert not {job.sandbox.superuser, job.sandbox.reader} & roles_known(job, session)


GRANT = "GRANT SELECT ON TABLE sales.orders TO {role};"


def test_grants_run_as_the_owner_and_what_nobody_may_give_is_left_out(job: Job) -> None:
    with job.superuser() as session:
        set_owners(job, session)
    given = entry(20, "ACL", "TABLE orders", "app", GRANT.format(role="clerk"))
    strange = entry(21, "ACL", "TABLE orders", "app", GRANT.format(role="not_here"))
    other = entry(22, "ACL", "DATABASE shop", "app", "GRANT CONNECT ON DATABASE shop TO clerk;", "")
    no_grant = entry(23, "ACL", "TABLE orders", "app", "DROP TABLE sales.orders;")
    entries = grant_entries(Toc((given, strange, other, no_grant)))
    assert entries == [given, strange, no_grant], "the database itself is ours"
    with job.owner() as session:
        assert run_grants(job, session, entries) == 1
    assert [omission.entry for omission in job.omissions if omission.entry in entries] == [strange, no_grant]
    query = "SELECT grantor, grantee FROM information_schema.role_table_grants WHERE grantee = 'clerk'"
    with job.superuser() as session:
        rows = session.execute(query + " AND table_name = 'orders'")
        assert rows.fetchall() == [("app", "clerk")]


def test_a_key_is_proven_until_rows_that_it_points_to_were_changed(job: Job) -> None:
    with job.owner() as session:
        session.execute(
            "CREATE TABLE sales.parts (o int REFERENCES sales.orders);"
            "INSERT INTO sales.orders VALUES (1, 1), (2, 1); INSERT INTO sales.parts VALUES (1);"
        )
    with job.superuser() as session:
        assert unproven_keys(job, session) == frozenset()
    with job.owner() as session:
        session.execute("DELETE FROM sales.orders WHERE id = 2")
    with job.superuser() as session:
        assert unproven_keys(job, session) == {"sales.parts.parts_o_fkey"}


def test_no_key_is_proven_where_the_backup_speaks_of_sleeping_triggers(job: Job) -> None:
    spoken = entry(30, "FUNCTION", "g()", "app", "SET session_replication_role = replica")
    with job.superuser() as session:
        lend_for(job, session, Toc((*ENTRIES,)))
        assert not job.keys_doubted
        lend_for(job, session, Toc((spoken,)))
        assert job.keys_doubted
        assert unproven_keys(job, session) is None
    with job.owner() as session:
        session.execute("SET session_replication_role = replica")


def test_statistics_are_gathered_and_an_index_that_fails_is_a_failure_of_its_own(job: Job) -> None:
    with job.owner() as session:
        session.execute(
            "INSERT INTO sales.orders SELECT i, i FROM generate_series(1, 50) i;"
            "CREATE TABLE sales.bad (x int); INSERT INTO sales.bad VALUES (1);"
            "CREATE FUNCTION sales.boom(int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS"
            " 'BEGIN IF current_setting(''shop.made'', true) IS NULL THEN RAISE ''no''; END IF;"
            " RETURN 1; END';"
            "SET shop.made = 'y'; CREATE INDEX ON sales.bad (sales.boom(x));"
        )
    analyze(job)
    with job.superuser() as session:
        counted = session.execute("SELECT reltuples FROM pg_class WHERE relname = 'orders'").fetchone()
    assert counted == (50.0,)
    assert [failure.entry.tag for failure in job.failures if failure.entry] == ["sales.bad"]
    assert [command.command.split()[0] for command in job.commands] == ["vacuumdb"]


def test_settings_that_the_dump_left_for_sessions_are_taken_back(job: Job) -> None:
    with job.superuser() as session:
        session.execute("ALTER DATABASE shop SET work_mem = '64kB'")
        session.execute(f"ALTER ROLE {job.sandbox.owner} SET statement_timeout = 1".encode())
        forget_settings(job, session)
    with job.owner() as session:
        row = session.execute("SELECT current_setting('work_mem') <> '64kB'").fetchone()
    assert row == (True,)


def test_of_tables_of_one_name_the_one_without_rows_is_told(job: Job) -> None:
    with job.owner() as session:
        session.execute(
            "CREATE SCHEMA a; CREATE SCHEMA b; CREATE TABLE a.t (x int); CREATE TABLE b.t (x int);"
            "INSERT INTO a.t VALUES (1)"
        )
    rows = [
        entry(number, "TABLE DATA", "t", namespace=name) for number, name in ((40, "a"), (41, "b"), (42, "c"))
    ]
    failure = Failure.of(rows[0], Refusal("invalid input syntax"))
    alone = Failure.of(entry(43, "TABLE DATA", "orders"), Refusal("invalid input syntax"))
    with job.superuser() as session:
        told = tell_apart([failure, alone, failure], Toc((*rows, entry(43, "TABLE DATA", "orders"))), session)
    assert [(found.entry.namespace, found.entry.tag) for found in told if found.entry] == [
        ("b", "t"),
        ("sales", "orders"),
        ("c", "t"),
    ]


def test_event_triggers_and_publications_of_everything_come_back_harmless(job: Job) -> None:
    with job.owner() as session:
        session.execute(
            "CREATE FUNCTION sales.fired() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN RAISE ''x''; END'"
        )
    on = "ON ddl_command_end EXECUTE FUNCTION sales.fired();"
    job.toc = Toc((
        entry(50, "EVENT TRIGGER", "watch", "app", f"CREATE EVENT TRIGGER watch {on}", ""),
        entry(51, "PUBLICATION", "everything", "app", "CREATE PUBLICATION everything FOR ALL TABLES;", ""),
        entry(52, "EVENT TRIGGER", "odd", "app", "CREATE EVENT TRIGGER odd; DROP TABLE sales.orders", ""),
    ))  # fmt: skip
    with job.superuser() as session:
        create_privileged(job, session)
        triggers = session.execute("SELECT evtname, evtenabled FROM pg_event_trigger").fetchall()
        published = session.execute("SELECT pubname, puballtables FROM pg_publication").fetchall()
    assert (triggers, published) == ([("watch", "D")], [("everything", True)])
    assert left_out(job) == ["EVENT TRIGGER odd"]
    assert "orders" in owners(job)


def test_how_far_a_restore_has_got_is_told_in_words(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    words: list[str] = []
    monkeypatch.setattr("tasks.engines.ticker.INTERVAL_S", 0.01)
    job.progress = words.append
    assert so_far(job).endswith("1 of 1 tables made")
    with ticking(job):
        job.deadline.check()
        while not words:
            job.deadline.check()
    assert words[0].endswith("1 of 1 tables made")
    job.toc, job.database = Toc(()), "not_there"
    assert so_far(job) == "", "a server that does not say is no error"
