"""Chains of incremental backups, made by the real tools, one a major in a session."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tasks.sandbox import find_postgres
from tests.corpus.base_backups import Production, production

SHAPES = {17: ("-Ft", "-z"), 18: ("-Fp",)}
NEWEST_FIRST = ("second", "first", "full")


@dataclass(frozen=True)
class Chain:
    """Three backups in one folder, each with rows of its own: `full`, `first` and `second`."""

    folder: Path
    major: int

    @property
    def newest_first(self) -> tuple[Path, ...]:
        return tuple(self.folder / name for name in NEWEST_FIRST)

    def copy(self, folder: Path) -> Chain:
        """Return a copy of this test's own: hard links, so replace files, do not change them."""
        shutil.copytree(self.folder, folder, copy_function=os.link)
        return Chain(folder, self.major)


@pytest.fixture(scope="session")
def chain_of_major(tmp_path_factory: pytest.TempPathFactory) -> Callable[[int], Chain]:
    """Give the chain of a major, made once."""
    made: dict[int, Chain] = {}

    def give(major: int) -> Chain:
        if major not in made:
            folder = tmp_path_factory.mktemp(f"chain{major}") / "backups"
            with production(find_postgres(major), summarize_wal="on") as source:
                take_chain(source, folder, *SHAPES[major])
            made[major] = Chain(folder, major)
        return made[major]

    return give


def take_chain(source: Production, folder: Path, *shape: str) -> None:
    """Take a full backup and two that build on it into *folder*; one table lies in a tablespace."""
    space = source.new_folder("space")
    source.execute(f"CREATE TABLESPACE fast LOCATION '{space}'")
    source.execute("CREATE TABLE shop.spaced TABLESPACE fast AS SELECT generate_series(1, 9000) AS n", "shop")
    mapped = (f"--tablespace-mapping={space}={{}}",) if "-Fp" in shape else ()
    prior = None
    for name in reversed(NEWEST_FIRST):
        incremental: list[str] = [] if prior is None else [f"--incremental={prior}/backup_manifest"]
        mapping = [option.format(source.folder / f"space-{name}") for option in mapped]
        prior = source.base_backup(name, *shape, *mapping, *incremental)
        source.execute(f"INSERT INTO shop.marks VALUES ('after {name}')", "shop")
        source.execute("UPDATE shop.spaced SET n = -n WHERE n = 1 OR n = -1", "shop")
        stored = folder / name
        shutil.copytree(prior, stored, symlinks=True)
        for link in (stored / "pg_tblspc").glob("[0-9]*"):  # as an upload stores what a link leads to
            link.unlink()
            shutil.copytree(source.folder / f"space-{name}", link)
