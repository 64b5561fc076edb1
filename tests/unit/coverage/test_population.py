"""Which databases there are, told from outside."""

from __future__ import annotations

from pathlib import Path

import pytest

from tasks.coverage.population import names_in, population
from tasks.model.errors import ConfigInvalid
from tests.unit.coverage.records import fleet


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("name\norders\ncrm\n", ("orders", "crm")),
        ("owner,name,tier\na,orders,gold\nb,crm,\nc,,\nd\n", ("orders", "crm")),
        ("orders\ncrm\n", ("orders", "crm")),
        ("orders\r\norders\r\n", ("orders",)),
        ('\ufeffname\n"crm, old"\n', ("crm, old",)),
    ],
)
def test_a_list_is_a_column_or_a_name_a_line(tmp_path: Path, text: str, names: tuple[str, ...]) -> None:
    path = tmp_path / "cmdb.csv"
    path.write_text(text, encoding="utf-8")
    assert names_in(path) == names


@pytest.mark.parametrize("content", [b"", b"name\n", b"\xff\xfe\x00", b"\n"])
def test_a_list_that_names_nothing_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "cmdb.csv"
    path.write_bytes(content)
    with pytest.raises(ConfigInvalid, match=r"cmdb\.csv"):
        names_in(path)


def test_a_list_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigInvalid, match="No such file"):
        names_in(tmp_path / "cmdb.csv")


def test_a_folder_below_a_prefix_is_a_database(tmp_path: Path) -> None:
    for name in ("orders", "crm"):
        (tmp_path / "backups" / name).mkdir(parents=True)
    (tmp_path / "cmdb.csv").write_text("erp\ncrm\n")
    ours = fleet(tmp_path, "orders", population={"file": "cmdb.csv", "prefixes": ["backups"]})
    told = population(ours)
    assert {name: source.rpartition("/")[2] for name, source in told.items()} == {
        "erp": "cmdb.csv",
        "crm": "cmdb.csv",
        "orders": "",
    }


def test_a_prefix_that_is_misspelt_is_an_error(tmp_path: Path) -> None:
    ours = fleet(tmp_path, "orders", population={"prefixes": ["absent"]})
    with pytest.raises(ConfigInvalid, match="no folder lies below"):
        population(ours)
