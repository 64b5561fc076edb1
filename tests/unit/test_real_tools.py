"""Which sources a tool of another suite is fetched from: this machine's own, whatever it is called."""

from __future__ import annotations

from pathlib import Path

from tests.real_tools import sources_of

STANZAS = """\
Types: deb
URIs: http://mirror.invalid/debian
Suites: bookworm bookworm-updates
Components: main contrib
Signed-By: /usr/share/keyrings/own.gpg

Types: deb
URIs: http://mirror.invalid/security
Suites: bookworm-security
Components: main
"""
LINES = """\
# deb http://mirror.invalid/off bookworm main
deb [arch=amd64] http://mirror.invalid/old bookworm main
deb-src http://mirror.invalid/old bookworm main
deb http://elsewhere.invalid/apt cloud-bookworm main
"""


def test_only_the_distributions_own_archive_is_taken(tmp_path: Path) -> None:
    (tmp_path / "sources.list.d").mkdir()
    (tmp_path / "sources.list.d" / "debian.sources").write_text(STANZAS)
    (tmp_path / "sources.list").write_text(LINES)
    assert sources_of("trixie", "bookworm", tmp_path) == [
        "deb [arch=amd64] http://mirror.invalid/old trixie main",
        "deb [signed-by=/usr/share/keyrings/own.gpg] http://mirror.invalid/debian trixie main contrib",
    ]


def test_another_distribution_has_none(tmp_path: Path) -> None:
    (tmp_path / "sources.list").write_text(LINES)
    assert sources_of("trixie", "noble", tmp_path) == []
