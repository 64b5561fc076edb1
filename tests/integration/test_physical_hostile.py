"""Copies whose own settings would run programs, reach out, lock us out or keep the server from starting."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tasks.model.findings import Severity
from tasks.physical.bring_up import BroughtUp
from tasks.sandbox import connect, find_postgres
from tests.corpus.base_backups import Production, production
from tests.fix_physical import Drilled, refused, rows

MAJORS = (15, 17, 18)
MAJOR = 17
SECRET = "hunter2"


@pytest.fixture(params=MAJORS)
def plain(source: Callable[..., Production], request: pytest.FixtureRequest) -> Path:
    production = source(request.param)
    name = f"hostile-{len(list(production.folder.glob('hostile-*')))}"
    return production.base_backup(name, "-Fp", "-X", "stream")


def major_of(folder: Path) -> int:
    return int((folder / "PG_VERSION").read_text())


def up(drilled: Drilled, folder: Path, major: int | None = None) -> BroughtUp:
    copy = drilled.up(folder, major or major_of(folder))
    assert rows(copy.adopted.sandbox, "SELECT count(*) FROM shop.orders") == [(2000,)]
    assert {found.severity for found in copy.findings} <= {Severity.INFO}
    return copy


def test_auto_conf_runs_nothing_and_is_named_without_its_values(
    drilled: Drilled, plain: Path, tmp_path: Path, listener: tuple[int, list[str]]
) -> None:
    tmp_path.chmod(0o777)
    port, callers = listener
    settings = {
        "shared_preload_libraries": "timescaledb,pg_cron",
        "session_preload_libraries": "auto_explain",
        "archive_mode": "always",
        "archive_command": f"touch {tmp_path}/archived",
        "recovery_end_command": f"touch {tmp_path}/ended",
        "archive_cleanup_command": f"touch {tmp_path}/cleaned",
        "restore_command": f"touch {tmp_path}/restored; false",
        "primary_conninfo": f"host=127.0.0.1 port={port} password={SECRET}",
        "ssl": "on",
        "shared_buffers": "900GB",
        "huge_pages": "on",
        "max_connections": "1",
        "listen_addresses": "*",
    }
    lines = [f"{name} = '{value}'\n" for name, value in settings.items()]
    (plain / "postgresql.auto.conf").write_text("".join(lines))
    (plain / "standby.signal").touch()
    copy = up(drilled, plain)
    assert list(tmp_path.glob("*ed")) == []
    assert callers == []
    assert {f"postgresql.auto.conf: {name}" for name in settings} <= set(copy.neutralised)
    assert "standby.signal" in copy.neutralised
    assert SECRET not in " ".join([*copy.neutralised, *(found.message for found in copy.findings)])
    shown = rows(copy.adopted.sandbox, "SELECT current_setting('archive_mode'), current_setting('ssl')")
    assert shown == [("off", "off")]


def test_the_copys_own_configuration_is_never_read(drilled: Drilled, plain: Path) -> None:
    (plain / "postgresql.conf").write_text("include '/nonexistent.conf'\nshared_preload_libraries = 'none'\n")
    (plain / "pg_hba.conf").write_text("nonsense\n")
    (plain / "pg_ident.conf").unlink()
    manifest_without(plain)
    copy = up(drilled, plain)
    assert {"postgresql.conf: include", "postgresql.conf: shared_preload_libraries"} <= set(copy.neutralised)


@pytest.mark.parametrize("name", ["postmaster.pid", "recovery.signal", "promote"])
def test_what_a_running_server_left_is_removed(name: str, drilled: Drilled, plain: Path) -> None:
    (plain / name).write_text("1\n/var/lib/postgresql\n")
    up(drilled, plain)


def test_a_library_in_the_data_folder_is_no_code_here(drilled: Drilled, plain: Path) -> None:
    install = find_postgres(major_of(plain))
    library = next(path for path in install.bindir.parent.rglob("plpgsql.so"))
    (plain / "evil.so").write_bytes(library.read_bytes())
    copy = up(drilled, plain)
    path = copy.adopted.sandbox.workspace.data_dir / "evil.so"
    path.chmod(0o755)
    assert "failed to map segment" in refused(copy.adopted.sandbox, f"LOAD '{path}'")
    assert rows(copy.adopted.sandbox, "SELECT 1") == [(1,)]


@pytest.mark.parametrize("major", MAJORS)
def test_tablespaces_come_back_below_the_drills_folder(major: int, drilled: Drilled) -> None:
    with production(find_postgres(major)) as source:
        source.new_folder("fast")
        source.execute(f"CREATE TABLESPACE fast LOCATION '{source.folder}/fast'")
        source.execute(
            "CREATE TABLE shop.far (id int) TABLESPACE fast; INSERT INTO shop.far VALUES (7)", "shop"
        )
        folder = source.base_backup("tar", "-Ft", "-z")
        source.execute("UPDATE shop.far SET id = 8", "shop")
        copy = up(drilled, folder, major)
        assert rows(copy.adopted.sandbox, "SELECT id FROM shop.far") == [(7,)]
        (at,) = rows(
            copy.adopted.sandbox,
            "SELECT pg_tablespace_location(oid) FROM pg_tablespace WHERE spcname = 'fast'",
        )
        assert str(at[0]).startswith(str(drilled.workspace.root))


def test_a_cluster_of_another_superuser_and_its_settings_lets_the_drill_in(drilled: Drilled) -> None:
    with production(find_postgres(MAJOR), superuser="Ölaf Admin") as source:
        source.execute(
            """
            ALTER DATABASE shop SET session_preload_libraries = 'nothing_here';
            ALTER ROLE ALL SET session_preload_libraries = 'nothing_there';
            ALTER DATABASE shop SET default_transaction_read_only = on;
            ALTER DATABASE shop SET statement_timeout = '1ms';
            ALTER DATABASE shop SET search_path = evil;
            """
        )
        source.env = {"PGOPTIONS": "-c session_preload_libraries="}
        copy = up(drilled, source.base_backup("tar", "-Ft"), MAJOR)
        assert {
            "database shop, all roles: session_preload_libraries",
            "all databases, all roles: session_preload_libraries",
        } <= set(copy.neutralised)


@pytest.mark.parametrize("major", [17, 18])
def test_login_triggers_neither_run_nor_lock_out(major: int, drilled: Drilled) -> None:
    with production(find_postgres(major)) as source:
        source.execute(
            """
            CREATE FUNCTION shut() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'closed'; END $$;
            CREATE EVENT TRIGGER shut ON login EXECUTE FUNCTION shut();
            """,
            "shop",
        )
        copy = up(drilled, source.base_backup("tar", "-Ft"), major)
        assert "shop: login trigger shut" in copy.neutralised


@pytest.mark.parametrize("major", MAJORS)
def test_a_subscription_reaches_nobody(major: int, drilled: Drilled, listener: tuple[int, list[str]]) -> None:
    port, callers = listener
    with production(find_postgres(major), wal_level="logical") as source:
        source.execute(
            f"CREATE SUBSCRIPTION feed CONNECTION 'host=127.0.0.1 port={port} password={SECRET}' "
            "PUBLICATION p WITH (connect = false)",
            "shop",
        )
        source.execute("UPDATE pg_subscription SET subenabled = true, subslotname = 'feed'", "shop")
        source.execute("SELECT pg_create_logical_replication_slot('left', 'test_decoding')", "shop")
        callers.clear()
        copy = up(drilled, source.base_backup("tar", "-Ft"), major)
        assert "subscription feed" in copy.neutralised
        with connect(copy.adopted.sandbox, "shop") as session:
            workers = session.execute(
                "SELECT count(*) FROM pg_stat_subscription WHERE pid IS NOT NULL"
            ).fetchone()
        assert workers == (0,)


@pytest.mark.parametrize("major", MAJORS)
def test_prepared_transactions_and_unlogged_tables_are_named(major: int, drilled: Drilled) -> None:
    with production(find_postgres(major)) as source:
        source.execute("CREATE UNLOGGED TABLE shop.carts AS SELECT generate_series(1, 100) AS id", "shop")
        with source.connect("shop") as session:
            session.execute("BEGIN; INSERT INTO shop.marks VALUES ('doubt'); PREPARE TRANSACTION 'doubt'")
        copy = up(drilled, source.base_backup("tar", "-Ft"), major)
        assert {"unlogged-emptied", "prepared-transactions-left"} <= {found.rule for found in copy.findings}
        assert copy.facts.unlogged == ("shop:shop.carts",)
        assert rows(copy.adopted.sandbox, "SELECT count(*) FROM shop.carts") == [(0,)]
        assert rows(copy.adopted.sandbox, "SELECT count(*) FROM shop.marks") == [(0,)]


def manifest_without(folder: Path) -> None:
    """Leave the manifest out: this test changes files that it proves."""
    (folder / "backup_manifest").unlink()
