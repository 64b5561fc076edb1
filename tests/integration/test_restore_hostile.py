"""A dump is untrusted: what it tries is refused and named, and none of its programs runs."""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from psycopg.conninfo import conninfo_to_dict

from tasks.model.target import SandboxConfig
from tests.fix_postgres import Source
from tests.fix_restore import Restore

HEALTHY = """CREATE TABLE public.orders (id integer, note text);
COPY public.orders (id, note) FROM stdin;
1\tone
2\ttwo
\\.
"""
COMMANDS = {
    "shell": "\\! touch {mark}\n",
    "shell-without-space": "\\!touch {mark}\n",
    "copy-program": "\\copy public.orders from program 'touch {mark}'\n",
    "output-pipe": "\\o |touch {mark}\n",
    "gexec-in-a-statement": "SELECT 1 \\g |touch {mark}\n",
    "include": "\\i {mark}\n",
    "set-with-backquotes": "\\set x `touch {mark}`\n",
    "unrestrict-with-backquotes": "\\restrict abc\n\\unrestrict `touch {mark}`\n",
    "connect-elsewhere": '\\connect "host=192.0.2.1 dbname=shop"\n',
    "connect-with-backquotes": "\\connect `touch {mark}`\n",
    "server-program": "COPY public.orders FROM PROGRAM 'touch {mark}';\n",
    "server-program-commented": "COPY public.orders /* a */ (id) FROM /* b */ PROGRAM $$touch {mark}$$;\n",
    "server-file": "COPY public.orders TO '{mark}';\n",
    "alter-system": "ALTER SYSTEM SET archive_command = 'touch {mark}';\n",
    "drop-database": "DROP DATABASE postgres;\n",
    "do-program": "DO $$ BEGIN EXECUTE 'COPY public.orders FROM PROGRAM ''touch {mark}'''; END $$;\n",
    "large-object-export": "SELECT lo_export(lo_create(0), '{mark}');\n",
    "load-library": "LOAD '/tmp/evil.so';\n",
    "behind-the-end": "\\q\nCREATE TABLE public.never (id int);\n",
    "echo-and-shell": "\\echo done \\! touch {mark}\n",
    "echo-with-backquotes": "\\echo `touch {mark}`\n",
    "read-file": "CREATE TABLE stolen AS SELECT pg_read_file('/etc/passwd') AS t;\n",
}


@pytest.mark.parametrize("kind", COMMANDS)
def test_a_script_that_would_leave_its_database_is_refused_and_named(
    restore_dump: Restore, tmp_path: Path, kind: str
) -> None:
    mark = tmp_path / "mark"
    script = tmp_path / "evil.sql"
    tmp_path.chmod(0o777)
    script.write_text(HEALTHY + COMMANDS[kind].replace("{mark}", str(mark)) + "SELECT 1;\n")
    outcome = restore_dump(18, script)
    assert "hostile-content" in outcome.failures
    assert not mark.exists()


def test_what_people_and_tools_tell_psql_besides_is_no_attack(restore_dump: Restore, tmp_path: Path) -> None:
    script = tmp_path / "shop.sql"
    script.write_text(
        "\\set ON_ERROR_STOP on\n\\set QUIET 1\n\\timing off\n\\pset pager off\n\\encoding LATIN1\n"
        "\\echo loading\n" + HEALTHY + "\\encoding UTF8\nINSERT INTO public.orders VALUES (3, 'ü');\n\\q\n\n"
    )
    outcome = restore_dump(18, script)
    assert outcome.failures == set()
    with outcome.sandbox_session() as session:
        notes = session.execute("SELECT note FROM public.orders ORDER BY id").fetchall()
    assert notes == [("one",), ("two",), ("ü",)]


@pytest.mark.parametrize("name", ["my-app", "my app", "it's"])
def test_a_script_that_makes_its_database_may_name_it_oddly(
    cluster: Callable[[int], Source], restore_dump: Restore, tmp_path: Path, name: str
) -> None:
    source = cluster(17)
    source.create_database(name)
    source.execute(HEALTHY.partition("COPY")[0] + "INSERT INTO public.orders VALUES (1, 'one');", name)
    script = source.dump(name, tmp_path / "app.sql", "-Fp", "-C")
    assert b"\n\\encoding " in script.read_bytes()
    outcome = restore_dump(17, script, name=name)
    assert outcome.failures == set()
    with outcome.sandbox_session() as session:
        assert session.execute("SELECT count(*) FROM public.orders").fetchone() == (1,)


def test_what_looks_hostile_inside_rows_strings_and_bodies_is_content(
    restore_dump: Restore, tmp_path: Path
) -> None:
    script = tmp_path / "fine.sql"
    script.write_text(
        HEALTHY.replace("two", "\\\\! ls \\\\connect x")
        + "INSERT INTO public.orders VALUES (3, '\n\\! ls\n'), (4, E'\\\\! ls');\n"
        + "CREATE FUNCTION public.f() RETURNS text LANGUAGE plpgsql AS $$\nBEGIN\n\\! ls\nEND $$;\n"
        + 'CREATE VIEW public."\\! ls" AS SELECT 1 AS "\n\\! ls";\n/*\n\\! ls\n*/\n-- \\! ls\n'
    )
    outcome = restore_dump(18, script)
    assert outcome.failures == {"restore-error"}  # the body is no PL/pgSQL, which is all that is wrong here
    script.write_text(script.read_text().replace("BEGIN\n\\! ls\nEND", "BEGIN\nRETURN '\n\\! ls';\nEND"))
    assert restore_dump(18, script).failures == set()


def test_rows_of_a_copy_that_failed_are_never_taken_for_commands(
    restore_dump: Restore, tmp_path: Path
) -> None:
    mark = tmp_path / "mark"
    script = tmp_path / "evil.sql"
    rows = f"COPY public.missing FROM stdin;\n\\! touch {mark}\n1\t'unclosed\n\\.\n"
    script.write_text(rows + HEALTHY)
    outcome = restore_dump(18, script)
    assert outcome.failures == {"rows-not-restored"}
    assert not mark.exists()
    with outcome.sandbox_session() as session:
        assert session.execute("SELECT count(*) FROM public.orders").fetchone() == (2,)


EVIL_SCHEMA = {
    "program-in-a-matview": """
        CREATE FUNCTION evil() RETURNS integer LANGUAGE plpgsql AS
            'BEGIN COPY orders FROM PROGRAM ''touch {mark}''; RETURN 1; END';
        CREATE MATERIALIZED VIEW m AS SELECT public.evil() WITH NO DATA;
        UPDATE pg_class SET relispopulated = true WHERE relname = 'm';
    """,
    "file-in-a-matview": """
        CREATE MATERIALIZED VIEW m AS SELECT pg_read_file('/etc/passwd') AS t WITH NO DATA;
        UPDATE pg_class SET relispopulated = true WHERE relname = 'm';
    """,
    "program-in-a-check": """
        INSERT INTO orders VALUES (1);
        CREATE FUNCTION evil(integer) RETURNS boolean LANGUAGE plpgsql AS
            $f$BEGIN EXECUTE 'COPY public.orders TO PROGRAM $q$touch {mark}$q$'; RETURN true; END$f$;
        ALTER TABLE orders ADD CONSTRAINT c CHECK (public.evil(id)) NOT VALID;
        UPDATE pg_constraint SET convalidated = true WHERE conname = 'c';
    """,
}


@pytest.mark.parametrize("major", [14, 18])
@pytest.mark.parametrize("kind", EVIL_SCHEMA)
def test_code_in_an_archive_runs_without_power_and_is_named(
    cluster: Callable[[int], Source], restore_dump: Restore, tmp_path: Path, kind: str, major: int
) -> None:
    mark = tmp_path / "mark"
    tmp_path.chmod(0o777)
    source = cluster(major)
    source.create_database("shop")
    source.execute("CREATE TABLE orders (id integer)", "shop")
    for statement in EVIL_SCHEMA[kind].replace("{mark}", str(mark)).split(";\n"):
        source.execute(statement, "shop")
    dump = source.dump("shop", tmp_path / "shop.dump", "-Fc", "--no-owner")
    outcome = restore_dump(major, dump)
    assert "hostile-content" in outcome.failures
    assert not mark.exists()


def test_roles_of_a_script_get_no_power_and_no_way_in(restore_dump: Restore, tmp_path: Path) -> None:
    script = tmp_path / "roles.sql"
    script.write_text(
        "CREATE ROLE evil SUPERUSER LOGIN PASSWORD 'planted-Pa55word';\n"
        "GRANT pg_execute_server_program TO evil;\nGRANT pg_monitor TO evil;\n"
        "ALTER ROLE drill_owner SUPERUSER;\n" + HEALTHY
    )
    outcome = restore_dump(18, script)
    assert outcome.failures == set()
    with outcome.sandbox_session() as session:
        power = session.execute(
            "SELECT rolsuper, rolcanlogin FROM pg_roles WHERE rolname = 'evil'"
        ).fetchone()
        programs = session.execute(
            "SELECT pg_has_role('evil', 'pg_execute_server_program', 'MEMBER')"
        ).fetchone()
        owner = session.execute("SELECT rolsuper FROM pg_roles WHERE rolname = 'drill_owner'").fetchone()
    assert (power, programs, owner) == ((False, False), (False,), (False,))
    assert "planted-Pa55word" not in repr(outcome.findings)


def test_a_script_that_connects_elsewhere_is_restored_into_the_drills_own_database(
    restore_dump: Restore, tmp_path: Path
) -> None:
    script = tmp_path / "connect.sql"
    script.write_text(
        "\\connect postgres\nCREATE TABLE a (id integer);\n\\connect other\nCREATE TABLE b (id integer);\n"
    )
    outcome = restore_dump(18, script, name="postgres")
    assert outcome.failures == set()
    assert outcome.restored is not None
    assert outcome.restored.database == "restored"
    assert outcome.restored.other_databases == ("other",)


def test_a_superusers_restore_refuses_programs_before_anything_runs(
    cluster: Callable[[int], Source], restore_dump: Restore, tmp_path: Path
) -> None:
    mark = tmp_path / "mark"
    tmp_path.chmod(0o777)
    source = cluster(17)
    source.create_database("shop")
    source.execute("CREATE TABLE orders (id integer)", "shop")
    for statement in EVIL_SCHEMA["program-in-a-matview"].replace("{mark}", str(mark)).split(";\n"):
        source.execute(statement, "shop")
    dump = source.dump("shop", tmp_path / "shop.dump", "-Fc", "--no-owner")
    outcome = restore_dump(17, dump, config=SandboxConfig(restore_as="superuser"))
    assert outcome.failures == {"hostile-content"}
    assert not mark.exists()


def test_what_a_dump_names_its_locale_and_database_stays_one_word_of_a_command(
    cluster: Callable[[int], Source], restore_dump: Restore, tmp_path: Path
) -> None:
    source, database = cluster(17), "-x=$(>pwned)'"
    source.create_database(database)
    source.execute("CREATE TABLE t (id int); INSERT INTO t VALUES (1)", database)
    dump = source.dump(database, tmp_path / "shop.dump", "-Fc")
    said = b"LOCALE_PROVIDER = libc LOCALE = 'C.UTF-8'"
    evil = b"LOCALE_PROVIDER=icu LOCALE='und-$(>evil)'"
    assert (dump.read_bytes().count(said), len(said)) == (1, len(evil))
    dump.write_bytes(dump.read_bytes().replace(said, evil))

    outcome = restore_dump(17, dump)
    assert outcome.restored is not None
    commands = [command.command for command in outcome.restored.commands]
    words = [shlex.split(command) for command in commands]
    assert [command[0] for command in words] == ["createdb", "pg_restore", "vacuumdb"]
    assert words[0][-2:] == ["--", database]
    assert all(
        conninfo_to_dict(command[command.index("-d") + 1])["dbname"] == database for command in words[1:]
    )
    (tmp_path / "typed").mkdir()
    for command in commands:
        pasted = ["/bin/sh", "-c", f"PATH=; {command}"]
        subprocess.run(pasted, cwd=tmp_path / "typed", check=False, capture_output=True, timeout=20)
    assert list((tmp_path / "typed").iterdir()) == []


def test_rows_that_lost_their_copy_are_told_by_no_word_of_theirs(
    restore_dump: Restore, tmp_path: Path
) -> None:
    script = tmp_path / "cut.sql"
    rows = "zqplanted\t1;\nzqplanted\\zqplanted\t2\n"
    script.write_text(f"CREATE TABLE public.a (id text);\nINSERT INTO public.a VALUES ('x');\n{rows}")
    outcome = restore_dump(18, script)
    assert outcome.failures
    assert "zqplanted" not in repr(outcome.findings).lower()
