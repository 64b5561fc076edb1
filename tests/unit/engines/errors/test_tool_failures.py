"""What it means when a tool gives up."""

from __future__ import annotations

import pytest

from tasks.engines.errors.tool_failures import tool_finding


@pytest.mark.parametrize(
    ("line", "rule"),
    [
        ("could not read from input file: end of file", "archive-truncated"),
        ("input file is too short (read 0, expected 5)", "archive-truncated"),
        ('could not open input file "12.dat.gz": No such file or directory', "archive-incomplete"),
        ("unsupported version (1.16) in file header", "archive-version-unsupported"),
        ("this build does not support compression with zstd", "host-feature-missing"),
        ("could not uncompress data: (null)", "archive-corrupt"),
        ("found unexpected block ID (0) when reading data -- expected 12", "archive-corrupt"),
        ("corrupt tar header found in x", "archive-corrupt"),
        ("could not write to output file: No space left on device", "disk-full"),
        ("out of memory", "out-of-memory"),
        ("something new", "restore-error"),
    ],
)
def test_a_tools_own_error_has_its_rule(line: str, rule: str) -> None:
    assert tool_finding((line,), "shop.dump").rule == rule


def test_the_file_of_a_folder_dump_that_is_missing_is_named() -> None:
    line = 'could not open input file "12.dat.gz": No such file or directory'
    assert "(12.dat.gz)" in tool_finding((line,), "shop/").message


def test_of_an_error_only_the_tools_own_words_are_told() -> None:
    planted = 'invalid line in large object TOC file "planted": "planted" is corrupt planted'
    assert "planted" not in tool_finding((planted,), "shop/").message
    assert "pg_restore ended with -6" in tool_finding(("planted", "pg_restore ended with -6"), "x").message
