"""How a sandbox's isolation is written on a page."""

from __future__ import annotations

import pytest

from tasks.evidence.report.words import DASH, isolation


@pytest.mark.parametrize(
    ("parts", "text"),
    [
        (["exec", "network"], "exec, network"),
        ("network+user", "network, user"),
        ([], DASH),
        (None, DASH),
        ({"a": 1}, DASH),
    ],
)
def test_parts_are_written_as_a_list_whatever_the_documents_age(parts: object, text: str) -> None:
    assert isolation(parts) == text
