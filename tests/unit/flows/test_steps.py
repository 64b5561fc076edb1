"""The steps of flows: what is tried again, how a late one is judged, and that each travels by its name."""

from __future__ import annotations

import pickle
from typing import Any

import pytest

from flows.compare import compare
from flows.draft import draft
from flows.fleet_drill import fleet_drill
from flows.keep import keep
from flows.selftest import selftest
from flows.sweep import sweep
from tasks.compare import compare_restored
from tasks.discover import find_recovery_points, open_backup_store
from tasks.draft import profile_restored, propose_suite
from tasks.drill.step import Step
from tasks.fetch import download_backup, prove_backup
from tasks.keep import keep_restored
from tasks.measure import measure_objectives
from tasks.preflight import preflight_backup
from tasks.provision import choose_postgres, make_workspace, provision_sandbox
from tasks.record import leave_evidence, write_report
from tasks.restore import restore_backup
from tasks.selftest import steps as selftest_steps
from tasks.teardown import destroy_sandbox, keep_sandbox, sweep_worker
from tasks.validate import validate_database
from tasks.verify import check_freshness, read_history, take_stock, verify_database

TRIED_AGAIN: list[Step[..., Any]] = [
    open_backup_store,
    find_recovery_points,
    preflight_backup,
    read_history,
    download_backup,
]
ONCE: list[Step[..., Any]] = [
    prove_backup,
    make_workspace,
    choose_postgres,
    provision_sandbox,
    restore_backup,
    take_stock,
    verify_database,
    check_freshness,
    validate_database,
    measure_objectives,
    destroy_sandbox,
    keep_sandbox,
    sweep_worker,
    leave_evidence,
    write_report,
    keep_restored,
    profile_restored,
    propose_suite,
    compare_restored,
    selftest_steps.make_twin,
    selftest_steps.plan_damage,
    selftest_steps.damage_copy,
    selftest_steps.serve_backup,
    selftest_steps.find_remedy,
    selftest_steps.drop_copy,
    selftest_steps.leave_selftest,
]


def test_only_what_asks_a_store_is_tried_again_a_restore_never() -> None:
    assert all(step.retried for step in TRIED_AGAIN)
    assert not any(step.retried for step in ONCE)


@pytest.mark.parametrize("step", [*TRIED_AGAIN, *ONCE], ids=lambda step: step.name)
def test_a_step_arrives_in_another_process_as_itself(step: Step[..., Any]) -> None:
    assert pickle.loads(pickle.dumps(step)) is step  # noqa: S301  our own bytes


def test_a_late_restore_is_slow_and_whatever_else_is_late_could_not_be_judged() -> None:
    assert restore_backup.overdue == "deadline-exceeded"
    assert {step.overdue for step in (*TRIED_AGAIN, *ONCE) if step is not restore_backup} == {
        "stage-deadline"
    }


def test_great_expectations_is_needed_to_validate_alone() -> None:
    assert [step.name for step in (*TRIED_AGAIN, *ONCE) if step.validating] == ["validate"]


def test_names_of_task_runs_tell_steps_apart() -> None:
    names = [step.name for step in (*TRIED_AGAIN, *ONCE)]
    assert len(names) == len(set(names))


@pytest.mark.parametrize(
    "flow", [compare, draft, fleet_drill, keep, selftest, sweep], ids=lambda flow: flow.name
)
def test_a_flows_parameters_are_plain_enough_for_a_form_and_its_result_is_not_kept(flow: Any) -> None:
    kinds = {"string", "integer", "boolean", "number", "array", "null"}
    for schema in flow.parameters.properties.values():
        told = {schema["type"]} if "type" in schema else {part["type"] for part in schema["anyOf"]}
        assert told <= kinds
    assert flow.persist_result is False
