"""`restore-drill compare`: what it refuses before anything is restored, and the lines that it prints."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from deployments.commands.compare import compare_two, lines_of
from tasks.model.errors import ConfigInvalid
from tests.unit.deployments.commands.test_small_commands import fleet_with


@pytest.mark.parametrize("names", [(), ("orders",), ("orders", "orders"), ("a", "b", "c")])
def test_two_databases_are_compared_and_no_other_number(tmp_path: Path, names: tuple[str, ...]) -> None:
    with pytest.raises(ConfigInvalid, match="two databases are compared"):
        compare_two(tmp_path / "unread.yaml", names, "", as_json=False)


@pytest.mark.parametrize("select", ["all", "random"])
def test_one_backup_of_each_is_compared(tmp_path: Path, select: str) -> None:
    with pytest.raises(ConfigInvalid, match="orders: one backup of each"):
        compare_two(fleet_with(tmp_path, []), ("orders", "crm"), select, as_json=False)


def side(database: str, *failures: str) -> dict[str, Any]:
    at = "2026-11-25T01:00:00Z"
    uri = f"s3://b/{database}"
    return {"database": database, "uri": uri, "at": at, "failures": failures, "recovery": None}


def document(**changed: Any) -> dict[str, Any]:
    plain: dict[str, Any] = {
        "first": side("dump"),
        "second": side("copy"),
        "differences": [],
        "only_first": {},
        "only_second": {},
        "not_compared": {},
    }
    return plain | changed


def test_two_that_agree_have_a_line_each() -> None:
    assert list(lines_of(document())) == [
        "dump: s3://b/dump of 2026-11-25T01:00:00Z",
        "copy: s3://b/copy of 2026-11-25T01:00:00Z",
    ]


def test_each_difference_is_a_line_below() -> None:
    item = {"table": "public.orders", "rows": [1200, 1199], "only_first": 1, "only_second": 0, "changed": 2}
    lines = lines_of(
        document(
            second=side("copy", "a role was missing"),
            differences=[item | {"columns": ["note"]}],
            only_second={"views": ["public.totals"]},
            not_compared={"public.log": "it has no key"},
        )
    )
    assert [line.strip() for line in list(lines)[2:]] == [
        "its restore: a role was missing",
        "public.orders: 1,200 and 1,199 rows, 1 only in the first, 2 that differ, columns of one alone: note",
        "only in copy: views public.totals",
        "not compared: public.log: it has no key",
    ]
