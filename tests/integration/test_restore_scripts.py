"""Scripts by hand, scripts of several databases, and scripts that end early."""

from __future__ import annotations

import gzip
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tasks.model.errors import PermanentError
from tasks.model.target import SandboxConfig
from tests.fix_postgres import Source
from tests.fix_restore import Restore

SECRET = "planted-Pa55word"
BY_HAND = f"""
\ufeff-- made by somebody
CREATE USER app PASSWORD '{SECRET}' IN ROLE readers;
DO $$ BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'writer') THEN CREATE ROLE writer; END IF;
END $$;
BEGIN;
CREATE SCHEMA shop;
SET search_path = shop, public;
CREATE TABLE orders (id serial PRIMARY KEY, note text);
INSERT INTO orders (note) VALUES ('a;b'), (E'c\\'d'), ($$e$$);
GRANT SELECT ON orders TO app, writer;
ALTER TABLE orders OWNER TO app;
COMMIT;
DROP TABLE IF EXISTS nothing;
DROP TABLE nothing;
SELECT count(*) FROM orders;
COPY orders TO STDOUT;
SELECT 1
"""


def test_a_script_by_hand_is_restored_as_psql_would(restore_dump: Restore, tmp_path: Path) -> None:
    script = tmp_path / "hand.sql"
    script.write_text(BY_HAND.lstrip("\n"))
    outcome = restore_dump(17, script)
    assert outcome.failures == set()
    assert outcome.restored is not None
    assert outcome.restored.database == "shop"
    assert outcome.restored.roles == ("app",)
    assert SECRET not in repr((outcome.findings, outcome.restored))
    with outcome.sandbox_session() as session:
        assert session.execute("SELECT count(*) FROM shop.orders").fetchone() == (3,)
        owner = session.execute("SELECT tableowner FROM pg_tables WHERE tablename = 'orders'").fetchone()
        grants = session.execute("SELECT has_table_privilege('writer', 'shop.orders', 'SELECT')").fetchone()
    assert (owner, grants) == (("app",), (True,))


def test_an_error_in_a_script_by_hand_is_named_by_its_statement(
    restore_dump: Restore, tmp_path: Path
) -> None:
    script = tmp_path / "hand.sql"
    script.write_text(
        "CREATE TABLE a (id integer);\nCREATE TABLE shop.b (id nonsense);\nINSERT INTO shop.b VALUES (1);\n"
        "INSERT INTO shop.b VALUES (2);\nCREATE SCHEMA fine;\n"
    )
    outcome = restore_dump(17, script)
    (found,) = [one for one in outcome.findings if one.rule == "restore-error"]
    assert found.where == "TABLE shop.b"
    assert "TABLE DATA shop.b" in found.message


def test_a_label_without_its_provider_is_a_warning(restore_dump: Restore, tmp_path: Path) -> None:
    script = tmp_path / "hand.sql"
    script.write_text("CREATE TABLE a (id integer);\nSECURITY LABEL ON TABLE a IS 'secret';\n")
    outcome = restore_dump(17, script)
    assert (outcome.failures, outcome.rules) == (set(), {"restore-error-minor"})


def test_a_file_that_only_the_original_host_has_is_no_fault_of_the_backup(
    restore_dump: Restore, tmp_path: Path
) -> None:
    script = tmp_path / "hand.sql"
    script.write_text(
        "CREATE TABLE a (id integer);\n"
        "CREATE TEXT SEARCH DICTIONARY own (TEMPLATE = ispell, DictFile = own, AffFile = own);\n"
    )
    assert restore_dump(17, script).failures == {"host-feature-missing"}


@pytest.mark.parametrize("end", ["COPY a FROM stdin;\n1\n2\n", "INSERT INTO a VALUES ('never closed"])
def test_a_script_by_hand_that_was_cut_says_where(restore_dump: Restore, tmp_path: Path, end: str) -> None:
    script = tmp_path / "cut.sql"
    script.write_text("CREATE TABLE a (id text);\n" + end)
    outcome = restore_dump(17, script)
    assert outcome.failures == {"archive-truncated"}


def test_a_compressed_script_of_an_older_major_says_so(
    cluster: Callable[[int], Source], restore_dump: Restore, tmp_path: Path
) -> None:
    source = cluster(16)
    source.create_database("shop")
    source.execute("CREATE TABLE a (id integer); INSERT INTO a VALUES (1)", "shop")
    packed = tmp_path / "shop.sql.gz"
    packed.write_bytes(gzip.compress(source.dump("shop", tmp_path / "shop.sql", "--no-owner").read_bytes()))
    outcome = restore_dump(17, packed)
    assert (outcome.failures, outcome.rules) == (set(), {"source-version-old"})
    assert outcome.restored is not None
    assert [one.command.split(" ")[0] for one in outcome.restored.commands] == [
        "createdb",
        "gunzip",
        "vacuumdb",
    ]


@pytest.fixture
def two_databases(cluster: Callable[[int], Source], tmp_path: Path) -> Path:
    """Dump a cluster with the databases shop and crm."""
    source = cluster(18)
    for name in ("shop", "crm"):
        source.create_database(name)
        source.execute(f"CREATE TABLE of_{name} (id integer); INSERT INTO of_{name} VALUES (1)", name)
    dump = source.dump_all(tmp_path / "all.sql", "shop", "crm")
    for name in ("shop", "crm"):
        source.execute(f"DROP DATABASE {name}")
    return dump


@pytest.mark.parametrize(("name", "database", "chosen"), [("shop", None, "shop"), ("other", "crm", "crm")])
def test_the_database_that_is_wanted_is_taken_from_a_cluster_dump(
    two_databases: Path, restore_dump: Restore, name: str, database: str | None, chosen: str
) -> None:
    outcome = restore_dump(18, two_databases, name=name, database=database)
    assert outcome.failures == set()
    assert outcome.restored is not None
    assert outcome.restored.database == chosen
    assert set(outcome.restored.other_databases) == {"shop", "crm"} - {chosen}
    with outcome.sandbox_session() as session:
        tables = session.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
    assert tables == [(f"of_{chosen}",)]


@pytest.mark.parametrize(
    ("database", "rule"), [(None, "database-choice-ambiguous"), ("ghost", "database-not-in-dump")]
)
def test_a_choice_that_cannot_be_made_is_an_error(
    two_databases: Path, restore_dump: Restore, database: str | None, rule: str
) -> None:
    with pytest.raises(PermanentError) as error:
        restore_dump(18, two_databases, name="other", database=database)
    assert error.value.rule == rule


@pytest.mark.parametrize("content", [b"", b"-- nothing\n", b"not a script", b"SELECT 1;\n"])
def test_a_globals_file_that_brings_no_role_is_an_error(
    cluster: Callable[[int], Source], restore_dump: Restore, tmp_path: Path, content: bytes
) -> None:
    source = cluster(17)
    source.create_database("shop")
    source.execute("CREATE TABLE a (id integer)", "shop")
    roles = tmp_path / "globals.sql"
    roles.write_bytes(content)
    with pytest.raises(PermanentError) as error:
        restore_dump(17, source.dump("shop", tmp_path / "shop.dump", "-Fc"), globals_path=roles)
    assert error.value.rule == "globals-missing"


@pytest.mark.parametrize("form", ["-Fc", "-Fp"])
def test_a_superusers_restore_brings_what_policy_keeps_out(
    cluster: Callable[[int], Source], restore_dump: Restore, tmp_path: Path, form: str
) -> None:
    source = cluster(17)
    source.create_database("shop")
    source.execute(
        "CREATE TABLE a (id integer);"
        "CREATE FUNCTION backend() RETURNS integer LANGUAGE internal AS 'pg_backend_pid';"
        "CREATE VIEW needing AS SELECT backend()",
        "shop",
    )
    dump = source.dump("shop", tmp_path / "shop.dump", form, "--no-owner")
    try:
        outcome = restore_dump(17, dump, config=SandboxConfig(restore_as="superuser"))
    except PermanentError as refused:
        pytest.skip(str(refused))
    assert outcome.failures == set()
    assert outcome.restored is not None
    assert outcome.restored.not_restored == ()


def test_a_script_in_an_encoding_for_clients_only_is_restored_as_utf8(
    cluster: Callable[[int], Source], restore_dump: Restore, tmp_path: Path
) -> None:
    source = cluster(17)
    source.create_database("shop")
    source.execute("CREATE TABLE a (t text); INSERT INTO a VALUES ('表示\\n'), (E'\\\\.')", "shop")
    outcome = restore_dump(17, source.dump("shop", tmp_path / "shop.sql", "--no-owner", "-E", "SJIS"))
    assert outcome.failures == set()
    with outcome.sandbox_session() as session:
        assert session.execute("SELECT t FROM public.a ORDER BY 1").fetchall() == [("\\.",), ("表示\\n",)]


def test_comments_without_end_before_a_copy_hold_nothing_up(restore_dump: Restore, tmp_path: Path) -> None:
    script = tmp_path / "shop.sql"
    script.write_text(
        "CREATE TABLE t (id integer);\n"
        f"COPY t {'/**/ ' * 3000} TO STDOUT;\n"
        f"COPY t {'/* /* a */ b */ ' * 3000} (id {'-- c' + chr(10)}) FROM STDIN;\n1\n2\n\\.\n"
    )
    outcome = restore_dump(18, script)
    assert outcome.failures == set()
    with outcome.sandbox_session() as session:
        assert session.execute("SELECT count(*) FROM public.t").fetchone() == (2,)


def test_a_copy_that_is_not_seen_as_one_ends_before_the_next_statement(
    restore_dump: Restore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tasks.engines.sql.splitter._MOST_TOKENS", 2)
    script = tmp_path / "shop.sql"
    script.write_text("CREATE TABLE t (a integer);\nCOPY t (a) FROM STDIN;\nINSERT INTO t VALUES (1);\n")
    outcome = restore_dump(18, script)
    assert outcome.failures == set()
    with outcome.sandbox_session() as session:
        assert session.execute("SELECT count(*) FROM public.t").fetchone() == (1,)


def test_a_statement_without_an_end_is_named_and_not_taken_into_memory(
    restore_dump: Restore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tasks.engines.script.LONGEST_STATEMENT_BYTES", 4 << 20)
    script = tmp_path / "shop.sql.gz"
    with gzip.open(script, "wb") as file:
        file.write(b"CREATE TABLE t (id integer);\nINSERT INTO t VALUES ('")
        for _ in range(64):
            file.write(b"x" * (1 << 20))
    outcome = restore_dump(18, script)
    assert outcome.failures == {"statement-too-long"}
    assert "line 2" in outcome.message("statement-too-long")


def test_the_largest_statements_of_healthy_scripts_are_restored(
    restore_dump: Restore, tmp_path: Path
) -> None:
    columns = ", ".join(f"c{number} integer DEFAULT 0 NOT NULL" for number in range(1600))
    body = "  -- nothing;\n" * 200_000
    script = tmp_path / "shop.sql"
    with script.open("w") as file:
        file.write(f"CREATE TABLE wide ({columns});\nINSERT INTO wide DEFAULT VALUES;\n")
        file.write(f"CREATE FUNCTION f() RETURNS void LANGUAGE plpgsql AS $$ BEGIN\n{body} END $$;\n")
        file.write("CREATE TABLE t (id integer, note text);\nINSERT INTO t VALUES (0, ''),")
        file.write(",".join(f"({number}, 'it''s; {number}')" for number in range(1, 100_000)) + ";\n")
        file.write(f"{'/* ' * 50}deep{' */' * 50}\nSELECT 1;\n")
    outcome = restore_dump(18, script)
    assert outcome.failures == set()
    with outcome.sandbox_session() as session:
        assert session.execute("SELECT count(*) FROM public.t").fetchone() == (100_000,)
        assert session.execute("SELECT count(*) FROM public.wide").fetchone() == (1,)


def test_what_a_wrapper_and_time_wrote_round_a_dump_is_left_out_here_and_in_the_commands(
    cluster: Callable[[int], Source], restore_dump: Restore, tmp_path: Path
) -> None:
    source = cluster(17)
    source.create_database("shop")
    source.execute("CREATE TABLE a (id integer); INSERT INTO a SELECT generate_series(1, 50)", "shop")
    text = source.dump("shop", tmp_path / "shop.sql", "--no-owner").read_text()
    source.execute("DROP DATABASE shop")
    before = 'Defaulted container "postgres" out of: postgres, metrics, init-chmod (init)\n'
    (tmp_path / "shop.sql").write_text(f"{before}{text}real    0m1.204s\nuser    0m0.310s\n")
    outcome = restore_dump(17, tmp_path / "shop.sql")
    assert outcome.failures == set()
    assert outcome.restored is not None
    with outcome.sandbox_session() as session:
        assert session.execute("SELECT count(*) FROM public.a").fetchone() == (50,)
    (restored,) = (one.command for one in outcome.restored.commands if "psql" in one.command)
    cut = restored.partition(" | psql")[0]
    done = subprocess.run(["/bin/sh", "-c", cut], cwd=tmp_path, capture_output=True, check=True, timeout=20)
    assert done.stdout.decode() == text


def test_a_connect_that_ends_in_a_semicolon_is_one(restore_dump: Restore, tmp_path: Path) -> None:
    script = tmp_path / "adminer.sql"
    script.write_text(
        '-- Adminer 5.3.0 PostgreSQL 16.8 dump\n\n\\connect "shop";\n\nDROP TABLE IF EXISTS "a";\n'
        'CREATE TABLE "public"."a" ("id" integer);\nINSERT INTO "a" ("id") VALUES\n(1),\n(2);\n'
    )
    assert restore_dump(17, script).failures == set()
