"""Base backups of every shape come back whole, with nothing to be said against them."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tasks.model.findings import Severity
from tests.corpus.base_backups import Production
from tests.fix_physical import Drilled, refused, rows

MAJORS = (15, 17, 18)
SHAPES = {
    "plain": ("-Fp",),
    "tar": ("-Ft",),
    "gzip": ("-Ft", "-z"),
    "lz4": ("-Ft", "--compress=client-lz4"),
    "zstd": ("-Ft", "--compress=client-zstd"),
}


@pytest.mark.parametrize("wal", ["stream", "fetch"])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("major", MAJORS)
def test_a_base_backup_comes_back_with_every_row(
    major: int, shape: str, wal: str, source: Callable[..., Production], drilled: Drilled
) -> None:
    production = source(major)
    folder = production.base_backup(f"{shape}-{wal}", *SHAPES[shape], "-X", wal)
    copy = drilled.up(folder, major)
    assert copy.facts.databases == ("shop",)
    assert rows(copy.adopted.sandbox, "SELECT count(*), min(note) FROM shop.orders") == rows_at(production)
    assert [found for found in copy.findings if found.severity is not Severity.INFO] == []
    assert set(copy.recovered.phases_s) == {"start", "replay", "promote"}
    assert "could not execute" in refused(copy.adopted.sandbox, "COPY (SELECT 1) TO PROGRAM 'true'")


def rows_at(production: Production) -> list[tuple[object, ...]]:
    with production.connect("shop") as session:
        return session.execute("SELECT count(*), min(note) FROM shop.orders").fetchall()
