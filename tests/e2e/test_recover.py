"""`restore-drill recover`: the drilled path for good; what is left is a cluster that starts without us."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from tests.fix_drill import MAJOR, Fleet, Here, hours_ago
from tests.fix_postgres import Source
from tests.fix_recovered import as_owner, let_in, stopped_after

CONTENT = """
CREATE ROLE shop_owner; CREATE ROLE shop_clerk;
CREATE TABLE public.orders (id int PRIMARY KEY, note text);
INSERT INTO public.orders SELECT i, 'order ' || i FROM generate_series(1, 700) i;
ALTER TABLE public.orders OWNER TO shop_owner; GRANT SELECT ON public.orders TO shop_clerk;
CREATE FUNCTION public.loud() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';
CREATE EVENT TRIGGER loud ON ddl_command_start EXECUTE FUNCTION public.loud();
"""


@pytest.fixture(scope="module")
def dump(cluster: Callable[[int], Source], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A dump with owners, grants and what a restore leaves switched off."""
    source = cluster(MAJOR)
    source.create_database("orders")
    source.execute(CONTENT, "orders")
    yield source.dump("orders", tmp_path_factory.mktemp("recover") / "orders.dump", "-Fc")
    source.execute("DROP DATABASE orders")
    source.execute("DROP ROLE shop_owner; DROP ROLE shop_clerk")


def test_what_comes_back_is_a_cluster_of_ones_own(
    here: Here, fleet: Fleet, dump: Path, open_folder: Path, drill_folder: Path
) -> None:
    fleet.add("orders", dump)
    into = open_folder / "back"
    ran = here("recover", fleet.path, "-d", "orders", "--into", into, "--json")
    assert ran.exit_code == 0, ran
    document = ran.document
    assert sorted(path.name for path in into.iterdir()) == ["data"]
    assert not (Path(document["data"]) / "postmaster.pid").exists()
    assert not list((drill_folder / "drills").glob("*"))
    assert "orders: perhaps" not in ran.err  # said by lines, without its heading
    assert "prove it: restore-drill run" in ran.err
    remains = " ".join(document["remains"])
    assert "loud" in remains
    assert "shop_clerk" in remains

    let_in(document)
    options = f"-p 5499 -k {into} -c listen_addresses="
    log = str(into / "server.log")
    started = as_owner(document, "pg_ctl", "-D", document["data"], "-l", log, "-o", options, "-w", "start")
    assert started.returncode == 0
    with (
        stopped_after(document),
        psycopg.connect(f"host={into} port=5499 user=postgres dbname=orders", autocommit=True) as session,
    ):
        assert session.execute("SELECT count(*), max(note) FROM public.orders").fetchone() == (
            700,
            "order 99",
        )
        roles = {row[0] for row in session.execute("SELECT rolname FROM pg_roles WHERE rolname !~ '^pg_'")}
        assert roles == {"postgres", "shop_owner", "shop_clerk"}
        assert session.execute("SHOW fsync").fetchone() == ("on",)
        assert session.execute("SHOW is_superuser").fetchone() == ("on",)
        owner = (
            "SELECT relowner::regrole::text, relacl::text ~ 'shop_clerk=r' FROM pg_class"
            " WHERE oid = 'orders'::regclass"
        )
        assert session.execute(owner).fetchone() == ("shop_owner", True)


def test_it_starts_where_that_is_asked_for_and_outlives_the_command(
    here: Here, fleet: Fleet, dump: Path, open_folder: Path
) -> None:
    fleet.add("orders", dump)
    into = open_folder / "started"
    port = 20000 + os.getpid() % 10000
    ran = here("recover", fleet.path, "-d", "orders", "--into", into, "--start", "--port", port, "--json")
    with stopped_after(ran.document):
        time.sleep(0.2)
        assert as_owner(ran.document, "pg_ctl", "-D", ran.document["data"], "status").returncode == 0
        assert f"port {port}" in ran.err


def test_the_moment_asked_for_comes_back(
    here: Here, fleet: Fleet, dump: Path, orders_dump: Path, open_folder: Path
) -> None:
    fleet.add("orders", dump, age_h=30)
    fleet.put("orders", orders_dump, hours_ago(2))
    then = f"{hours_ago(20):%Y-%m-%dT%H:%M:%SZ}"
    ran = here("recover", fleet.path, "-d", "orders", "--to", then, "--into", open_folder / "then", "--json")
    assert f"{hours_ago(30):%Y%m%d}" in ran.document["uri"]


def test_a_folder_that_is_not_free_is_left_alone(
    here: Here, fleet: Fleet, dump: Path, tmp_path: Path
) -> None:
    fleet.add("orders", dump)
    (tmp_path / "mine").write_text("precious")
    ran = here("recover", fleet.path, "-d", "orders", "--into", tmp_path)
    assert ran.exit_code == 3
    assert "not empty" in ran.err
    assert (tmp_path / "mine").read_text() == "precious"


def test_a_broken_backup_leaves_nothing_and_says_why(
    here: Here, fleet: Fleet, dump: Path, open_folder: Path
) -> None:
    fleet.add("orders", dump.read_bytes()[:3000])
    into = open_folder / "broken"
    ran = here("recover", fleet.path, "-d", "orders", "--into", into)
    assert ran.exit_code == 1, ran
    assert "archive-" in ran.err
    assert not list(into.iterdir())


def test_a_deadline_of_months_is_none(here: Here, fleet: Fleet, dump: Path) -> None:
    fleet.add("orders", dump, deadline="60d")
    assert here("run", fleet.path, "--json").document["verdict"] == "verified"
