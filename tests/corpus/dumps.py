"""Healthy dumps of a real database in every format, made by PostgreSQL's own tools."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.fix_postgres import Source

SCHEMA = """
CREATE EXTENSION pg_trgm;
CREATE SCHEMA shop;
CREATE TABLE shop.customers (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL, extra
jsonb); CREATE TABLE shop."Gift Cards" (id serial PRIMARY KEY, customer bigint REFERENCES shop.customers,
code text); CREATE TABLE shop.never_used (id int);
CREATE TABLE shop.notes (line text);
CREATE TABLE shop.orders (id bigint, at timestamptz, amount numeric) PARTITION BY RANGE (at);
CREATE TABLE shop.orders_1 PARTITION OF shop.orders FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
CREATE TABLE shop.orders_2 PARTITION OF shop.orders FOR VALUES FROM ('2026-02-01') TO ('2026-04-01');
INSERT INTO shop.customers (name, extra)
    SELECT 'name ' || i, jsonb_build_object('key', md5(i::text)) FROM generate_series(1, 3000) i;
INSERT INTO shop."Gift Cards" (customer, code) SELECT i, md5(i::text) FROM generate_series(1, 2000) i;
INSERT INTO shop.orders SELECT i, '2026-01-01'::timestamptz + i * interval '15 min', i FROM
generate_series(1, 5000) i; INSERT INTO shop.notes VALUES ('-- PostgreSQL database dump complete'), ('--'),
(E'a\\nb'), (''); DO $$ BEGIN FOR i IN 1..12 LOOP
    PERFORM lo_from_bytea(0, convert_to(repeat(md5(i::text), 300), 'UTF8')); END LOOP; END $$;
SELECT lo_create(0);
CREATE MATERIALIZED VIEW shop.totals AS SELECT count(*) AS orders FROM shop.orders;
CREATE INDEX ON shop.customers USING gin (name gin_trgm_ops);
"""
TABLES = frozenset({"customers", "Gift Cards", "never_used", "notes", "orders", "orders_1", "orders_2"})


def build_database(source: Source, name: str = "shop_archives") -> str:
    """Make the sample database in *source*; return its name."""
    source.create_database(name)
    source.execute(SCHEMA, name)
    return name


def dump_every_format(source: Source, database: str, folder: Path) -> dict[str, Path]:
    """Dump *database* in every format that the major's pg_dump knows; return them by name."""
    made = {
        "custom": source.dump(database, folder / "custom.dump", "-Fc"),
        "custom-none": source.dump(database, folder / "custom-none.dump", "-Fc", "-Z0"),
        "directory": source.dump(database, folder / "directory", "-Fd"),
        "directory-none": source.dump(database, folder / "directory-none", "-Fd", "-Z0"),
        "directory-parallel": source.dump(database, folder / "directory-parallel", "-Fd", "-j2"),
        "tar": source.dump(database, folder / "tar.tar", "-Ft"),
        "plain": source.dump(database, folder / "plain.sql"),
        "plain-create": source.dump(database, folder / "create.sql", "-C"),
        "plain-inserts": source.dump(database, folder / "inserts.sql", "--inserts"),
        "plain-data-only": source.dump(database, folder / "data-only.sql", "--data-only"),
        "cluster": source.dump_all(folder / "all.sql", database),
        "globals": source.dump_globals(folder / "globals.sql"),
        "custom-stdout": _to_stdout(source, database, folder / "stdout.dump"),
        "custom-pipe": _through_a_pipe(source, database, folder / "pipe.dump"),
    }
    if source.major >= 16:
        for method in ("lz4", "zstd"):
            made[f"custom-{method}"] = source.dump(database, folder / f"{method}.dump", "-Fc", f"-Z{method}")
            made[f"directory-{method}"] = source.dump(database, folder / f"d-{method}", "-Fd", f"-Z{method}")
    return made


def _to_stdout(source: Source, database: str, path: Path) -> Path:
    """pg_dump > file: the file can be sought in, which pg_dump takes for a reason to write its TOC twice."""
    argv = [str(source.install.bindir / "pg_dump"), "-Fc", "-d", source.dsn(database)]
    with path.open("wb") as file:
        subprocess.run(argv, check=True, stdout=file, env={"LC_ALL": "C"}, timeout=120)
    return path


def _through_a_pipe(source: Source, database: str, path: Path) -> Path:
    """pg_dump | cat: the TOC cannot know where the data lies."""
    path.write_bytes(source.run("pg_dump", "-Fc", "-d", source.dsn(database)).stdout)
    return path
