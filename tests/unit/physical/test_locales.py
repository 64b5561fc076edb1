"""Locales that a copy needs: which one a server misses, and that none of its names becomes a path."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tasks.model.errors import PermanentError
from tasks.physical.locales import Locales
from tests.fix_checks import NOWHERE

MISSING = (
    "FATAL:  database locale is incompatible with operating system\n"
    'DETAIL:  It was initialized with LC_COLLATE "da_DK.utf8",  which is not recognized by setlocale().'
)


@pytest.fixture
def locales(tmp_path: Path) -> Locales:
    return Locales(replace(NOWHERE.workspace, root=tmp_path))


def test_the_locale_that_a_server_misses_is_read_from_its_words(locales: Locales) -> None:
    assert locales.absent_in(MISSING.splitlines()) == "da_DK.utf8"
    assert locales.absent_in(["FATAL:  the database system is starting up"]) is None


@pytest.mark.parametrize("name", ["../../etc", "-x.UTF-8", "da_DK", "da_DK.UTF-8/../x", "da_DK.utf8@a b", ""])
def test_a_name_that_is_none_is_not_built_and_nothing_is_written(
    locales: Locales, tmp_path: Path, name: str
) -> None:
    with pytest.raises(PermanentError, match="cannot build") as failure:
        locales.build(name)
    assert (failure.value.rule, failure.value.where) == ("locale-unavailable", name)
    assert list(tmp_path.iterdir()) == []
    assert locales.env == {}


def test_a_language_that_nobody_speaks_cannot_be_built_and_says_so(locales: Locales, tmp_path: Path) -> None:
    (tmp_path / "tmp").mkdir()
    with pytest.raises(PermanentError, match=r'the locale "xq_XQ\.UTF-8"') as failure:
        locales.build("xq_XQ.UTF-8")
    assert failure.value.rule == "locale-unavailable"
    assert locales.env == {}
