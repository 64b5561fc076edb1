"""Chains of incremental backups, made by the real tools: whole they come back, broken they say by what."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tasks.model.deadline import Deadline
from tasks.model.errors import PermanentError
from tasks.physical.bring_up import bring_up
from tasks.physical.combine import parts_of
from tasks.physical.target import RecoveryTarget
from tests.fix_chain import NEWEST_FIRST, SHAPES, Chain
from tests.fix_physical import DEADLINE_S, Drilled, rows
from tests.integration.test_physical_broken import flip


@pytest.mark.parametrize("major", SHAPES)
def test_a_chain_comes_back_with_the_rows_of_each_part(
    major: int, chain_of_major: Callable[[int], Chain], drilled: Drilled
) -> None:
    newest, *others = chain_of_major(major).newest_first
    copy, adopted = drilled.chained(newest, *others)
    assert copy.chain == ("full", "first")
    assert copy.proven
    bring_up(copy, adopted, RecoveryTarget(), Deadline.within(DEADLINE_S))
    sandbox = adopted.sandbox
    assert rows(sandbox, "SELECT name FROM shop.marks ORDER BY 1") == [("after first",), ("after full",)]
    assert rows(sandbox, "SELECT count(*), min(n), sum(abs(n)) FROM shop.spaced") == [(9000, 1, 40504500)]
    assert parts_of(drilled.workspace) == ()


def test_the_middle_of_a_chain_is_a_backup_of_its_own(
    chain_of_major: Callable[[int], Chain], drilled: Drilled
) -> None:
    second, first, full = chain_of_major(17).newest_first
    copy, _ = drilled.chained(first, second, full)
    assert copy.chain == ("full",)


@pytest.mark.parametrize("major", SHAPES)
@pytest.mark.parametrize("gone", ["first", "full"])
def test_a_prior_that_was_deleted_is_named_before_anything_is_fetched(
    gone: str, major: int, chain_of_major: Callable[[int], Chain], drilled: Drilled
) -> None:
    newest, *others = chain_of_major(major).newest_first
    failure = failed(drilled, newest, *(other for other in others if other.name != gone))
    assert (failure.rule, failure.where) == ("chain-broken", f"file://{newest.parent}/{before(gone)}")
    assert f"The incremental backup {before(gone)} builds on the one that begins at 0/" in failure.what
    assert list(drilled.workspace.data_dir.iterdir()) == []


def test_another_backup_of_the_same_cluster_is_no_prior(
    chain_of_major: Callable[[int], Chain], drilled: Drilled, tmp_path: Path
) -> None:
    chain = chain_of_major(17).copy(tmp_path / "exchanged")
    newest, first, full = chain.newest_first
    shutil.rmtree(first)
    shutil.copytree(full, first)
    failure = failed(drilled, newest, first, full)
    assert failure.rule == "chain-broken"
    assert "none of the 2 other base backups here begins there" in failure.what


def test_a_prior_whose_head_cannot_be_read_is_named(
    chain_of_major: Callable[[int], Chain], drilled: Drilled, tmp_path: Path
) -> None:
    newest, first, full = chain_of_major(17).copy(tmp_path / "cut").newest_first
    replace_file(first / "base.tar.gz", (first / "base.tar.gz").read_bytes()[:20])
    failure = failed(drilled, newest, first, full)
    assert failure.rule == "chain-broken"
    assert "1 of them could not be read (first)" in failure.what


@pytest.mark.parametrize("name", ["first", "full"])
def test_a_flipped_byte_in_a_prior_is_found_by_its_own_manifest(
    name: str, chain_of_major: Callable[[int], Chain], drilled: Drilled, tmp_path: Path
) -> None:
    chain = chain_of_major(18).copy(tmp_path / "flipped")
    prior = chain.folder / name
    path = max((prior / "base").rglob("[0-9I]*"), key=lambda item: item.is_file() and item.stat().st_size)
    replace_file(path, path.read_bytes())
    flip(path, path.stat().st_size // 2)
    failure = failed(drilled, *chain.newest_first)
    assert (failure.rule, failure.where) == ("backup-manifest-mismatch", str(path.relative_to(prior)))


def test_a_damaged_part_that_no_manifest_speaks_for_cannot_be_put_together(
    chain_of_major: Callable[[int], Chain], drilled: Drilled, tmp_path: Path
) -> None:
    chain = chain_of_major(18).copy(tmp_path / "damaged")
    (chain.folder / "first" / "backup_manifest").unlink()
    path = next((chain.folder / "first" / "base").rglob("INCREMENTAL.*"))
    replace_file(path, b"nothing that PostgreSQL wrote")
    failure = failed(drilled, *chain.newest_first)
    assert failure.rule == "archive-corrupt"
    assert path.name in failure.what
    assert str(drilled.workspace.root) not in failure.what


def failed(drilled: Drilled, newest: Path, *others: Path) -> PermanentError:
    with pytest.raises(PermanentError) as failure:
        drilled.chained(newest, *others)
    return failure.value


def before(name: str) -> str:
    """Return the backup that builds on *name*."""
    return NEWEST_FIRST[NEWEST_FIRST.index(name) - 1]


def replace_file(path: Path, body: bytes) -> None:
    path.unlink()
    path.write_bytes(body)
