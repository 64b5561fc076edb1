"""`restore-drill selftest` where a tool of its own reads: a tree of hard links with one file another."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.corpus.pgbackrest_repos import PASSPHRASE, Stanza
from tests.fix_drill import Fleet, Here, hours_ago
from tests.fix_pgbackrest import place_of
from tests.real_tools import ESSENTIAL

pytestmark = [*ESSENTIAL, pytest.mark.usefixtures("passphrase")]


def test_files_that_the_tool_reads_are_damaged_in_a_copy_and_caught(
    here: Here, fleet: Fleet, stanza: Callable[[int], Stanza], tmp_path: Path
) -> None:
    made = stanza(17)
    folder = tmp_path / "repo"
    shutil.copytree(made.folder, folder, symlinks=True)
    state = made.folder.stat()
    for path in (folder, *folder.rglob("*")):
        os.chown(path, state.st_uid, state.st_gid, follow_symlinks=False)
    for path in (folder / "archive").rglob("0000*"):
        if path.is_file():
            os.utime(path, (hours_ago(1).timestamp(),) * 2)
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    fleet.add("shop", backup=place_of(replace(made, folder=folder)), expect={"suite": None})
    ran = here("selftest", fleet.path, "-d", "shop", "--mutants", "24", "--json")
    rows = [row for row in ran.document["rows"] if row["family"] == "backup" and row["kind"] != "denied-key"]
    told = {row["kind"]: (row["outcome"], *row["by"][:1], row["why"]) for row in rows}
    assert {outcome for outcome, *_ in told.values()} == {"caught"}, told
    assert told["wal-segment-missing"][1].startswith("wal-gap")
    assert told["wal-segment-cut"][1].startswith("wal-corrupt")
    assert told["wal-byte-turned"][1].startswith("wal-corrupt")
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
    assert PASSPHRASE not in ran.out + ran.err
