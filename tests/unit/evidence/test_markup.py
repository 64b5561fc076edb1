"""Text of a backup in markdown is text, whatever it holds; and where a drill ran."""

from __future__ import annotations

from pathlib import Path

import pytest

from tasks.evidence.host_facts import describe_host, tool_versions
from tasks.evidence.markup import CELL, cell, code, fenced, link, text


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("plain words", "plain words"),
        ("# no heading", "\\# no heading"),
        ("- no item", "\\- no item"),
        ("12. no list", "12\\. no list"),
        ("a|b", "a\\|b"),
        ("**bold** _it_ snake_case", "\\*\\*bold\\*\\* \\_it\\_ snake_case"),
        ("<script>", "&lt;script&gt;"),
        ("[x](http://y)", "\\[x\\](http\\://y)"),
        ("`x`", "'x'"),
    ],
)
def test_nothing_begins_markup(value: str, shown: str) -> None:
    assert text(value) == shown


def test_a_cell_is_short_and_never_empty() -> None:
    assert cell("") == " "
    assert cell("x" * 500).startswith("x" * CELL + "…")
    assert "\n" not in cell("two\nlines")


def test_a_code_span_cannot_be_ended_from_within() -> None:
    assert code("a`b") == "`a'b`"
    assert (code(None), code("")) == ("none", "none")


def test_a_block_is_fenced_by_more_than_it_holds() -> None:
    assert fenced("x\n````\ny", "sql").splitlines() == ["`````sql", "x", "````", "y", "`````"]


def test_a_link_keeps_its_words_and_its_address_apart() -> None:
    assert link("a]b", "https://h/a b)c") == "[a\\]b](https://h/a%20b%29c)"


def test_the_host_is_told_by_its_size_and_the_tool_by_its_versions(tmp_path: Path) -> None:
    host = describe_host(tmp_path / "not" / "made" / "yet")
    assert host["disk"] == {
        "total_bytes": host["disk"]["total_bytes"],
        "free_bytes": host["disk"]["free_bytes"],
    }
    assert 0 < host["disk"]["free_bytes"] <= host["disk"]["total_bytes"]
    assert host["cpus"] >= 1
    assert {"python", "prefect", "great_expectations", "psycopg"} <= set(tool_versions())
