"""Backups that are broken in one respect: the cause is named, and what merely follows from it is not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tasks.model.findings import Outcome, Severity
from tasks.model.target import Extensions, SandboxConfig
from tests.corpus.damage import flip_in_file
from tests.fix_postgres import Source
from tests.fix_restore import Restore

SHOP = """
CREATE TABLE customers (id integer PRIMARY KEY, name text);
CREATE TABLE orders (id integer PRIMARY KEY, customer integer REFERENCES customers, note text);
CREATE VIEW names AS SELECT name FROM customers;
INSERT INTO customers SELECT g, 'c' || g FROM generate_series(1, 100) g;
INSERT INTO orders SELECT g, g, 'n' FROM generate_series(1, 100) g;
"""
BREAKAGES = {
    "duplicate-keys": """
        UPDATE pg_index SET indisready = false WHERE indexrelid = 'customers_pkey'::regclass;
        INSERT INTO customers VALUES (1, 'twice');
        UPDATE pg_index SET indisready = true WHERE indexrelid = 'customers_pkey'::regclass;
    """,
    "foreign-key-violated": """
        SET session_replication_role = replica; DELETE FROM customers WHERE id = 7;
        RESET session_replication_role;
    """,
    "function-breaks-restore": """
        CREATE FUNCTION known(integer) RETURNS boolean LANGUAGE plpgsql AS
            'BEGIN RETURN EXISTS (SELECT 1 FROM customers WHERE id = $1); END';
        ALTER TABLE orders ADD CONSTRAINT known CHECK (known(customer));
    """,
    "rows-not-restored": """
        ALTER TABLE customers ADD CONSTRAINT short CHECK (length(name) < 3) NOT VALID;
        UPDATE pg_constraint SET convalidated = true WHERE conname = 'short';
    """,
}


@pytest.fixture
def shop(cluster: Callable[[int], Source]) -> Callable[..., Source]:
    """Build a small healthy database, and what *more* makes of it."""

    def build(major: int, more: str = "", *, options: str = "") -> Source:
        source = cluster(major)
        source.create_database("shop", options=options)
        source.execute(SHOP, "shop")
        for statement in filter(str.strip, more.split(";\n")):
            source.execute(statement, "shop")
        return source

    return build


@pytest.mark.parametrize("form", ["-Fc", "-Fp"])
@pytest.mark.parametrize("major", [14, 18])
def test_the_healthy_twin_yields_no_finding(
    shop: Callable[..., Source], restore_dump: Restore, tmp_path: Path, major: int, form: str
) -> None:
    outcome = restore_dump(major, shop(major).dump("shop", tmp_path / "shop.dump", form, "--no-owner"))
    assert [found for found in outcome.findings if found.severity is not Severity.INFO] == []


@pytest.mark.parametrize("form", ["-Fc", "-Fp"])
@pytest.mark.parametrize("rule", BREAKAGES)
def test_a_breakage_is_named_by_its_rule_alone(
    shop: Callable[..., Source], restore_dump: Restore, tmp_path: Path, rule: str, form: str
) -> None:
    source = shop(17, BREAKAGES[rule])
    outcome = restore_dump(17, source.dump("shop", tmp_path / "shop.dump", form, "--no-owner"))
    assert outcome.failures == {rule}
    assert len([found for found in outcome.findings if found.severity is Severity.FAILURE]) == 1


def test_a_function_that_breaks_the_restore_is_named(
    shop: Callable[..., Source], restore_dump: Restore, tmp_path: Path
) -> None:
    source = shop(18, BREAKAGES["function-breaks-restore"])
    outcome = restore_dump(18, source.dump("shop", tmp_path / "shop.dump", "-Fc", "--no-owner"))
    assert "public.known" in outcome.message("function-breaks-restore")
    assert "public.orders" in outcome.message("function-breaks-restore")


@pytest.mark.parametrize("form", ["-Fc", "-Fp"])
def test_a_matview_whose_function_needs_a_search_path_is_named(
    shop: Callable[..., Source], restore_dump: Restore, tmp_path: Path, form: str
) -> None:
    source = shop(
        17,
        "CREATE FUNCTION many() RETURNS bigint LANGUAGE plpgsql AS"
        " 'BEGIN RETURN (SELECT count(*) FROM orders); END';\n"
        "SET check_function_bodies = off; CREATE MATERIALIZED VIEW counts AS SELECT 1::bigint AS n;\n"
        "DROP MATERIALIZED VIEW counts;\n"
        "CREATE MATERIALIZED VIEW counts AS SELECT public.many() AS n WITH NO DATA;\n"
        "UPDATE pg_class SET relispopulated = true WHERE relname = 'counts';\n",
    )
    outcome = restore_dump(17, source.dump("shop", tmp_path / "shop.dump", form, "--no-owner"))
    assert outcome.failures == {"function-breaks-restore"}
    assert "many" in outcome.message("function-breaks-restore")


@pytest.mark.parametrize("form", ["-Fc", "-Fp"])
def test_bytes_that_are_invalid_are_named_with_their_table(
    shop: Callable[..., Source], restore_dump: Restore, tmp_path: Path, form: str
) -> None:
    source = shop(
        17,
        "CREATE TABLE texts (id integer, body text);\nINSERT INTO texts VALUES (1, 'fine');\n",
        options="ENCODING 'SQL_ASCII' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'",
    )
    healthy = source.dump("shop", tmp_path / "healthy.dump", form, "--no-owner", "-E", "SQL_ASCII")
    outcome = restore_dump(17, healthy)
    assert outcome.rules == {"encoding-unsafe"}
    source.execute(r"INSERT INTO texts VALUES (2, E'caf\351')", "shop")
    script = source.dump("shop", tmp_path / "shop.sql", "--no-owner", "-E", "SQL_ASCII").read_bytes()
    broken = tmp_path / "broken.sql"
    broken.write_bytes(script.replace(b"client_encoding = 'SQL_ASCII'", b"client_encoding = 'UTF8'"))
    outcome = restore_dump(17, broken)
    assert outcome.failures == {"invalid-encoding"}
    assert "public.texts" in outcome.message("invalid-encoding")


def test_an_sql_ascii_database_keeps_its_encoding(
    shop: Callable[..., Source], restore_dump: Restore, tmp_path: Path
) -> None:
    source = shop(
        18,
        "CREATE TABLE texts (id integer, body text);\nINSERT INTO texts VALUES (2, E'caf\\351');\n",
        options="ENCODING 'SQL_ASCII' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'",
    )
    outcome = restore_dump(
        18, source.dump("shop", tmp_path / "shop.dump", "-Fc", "--no-owner", "-E", "SQL_ASCII")
    )
    assert outcome.failures == set()
    with outcome.sandbox_session() as session:
        assert session.execute("SHOW server_encoding").fetchone() == ("SQL_ASCII",)


@pytest.mark.parametrize("form", ["-Fc", "-Fp"])
def test_an_extension_that_is_not_here_is_the_drills_failure(
    shop: Callable[..., Source], restore_dump: Restore, tmp_path: Path, form: str
) -> None:
    source = shop(17, "CREATE EXTENSION citext;\nCREATE TABLE mails (mail citext);\n")
    dump = source.dump("shop", tmp_path / "shop.dump", form, "--no-owner")
    _rename_extension(dump)
    outcome = restore_dump(17, dump)
    assert outcome.failures == {"extension-missing"}
    others = SandboxConfig(extensions=Extensions(allow=("hstore",), absent_ok=()))
    assert restore_dump(17, dump, config=others).failures == {
        "extension-missing"
    }  # allowing it brings nothing


def _rename_extension(dump: Path) -> None:
    """Make the dump need an extension that is allowed by default and not on this host."""
    dump.write_bytes(dump.read_bytes().replace(b"citext", b"pg_ivm"))


@pytest.mark.parametrize("form", ["-Fc", "-Fp"])
def test_an_extension_that_may_be_absent_does_not_excuse_a_table_of_the_users(
    shop: Callable[..., Source], restore_dump: Restore, tmp_path: Path, form: str
) -> None:
    source = shop(
        17, "CREATE EXTENSION citext;\nCREATE TABLE mails (mail citext);\nINSERT INTO mails VALUES ('a');\n"
    )
    dump = source.dump("shop", tmp_path / "shop.dump", form, "--no-owner")
    _rename_extension(dump)
    config = SandboxConfig(extensions=Extensions(absent_ok=("pg_ivm",)))
    outcome = restore_dump(17, dump, config=config)
    assert outcome.failures == {"extension-missing"}
    assert "TABLE public.mails" in outcome.message("extension-missing")
    assert "extension-absent" in outcome.rules


@pytest.mark.parametrize("form", ["-Fc", "-Fp"])
def test_a_matview_over_a_foreign_table_is_a_named_warning(
    shop: Callable[..., Source], restore_dump: Restore, tmp_path: Path, form: str
) -> None:
    source = shop(
        17,
        "CREATE EXTENSION postgres_fdw;\n"
        "CREATE SERVER far FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host '192.0.2.1');\n"
        "CREATE USER MAPPING FOR PUBLIC SERVER far OPTIONS (user 'u', password 'planted-Pa55word');\n"
        "CREATE FOREIGN TABLE things (id integer) SERVER far;\n"
        "CREATE MATERIALIZED VIEW copies AS SELECT * FROM things WITH NO DATA;\n"
        "UPDATE pg_class SET relispopulated = true WHERE relname = 'copies';\n",
    )
    outcome = restore_dump(17, source.dump("shop", tmp_path / "shop.dump", form, "--no-owner"))
    assert outcome.failures == set()
    assert "foreign-data-unreached" in outcome.rules
    assert outcome.restored is not None
    assert outcome.restored.kept_out["public.copies"] == "foreign-data-unreached"
    assert "planted-Pa55word" not in repr(outcome.findings)


@pytest.mark.parametrize("form", ["-Fc", "-Fp"])
def test_a_subscription_is_never_made_and_its_password_goes_nowhere(
    shop: Callable[..., Source], restore_dump: Restore, tmp_path: Path, form: str
) -> None:
    source = shop(
        17,
        "CREATE SUBSCRIPTION follows CONNECTION 'host=192.0.2.1 password=planted-Pa55word' PUBLICATION p"
        " WITH (connect = false, slot_name = NONE);\n",
    )
    dump = source.dump("shop", tmp_path / "shop.dump", form, "--no-owner")
    source.execute("DROP SUBSCRIPTION follows", "shop")
    outcome = restore_dump(17, dump)
    assert outcome.failures == set()
    assert outcome.restored is not None
    assert outcome.restored.not_restored == ("SUBSCRIPTION follows",)
    assert "planted-Pa55word" not in repr((outcome.findings, outcome.restored))


@pytest.mark.parametrize("form", ["-Fc", "-Fp"])
def test_an_untrusted_function_is_listed_and_fails_only_what_needs_it(
    shop: Callable[..., Source], restore_dump: Restore, tmp_path: Path, form: str
) -> None:
    alone = "CREATE FUNCTION backend() RETURNS integer LANGUAGE internal AS 'pg_backend_pid';\n"
    source = shop(17, alone)
    outcome = restore_dump(17, source.dump("shop", tmp_path / "alone.dump", form, "--no-owner"), wall=False)
    assert outcome.failures == set()
    assert outcome.restored is not None
    assert outcome.restored.not_restored == ("FUNCTION public.backend()",)
    source = shop(17, alone + "CREATE VIEW needing AS SELECT backend();\n")
    dump = source.dump("shop", tmp_path / "needed.dump", form, "--no-owner")
    outcome = restore_dump(17, dump, wall=False)
    assert outcome.failures == {"superuser-entry"}
    assert "public.needing" in outcome.message("superuser-entry")
    outcome = restore_dump(17, dump)
    assert outcome.failures == set()
    assert "restored-by-superuser" in outcome.rules


@pytest.mark.parametrize("form", ["-Fc", "-Fp"])
def test_a_restore_that_takes_too_long_is_stopped_and_says_how_far_it_got(
    shop: Callable[..., Source], restore_dump: Restore, tmp_path: Path, form: str
) -> None:
    source = shop(
        17,
        "CREATE FUNCTION slow(integer) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS"
        " 'BEGIN PERFORM pg_sleep(0.5); RETURN true; END';\n"
        "ALTER TABLE orders ADD CONSTRAINT slow CHECK (public.slow(id)) NOT VALID;\n"
        "UPDATE pg_constraint SET convalidated = true WHERE conname = 'slow';\n",
    )
    dump = source.dump("shop", tmp_path / "shop.dump", form, "--no-owner")
    outcome = restore_dump(17, dump, deadline_s=6.0)
    assert outcome.failures == {"deadline-exceeded"}
    assert "tables made" in outcome.message("deadline-exceeded")


@pytest.mark.parametrize(
    ("options", "rule"), [(("--data-only",), "data-only"), (("-t", "names"), "nothing-restored")]
)
@pytest.mark.parametrize("form", ["-Fc", "-Fp"])
def test_a_backup_without_tables_restores_nothing(
    shop: Callable[..., Source],
    restore_dump: Restore,
    tmp_path: Path,
    options: tuple[str, ...],
    rule: str,
    form: str,
) -> None:
    outcome = restore_dump(17, shop(17).dump("shop", tmp_path / "shop.dump", form, "--no-owner", *options))
    assert rule in outcome.failures


def test_a_locale_that_is_not_here_is_a_warning(
    shop: Callable[..., Source], restore_dump: Restore, tmp_path: Path
) -> None:
    source = shop(17, 'CREATE TABLE sorted (name text COLLATE "C");\n')
    dump = source.dump("shop", tmp_path / "shop.dump", "-Fc", "--no-owner")
    dump.write_bytes(dump.read_bytes().replace(b"LOCALE = 'C.UTF-8'", b"LOCALE = 'xx_YY.u'"))
    outcome = restore_dump(17, dump)
    assert outcome.failures == set()
    assert "locale-differs" in outcome.rules


READS_ANOTHER = """
    CREATE TABLE a_rates (id integer PRIMARY KEY);
    INSERT INTO a_rates SELECT generate_series(1, 10);
    CREATE FUNCTION listed(integer) RETURNS boolean LANGUAGE plpgsql AS
        'begin return exists (select from public.a_rates where id = $1) and {is_alone}; end';
    CREATE TABLE b_uses (id integer CHECK (public.listed(id)));
    INSERT INTO b_uses SELECT 1 + g % 10 FROM generate_series(1, 1000) g;
    CREATE MATERIALIZED VIEW used AS SELECT count(*) AS n FROM b_uses;
"""
# Which table a job takes first is chance. But jobs load in a transaction, and pg_restore alone in none.
ALONE = READS_ANOTHER.replace("{is_alone}", "transaction_timestamp() = statement_timestamp()")
WHATEVER = READS_ANOTHER.replace("{is_alone}", "true")


@pytest.mark.parametrize("form", ["-Fc", "-Fd"])
def test_rows_that_come_back_only_in_turn_are_a_warning(
    shop: Callable[..., Source], restore_dump: Restore, tmp_path: Path, form: str
) -> None:
    dump = shop(17, ALONE).dump("shop", tmp_path / "shop.dump", form, "--no-owner")
    outcome = restore_dump(17, dump, config=SandboxConfig(jobs=2))
    assert outcome.rules == {"parallel-restore-fails"}
    assert outcome.failures == set()
    assert "TABLE DATA public.b_uses" in outcome.message("parallel-restore-fails")
    with outcome.sandbox_session() as session:
        assert session.execute("SELECT count(*) FROM public.b_uses").fetchone() == (1000,)
        assert session.execute("SELECT n FROM public.used").fetchone() == (1000,)


def test_rows_that_do_not_come_back_in_turn_either_are_lost(
    shop: Callable[..., Source], restore_dump: Restore, tmp_path: Path
) -> None:
    more = WHATEVER + "DELETE FROM a_rates WHERE id > 5;\n"
    dump = shop(17, more).dump("shop", tmp_path / "shop.dump", "-Fc", "--no-owner")
    outcome = restore_dump(17, dump, config=SandboxConfig(jobs=2))
    assert outcome.failures == {"rows-not-restored"}
    assert "parallel-restore-fails" not in outcome.rules


def test_tables_that_load_at_once_say_nothing_of_it(
    shop: Callable[..., Source], restore_dump: Restore, tmp_path: Path
) -> None:
    dump = shop(17).dump("shop", tmp_path / "shop.dump", "-Fc", "--no-owner")
    assert restore_dump(17, dump, config=SandboxConfig(jobs=2)).rules == set()


def test_statistics_of_the_catalogue_that_cannot_be_gathered_are_said_to_be_that(
    shop: Callable[..., Source], restore_dump: Restore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tasks.engines.analyze.SYSTEM_TABLES", ("pg_class", "pg_nothing", "pg_type"))
    dump = shop(17).dump("shop", tmp_path / "shop.dump", "-Fc", "--no-owner")
    outcome = restore_dump(17, dump)
    assert outcome.rules == {"restore-error-minor"}
    assert "STATISTICS DATA pg_catalog.pg_nothing" in outcome.message("restore-error-minor")


@pytest.mark.parametrize("form", ["-Fc", "-Fp"])
def test_an_extensions_function_whose_body_is_put_in_its_place_is_named(
    shop: Callable[..., Source], restore_dump: Restore, tmp_path: Path, form: str
) -> None:
    more = """
        CREATE EXTENSION cube;
        CREATE EXTENSION earthdistance;
        CREATE TABLE places (lat float8, spot earth GENERATED ALWAYS AS (ll_to_earth(lat, 0)) STORED);
    """
    outcome = restore_dump(15, shop(15, more).dump("shop", tmp_path / "shop.dump", form, "--no-owner"))
    assert outcome.failures == {"function-breaks-restore"}
    assert "The function ll_to_earth breaks" in outcome.message("function-breaks-restore")


@pytest.mark.parametrize("form", ["-Fc", "-Fp"])
def test_a_function_whose_body_is_put_in_its_place_is_named(
    shop: Callable[..., Source], restore_dump: Restore, tmp_path: Path, form: str
) -> None:
    more = """
        CREATE DOMAIN short AS text;
        CREATE FUNCTION code(text) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT upper($1)::short';
        CREATE TABLE places (name text, code text GENERATED ALWAYS AS (code(name)) STORED);
        INSERT INTO places VALUES ('a');
    """
    dump = shop(17, more).dump("shop", tmp_path / "shop.dump", form, "--no-owner")
    outcome = restore_dump(17, dump)
    assert outcome.failures == {"function-breaks-restore"}
    assert "The function code breaks" in outcome.message("function-breaks-restore")
    assert "public.places" in outcome.message("function-breaks-restore")


@pytest.mark.parametrize("form", ["-Fc", "-Fp"])
def test_collations_that_are_not_here_are_stood_in_for(
    shop: Callable[..., Source], restore_dump: Restore, tmp_path: Path, form: str
) -> None:
    source = shop(
        17, 'CREATE TABLE sorted (name text COLLATE "ucs_basic", other text COLLATE "ucs_basic");\n'
    )
    dump = source.dump("shop", tmp_path / "shop.dump", form, "--no-owner")
    dump.write_bytes(dump.read_bytes().replace(b"ucs_basic", b"xx_yy_zzz"))
    outcome = restore_dump(17, dump)
    assert outcome.failures == set()
    assert outcome.rules == {"locale-differs"}


@pytest.mark.parametrize("form", ["-Fc", "-Fp"])
@pytest.mark.parametrize(
    ("major", "locale"), [(15, "colliculocale"), (16, "colliculocale"), (18, "colllocale")]
)
def test_icu_collations_are_stood_in_for_where_the_server_knows_none(
    shop: Callable[..., Source], restore_dump: Restore, tmp_path: Path, major: int, locale: str, form: str
) -> None:
    """From 16 on a server without ICU has a collation of ICU's all the same."""
    more = f"""
        CREATE COLLATION loose (LOCALE = 'C');
        CREATE TABLE folk (name text COLLATE loose PRIMARY KEY);
        INSERT INTO folk SELECT 'n' || g FROM generate_series(1, 50) g;
        UPDATE pg_collation SET collprovider = 'i', collcollate = NULL, collctype = NULL,
            collisdeterministic = false, {locale} = 'und-u-ks-level2' WHERE collname = 'loose';
    """
    source = shop(major, more)
    with source.connect("shop") as session:
        icu = session.execute("SELECT 1 FROM pg_collation WHERE collname = 'und-x-icu'").fetchone()
    dump = source.dump("shop", tmp_path / "shop.dump", form, "--no-owner")
    outcome = restore_dump(major, dump)
    assert outcome.rules == (set() if icu else {"locale-differs"})
    with outcome.sandbox_session() as session:
        assert session.execute("SELECT count(*) FROM public.folk").fetchone() == (50,)


def test_the_collation_unicode_is_stood_in_for_without_icu(
    shop: Callable[..., Source], restore_dump: Restore, tmp_path: Path
) -> None:
    source = shop(18, 'CREATE TABLE sorted (name text COLLATE "ucs_basic" PRIMARY KEY);\n')
    source.execute("INSERT INTO sorted VALUES ('a'), ('b')", "shop")
    dump = source.dump("shop", tmp_path / "shop.sql", "--no-owner")
    dump.write_bytes(dump.read_bytes().replace(b"ucs_basic", b"unicode"))
    outcome = restore_dump(18, dump)
    assert outcome.failures == set()
    assert outcome.rules == {"locale-differs"}


def test_an_archive_of_a_newer_pg_dump_is_restored_on_the_older_server(
    cluster: Callable[[int], Source], shop: Callable[..., Source], restore_dump: Restore, tmp_path: Path
) -> None:
    older = shop(16)
    newer = cluster(18)
    script = tmp_path / "shop.sql"
    newer.run("pg_dump", "--no-owner", "-f", str(script), "-d", older.dsn("shop"))
    outcome = restore_dump(16, script)
    assert outcome.findings == ()


def test_an_extension_below_another_entrys_comment_is_named_by_its_statement(
    shop: Callable[..., Source], restore_dump: Restore, tmp_path: Path
) -> None:
    dump = shop(17).dump("shop", tmp_path / "shop.sql", "--no-owner")
    with dump.open("ab") as script:
        script.write(b"CREATE EXTENSION file_fdw;\n")
    outcome = restore_dump(17, dump)
    assert outcome.failures == {"extension-not-allowed"}
    assert "file_fdw" in outcome.message("extension-not-allowed")


def as_of_95(dump: Path) -> Path:
    """Name keys, triggers and defaults of *dump*, a folder or a script, as 9.5 did: without a table."""
    file = dump / "toc.dat" if dump.is_dir() else dump
    data = file.read_bytes()
    new = {"17.11": "9.5.25", "orders orders_pkey": "orders_pkey", "orders stamp": "stamp", "orders id": "id"}
    for tag, old in new.items():
        if dump.is_dir():
            data = data.replace(_toc_text(tag), _toc_text(old))
        else:
            data = data.replace(b"pg_dump version %s" % tag.encode(), b"pg_dump version %s" % old.encode())
            data = data.replace(b"-- Name: %s;" % tag.encode(), b"-- Name: %s;" % old.encode())
    file.write_bytes(data)
    return dump


def _toc_text(text: str) -> bytes:
    return b"\0" + len(text).to_bytes(4, "little") + text.encode()


OLD_TAGS = """
    CREATE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql AS 'begin return new; end';
    CREATE TRIGGER stamp BEFORE UPDATE ON orders FOR EACH ROW EXECUTE FUNCTION stamp();
    CREATE SEQUENCE ids;
    ALTER TABLE orders ALTER id SET DEFAULT nextval('ids');
    ALTER SEQUENCE ids OWNED BY orders.id;
"""


@pytest.mark.parametrize("form", ["-Fd", "-Fp"])
def test_tags_of_pg_dump_95_are_found_though_they_name_no_table(
    shop: Callable[..., Source], restore_dump: Restore, tmp_path: Path, form: str
) -> None:
    source = shop(17, OLD_TAGS)

    dump = as_of_95(source.dump("shop", tmp_path / "shop.dump", form, "--no-owner"))
    outcome = restore_dump(17, dump)
    assert outcome.failures == set()
    assert "restore-incomplete" not in outcome.rules
    assert outcome.restored is not None
    (entries,) = [check for check in outcome.restored.checks if check.name == "archive-entries"]
    assert entries.outcome is Outcome.PASSED


def test_a_trigger_that_pg_dump_95_listed_and_that_did_not_come_back_is_missed(
    shop: Callable[..., Source], restore_dump: Restore, tmp_path: Path
) -> None:
    dump = as_of_95(shop(17, OLD_TAGS).dump("shop", tmp_path / "shop.sql", "--no-owner"))
    lines = dump.read_text().splitlines(keepends=True)
    dump.write_text("".join(line for line in lines if not line.startswith("CREATE TRIGGER stamp")))
    outcome = restore_dump(17, dump)
    assert outcome.failures == {"restore-incomplete"}
    assert "TRIGGER public.stamp" in outcome.message("restore-incomplete")


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_flipped_bit_in_a_compressed_block_is_the_archives_fault_also_with_workers(
    shop: Callable[..., Source], restore_dump: Restore, tmp_path: Path, jobs: int
) -> None:
    more = "INSERT INTO customers SELECT g, md5(g::text) FROM generate_series(1000, 9000) g;\n"
    dump = shop(17, more).dump("shop", tmp_path / "shop.dump", "-Fc", "--no-owner")
    flip_in_file(dump, dump.stat().st_size // 2)
    assert "archive-corrupt" in restore_dump(17, dump, config=SandboxConfig(jobs=jobs)).failures
