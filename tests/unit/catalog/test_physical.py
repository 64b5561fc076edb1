"""Physical backups are called by the tool that wrote them, by names alone."""

from __future__ import annotations

import pytest

from tasks.catalog.physical import TOOLS, recognise_layout
from tasks.model.backup import Format


@pytest.mark.parametrize(
    ("name", "layout"),
    [
        ("backup/main/20261125-010000F/backup.manifest", Format.PGBACKREST),
        ("archive/main/archive.info.copy", Format.PGBACKREST),
        ("basebackups_005/base_000000010000000000000004_backup_stop_sentinel.json", Format.WALG),
        ("wal_005/000000010000000000000004.lz4", Format.WALG),
        ("main/base/20261125T010000/data.tar", Format.BARMAN),
        ("main/wals/0000000100000000/000000010000000000000004", Format.BARMAN),
        ("20261125/backup_label", Format.BASEBACKUP),
        ("base.tar.zst", Format.BASEBACKUP),
        ("global/pg_control", Format.BASEBACKUP),
    ],
)
def test_each_tool_is_known_by_its_files(name: str, layout: Format) -> None:
    assert recognise_layout(["readme.txt", name]) is layout
    assert layout in TOOLS


@pytest.mark.parametrize(
    "name", ["toc.dat", "3001.dat.gz", "orders.dump", "database.tar", "my_backup_label.sql"]
)
def test_files_of_a_dump_are_of_no_tool(name: str) -> None:
    assert recognise_layout([name]) is None


def test_of_several_tools_the_one_whose_names_are_its_own_is_told() -> None:
    assert recognise_layout(["pg_wal.tar", "main/wals/0000000100000000/x"]) is Format.BARMAN
