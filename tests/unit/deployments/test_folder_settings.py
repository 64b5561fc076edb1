"""Files of the current folder that would configure Prefect stop a command before Prefect reads them."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from deployments.folder_settings import refuse_settings_of
from tasks.model.errors import ConfigInvalid
from tests.fix_drill import PROGRAM

LOGGING = """
version: 1
formatters:
  trap: {(): os.system, command: "touch CANARY"}
handlers:
  trap: {class: logging.StreamHandler, formatter: trap}
root: {handlers: [trap]}
"""


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (".env", "PREFECT_LOGGING_SETTINGS_PATH=logging.yml"),
        (".env", "A=1\n  export prefect_home = there"),
        (".env", "'PREFECT_API_URL'=x"),
        (".env", "A=1\rPREFECT_API_URL=x"),
        ("prefect.toml", "[logging]\nconfig_path = 'logging.yml'"),
        ("pyproject.toml", "[tool.prefect.logging]\nconfig_path = 'logging.yml'"),
        ("pyproject.toml", "tool = {'prefect' = {}}"),
        ("pyproject.toml", "not TOML at all ["),
    ],
)
def test_a_file_with_settings_of_prefect_s_is_named_and_refused(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(ConfigInvalid, match=name.replace(".", r"\.")):
        refuse_settings_of(tmp_path)


def test_a_file_that_cannot_be_read_is_taken_for_one_with_settings(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"\xff\xfePREFECT")
    with pytest.raises(ConfigInvalid):
        refuse_settings_of(tmp_path)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (".env", "AWS_REGION=eu-west-1\n# PREFECT_API_URL=x\nNOTE=prefect"),
        ("pyproject.toml", "[project]\nname = 'shop'\n[tool.ruff]\n"),
        ("prefect.toml", ""),
    ],
)
def test_files_without_any_are_nobody_s_business(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    refuse_settings_of(tmp_path)


@pytest.mark.parametrize("command", [["run", "fleet.yaml"], ["deploy", "fleet.yaml"], ["sweep"]])
def test_no_command_lets_them_run_code(tmp_path: Path, command: list[str]) -> None:
    (tmp_path / "logging.yml").write_text(LOGGING)
    (tmp_path / "prefect.toml").write_text(f"[logging]\nconfig_path = '{tmp_path}/logging.yml'")
    done = subprocess.run([str(PROGRAM), *command], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 3
    assert "prefect.toml" in done.stderr
    assert not (tmp_path / "CANARY").exists()
