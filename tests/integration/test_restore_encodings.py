"""Databases that are not in UTF-8, and names in bytes that are no text at all."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tasks.model.errors import PermanentError
from tests.fix_postgres import Source, running_source
from tests.fix_restore import Restore

MAJOR = 17
NAMES = {"LATIN1": ("müller", "größe"), "EUC_JP": ("山田", "注文")}
CODECS = {"LATIN1": "latin-1", "EUC_JP": "euc_jp"}
OWNER = "zoe"


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Source]:
    """A cluster of these tests' own: a role that no other encoding can spell spoils every other dump."""
    with running_source(tmp_path_factory.mktemp("source"), MAJOR) as running:
        yield running


@contextlib.contextmanager
def database(source: Source, encoding: str) -> Iterator[None]:
    """Make the database `names`: its table, owner and reader named in letters of *encoding*."""
    owner, table = NAMES[encoding]
    source.create_database("names", options=f"TEMPLATE template0 ENCODING '{encoding}' LOCALE 'C'")
    source.execute(
        f'CREATE ROLE "{owner}"; CREATE ROLE "{owner}s";'
        f'CREATE TABLE "{table}" (id int PRIMARY KEY); INSERT INTO "{table}" VALUES (1);'
        f'ALTER TABLE "{table}" OWNER TO "{owner}"; GRANT SELECT ON "{table}" TO "{owner}s";'
        f'ALTER TABLE "{table}" ENABLE ROW LEVEL SECURITY;'
        f'CREATE POLICY own ON "{table}" TO "{owner}s" USING (true)',
        "names",
    )
    yield
    source.execute(f'DROP TABLE "{table}"; DROP ROLE "{owner}", "{owner}s"', "names")


@pytest.mark.parametrize("encoding", list(NAMES))
@pytest.mark.parametrize("form", ["-Fc", "-Fp"])
def test_a_dump_comes_back_with_the_names_of_its_own_encoding(
    source: Source, restore_dump: Restore, tmp_path: Path, encoding: str, form: str
) -> None:
    owner, table = NAMES[encoding]
    with database(source, encoding):
        dump = source.dump("names", tmp_path / "names.dump", form, "-E", encoding)
    assert owner.encode(CODECS[encoding]) in dump.read_bytes()
    outcome = restore_dump(MAJOR, dump)
    assert outcome.failures == set()
    with outcome.sandbox_session() as session:
        row = session.execute(
            "SELECT tableowner, has_table_privilege(%s, format('public.%%I', tablename), 'SELECT')"
            " FROM pg_tables WHERE tablename = %s",
            [f"{owner}s", table],
        ).fetchone()
        policy = session.execute("SELECT roles::text[] FROM pg_policies").fetchone()
    assert row == (owner, True)
    assert policy == ([f"{owner}s"],)


@pytest.mark.parametrize("form", ["-Fc", "-Fp"])
def test_an_owner_whose_name_is_no_text_is_a_fault_of_the_dump(
    source: Source, restore_dump: Restore, tmp_path: Path, form: str
) -> None:
    source.create_database("spoiled")
    source.execute(
        f"CREATE ROLE {OWNER}; CREATE TABLE a (id int); INSERT INTO a VALUES (1);"
        f"ALTER TABLE a OWNER TO {OWNER}",
        "spoiled",
    )
    dump = source.dump("spoiled", tmp_path / "spoiled.dump", form)
    source.execute(f"DROP OWNED BY {OWNER}; DROP ROLE {OWNER}", "spoiled")
    healthy = restore_dump(MAJOR, dump)
    assert healthy.failures == set()
    dump.write_bytes(dump.read_bytes().replace(OWNER.encode(), b"zo\xff"))
    broken = restore_dump(MAJOR, dump)
    assert "invalid-encoding" in broken.failures


@pytest.mark.parametrize("form", ["-Fc", "-Fp"])
def test_names_of_sql_ascii_that_are_no_text_are_what_the_drill_cannot_judge(
    source: Source, restore_dump: Restore, tmp_path: Path, form: str
) -> None:
    source.create_database("bytes", options="TEMPLATE template0 ENCODING 'SQL_ASCII' LOCALE 'C'")
    script = tmp_path / "make.sql"
    script.write_bytes(b"SET client_encoding = 'SQL_ASCII'; CREATE TABLE \"b\xfccher\" (id int);")
    source.psql("bytes", script)
    dump = source.dump("bytes", tmp_path / "bytes.dump", form, "-E", "SQL_ASCII")
    with pytest.raises(PermanentError) as refused:
        restore_dump(MAJOR, dump)
    assert refused.value.rule == "format-unsupported"
    assert "SQL_ASCII" in refused.value.what


@pytest.mark.parametrize("form", ["-Fc", "-Fp"])
def test_rows_of_sql_ascii_may_be_any_bytes(
    source: Source, restore_dump: Restore, tmp_path: Path, form: str
) -> None:
    source.create_database("bytes", options="TEMPLATE template0 ENCODING 'SQL_ASCII' LOCALE 'C'")
    script = tmp_path / "make.sql"
    script.write_bytes(
        b"SET client_encoding = 'SQL_ASCII'; CREATE TABLE books (t text);"
        b"INSERT INTO books VALUES ('b\xfccher');"
    )
    source.psql("bytes", script)
    dump = source.dump("bytes", tmp_path / "bytes.dump", form, "-E", "SQL_ASCII")
    assert restore_dump(MAJOR, dump).failures == set()
