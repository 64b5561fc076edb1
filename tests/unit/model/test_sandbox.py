"""The parts of a sandbox's isolation, and when its second wall stands."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from tasks.model.sandbox import Workspace, parts_of

NOW = datetime(2026, 1, 2, tzinfo=UTC)


@pytest.mark.parametrize(
    ("written", "parts"),
    [
        ("network+user+mount", {"network", "user", "mount"}),
        ("user", {"user"}),
        ("none", set()),
        (None, set()),
        ([], set()),
        (["exec", "user"], {"exec", "user"}),
    ],
)
def test_parts_are_read_from_lists_and_from_older_records(
    written: str | list[str] | None, parts: set[str]
) -> None:
    assert parts_of(written) == parts


@pytest.mark.parametrize(
    ("parts", "walled"),
    [
        ({"exec", "seccomp", "files"}, True),
        ({"exec", "seccomp", "mount", "user"}, True),
        ({"exec", "seccomp", "user", "network"}, False),
        ({"exec", "files", "mount", "network"}, False),
        ({"seccomp", "files", "mount", "network"}, False),
        ({"network", "user", "mount", "ipc", "pid"}, False),
        (set(), False),
    ],
)
def test_the_second_wall_stands_only_whole(parts: set[str], walled: bool) -> None:
    assert Workspace("d1", Path("/d1"), None, frozenset(parts), NOW, NOW).walled is walled
