"""What it means when a tool gives up."""

from __future__ import annotations

import pytest

from tasks.engines.toolerrors import tool_finding


@pytest.mark.parametrize(
    ("said", "rule"),
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
def test_a_tools_own_error_has_its_rule(said: str, rule: str) -> None:
    found = tool_finding((said,), "shop.dump")
    assert found.rule == rule
    assert said in found.message
