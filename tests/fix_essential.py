"""Tests marked `essential` must have run and passed in every full run, else the run has failed.

A skip is honest only where somebody reads it. What is marked so has failed in silence once: the product
looked green while it did nothing. A full run is one of all test paths with nothing selected by -k or -m.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

MARK = "essential"
_SELECTING = ("keyword", "markexpr", "lf", "collectonly")


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(Essentials(config), "essentials")


class Essentials:
    """Which essential tests there are, and which of them ran; xdist's workers tell their controller."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.collected: set[str] = set()
        self.ended: set[str] = set()

    def pytest_itemcollected(self, item: pytest.Item) -> None:
        """Note an essential test before anything can deselect it."""
        if item.get_closest_marker(MARK):
            self.collected.add(item.nodeid)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        self.collected |= set(getattr(node, "workeroutput", {}).get(MARK, ()))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note what came to an end of its own; a test that failed makes the run fail without our help."""
        if report.failed or (report.when == "call" and report.passed and not hasattr(report, "wasxfail")):
            self.ended.add(report.nodeid)

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        if hasattr(self.config, "workeroutput"):
            self.config.workeroutput[MARK] = sorted(self.collected)
        elif exitstatus == pytest.ExitCode.OK and self.missing():
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        for name in self.missing():
            terminalreporter.write_line(f"ESSENTIAL, and it did not run: {name}", red=True)

    def missing(self) -> list[str]:
        """Return the essential tests of a full run that did not end, and files that were left out."""
        if not self._is_full():
            return []
        files = {name.partition("::")[0] for name in self.collected}
        return sorted((self.collected - self.ended) | (set(self._files()) - files))

    def _is_full(self) -> bool:
        chosen = any(self.config.getoption(option, None) for option in _SELECTING)
        return self.config.args_source is pytest.Config.ArgsSource.TESTPATHS and not chosen

    def _files(self) -> Iterator[str]:
        """Yield the files that use the mark: one that was ignored collects nothing to be missed."""
        root = self.config.rootpath
        for folder in self.config.getini("testpaths"):
            for file in sorted(Path(root, folder).rglob("test_*.py")):
                if f"pytest.mark.{MARK}\n" in file.read_text(encoding="utf-8"):
                    yield str(file.relative_to(root))
