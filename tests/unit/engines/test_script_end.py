"""Where much of somebody's own follows a dump's end marker, the walk through the script proves the marker."""

from __future__ import annotations

from pathlib import Path

import pytest

from tasks.catalog import open_backup
from tasks.engines.script_end import ScriptEnd
from tasks.engines.sql.splitter import Kind, scan
from tasks.model.backup import LocalBackup
from tasks.model.errors import PermanentError
from tests.corpus import archives

OWN = "".join(f"INSERT INTO audit.seen VALUES ({row}, 'seen by cron');\n" for row in range(900))
"""More than is looked at for an end marker."""
MARKER = "--\n-- PostgreSQL database dump complete\n--\n"
BEFORE_END = archives.script(restrict=False).removesuffix(MARKER + "\n")
IN_STRING = f"INSERT INTO pages VALUES (1, 'a dump ends so:\n\n{MARKER}\n');\n"


def opened(tmp_path: Path, text: str) -> LocalBackup:
    path = tmp_path / "x.sql"
    path.write_text(text)
    return open_backup(
        path,
        name="x.sql",
        sha256="0" * 64,
        bytes=len(text),
        integrity="sidecar",
        fetch_s=0.0,
        decrypt=None,
        workdir=tmp_path,
    )


def walked(backup: LocalBackup) -> list[str]:
    """Return the rules that a walk through the whole script adds."""
    end, line = ScriptEnd(), 1
    for piece in scan([backup.path.read_bytes()]):
        if piece.kind is Kind.GAP:
            end.gap(piece.data)
        line += piece.data.count(b"\n")
    return [issue.rule for issue in end.findings(backup, line)]


@pytest.mark.parametrize(
    "whole",
    [
        archives.script(),
        archives.script(restrict=False),
        archives.cluster_script(),
        archives.globals_script() + archives.script(),
    ],
    ids=["restrict", "older", "cluster", "globals"],
)
def test_an_end_marker_far_from_the_end_is_one(tmp_path: Path, whole: str) -> None:
    backup = opened(tmp_path, whole + OWN)
    assert [issue.rule for issue in backup.findings] == ["end-marker-unknown"]
    assert walked(backup) == []


def test_lines_of_a_string_are_no_end_marker(tmp_path: Path) -> None:
    backup = opened(tmp_path, BEFORE_END + IN_STRING + OWN)
    assert [issue.rule for issue in backup.findings] == ["end-marker-unknown"]
    assert walked(backup) == ["end-marker-missing"]


def test_rows_are_no_end_marker(tmp_path: Path) -> None:
    rows = "COPY pages (line) FROM stdin;\n" + MARKER + "-- more\n" * 4000
    backup = opened(tmp_path, BEFORE_END + rows)
    assert walked(backup) == ["end-marker-missing"]


def test_a_string_before_the_end_marker_takes_nothing_from_it(tmp_path: Path) -> None:
    backup = opened(tmp_path, BEFORE_END + IN_STRING + MARKER + OWN)
    assert walked(backup) == []


def test_a_script_without_any_end_marker_is_cut(tmp_path: Path) -> None:
    with pytest.raises(PermanentError) as caught:
        opened(tmp_path, BEFORE_END + OWN)
    assert caught.value.rule == "end-marker-missing"


@pytest.mark.parametrize("second", [BEFORE_END, archives.cluster_script()[:-60]], ids=["dump", "cluster"])
def test_another_dump_behind_the_end_needs_its_own(tmp_path: Path, second: str) -> None:
    with pytest.raises(PermanentError) as caught:
        opened(tmp_path, archives.script() + second + OWN)
    assert caught.value.rule == "end-marker-missing"


def test_a_cut_pg_dumpall_is_not_ended_by_the_dumps_in_it(tmp_path: Path) -> None:
    cut = archives.cluster_script()
    cut = cut[: cut.index('--\n-- Database "my shop" dump')]
    with pytest.raises(PermanentError) as caught:
        opened(tmp_path, cut + OWN)
    assert caught.value.rule == "end-marker-missing"


def test_a_script_by_hand_has_no_end_to_prove(tmp_path: Path) -> None:
    backup = opened(tmp_path, OWN)
    assert [issue.rule for issue in backup.findings] == ["end-marker-unknown"]
    assert walked(backup) == []
