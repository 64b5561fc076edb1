"""Secrets and rows that a backup holds are found nowhere in what a drill leaves or says."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.corpus import quoting
from tests.fix_drill import MAJOR, Fleet, Ran, Shell, hours_ago, rules_of
from tests.fix_postgres import Source
from tests.fix_prefect import PrefectServer

PASSWORDS = ("canary-owner-password", "canary-mapping-password", "canary-conninfo-password", "canary-option")
ROWS = ("canary-row-duplicate", "canary-row-malformed", "canary-row-in-the-suite", "canary-row-foreign")
URL = "https://bucket.example/key?X-Amz-Signature=canary-signature&X-Amz-Credential=canary-credential"
IN_URL = ("canary-signature", "canary-credential")
MADE = f"""
CREATE ROLE canary_owner LOGIN PASSWORD '{PASSWORDS[0]}';
"""
SCHEMA = f"""
CREATE EXTENSION postgres_fdw;
CREATE SERVER elsewhere FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host '192.0.2.1', dbname 'other');
CREATE USER MAPPING FOR canary_owner SERVER elsewhere OPTIONS (user 'u', password '{PASSWORDS[1]}');
CREATE SUBSCRIPTION elsewhere_too CONNECTION 'host=192.0.2.1 password={PASSWORDS[2]} dbname=x'
    PUBLICATION p WITH (connect = false, enabled = false, slot_name = NONE, create_slot = false);
CREATE TABLE public.people (id int, name text);
ALTER TABLE public.people OWNER TO canary_owner;
INSERT INTO public.people VALUES (1, '{ROWS[0]}'), (2, '{ROWS[2]}'), (3, '{URL}');
CREATE TABLE public.children (id int PRIMARY KEY, note text);
INSERT INTO public.children VALUES (1, '{ROWS[3]}');
"""
QUOTED = {"archive": ("-Fc",), "script": ("-Fp",), "inserts": ("-Fp", "--inserts")}
SUITE = """
suite: people
tables:
  public.people:
    - type: expect_column_values_to_match_regex
      kwargs: {column: name, regex: "^nobody$"}
    - type: expect_column_values_to_be_in_set
      kwargs: {column: name, value_set: [nobody]}
"""


def broken_script(text: str) -> str:
    """Break a plain dump so that the server quotes rows: a duplicate key, a malformed number, a bad URL."""
    head, copied = text.split("COPY public.people (id, name) FROM stdin;\n", 1)
    head += "ALTER TABLE public.people ADD CONSTRAINT no_twins UNIQUE (name);\n"
    head += "CREATE TABLE public.urls (u int);\n"
    head += f"INSERT INTO public.urls VALUES ('{URL}');\n"
    copy = "COPY public.people (id, name) FROM stdin;\n"
    twins = f"4\t{ROWS[0]}\n5\t{ROWS[0]}\n\\.\n"
    return head + copy + twins + copy + f"{ROWS[1]}\tx\n\\.\n" + copy + copied


@pytest.fixture
def drilled(
    fleet: Fleet, cluster: Callable[[int], Source], shell: Shell, tmp_path: Path
) -> Iterator[tuple[Ran, Ran]]:
    """Both runs over the planted backups, with documents and with lines for a person."""
    source = cluster(MAJOR)
    source.execute(MADE)
    source.create_database("people")
    source.execute(SCHEMA, "people")
    at = hours_ago(1)
    made = tmp_path / "made"
    made.mkdir()
    globals_text = source.dump_globals(made / "globals.sql").read_text()
    fleet.backups.mkdir(parents=True)
    (fleet.backups / f"globals_{at:%Y%m%dT%H%M%SZ}.sql").write_text(globals_text)
    assert "SCRAM-SHA-256$" in globals_text
    (fleet.folder / "people.yaml").write_text(SUITE)
    common = {"database": "people", "globals": f"{fleet.backups}/globals_%Y%m%dT%H%M%SZ.sql"}
    fleet.add("whole", backup=common, expect={"suite": "./people.yaml"})
    fleet.put("whole", source.dump("people", made / "people.dump", "-Fc"), at)
    fleet.add("broken", backup=common)
    plain = source.dump("people", made / "people.sql").read_text()
    fleet.put("broken", broken_script(plain).encode(), at)
    source.create_database("quoting")
    source.execute(quoting.schema(), "quoting")
    for name, options in QUOTED.items():
        fleet.add(name, backup={"database": "quoting"})
        fleet.put(name, source.dump("quoting", made / name, *options), at)
    yield shell("run", fleet.path, "--json"), shell("run", fleet.path)
    source.execute("DROP SUBSCRIPTION elsewhere_too", "people")
    source.execute("DROP DATABASE people WITH (FORCE)")
    source.execute("DROP DATABASE quoting WITH (FORCE)")
    source.execute("DROP ROLE canary_owner")


@pytest.mark.slow
def test_what_was_planted_in_a_backup_is_found_nowhere(
    drilled: tuple[Ran, Ran], fleet: Fleet, prefect_server: PrefectServer, drill_folder: Path, shell: Shell
) -> None:
    as_json, for_people = drilled
    assert as_json.exit_code == 1, as_json
    assert "expectation-failed" in rules_of(as_json.of("whole")), as_json
    assert rules_of(as_json.of("broken")), as_json
    for name in QUOTED:
        assert as_json.of(name)["verdict"] == "failed", as_json
        assert len(rules_of(as_json.of(name))) > 2, as_json

    said = {"stdout": as_json.out + for_people.out, "stderr": as_json.err + for_people.err}
    left = [path for path in fleet.evidence.rglob("*") if path.is_file()]
    assert any(path.suffix == ".html" for path in left)
    assert any("_suite-" in path.name for path in left)
    said |= {str(path): path.read_text(errors="replace") for path in left}
    said |= dict(everything_prefect_keeps(prefect_server.database))
    planted = (
        *PASSWORDS[:3],
        *ROWS,
        *quoting.PLANTED,
        "canary-signature",
        "canary-credential",
        "SCRAM-SHA-256$",
    )
    found = {(place, secret) for place, text in said.items() for secret in planted if secret in text}
    assert found == set()
    for folder in (prefect_server.home, drill_folder, shell.folder / "tmp"):
        for path in folder.rglob("*"):
            if path.is_file():
                content = path.read_bytes()
                assert not [secret for secret in planted if secret.encode() in content], path


def everything_prefect_keeps(database: Path) -> Iterator[tuple[str, str]]:
    """Yield every row of every table: logs, states, artifacts, parameters, events."""
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as session:
        tables = [name for (name,) in session.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        assert {"log", "flow_run_state", "artifact", "events"} <= set(tables)
        for table in tables:
            rows = session.execute(f'SELECT * FROM "{table}"').fetchall()
            yield table, "\n".join(map(repr, rows))
