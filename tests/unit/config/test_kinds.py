"""A section told apart by its kind: one class a kind, and every message names the kind that it speaks of."""

from __future__ import annotations

from typing import Annotated, Literal

import pytest
from pydantic import BaseModel, ValidationError

from tasks.config.explain import explain, key_paths
from tasks.config.yaml_source import render
from tasks.model.by_kind import ByKind, kind_of
from tasks.model.errors import PermanentError
from tasks.model.target import Backup, Database, DumpBackup, Selection, Strict, Target


class Repository(Backup):
    """A further kind, as it will be added: one class, named in the union."""

    kind: Literal["repository"] = "repository"
    at: str
    vault: str

    @property
    def place(self) -> str:
        return f"{self.at} {self.vault}"


class Entry(Strict):
    backup: Annotated[DumpBackup | Repository, ByKind("dump")]


def problems(model: type[BaseModel], backup: object) -> list[str]:
    with pytest.raises(ValidationError) as caught:
        model.model_validate({"backup": backup, **({"name": "orders"} if model is Database else {})})
    return [f"{render(problem.path)}: {problem.message}" for problem in explain(caught.value, model)]


def test_a_backup_without_a_kind_is_a_dump() -> None:
    entry = Entry.model_validate({"backup": {"at": "/b/%Y"}})
    assert entry.backup == DumpBackup(at="/b/%Y")
    assert entry.backup.kind == "dump"


def test_the_kind_chooses_the_class() -> None:
    entry = Entry.model_validate({"backup": {"kind": "repository", "at": "s3://b/r", "vault": "main"}})
    assert entry.backup == Repository(at="s3://b/r", vault="main")
    assert Entry.model_validate({"backup": entry.backup}).backup is entry.backup


@pytest.mark.parametrize("model", [Entry, Database])
def test_what_every_kind_has_is_there_for_each(model: type[BaseModel]) -> None:
    keys = {path[1] for path in key_paths(model) if path[0] == "backup" and len(path) == 2}
    assert keys >= {"kind", "at", "timezone", "window", "select", "checksum"}
    assert ("vault" in keys) is (model is Entry)


@pytest.mark.parametrize(
    ("backup", "problem"),
    [
        (
            {"at": "/b", "vault": "main"},
            (
                "backup.vault: a key of kind: repository, and this is kind: dump; take it out, "
                "or write kind: repository"
            ),
        ),
        (
            {"kind": "repository", "at": "/b", "vault": "main", "checksum": "none"},
            (
                "backup.checksum: a key of kind: dump, and this is kind: repository; take it out, "
                "or write kind: dump"
            ),
        ),
        (
            {"kind": "repository", "at": "/b", "vault": "main", "vaults": "x"},
            'backup.vaults: unknown key; did you mean "vault"?',
        ),
        (
            {"kind": "repository", "at": "/b", "vault": "main", "zzz": 1},
            "backup.zzz: unknown key; known here: timezone, window, select, kind, at, vault",
        ),
        ({"kind": "repository", "at": "/b"}, "backup.vault: missing; write it"),
        ({"kind": "tape", "at": "/b"}, 'backup.kind: "tape" is not known; write dump or repository'),
        (
            {"kind": None, "at": "/b"},
            "backup.kind: null is no value of this key; leave the key out, or write dump or repository",
        ),
        ({"at": "/b", "window": "6"}, 'backup.window: "6" has no unit; write 6h'),
    ],
)
def test_a_problem_names_the_kind(backup: object, problem: str) -> None:
    assert problems(Entry, backup) == [problem]


def test_the_kinds_of_a_fleet_file_are_named() -> None:
    assert problems(Database, {"kind": "tape", "at": "/b"}) == [
        'backup.kind: "tape" is not known; write dump or basebackup or pgbackrest or barman or walg'
    ]


def test_a_class_is_told_apart_by_a_kind_of_its_own() -> None:
    assert (kind_of(DumpBackup), kind_of(Repository), kind_of(Strict)) == ("dump", "repository", None)


def test_the_json_schema_has_every_kind() -> None:
    schema = Entry.model_json_schema()
    assert {"DumpBackup", "Repository"} <= schema["$defs"].keys()
    assert len(schema["properties"]["backup"]["oneOf"]) == 2


def test_another_kind_of_backup_never_reaches_a_dumps_code() -> None:
    class Other(Target):
        backup: Annotated[DumpBackup | Repository, ByKind("dump")]  # type: ignore[assignment]

    target = Other(fleet="f", name="orders", evidence="/e", backup=Repository(at="/b", vault="main"))
    assert target.backup.select == Selection()
    with pytest.raises(PermanentError) as caught:
        _ = target.dump
    assert caught.value.rule == "drill-crashed"
    dumped = DumpBackup(at="/b/%Y")
    assert target.model_copy(update={"backup": dumped}).dump is dumped
