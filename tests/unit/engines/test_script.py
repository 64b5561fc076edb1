"""How a person gives a script to psql: unpacked as far as it is still packed, without others' lines."""

from __future__ import annotations

from pathlib import Path

import pytest

from tasks.engines.script import given_to
from tasks.model.backup import ArchiveHead, Extent, Format, LocalBackup
from tasks.model.shell import shell_line

PSQL = ["psql", "-X", "-d", "shop"]


@pytest.mark.parametrize(
    ("wrappers", "extent", "line"),
    [
        ((), Extent(), "psql -X -d shop -f d/x.sql"),
        (("gzip",), Extent(), "gunzip -c d/x.sql | psql -X -d shop"),
        (("gzip", "tar"), Extent(), "psql -X -d shop -f d/x.sql"),  # unpacked before
        (("gzip", "tar", "xz"), Extent(), "xz -dc d/x.sql | psql -X -d shop"),
        (("gpg", "zstd", "gzip"), Extent(), "zstd -dc d/x.sql | gunzip -c | psql -X -d shop"),
        (("lz4",), Extent(7, 19), "lz4 -dc d/x.sql | tail -c +8 | head -c 12 | psql -X -d shop"),
        ((), Extent(7), "tail -c +8 d/x.sql | psql -X -d shop"),
    ],
)
def test_a_script_is_given_as_it_lies_there(wrappers: tuple[str, ...], extent: Extent, line: str) -> None:
    backup = LocalBackup(
        path=Path("/sandbox/unwrapped-0"),
        head=ArchiveHead(Format.PLAIN, wrappers, extent=extent),
        bytes=1,
        sha256=None,
        integrity="none",
        called="d/x.sql",
    )
    assert shell_line(*given_to(PSQL, backup)) == line
