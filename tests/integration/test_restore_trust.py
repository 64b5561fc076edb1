"""No code of a dump runs with more rights than a restore has: by scripts, and by what pg_dump itself writes.

Every attack leaves a canary if it works: a file in the server's own data folder, which any program that it
runs, and any file that it writes, can make. The second wall is left out, so that the canary could sing.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tasks.model.target import Extensions, SandboxConfig
from tests.fix_postgres import Source
from tests.fix_restore import Outcome, Restore

PROGRAM = "COPY (SELECT 1) TO PROGRAM 'cat > canary'"  # it reads all: a pipe closed early is an error
EVIL = f"""
CREATE TABLE public.t (id integer PRIMARY KEY);
INSERT INTO public.t SELECT generate_series(1, 100);
CREATE FUNCTION public.evil() RETURNS integer LANGUAGE plpgsql SECURITY DEFINER AS
    $f$BEGIN EXECUTE $q${PROGRAM}$q$; RETURN 1; END$f$;
CREATE FUNCTION public.checks(text[], oid) RETURNS void LANGUAGE plpgsql AS
    $f$BEGIN EXECUTE $q${PROGRAM}$q$; END$f$;
"""
WITH_FILES = SandboxConfig(extensions=Extensions(allow=["default", "file_fdw"], absent_ok=[]))


def assert_nothing_ran(outcome: Outcome) -> None:
    data = outcome.sandbox.workspace.data_dir
    assert (data / "PG_VERSION").exists()
    assert [path.name for path in data.rglob("*canary*")] == []


def assert_no_power(outcome: Outcome) -> None:
    """What the drill promises of what it restored, asked for in other words than the drill's own."""
    with outcome.sandbox_session() as session:
        owned = session.execute(
            "SELECT p.proname FROM pg_proc p WHERE p.proname IN ('evil', 'checks')"
            " AND (SELECT rolname LIKE 'pg\\_%' OR rolsuper FROM pg_roles WHERE oid = p.proowner)"
        ).fetchall()
        supers = session.execute("SELECT count(*) FROM pg_roles WHERE rolsuper").fetchone()
    assert (owned, supers) == ([], (1,))


SCRIPTS = {
    "validator-added-to-an-extension": (
        (
            "CREATE EXTENSION citext;"
            "DO $$ BEGIN EXECUTE 'ALTER EXTENSION citext ADD FUNCTION public.checks(text[], oid)'; END $$;"
            "CREATE FOREIGN DATA WRAPPER w VALIDATOR public.checks;"
        ),
        {"superuser-entry"},
    ),
    "validator-added-to-an-extension-of-its-own": (
        (
            "DO $$ BEGIN EXECUTE 'CREATE EXTENSION citext';"
            " EXECUTE 'ALTER EXTENSION citext ADD FUNCTION public.checks(text[], oid)'; END $$;"
            "CREATE FOREIGN DATA WRAPPER w VALIDATOR public.checks;"
        ),
        {"hostile-content"},
    ),
    "member-taken-from-an-extension": (
        (
            "DO $$ BEGIN EXECUTE 'CREATE EXTENSION citext';"
            " EXECUTE 'ALTER EXTENSION citext DROP FUNCTION public.citext_eq(citext, citext)'; END $$;"
        ),
        {"superuser-entry"},
    ),
    "owner-is-a-predefined-role": (
        (
            "ALTER FUNCTION public.evil() OWNER TO pg_execute_server_program;"
            "CREATE VIEW public.v AS SELECT public.evil();"
        ),
        set(),
    ),
    "owner-is-a-role-of-ours": ("ALTER FUNCTION public.evil() OWNER TO drill_reader;", set()),
    "owner-by-a-comment": (
        (
            "\n--\n-- Name: evil(); Type: FUNCTION; Schema: public; Owner: pg_execute_server_program\n--\n\n"
            "ALTER FUNCTION public.evil() OWNER TO pg_execute_server_program;"
        ),
        set(),
    ),
    "another-statement-under-a-grant's-comment": (
        (
            "\n--\n-- Name: TABLE t; Type: ACL; Schema: public; Owner: -\n--\n\n"
            "ALTER TABLE public.t ADD COLUMN z integer DEFAULT public.evil(), OWNER TO drill_owner;"
        ),
        {"hostile-content"},
    ),
    "program-in-a-grant": (
        (
            "\n--\n-- Name: TABLE t; Type: ACL; Schema: public; Owner: -\n--\n\n"
            f"GRANT SELECT ON public.t TO public; {PROGRAM};"
        ),
        {"hostile-content"},
    ),
    "grant-by-a-predefined-role": (
        "SET SESSION AUTHORIZATION pg_execute_server_program; GRANT SELECT ON public.t TO PUBLIC;",
        set(),
    ),
    "extension-on-top-of-another-role's-code": (
        (
            "CREATE ROLE app; DO $$ BEGIN EXECUTE 'GRANT CREATE ON SCHEMA public TO app'; "
            " EXECUTE 'SET ROLE app';"
            " EXECUTE 'CREATE FUNCTION public.f() RETURNS integer LANGUAGE sql AS ''SELECT 1''';"
            " EXECUTE 'RESET ROLE'; END $$; CREATE EXTENSION pageinspect;"
        ),
        {"superuser-entry"},
    ),
    "settings-for-our-sessions": (
        (
            "DO $$ BEGIN EXECUTE 'ALTER DATABASE shop SET role = drill_owner';"
            " EXECUTE 'ALTER DATABASE shop SET local_preload_libraries = nothing';"
            " EXECUTE 'ALTER DATABASE shop SET search_path = public';"
            " EXECUTE 'ALTER ROLE drill_owner SET search_path = public'; END $$;"
        ),
        set(),
    ),
}


@pytest.mark.parametrize("kind", SCRIPTS)
def test_a_script_gets_no_superuser_to_run_its_code(restore_dump: Restore, tmp_path: Path, kind: str) -> None:
    attack, failures = SCRIPTS[kind]
    script = tmp_path / "evil.sql"
    script.write_text(EVIL + attack + "\n")
    outcome = restore_dump(18, script, wall=False)
    assert outcome.failures == failures
    assert_nothing_ran(outcome)
    assert_no_power(outcome)


DUMPED = {
    "validator": "CREATE FOREIGN DATA WRAPPER w VALIDATOR public.checks;",
    "owner-of-a-definer": "ALTER FUNCTION public.evil() OWNER TO pg_execute_server_program;"
    "CREATE MATERIALIZED VIEW public.m AS SELECT public.evil() WITH NO DATA;"
    "UPDATE pg_class SET relispopulated = true WHERE relname = 'm';",
    "owner-of-a-view": "CREATE VIEW public.v AS SELECT pg_read_file('PG_VERSION') AS line;"
    "ALTER VIEW public.v OWNER TO pg_read_server_files;"
    "CREATE MATERIALIZED VIEW public.m AS SELECT * FROM public.v WITH NO DATA;"
    "UPDATE pg_class SET relispopulated = true WHERE relname = 'm';",
    "owner-of-a-trigger's-function": "ALTER FUNCTION public.evil() OWNER TO pg_execute_server_program;"
    "ALTER TABLE public.t ADD CHECK (public.evil() = 1) NOT VALID;",
    "event-trigger": "CREATE FUNCTION public.hears() RETURNS event_trigger LANGUAGE plpgsql AS"
    f" $f$BEGIN EXECUTE $q${PROGRAM}$q$; END$f$;"
    "CREATE EVENT TRIGGER hears ON ddl_command_end EXECUTE FUNCTION public.hears();"
    "ALTER EVENT TRIGGER hears DISABLE; GRANT SELECT ON public.t TO PUBLIC;"
    "UPDATE pg_event_trigger SET evtenabled = 'O';",
    "program-behind-a-wrapper": "CREATE EXTENSION file_fdw;"
    "CREATE FOREIGN DATA WRAPPER w HANDLER file_fdw_handler; CREATE SERVER s FOREIGN DATA WRAPPER w;"
    "CREATE FOREIGN TABLE public.f (line text) SERVER s OPTIONS (program 'touch canary; echo 1');"
    "CREATE MATERIALIZED VIEW public.m AS SELECT * FROM public.f WITH NO DATA;"
    "UPDATE pg_class SET relispopulated = true WHERE relname = 'm';",
}


@pytest.fixture
def evil(cluster: Callable[[int], Source]) -> Iterator[Callable[..., Source]]:
    """Give a source whose database `shop` holds an attack, made by a superuser of its own."""
    used: list[Source] = []

    def build(major: int, attack: str) -> Source:
        source = cluster(major)
        used.append(source)
        source.create_database("shop")
        with source.connect("shop") as session:
            session.execute("SET allow_system_table_mods = on")
            for statement in (EVIL + attack).split(";\n"):
                session.execute(statement)
        return source

    yield build
    for source in used:
        source.execute("DROP DATABASE shop WITH (FORCE)")


@pytest.mark.parametrize(("kind", "form"), list(zip(DUMPED, itertools.cycle(("-Fc", "-Fp")), strict=False)))
def test_what_pg_dump_wrote_gets_no_superuser_to_run_its_code(
    evil: Callable[..., Source], restore_dump: Restore, tmp_path: Path, kind: str, form: str
) -> None:
    dump = evil(18, DUMPED[kind]).dump("shop", tmp_path / "shop.dump", form)
    outcome = restore_dump(18, dump, config=WITH_FILES, wall=False)
    assert_nothing_ran(outcome)
    assert_no_power(outcome)
