"""pgBackRest's repositories drilled from the fleet file to the verdict, by the real tool."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.corpus.pgbackrest_repos import MARKS, PASSPHRASE, STANZA, Stanza
from tests.fix_drill import Fleet, Here, validate
from tests.real_tools import ESSENTIAL

pytestmark = ESSENTIAL
VARIABLE = "ORDERS_REPO_PASSPHRASE"


@pytest.fixture(autouse=True)
def passphrase(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, PASSPHRASE)


def add(fleet: Fleet, repository: Stanza, **backup: object) -> None:
    place = {
        "kind": "pgbackrest",
        "at": str(repository.folder),
        "stanza": STANZA,
        "tool": str(repository.program),
        "cipher": {"passphrase_env": VARIABLE},
        "database": "shop",
    }
    expect = {"suite": None, "required_tables": ["shop.marks"]}
    fleet.add("shop", backup={**place, **backup}, expect=expect)


@pytest.mark.parametrize("major", [15, 17])
def test_the_newest_backup_with_its_wal_is_verified(
    here: Here, fleet: Fleet, stanza: Callable[[int], Stanza], major: int
) -> None:
    repository = stanza(major)
    add(fleet, repository)
    ran = here("run", fleet.path, "--json")
    assert ran.exit_code == 0, ran
    validate(ran.document)
    assert ran.document["verdict"] == "verified"
    assert {item["severity"] for item in ran.document["findings"]} <= {"info"}
    assert ran.document["inventory"]["tables"]["shop.marks"]["rows"] == len(MARKS)
