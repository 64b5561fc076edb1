"""Bytes that are no text, in a file's name and in values: a drill comes to its verdict, every door opens."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

from tests.fix_drill import MAJOR, Fleet, Here, hours_ago
from tests.fix_postgres import Source


def test_bytes_that_are_no_text_end_no_drill(
    here: Here, fleet: Fleet, orders_dump: Path, cluster: Callable[[int], Source], tmp_path: Path
) -> None:
    source = cluster(MAJOR)
    name = source.create_database("odd_words", options="ENCODING 'SQL_ASCII' TEMPLATE template0 LOCALE 'C'")
    source.execute(
        """CREATE TABLE public.words (id int PRIMARY KEY, word text);
        INSERT INTO public.words SELECT i, convert_from('\\x636166e9'::bytea, 'SQL_ASCII')
          FROM generate_series(1, 300) i""",
        name,
    )
    dump = tmp_path / "words.dump"
    source.run("pg_dump", "-Fc", "--encoding=SQL_ASCII", "-f", str(dump), "-d", source.dsn(name))
    suite = tmp_path / "words.yaml"
    expectation = {
        "type": "expect_column_values_to_match_regex",
        "kwargs": {"column": "word", "regex": "^caf"},
    }
    suite.write_text(json.dumps({"tables": {"public.words": [expectation]}}))
    fleet.add("words", dump, backup={"database": name}, expect={"suite": str(suite)})
    folder = fleet.backups / "named"
    folder.mkdir(parents=True)
    stamp = f"{hours_ago(1):%Y%m%dT%H%M%SZ}"
    Path(os.fsdecode(os.fsencode(folder) + b"/b\xff_" + f"{stamp}.dump".encode())).write_bytes(
        orders_dump.read_bytes()
    )
    fleet.add("named", backup={"at": f"{folder}/b*_%Y%m%dT%H%M%SZ.dump"})

    ran = here("run", fleet.path, "--json")
    assert {document["database"]: document["verdict"] for document in ran.documents} == {
        "words": "verified",
        "named": "verified",
    }, ran
    assert ran.of("named")["recovery_point"]["uri"].endswith(f"/named/b\\udcff_{stamp}.dump")
    listed = here("list", fleet.path, "-d", "named", "--json")
    assert json.loads(listed.out)["uri"].endswith(f"/named/b\\udcff_{stamp}.dump")
    for command in (("list", fleet.path, "-d", "named"), ("check", fleet.path), ("report", fleet.evidence)):
        assert here(*command).exit_code == 0
