"""pgBackRest's repositories, whole and broken in one respect each: what every step says of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.corpus.pgbackrest_repos import MARKS, STANZA, Stanza, flipped, fork, replaced
from tests.fix_pgbackrest import VARIABLE, StanzaDrill
from tests.real_tools import ESSENTIAL

pytestmark = ESSENTIAL
MAJOR = 17


@pytest.fixture
def repository(stanza: Callable[[int], Stanza], tmp_path: Path) -> Stanza:
    """A copy to do harm to."""
    return stanza(MAJOR).copy(tmp_path / "repo")


@pytest.mark.parametrize("place", [0, 1])  # the third is the newest, which a whole drill takes
def test_each_backup_comes_back_with_all_that_was_archived_after_it(
    stanza_drill: StanzaDrill, stanza: Callable[[int], Stanza], place: int
) -> None:
    repository = stanza(MAJOR)
    restored = stanza_drill(repository, repository.labels[place])
    assert stanza_drill.marks == MARKS
    assert [item.rule for item in restored.findings] == ["settings-neutralised"]
    assert "postgresql.auto.conf: archive_command" in restored.neutralised


def test_a_wrong_passphrase(
    stanza_drill: StanzaDrill, repository: Stanza, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, "another one")
    assert stanza_drill.rules(repository) == ["cipher-wrong"]


def test_no_passphrase(stanza_drill: StanzaDrill, repository: Stanza) -> None:
    assert stanza_drill.rules(repository, cipher=None) == ["cipher-missing"]


def test_a_flipped_bit_in_a_base_file(stanza_drill: StanzaDrill, repository: Stanza) -> None:
    flipped(repository.folder / "backup" / STANZA / repository.labels[0] / "bundle" / "1")
    assert stanza_drill.rules(repository) == ["backup-manifest-mismatch"]


def test_a_prior_that_is_gone(stanza_drill: StanzaDrill, repository: Stanza) -> None:
    folder = repository.folder / "backup" / STANZA / repository.labels[0]
    folder.rename(repository.folder / "elsewhere")
    assert stanza_drill.rules(repository) == ["chain-broken"]


def test_a_segment_that_is_gone_from_the_middle(stanza_drill: StanzaDrill, repository: Stanza) -> None:
    repository.segment("m4").unlink()
    for path in repository.wal.glob("*-*"):
        replaced(path, path.read_bytes())
    stanza_drill(repository)
    assert stanza_drill.foreseen == ("wal-gap",)
    assert stanza_drill.marks == MARKS[:3]


def test_a_flipped_bit_in_a_segment(stanza_drill: StanzaDrill, repository: Stanza) -> None:
    flipped(repository.segment("m5"))
    assert stanza_drill.rules(repository) == ["wal-corrupt"]


def test_another_segment_under_a_segments_name(stanza_drill: StanzaDrill, repository: Stanza) -> None:
    replaced(repository.segment("m5"), repository.segment("m4").read_bytes())
    assert stanza_drill.rules(repository) == ["wal-corrupt"]


def test_the_catalogue_is_gone(stanza_drill: StanzaDrill, repository: Stanza) -> None:
    for name in ("backup.info", "backup.info.copy"):
        (repository.folder / "backup" / STANZA / name).unlink()
    assert stanza_drill.rules(repository) == ["catalogue-unreadable"]


def test_the_catalogue_is_damaged_under_the_right_passphrase(
    stanza_drill: StanzaDrill, repository: Stanza
) -> None:
    for name in ("backup.info", "backup.info.copy"):
        flipped(repository.folder / "backup" / STANZA / name)
    assert stanza_drill.rules(repository) == ["catalogue-unreadable"]


def test_the_archives_own_file_is_gone(stanza_drill: StanzaDrill, repository: Stanza) -> None:
    for name in ("archive.info", "archive.info.copy"):
        (repository.folder / "archive" / STANZA / name).unlink()
    assert stanza_drill.rules(repository) == ["catalogue-unreadable"]


def test_another_stanza(stanza_drill: StanzaDrill, repository: Stanza) -> None:
    assert stanza_drill.rules(repository, stanza="ordres") == ["path-missing"]


def test_no_tool(stanza_drill: StanzaDrill, repository: Stanza) -> None:
    assert stanza_drill.rules(repository, tool="/nowhere/pgbackrest") == ["tool-missing"]


def test_a_tool_that_is_too_old(
    stanza_drill: StanzaDrill, repository: Stanza, stanza: Callable[[int], Stanza]
) -> None:
    older = replace(repository, program=stanza(15).program)
    assert stanza_drill.rules(older) == ["tool-too-old"]


def test_a_stray_timeline(
    stanza_drill: StanzaDrill, repository: Stanza, stanza: Callable[[int], Stanza]
) -> None:
    fork(repository, stanza(MAJOR), "m5")
    stanza_drill(repository, recover={"timeline": "current"})
    assert (stanza_drill.foreseen, stanza_drill.marks) == ((), MARKS)


def test_a_stray_timeline_as_postgres_follows_it(
    stanza_drill: StanzaDrill, repository: Stanza, stanza: Callable[[int], Stanza]
) -> None:
    fork(repository, stanza(MAJOR), "m5")
    stanza_drill(repository)
    assert stanza_drill.foreseen == ("timeline-fork",)
    assert stanza_drill.marks == MARKS  # nothing was archived on timeline 2: the parent's segments are read
