"""`restore-drill deploy`: which deployments a fleet becomes, without a server."""

from __future__ import annotations

from pathlib import Path

import pytest

from deployments.commands import deploy
from deployments.commands.deploy import deployments_of, register_fleets
from tasks.config import load_fleet
from tasks.model.errors import ConfigInvalid, TransientError
from tests.unit.deployments.commands.test_small_commands import fleet_with


@pytest.fixture
def fleet(tmp_path: Path) -> Path:
    path = fleet_with(tmp_path, [])
    path.write_text(
        path.read_text().replace(
            '"version": 1', '"version": 1, "schedule": {"cron": "0 3 * * *", "select": "random"}'
        )
    )
    return path


def test_a_fleet_has_a_flow_with_its_schedules_each_database_three_and_the_sweep_its_own(fleet: Path) -> None:
    made = {deployment.full_name: deployment for deployment in deployments_of(load_fleet(fleet))}
    assert sorted(made) == [
        "draft/shop-orders",
        "fleet_drill/shop",
        "restore_drill/shop-orders",
        "selftest/shop-orders",
        "sweep/sweep",
    ]
    (nightly,) = made["fleet_drill/shop"].schedules or []
    assert nightly.parameters == {"select": "random"}
    assert made["restore_drill/shop-orders"].schedules == []
    assert made["restore_drill/shop-orders"].parameters == {"fleet": str(fleet), "database": "orders"}
    assert len(made["sweep/sweep"].schedules or []) == 1


def test_runs_start_in_the_root_folder_with_an_isolated_python(fleet: Path) -> None:
    for deployment in deployments_of(load_fleet(fleet)):
        assert deployment.entrypoint.startswith("flows.")
        assert deployment.job_variables["env"]["PYTHONSAFEPATH"] == "1"


def test_without_a_server_nothing_is_registered_and_the_remedy_is_named(
    fleet: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deploy, "configured_url", lambda: None)
    with pytest.raises(ConfigInvalid, match="no Prefect server") as failure:
        register_fleets([fleet])
    assert "PREFECT_API_URL" in failure.value.hint


def test_a_fleet_file_that_cannot_be_used_is_told_before_any_server_is_asked(
    fleet: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def asked() -> str:
        raise TransientError("the server was asked")

    monkeypatch.setattr(deploy, "configured_url", asked)
    with pytest.raises(ConfigInvalid):
        register_fleets([fleet, fleet.parent / "absent.yaml"])
