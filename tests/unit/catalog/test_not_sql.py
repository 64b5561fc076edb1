"""Text that is no SQL: what only an application can load is told from what is nothing at all."""

from __future__ import annotations

import pytest

from tasks.catalog.not_sql import may_be_sql, must_be_sql
from tasks.model.errors import PermanentError

ROW = '{"model": "shop.customer", "pk": 1, "fields": {"name": "c"}}'
DUMPDATA = {
    "json": f"[{ROW}, {ROW}]",
    "indented": '[\n{\n  "model": "shop.customer",\n  "pk": 1,\n  "fields": {}\n}\n]\n',
    "jsonl": f"{ROW}\n{ROW}\n",
    "xml": '<?xml version="1.0" encoding="utf-8"?>\n<django-objects version="1.0"><object/></django-objects>',
    "yaml": "- model: shop.customer\n  pk: 1\n  fields: {name: c}\n",
}
NO_BACKUP = {
    "an error": '{"message": "Forbidden", "code": 403}',
    "other json": '[{"id": 1, "model": "a car"}]',
    "a store's error": '<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>',
    "a page": "<!DOCTYPE html><html></html>",
    "yaml": "- name: shop\n  rpo: 1h\n",
    "nothing but semicolons": ";;;\n/* x */;\n",
}
HEIDI = "-- Host: db\n-- ----\n\n/*!40101 SET @OLD=@@CHARACTER_SET_CLIENT */;\n/*!40101 SET NAMES  */;\n\n"


def rule_of(text: str, *, whole: bool = True) -> str | None:
    try:
        must_be_sql(text, whole=whole, where="x")
    except PermanentError as error:
        return error.rule
    return None


@pytest.mark.parametrize("text", DUMPDATA.values(), ids=DUMPDATA.keys())
def test_djangos_dumpdata_is_named_and_not_called_broken(text: str) -> None:
    assert rule_of(text) == "format-unsupported"
    with pytest.raises(PermanentError, match="dumpdata"):
        must_be_sql(f"\n{text}", whole=False, where="x")


@pytest.mark.parametrize("text", NO_BACKUP.values(), ids=NO_BACKUP.keys())
def test_what_is_nothing_is_no_backup(text: str) -> None:
    assert rule_of(text) == "not-a-backup"


def test_statements_of_nothing_before_the_first_are_passed_over() -> None:
    assert rule_of(f"{HEIDI}CREATE TABLE a (id int);\n") is None
    assert rule_of(f"{HEIDI}oops, no such host\n") == "not-a-backup"
    assert rule_of(HEIDI, whole=False) is None


def test_blanks_are_too_little() -> None:
    assert rule_of(" \n\t") == "archive-tiny"


@pytest.mark.parametrize(
    ("line", "may"), [("  create table a ();", True), ("\\c shop", True), ("Done.", False)]
)
def test_a_line_begins_as_sql_or_does_not(line: str, may: bool) -> None:
    assert may_be_sql(line) is may
