"""pgBackRest's repositories drilled from the fleet file to the verdict, by the real tool."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tasks.physical.pgbackrest.program import find_program
from tests.corpus.pgbackrest_repos import MARKS, PASSPHRASE, Stanza
from tests.fix_drill import Fleet, Here, rules_of, validate
from tests.fix_pgbackrest import place_of
from tests.real_tools import ESSENTIAL

pytestmark = [*ESSENTIAL, pytest.mark.usefixtures("passphrase")]


@pytest.mark.parametrize("major", [15, 17])
def test_the_newest_backup_with_its_wal_is_verified(
    here: Here, fleet: Fleet, stanza: Callable[[int], Stanza], major: int
) -> None:
    repository = stanza(major)
    expect = {"suite": None, "required_tables": ["shop.marks"]}
    fleet.add("shop", backup=place_of(repository), expect=expect)
    ran = here("run", fleet.path, "--json")
    assert ran.exit_code == 0, ran
    validate(ran.document)
    assert ran.document["verdict"] == "verified"
    assert {item["severity"] for item in ran.document["findings"]} <= {"info"}
    assert ran.document["inventory"]["tables"]["shop.marks"]["rows"] == len(MARKS)
    point = ran.document["recovery_point"]
    assert (point["label"], point["type"]) == (repository.labels[2], "incr")
    assert point["chain"] == ran.document["recovery"]["base"]["chain"] == [*repository.labels[:2]]
    release = find_program(str(repository.program)).release
    assert point["tool"] == {"name": "pgbackrest", "version": release}
    assert any("archive-get" in sentence for sentence in ran.document["not_proven"])
    assert PASSPHRASE not in ran.out + ran.err


def test_a_worker_without_the_tool_says_nothing_of_the_backup(
    here: Here, fleet: Fleet, stanza: Callable[[int], Stanza]
) -> None:
    fleet.add("shop", backup={**place_of(stanza(17)), "tool": "/nowhere/pgbackrest"}, expect={"suite": None})
    ran = here("run", fleet.path, "--json")
    assert (ran.exit_code, ran.document["verdict"]) == (2, "inconclusive")
    assert rules_of(ran.document) == {"tool-missing"}
    validate(ran.document)
