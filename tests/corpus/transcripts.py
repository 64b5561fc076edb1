"""Records what pg_restore of each major says of one dump that is wrong in many ways, for tests/goldens.

Run `python -m tests.corpus.transcripts MAJOR...` to record anew; the change is reviewed as a diff. The dump
is restored whole, as the drill restores, by a role without power and without the drill's own precautions.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import uuid
from datetime import timedelta
from pathlib import Path

import psycopg

from tasks.catalog.toc import parse_toc
from tasks.model.backup import Toc, TocEntry
from tasks.model.clock import utc_now
from tasks.model.target import SandboxConfig
from tasks.sandbox import connect, destroy, dsn, find_postgres, open_workspace, run_tool, start_sandbox

GOLDENS = Path(__file__).parents[1] / "goldens" / "transcripts"
MAJORS = (14, 15, 16, 17, 18)
SCHEMA = """
CREATE ROLE app; CREATE SCHEMA "Odd schema"; CREATE EXTENSION citext; CREATE EXTENSION postgres_fdw;
CREATE TABLE customers (id integer PRIMARY KEY, name text);
CREATE TABLE orders (id integer PRIMARY KEY, customer integer REFERENCES customers, note text);
CREATE TABLE "Odd schema".notes (id integer, body text);
CREATE TABLE checked (id integer);
CREATE FUNCTION known(integer) RETURNS boolean LANGUAGE plpgsql AS
    'BEGIN RETURN EXISTS (SELECT 1 FROM customers WHERE id = $1); END';
ALTER TABLE checked ADD CONSTRAINT known CHECK (known(id)) NOT VALID;
UPDATE pg_constraint SET convalidated = true WHERE conname = 'known';
CREATE FUNCTION backend() RETURNS integer LANGUAGE internal AS 'pg_backend_pid';
CREATE VIEW backends AS SELECT backend() AS pid;
CREATE MATERIALIZED VIEW files AS SELECT pg_read_file('/etc/passwd') AS f WITH NO DATA;
UPDATE pg_class SET relispopulated = true WHERE relname = 'files';
CREATE FUNCTION ddl() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';
INSERT INTO customers VALUES (1, 'one'), (2, 'two'); INSERT INTO orders VALUES (1, 1, 'n'), (2, 2, 'n');
INSERT INTO checked VALUES (1); INSERT INTO "Odd schema".notes VALUES (1, 'fine');
SET session_replication_role = replica; DELETE FROM customers WHERE id = 2; RESET session_replication_role;
UPDATE pg_index SET indisready = false WHERE indexrelid = 'customers_pkey'::regclass;
INSERT INTO customers VALUES (1, 'secret-row-value');
UPDATE pg_index SET indisready = true WHERE indexrelid = 'customers_pkey'::regclass;
GRANT SELECT ON customers TO app; ALTER TABLE orders OWNER TO app;
COMMENT ON EXTENSION citext IS 'c'; CREATE PUBLICATION p FOR ALL TABLES;
CREATE EVENT TRIGGER e ON ddl_command_end EXECUTE FUNCTION ddl();
"""


def record(major: int) -> None:
    """Record the transcript of *major*, and the table of contents that it belongs to."""
    workspace = open_workspace(
        "goldens", "shop", f"golden-{uuid.uuid4().hex[:8]}", "off", utc_now() + timedelta(hours=1)
    )
    try:
        box = start_sandbox(workspace, find_postgres(major), SandboxConfig(), 60)
        with connect(box) as session:
            session.execute("CREATE DATABASE shop")
        with psycopg.connect(dsn(box, "shop", box.superuser), autocommit=True) as session:
            for statement in SCHEMA.split(";\n"):
                session.execute(statement.encode())
        dump = workspace.backup_dir / "shop.dump"
        argv = [
            str(box.postgres.bindir / "pg_dump"),
            "-Fc",
            "-f",
            str(dump),
            "-d",
            dsn(box, "shop", box.superuser),
        ]
        subprocess.run(argv, check=True, env={"LC_ALL": "C"}, timeout=60)
        with connect(box) as session:
            session.execute("CREATE DATABASE bare OWNER drill_owner")
            session.execute("DROP OWNED BY app")
        lines: list[str] = []
        restore = [
            "pg_restore",
            "--no-owner",
            "--no-tablespaces",
            "-d",
            dsn(box, "bare", box.owner),
            str(dump),
        ]
        run_tool(box, restore, env={}, deadline_s=60, on_stderr=lines.append)
        toc = parse_toc(dump.read_bytes(), "shop.dump").toc
        _write(major, lines, toc, box.superuser)
    finally:
        destroy(workspace)


def _write(major: int, lines: list[str], toc: Toc, superuser: str) -> None:
    GOLDENS.mkdir(exist_ok=True, parents=True)
    text = "\n".join(lines).replace(superuser, "postgres")
    (GOLDENS / f"pg_restore-{major}.txt").write_text(text + "\n", encoding="utf-8")
    entries = [
        {
            "dump_id": entry.dump_id, "desc": entry.desc, "tag": entry.tag, "namespace": entry.namespace,
            "owner": entry.owner.replace(superuser, "postgres"), "section": entry.section,
            "defn": entry.defn.replace(superuser, "postgres"), "dependencies": list(entry.dependencies),
        }
        for entry in toc.entries
    ]  # fmt: skip
    written = json.dumps(entries, indent=0, ensure_ascii=False)
    (GOLDENS / f"toc-{major}.json").write_text(written + "\n", encoding="utf-8")


def read_toc(major: int) -> Toc:
    """Return the recorded table of contents."""
    entries = json.loads((GOLDENS / f"toc-{major}.json").read_text(encoding="utf-8"))
    return Toc(
        tuple(TocEntry(**{**entry, "dependencies": tuple(entry["dependencies"])}) for entry in entries)
    )


def read_lines(major: int) -> list[str]:
    """Return the recorded transcript."""
    return (GOLDENS / f"pg_restore-{major}.txt").read_text(encoding="utf-8").splitlines()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as _:
        for wanted in sys.argv[1:] or MAJORS:
            record(int(wanted))
