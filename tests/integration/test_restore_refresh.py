"""Materialised views that a person's restore could not fill, for their owners may not read what they read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.fix_postgres import Source
from tests.fix_restore import Restore
from tests.yardstick.truth import restore_as_person

ROLES = """
    CREATE ROLE seller; CREATE ROLE reporter; CREATE ROLE boss SUPERUSER; CREATE ROLE reading;
    GRANT reading TO reporter;
"""
SHOP = """
    CREATE TABLE orders (id integer PRIMARY KEY, note text);
    INSERT INTO orders SELECT g, 'n' FROM generate_series(1, 20) g;
    CREATE FUNCTION doubled(integer) RETURNS integer LANGUAGE sql IMMUTABLE AS 'SELECT $1 * 2';
    CREATE VIEW notes AS SELECT id, note FROM orders;
    CREATE MATERIALIZED VIEW report AS SELECT doubled(id) AS id, note FROM notes;
    ALTER TABLE orders OWNER TO seller;
    ALTER VIEW notes OWNER TO reporter;
    ALTER MATERIALIZED VIEW report OWNER TO reporter;
"""
DENIED = {
    "the owner of the view": "SELECT 1",
    "the owner of the materialised view": "ALTER VIEW notes OWNER TO seller",
    "a column": "GRANT SELECT (id) ON orders TO reporter",
    "the function": "GRANT SELECT ON orders TO reporter; REVOKE ALL ON FUNCTION doubled(integer) FROM PUBLIC",
}
ALLOWED = {
    "a grant": "GRANT SELECT ON orders TO reporter",
    "the columns": "GRANT SELECT (id, note) ON orders TO reporter",
    "a group": "GRANT SELECT ON orders TO reading",
    "a superuser's view": "ALTER VIEW notes OWNER TO boss; ALTER MATERIALIZED VIEW report OWNER TO boss",
    "one owner": "ALTER TABLE orders OWNER TO reporter",
    "not populated": "REFRESH MATERIALIZED VIEW report WITH NO DATA",
}


@pytest.fixture
def dump(cluster: Callable[[int], Source], tmp_path: Path) -> Callable[..., tuple[Source, Path, Path]]:
    """Dump the shop after *more*, with its globals."""

    def made(more: str, form: str = "-Fc") -> tuple[Source, Path, Path]:
        source = cluster(17)
        source.create_database("shop")
        with source.connect() as session:
            if session.execute("SELECT 1 FROM pg_roles WHERE rolname = 'seller'").fetchone() is None:
                session.execute(ROLES.encode())
        source.execute(SHOP, "shop")
        source.execute(more, "shop")
        return (
            source,
            source.dump("shop", tmp_path / "shop.dump", form),
            source.dump_globals(tmp_path / "g.sql"),
        )

    return made


@pytest.mark.parametrize("what", DENIED)
def test_a_view_that_a_restore_leaves_empty_fails_as_a_persons_restore_does(
    dump: Callable[..., tuple[Source, Path, Path]], restore_dump: Restore, what: str
) -> None:
    source, path, roles = dump(DENIED[what])
    truth = restore_as_person(source, path, "truth")
    outcome = restore_dump(17, path, globals_path=roles)
    assert any("permission denied" in error for error in truth.errors)
    assert outcome.failures == {"refresh-denied"}
    assert "public.report" in outcome.message("refresh-denied")
    assert "as reporter" in outcome.message("refresh-denied")


@pytest.mark.parametrize("what", ALLOWED)
def test_a_view_whose_owners_may_read_is_nothing_to_speak_of(
    dump: Callable[..., tuple[Source, Path, Path]], restore_dump: Restore, what: str
) -> None:
    source, path, roles = dump(ALLOWED[what])
    truth = restore_as_person(source, path, "truth")
    outcome = restore_dump(17, path, globals_path=roles)
    assert truth.errors == ()
    assert "refresh-denied" not in outcome.rules


def test_a_script_is_asked_the_same(
    dump: Callable[..., tuple[Source, Path, Path]], restore_dump: Restore
) -> None:
    _, path, roles = dump(DENIED["a column"], "-Fp")
    assert "refresh-denied" in restore_dump(17, path, globals_path=roles).failures


def test_of_a_role_that_the_backup_does_not_bring_nobody_knows_that_it_is_no_superuser(
    dump: Callable[..., tuple[Source, Path, Path]], restore_dump: Restore
) -> None:
    _, path, _ = dump(DENIED["the owner of the view"])
    outcome = restore_dump(17, path)
    assert outcome.failures == set()
    assert "the backup does not say" in outcome.message("refresh-denied")
