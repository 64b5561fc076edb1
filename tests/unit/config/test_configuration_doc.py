from __future__ import annotations

import re
from pathlib import Path

import pytest

from tasks.config import load_fleet, parse_select
from tasks.config.explain import key_paths
from tasks.config.schema import FleetFile, Schedule
from tasks.config.selecting import selection_from
from tasks.config.yaml_source import read_yaml
from tasks.model.rules.content import ACCEPTABLE
from tasks.model.target import Database
from tests.unit.config.fleets import TODAY, written

DOC = (Path(__file__).parents[3] / "docs" / "configuration.md").read_text()
EXAMPLES = re.findall(r"```yaml\n(.*?)```", DOC, re.DOTALL)
ROWS = re.findall(r"^\| (`.+?) \| (.*?) \|", DOC, re.MULTILINE)


def documented() -> dict[str, str]:
    """Return every key that a table's first column names, with its default."""
    return {key: default for first, default in ROWS for key in re.findall(r"`([a-z_.*]+)`", first)}


def schema_keys() -> set[str]:
    keys = {".".join(path) for model in (Database, FleetFile) for path in key_paths(model)}
    keys = {re.sub(r"^schedules\.\*", "schedule", key) for key in keys}
    return {key for key in keys if not re.match(r"backup\.select\.|schedule\.select\.", key)}


def test_every_key_of_the_schema_is_documented() -> None:
    parents = {key.rsplit(".", 1)[0].removesuffix(".*") for key in schema_keys() if "." in key}
    leaves = {key for key in schema_keys() if key not in parents}
    assert leaves - documented().keys() == set()


def test_every_documented_key_is_in_the_schema() -> None:
    words = {"null", "off", "newest", "random", "all"}
    assert documented().keys() - schema_keys() - words == set()


@pytest.mark.parametrize("text", EXAMPLES, ids=["small", "full"])
def test_every_example_loads(tmp_path: Path, text: str) -> None:
    assert load_fleet(written(tmp_path, text), today=TODAY).targets


def test_the_defaults_are_those_of_the_schema(tmp_path: Path) -> None:
    from tasks.model.units import parse_duration_s  # noqa: PLC0415

    target = load_fleet(written(tmp_path, EXAMPLES[0]), today=TODAY).targets[0]
    plain = target.model_dump(mode="json")
    compared = 0
    for key, default in documented().items():
        said = default.strip("`")
        value: object = plain
        for part in key.split("."):
            value = value.get(part, ...) if isinstance(value, dict) else ...
        if value is ... or not default.startswith("`") or key in {"rpo", "backup.select", "evidence"}:
            continue
        durations = re.fullmatch(r"\d+[a-z]+", said)
        shares = re.fullmatch(r"(\d+)%", said)
        expected: object = parse_duration_s(said) if durations else int(shares[1]) / 100 if shares else said
        assert str(expected) == ("null" if value is None else str(value)), key
        compared += 1
    assert compared > 25


def test_every_form_of_select_is_read_in_file_and_on_the_command_line(tmp_path: Path) -> None:
    table = DOC[DOC.index("| in the file |") :].split("\n\n")[0]
    rows = re.findall(r"^\| `(.+?)` \| `(.+?)` \|", table, re.MULTILINE)
    assert len(rows) == 7
    for in_file, on_line in rows:
        value = read_yaml(written(tmp_path, f"select: {in_file}\n")).data["select"]
        assert selection_from(value) == parse_select(on_line)


def test_what_can_be_accepted_is_said() -> None:
    section = DOC[DOC.index("### `accept`") :]
    assert set(re.findall(r"`([a-z]+-[a-z-]+)`", section)) == ACCEPTABLE


def test_schedules_have_the_same_keys_one_or_several() -> None:
    assert {key.removeprefix("schedule.") for key in documented() if key.startswith("schedule.")} == set(
        Schedule.model_fields
    )


@pytest.mark.parametrize(
    "path",
    sorted((Path(__file__).parents[3] / "deployments" / "fleets").glob("*.yaml")),
    ids=lambda path: path.name,
)
def test_every_fleet_of_the_repository_loads(path: Path) -> None:
    assert load_fleet(path).targets
