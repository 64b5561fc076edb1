"""Clusters whose WAL segments are not of 16 MiB: other names, other least settings."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from tasks.physical.first_look import first_look
from tasks.physical.layout import recognise
from tasks.sandbox import find_postgres
from tasks.stores.local import LocalStore
from tests.corpus.base_backups import production
from tests.fix_physical import Drilled, objects_in
from tests.integration.test_physical_archive import Repository, archive_all, marks, segments, up

MAJOR = 17
SIZES_MB = (1, 64)


@pytest.fixture(scope="module", params=SIZES_MB)
def repository(request: pytest.FixtureRequest) -> Iterator[tuple[Repository, int]]:
    initdb = ("--locale=C.UTF-8", "-E", "UTF8", f"--wal-segsize={request.param}")
    command = "'cp %p ../archive/%f'"
    with production(
        find_postgres(MAJOR), initdb=initdb, archive_mode="on", archive_command=command
    ) as source:
        folder = source.base_backup("base", "-Ft", "-X", "none")
        for name in ("m1", "m2", "m3"):
            source.execute(f"INSERT INTO shop.marks VALUES ('{name}')", "shop")
            archive_all(source)
        yield Repository(MAJOR, folder, source.archive, datetime.now(UTC)), request.param << 20


def test_the_archives_end_is_reached_whatever_its_segments_size(
    repository: tuple[Repository, int], drilled: Drilled
) -> None:
    stored, size = repository
    assert {path.stat().st_size for path in segments(stored)} == {size}
    copy = up(drilled, stored)
    assert marks(copy) == ["m1", "m2", "m3"]
    assert copy.adopted.control.segment_bytes == size
    assert copy.answers is not None
    assert copy.answers.last == segments(stored)[-1].name
    assert [item.rule for item in copy.findings if item.severity != "info"] == []


def test_the_size_is_known_before_the_download(repository: tuple[Repository, int]) -> None:
    stored, size = repository
    store = LocalStore(str(stored.folder))
    backup = recognise(objects_in(store, stored.folder))
    assert backup is not None
    seen: Any = first_look(backup, store)
    assert seen.segment_bytes == size
