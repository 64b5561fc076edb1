"""A mutant that hangs is ended at its own deadline, is no catch, and costs no other mutant anything."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fix_drill import Fleet, Here
from tests.misbehaving import HUNG_KINDS, damage_copy_badly, serve_backup_badly


@pytest.mark.slow
def test_a_mutant_that_hangs_is_ended_alone_and_was_not_judged(
    here: Here, fleet: Fleet, orders_dump: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flows.selftest.damage_copy", damage_copy_badly)
    monkeypatch.setattr("flows.selftest.serve_backup", serve_backup_badly)
    monkeypatch.setattr(
        "tasks.selftest.restored.LEAST_LIMIT_S", 10.0
    )  # what hangs need not be waited for as long; what does not has its time on a busy machine too
    fleet.add("orders", orders_dump)
    ran = here("selftest", fleet.path, "-d", "orders", "--mutants", "10", "--json")
    assert (ran.exit_code, ran.document["ability"]) == (0, "can_fail"), ran
    rows = ran.document["rows"]
    errored = [row for row in rows if row["outcome"] == "errored"]
    assert {row["kind"] for row in errored} == HUNG_KINDS
    assert all("did not end within its deadline" in row["why"] for row in errored)
    families = {row["family"] for row in rows if row["outcome"] == "caught"}
    assert families == {"data", "backup"}, "those beside and after it were judged"
    assert ran.document["sandbox"]["left_behind"] == []
