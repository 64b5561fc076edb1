"""Every kind that a fleet file can name has a way back, and dumps' own is there for them."""

from __future__ import annotations

import inspect

import pytest

from tasks.model.by_kind import kind_of
from tasks.model.target import DumpBackup, Target
from tasks.recovery.base import Recovery
from tasks.recovery.dump import DumpRecovery
from tasks.recovery.kinds import RECOVERIES, recovery_of
from tests.unit.config.fleets import models_of_backup

STEPS = {name for name, member in vars(Recovery).items() if inspect.isfunction(member) and name[0] != "_"}


def test_each_kind_of_the_fleet_file_has_a_way_back() -> None:
    assert {kind_of(model) for model in models_of_backup()} == RECOVERIES.keys()


@pytest.mark.parametrize("kind", sorted(RECOVERIES))
def test_a_way_back_has_every_step_with_the_protocols_parameters(kind: str) -> None:
    for name in STEPS:
        wanted = inspect.signature(getattr(Recovery, name)).parameters
        assert [*inspect.signature(getattr(type(RECOVERIES[kind]), name)).parameters] == [*wanted], name


def test_a_target_without_a_kind_comes_back_as_a_dump() -> None:
    target = Target(fleet="f", name="orders", evidence="/e", backup=DumpBackup(at="/b/%Y"))
    assert isinstance(recovery_of(target), DumpRecovery)
