"""Repositories of the real pgBackRest for tests, made once in a session."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.corpus.pgbackrest_repos import Stanza, make_stanza
from tests.real_tools import pgbackrest_for


@pytest.fixture(scope="session")
def stanza(tmp_path_factory: pytest.TempPathFactory) -> Callable[[int], Stanza]:
    """Give the repository of a production of a major; without its tool the test is skipped."""
    made: dict[int, Stanza] = {}

    def get(major: int) -> Stanza:
        program = pgbackrest_for(major)
        if program is None:
            pytest.skip(f"no pgBackRest for PostgreSQL {major} is here: `make setup` fetches it with apt")
        if major not in made:
            made[major] = make_stanza(tmp_path_factory.mktemp(f"stanza{major}") / "repo", program, major)
        return made[major]

    return get


__all__ = ["stanza"]
