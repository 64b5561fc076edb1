"""Drills against the yardstick: what a superuser's own tool brings back, of databases made at random."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tasks.model.findings import Verdict
from tests.fix_postgres import Source, running_source
from tests.yardstick.drilled import drill
from tests.yardstick.generator import make_statements
from tests.yardstick.judging import disagreements
from tests.yardstick.truth import forget_subscriptions, restore_as_person

KINDS = 22
SEEDS = ((14, 3), (16, 8), (18, 21))


@pytest.fixture(scope="module", params=SEEDS, ids=[f"{major}-seed{seed}" for major, seed in SEEDS])
def random_database(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Source, Path]]:
    """Make a random database; give a cluster that has its roles, and its dump."""
    major, seed = request.param
    folder = tmp_path_factory.mktemp(f"yardstick{seed}")
    statements, _ = make_statements(seed, major, KINDS)
    with running_source(folder, major) as source:
        source.create_database("shop", options="TEMPLATE template0")
        with source.connect("shop") as session:
            for statement in statements:
                session.execute(statement.encode())
        dump = source.dump("shop", folder / "shop.dump", "-Fc")
        forget_subscriptions(source, "shop")
        yield source, dump


def as_script(source: Source, dump: Path, path: Path) -> Path:
    done = subprocess.run(
        [str(source.install.bindir / "pg_restore"), "-f", str(path), str(dump)],
        check=False,
        capture_output=True,
    )
    assert done.returncode == 0, done.stderr
    return path


@pytest.mark.parametrize("form", ["custom", "script"])
def test_what_a_superuser_brings_back_whole_is_verified_and_the_same(
    random_database: tuple[Source, Path], form: str, tmp_path: Path
) -> None:
    source, archive = random_database
    dump = archive if form == "custom" else as_script(source, archive, tmp_path / "shop.sql")
    drilled = drill(dump, source.major)
    truth = restore_as_person(source, dump, "truth")
    forget_subscriptions(source, "truth")
    assert truth.errors == ()
    assert drilled.verdict is Verdict.VERIFIED, drilled.described()
    assert disagreements(truth, drilled) == ()


def test_an_archive_that_lost_its_end_is_failed(random_database: tuple[Source, Path], tmp_path: Path) -> None:
    source, archive = random_database
    cut = tmp_path / "shop.dump"
    cut.write_bytes(archive.read_bytes()[:-64])
    assert drill(cut, source.major).verdict is Verdict.FAILED
