"""What is proved after a restore: each power that a dump must not have is seen, a healthy one has none."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tasks.engines.context import Connection, Job
from tasks.engines.database import DatabaseOptions, create_database
from tasks.engines.extensions import create_extensions, note_members
from tasks.engines.privileged import lend_extension_objects, prepare
from tasks.engines.proof import prove
from tasks.engines.roles import create_roles
from tasks.model.backup import TocEntry
from tasks.model.deadline import Deadline
from tasks.model.sandbox import Sandbox
from tasks.model.target import DumpBackup, SandboxConfig, Target

MINE = """
CREATE TABLE t (id serial PRIMARY KEY, label citext, span tstzrange);
CREATE TYPE spans AS RANGE (subtype = float8);
CREATE FUNCTION f() RETURNS integer LANGUAGE sql AS 'SELECT 1';
CREATE FUNCTION hears() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';
CREATE VIEW v AS SELECT f();
SELECT lo_create(11);
"""
POWERS = {
    "function": (
        "ALTER FUNCTION f() OWNER TO pg_execute_server_program",
        "proc f (pg_execute_server_program)",
    ),
    "view": ("ALTER VIEW v OWNER TO pg_read_server_files", "class v (pg_read_server_files)"),
    "table": ("ALTER TABLE t OWNER TO {superuser}", "class t (the superuser)"),
    "reader": ("ALTER FUNCTION f() OWNER TO drill_reader", "proc f (drill_reader)"),
    "large-object": ("ALTER LARGE OBJECT 11 OWNER TO {superuser}", "largeobject_metadata 11"),
    "schema": ("CREATE SCHEMA s", "namespace s (the superuser)"),
    "event-trigger": (
        "CREATE EVENT TRIGGER e ON ddl_command_end EXECUTE FUNCTION hears()",
        "event_trigger e (the superuser)",
    ),
    "wrapper": (
        (
            "CREATE FUNCTION w(text[], oid) RETURNS void LANGUAGE plpgsql AS 'BEGIN END';"
            "ALTER FUNCTION w(text[], oid) OWNER TO drill_owner; CREATE FOREIGN DATA WRAPPER far VALIDATOR w"
        ),
        "foreign_data_wrapper far",
    ),
    "added": ("ALTER EXTENSION citext ADD FUNCTION f()", "citext: function public.f()"),
    "removed": (
        "ALTER EXTENSION citext DROP FUNCTION citext_cmp(citext, citext)",
        "proc citext_cmp (the superuser)",
    ),
    "superuser": ("ALTER ROLE app SUPERUSER", "app has an attribute of power"),
    "login": ("ALTER ROLE app LOGIN", "app has an attribute of power"),
    "creator": ("ALTER ROLE drill_owner CREATEROLE", "drill_owner has an attribute of power"),
    "member": ("GRANT pg_write_server_files TO app", "app is a member of pg_write_server_files"),
    "member-of-a-member": (
        "CREATE ROLE other; GRANT other TO app; GRANT pg_signal_backend TO other",
        "app is a member of pg_signal_backend",
    ),
}


@pytest.fixture(scope="module", params=[14, 18])
def major(request: pytest.FixtureRequest) -> int:
    number: int = request.param
    return number


@pytest.fixture
def restored(sandbox: Callable[[int], Sandbox], major: int) -> Iterator[tuple[Job, Connection]]:
    """A database as a restore leaves it: an extension made by us, everything else by the restoring role."""
    box = sandbox(major)
    target = Target(
        fleet="test", name="shop", backup=DumpBackup(at="unused"), sandbox=SandboxConfig(), evidence="unused"
    )
    job = Job(box, target, Deadline.within(60), lambda _: None)
    create_database(job, "shop", DatabaseOptions(encoding="UTF8"))
    session = job.superuser()
    prepare(job, session)
    note_members(job, session)
    create_roles(job, session, ["app"])
    entry = TocEntry(
        1, "EXTENSION", "citext", "", "", "pre-data", "CREATE EXTENSION citext WITH SCHEMA public;"
    )
    create_extensions(job, session, [entry])
    lend_extension_objects(job, session)
    with job.owner() as owner:
        owner.execute(MINE)
    yield job, session
    session.close()


def test_a_healthy_database_has_no_power_and_each_power_is_seen(restored: tuple[Job, Connection]) -> None:
    job, session = restored
    session.execute("SET search_path = pg_catalog")
    assert prove(job, session) == ()
    for kind, (statements, name) in POWERS.items():
        with session.transaction(force_rollback=True):
            session.execute("SET LOCAL search_path = public")
            session.execute(statements.format(superuser=job.sandbox.superuser).encode())
            session.execute("SET LOCAL search_path = pg_catalog")
            findings = prove(job, session)
        assert [found.rule for found in findings] == ["hostile-content"], kind
        assert name in findings[0].message, kind
        assert job.sandbox.superuser not in findings[0].message, kind
    assert prove(job, session) == ()


def test_an_extension_of_the_restoring_role_may_hold_what_its_script_made_and_nothing_of_the_dump(
    restored: tuple[Job, Connection],
) -> None:
    job, session = restored
    with job.owner() as owner:
        owner.execute("CREATE EXTENSION hstore")
    assert prove(job, session) == ()
    with job.owner() as owner:
        owner.execute("ALTER EXTENSION hstore ADD FUNCTION f()")
    (found,) = prove(job, session)
    assert "hstore: function public.f()" in found.message


def test_what_the_trusted_step_itself_owns_is_no_power(restored: tuple[Job, Connection]) -> None:
    job, session = restored
    session.execute("CREATE EVENT TRIGGER e ON ddl_command_end EXECUTE FUNCTION public.hears()")
    session.execute("ALTER EVENT TRIGGER e DISABLE")
    session.execute("CREATE PUBLICATION everything FOR ALL TABLES")
    session.execute("CREATE FOREIGN DATA WRAPPER plain")
    assert prove(job, session) == ()
