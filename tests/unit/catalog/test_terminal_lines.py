from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.catalog import open_backup, read_head
from tasks.catalog.sources import FileSource
from tasks.catalog.terminal_lines import rewritten
from tasks.model.errors import PermanentError
from tests.corpus import archives


def through_terminal(data: bytes) -> bytes:
    return data.replace(b"\n", b"\r\n")


REWRITTEN = {
    "custom": through_terminal(archives.custom()),
    "custom, pressed afterwards": gzip.compress(through_terminal(archives.custom())),
    "tar": through_terminal(archives.tar()),
    "script, pressed before": through_terminal(gzip.compress(archives.script().encode() * 40)),
}


def failure_of(path: Path) -> PermanentError:
    with pytest.raises(PermanentError) as failure:
        open_backup(
            path, name=path.name, sha256="ab", bytes=1, integrity="s3-sha256", fetch_s=0.0, decrypt=None,
            workdir=path.parent,
        )  # fmt: skip
    return failure.value


@pytest.mark.parametrize("name", [name for name in REWRITTEN if name != "script, pressed before"])
def test_a_dump_that_went_through_a_terminal_is_named_before_and_after_the_download(
    name: str, tmp_path: Path
) -> None:
    path = tmp_path / "x.dump"
    path.write_bytes(REWRITTEN[name])
    assert failure_of(path).rule == "archive-through-terminal"
    with pytest.raises(PermanentError) as failure:
        read_head(FileSource(path), "x.dump")
    assert failure.value.rule == "archive-through-terminal"


@pytest.mark.parametrize("wrapper", sorted(archives.COMPRESS))
def test_a_compressed_dump_that_went_through_a_terminal_is_named(wrapper: str, tmp_path: Path) -> None:
    rows = "".join(f"{at * 7919 % 100_003}\n" for at in range(20_000))
    data = archives.COMPRESS[wrapper](archives.script().replace("1\n", rows, 1).encode())
    assert data.count(b"\n") > 4
    path = tmp_path / "x.sql.z"
    path.write_bytes(through_terminal(data))
    assert failure_of(path).rule == "archive-through-terminal"


@pytest.mark.parametrize("cut_at", [300, 4000])
def test_a_dump_that_is_merely_cut_or_damaged_keeps_its_own_cause(cut_at: int, tmp_path: Path) -> None:
    path = tmp_path / "x.dump"
    path.write_bytes(archives.custom("none")[:cut_at])
    assert failure_of(path).rule == "archive-truncated"


def test_a_script_with_windows_line_ends_is_no_broken_binary(tmp_path: Path) -> None:
    path = tmp_path / "x.sql"
    path.write_bytes(through_terminal(archives.script().encode()))
    backup = open_backup(
        path, name="x.sql", sha256="ab", bytes=1, integrity="s3-sha256", fetch_s=0.0, decrypt=None,
        workdir=tmp_path,
    )  # fmt: skip
    assert backup.findings == ()


@given(st.binary(min_size=2000, max_size=4000))
def test_bytes_that_nobody_rewrote_do_not_look_rewritten(data: bytes) -> None:
    untouched = b"\x00\x01" + data + b"\n"  # one line feed at least that stands alone
    assert not rewritten(untouched)
    assert rewritten(b"\x00\x01" + through_terminal(data + b"\n" * 4))
