"""Scripts as tools and people write them round a real dump: healthy ones verified, damaged ones failed."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tasks.model.findings import Verdict
from tests.fix_postgres import Source
from tests.yardstick.drilled import drill

MAJOR = 17
SHOP = """
CREATE TABLE customers (id int PRIMARY KEY, name text NOT NULL);
CREATE TABLE orders (id serial PRIMARY KEY, customer_id int NOT NULL REFERENCES customers,
    note text DEFAULT 'x');
CREATE INDEX orders_note ON orders (note);
CREATE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN NEW.note := 'stamped'; RETURN NEW; END$$;
CREATE TRIGGER orders_stamp BEFORE UPDATE ON orders FOR EACH ROW EXECUTE FUNCTION stamp();
CREATE RULE keep AS ON DELETE TO customers DO INSTEAD NOTHING;
INSERT INTO customers SELECT g, 'c' || g FROM generate_series(1, 40) g;
INSERT INTO orders (customer_id, note) SELECT 1 + g % 40, 'n;' || g FROM generate_series(1, 100) g;
"""
SCHEMA_BY_HAND = """
CREATE TABLE customers (id int PRIMARY KEY, name text NOT NULL);
CREATE TABLE orders (id serial PRIMARY KEY, customer_id int NOT NULL REFERENCES customers,
    note text DEFAULT 'x');
"""
PSQL = (
    "\\set ON_ERROR_STOP on\n\\timing\n\\pset pager off\n\\connect -reuse-previous=on \"dbname='shop'\"\n"
    "\\echo loading\n"
)
MAKING_ROOM = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'shop';\n"
    "DROP DATABASE IF EXISTS shop;\nDROP DATABASE IF EXISTS shop_old;\nCREATE DATABASE shop;\n\\c shop\n"
)
COMMENTED_OUT = (
    "--\n-- Name: service_mgmt; Type: EXTENSION; Schema: -; Owner: -\n--\n\n"
    "-- CREATE EXTENSION IF NOT EXISTS service_mgmt WITH SCHEMA public;\n\n\n"
)
OWN = (
    "CREATE TABLE public.seen (id int);\n"
    + "INSERT INTO public.seen VALUES (1); -- by the job that stores it\n" * 400
)
TIME = "\nreal\t0m0.412s\nuser\t0m0.301s\nsys\t0m0.022s\n"
_TABLE_TAG = re.compile(
    r"^(-- Name: )\w+ (\w+; Type: (?:FK CONSTRAINT|CONSTRAINT|DEFAULT|TRIGGER|RULE); )", re.MULTILINE
)


def plain(source: Source, *options: str) -> str:
    done = source.run("pg_dump", *options, "--no-owner", "-d", source.dsn("shop"))
    return done.stdout.decode()


def cluster_dump(source: Source, *options: str) -> str:
    with source.connect() as session:
        names = [str(name) for (name,) in session.execute("SELECT datname FROM pg_database")]
    others = [name for name in names if name not in ("shop", "postgres", "template0", "template1")]
    excluded = [f'--exclude-database="{name}"' for name in others]
    done = source.run("pg_dumpall", "-d", source.dsn("postgres"), "-l", "postgres", *options, *excluded)
    return done.stdout.decode()


def of_template(source: Source) -> str:
    source.execute("ALTER DATABASE shop IS_TEMPLATE true")
    try:
        return plain(source, "-C", "--clean")
    finally:
        source.execute("ALTER DATABASE shop IS_TEMPLATE false")


def of_9_5(source: Source) -> str:
    """A dump as pg_dump 9.5 wrote it: tags without their table, settings that are gone."""
    script = _TABLE_TAG.sub(r"\1\2", plain(source)).replace(
        "SET default_table_access_method = heap;", "SET default_with_oids = false;"
    )
    return re.sub(r"(?m)^\\(?:un)?restrict .*\n", "", script)


def data_by_hand(source: Source) -> str:
    return SCHEMA_BY_HAND + plain(source, "--data-only")


def of_a_service(source: Source) -> str:
    """A dump of a service that comments extensions out, with much of somebody's own behind its end."""
    first = "--\n-- Name: customers; Type: TABLE;"
    script = plain(source)
    assert first in script
    return script.replace(first, COMMENTED_OUT + first, 1) + OWN


def disabling(source: Source) -> str:
    return plain(source, "--schema-only") + plain(source, "--data-only", "--disable-triggers")


HEALTHY: dict[str, Callable[[Source], str]] = {
    "pg_dumpall-clean-exclude": lambda source: cluster_dump(source, "--clean", "--if-exists"),
    "pg_dumpall-clean": lambda source: cluster_dump(source, "--clean"),
    "create-clean-of-a-template": of_template,
    "tags-of-9.5": of_9_5,
    "schema-by-hand-then-data": data_by_hand,
    "schema-then-data-disabling-triggers": disabling,
    "in-a-transaction": lambda source: "BEGIN;\n" + plain(source) + "COMMIT;\n",
    "disabling-triggers-in-a-transaction": lambda source: "BEGIN;\n" + disabling(source) + "COMMIT;\n",
    "psqls-own-commands": lambda source: PSQL + plain(source) + "\\timing off\n\\q\n",
    "making-room-first": lambda source: MAKING_ROOM + plain(source),
    "kubectl-and-time": lambda source: (
        'Defaulted container "postgres" out of: postgres, metrics\n' + plain(source) + TIME
    ),
    "of-a-service-with-ones-own-behind": of_a_service,
    "inserts": lambda source: plain(source, "--inserts"),
    "rows-per-insert": lambda source: plain(source, "--rows-per-insert=7"),
    "column-inserts-without-conflict": lambda source: plain(
        source, "--column-inserts", "--on-conflict-do-nothing"
    ),
}


@pytest.fixture(scope="module")
def shop(cluster: Callable[[int], Source]) -> Iterator[Source]:
    source = cluster(MAJOR)
    source.create_database("shop")
    source.create_database("rdsadmin")
    source.execute(SHOP, "shop")
    yield source
    for name in ("shop", "rdsadmin"):
        source.execute(f"DROP DATABASE {name} WITH (FORCE)")


def with_a_damaged_row(script: str) -> str:
    """Make the number of a customer none, in a COPY's row or an INSERT."""
    damaged = re.sub(r"(?m)^17\tc17$|(?<=\()17(?=, 'c17')", lambda row: f"x{row[0]}", script)
    assert damaged != script
    return damaged


def cut(script: str) -> str:
    """End the script in the middle of the orders."""
    return script[: script.index("n;50")]


@pytest.mark.parametrize("kind", HEALTHY)
def test_what_psql_restores_is_verified(shop: Source, drill_folder: Path, tmp_path: Path, kind: str) -> None:
    path = tmp_path / "shop.sql"
    path.write_text(HEALTHY[kind](shop))
    drilled = drill(path, MAJOR, "shop" if "pg_dumpall" in kind else None)
    assert drilled.verdict is Verdict.VERIFIED, drilled.described()
    assert drilled.snapshot is not None


@pytest.mark.parametrize("damage", [with_a_damaged_row, cut])
@pytest.mark.parametrize("kind", HEALTHY)
def test_the_same_script_damaged_has_failed(
    shop: Source, drill_folder: Path, tmp_path: Path, kind: str, damage: Callable[[str], str]
) -> None:
    path = tmp_path / "shop.sql"
    path.write_text(damage(HEALTHY[kind](shop)))
    drilled = drill(path, MAJOR, "shop" if "pg_dumpall" in kind else None)
    assert drilled.verdict is Verdict.FAILED, drilled.described()


def test_rows_loaded_past_a_sleeping_key_are_held_against_it(
    shop: Source, drill_folder: Path, tmp_path: Path
) -> None:
    script = disabling(shop)
    orphaned = re.sub(r"(?m)^1\t2\tn;1$", "1\t999\tn;1", script)
    assert orphaned != script
    path = tmp_path / "shop.sql"
    path.write_text(orphaned)
    drilled = drill(path, MAJOR)
    assert drilled.failures() == {"foreign-key-orphans"}, drilled.described()
