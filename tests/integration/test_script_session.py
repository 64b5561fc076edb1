"""A script's session against a real server: what it is told, what a superuser adds beside it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tasks.engines.context import Job
from tasks.engines.database import DatabaseOptions
from tasks.engines.libpq_session import Expired
from tasks.engines.roles import Role
from tasks.engines.script_session import ScriptSession
from tasks.model.backup import TocEntry
from tasks.model.deadline import Deadline
from tasks.model.sandbox import Sandbox
from tasks.model.target import DumpBackup, Target

MAJOR = 17
CITEXT = TocEntry(1, "EXTENSION", "citext", "", "", "none", "CREATE EXTENSION citext WITH SCHEMA public;")


@pytest.fixture
def job(sandbox: Callable[..., Sandbox]) -> Job:
    target = Target(fleet="test", name="shop", backup=DumpBackup(at="unused"), evidence="unused")
    return Job(sandbox(MAJOR), target, Deadline.within(120), lambda _: None)


@pytest.fixture
def session(job: Job) -> Iterator[ScriptSession]:
    session = ScriptSession(job)
    yield session
    session.close()


def opened(session: ScriptSession) -> ScriptSession:
    session.open("shop", DatabaseOptions(encoding="UTF8"), (Role("app", inherits=True, groups=()),))
    return session


def value(job: Job, query: str) -> object:
    with job.superuser() as superuser:
        row = superuser.execute(query).fetchone()
    return None if row is None else row[0]


def test_the_database_is_made_at_the_opening_with_the_roles_that_were_awaited(
    job: Job, session: ScriptSession
) -> None:
    session.expect(["writer"])
    assert (session.is_open, session.lent, session.lacks(["writer"])) == (False, set(), True)
    opened(session)
    assert (session.is_open, session.lent, session.lacks(["writer"])) == (True, {"writer"}, False)
    assert job.database == "shop"
    assert value(job, "SELECT count(*) FROM pg_roles WHERE rolname IN ('app', 'writer')") == 2
    session.expect(["reader"])
    assert value(job, "SELECT count(*) FROM pg_roles WHERE rolname = 'reader'") == 1


def test_rows_follow_their_copy_and_an_error_names_the_line(job: Job, session: ScriptSession) -> None:
    opened(session)
    assert session.statement(b"CREATE TABLE public.t (id int)") is None
    assert session.statement(b"COPY public.t FROM stdin;") is None
    assert session.is_copying
    session.rows(b"1\n2\n")
    assert session.rows_end() is None
    assert not session.is_copying
    assert value(job, "SELECT sum(id) FROM public.t") == 3
    session.statement(b"COPY public.t FROM stdin;")
    session.rows(b"3\nx\n")
    failure = session.rows_end()
    assert failure is not None
    assert (failure.line, failure.column) == (2, "id")


def test_rows_of_a_refused_copy_are_passed_over(session: ScriptSession) -> None:
    opened(session)
    assert session.statement(b"COPY public.missing FROM stdin;") is not None
    session.rows(b"\\! id\n1\n")
    assert session.rows_end() is None
    assert session.statement(b"SELECT 1") is None


def test_what_runs_is_not_a_superuser(job: Job, session: ScriptSession) -> None:
    opened(session)
    assert (
        session.statement(b"CREATE TABLE public.who AS SELECT current_setting('is_superuser') AS is") is None
    )
    assert value(job, 'SELECT "is" FROM public.who') == "off"


def test_an_extension_is_made_beside_the_script_and_inside_its_transaction(
    job: Job, session: ScriptSession
) -> None:
    opened(session)
    session.statement(b"BEGIN")
    session.statement(b"CREATE TABLE public.t (id int)")
    assert session.create_extension(CITEXT)
    assert session.statement(b"ALTER TABLE public.t ADD note public.citext") is None
    assert session.statement(b"COMMIT") is None
    assert value(job, "SELECT count(*) FROM pg_extension WHERE extname = 'citext'") == 1
    assert value(job, "SELECT count(*) FROM pg_attribute WHERE attname = 'note'") == 1


def test_an_extension_after_a_failed_transaction_is_the_scripts_own(session: ScriptSession) -> None:
    opened(session)
    session.statement(b"BEGIN")
    assert session.statement(b"SELECT nonsense") is not None
    assert session.create_extension(CITEXT) is False


def test_a_superusers_definition_is_made_behind_the_wall(job: Job, session: ScriptSession) -> None:
    opened(session)
    assert session.statement(b"CREATE TYPE public.pair AS (a int, b int)") is None
    plain = "CREATE FUNCTION public.f(int) RETURNS int LANGUAGE sql AS 'SELECT 1';"
    assert not session.is_of_superuser("FUNCTION", plain)
    assert session.statement(plain.encode()) is None
    cast = "CREATE CAST (int AS public.pair) WITHOUT FUNCTION;"
    leakproof = plain.replace("public.f", "public.g").replace(" AS", " LEAKPROOF AS")
    assert session.is_of_superuser("FUNCTION", leakproof)
    assert session.is_of_superuser("CAST", cast)
    session.create(TocEntry(1, "FUNCTION", "g(integer)", "public", "", "none", leakproof), leakproof)
    assert value(job, "SELECT proleakproof FROM pg_proc WHERE proname = 'g'") is True


def test_a_deadline_that_has_passed_stops_before_and_behind_the_opening(
    job: Job, session: ScriptSession
) -> None:
    session.check_deadline()
    job.deadline = Deadline.within(0)
    with pytest.raises(Expired):
        session.check_deadline()
    job.deadline = Deadline.within(120)
    opened(session)
    session.check_deadline()


def test_the_search_path_that_a_script_leaves_behind_is_kept(job: Job, session: ScriptSession) -> None:
    opened(session)
    session.statement(b"SET search_path = shop, public")
    session.close()
    assert (job.search_path, session.is_open) == ("shop, public", False)
