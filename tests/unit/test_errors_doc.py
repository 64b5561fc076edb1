from __future__ import annotations

import re
from pathlib import Path

import pytest

from tasks.evidence.errors_doc import errors_doc, main
from tasks.model.rules import RULES

DOCS = Path(__file__).parents[2] / "docs"


def test_every_rule_is_documented_as_the_code_has_it() -> None:
    written = (DOCS / "errors.md").read_text(encoding="utf-8")
    assert written == errors_doc(), "run: python -m tasks.evidence.errors_doc docs/errors.md"


def test_every_rule_has_one_heading() -> None:
    assert sorted(re.findall(r"^### (\S+)$", errors_doc(), re.MULTILINE)) == sorted(RULES)


def test_every_rule_says_what_it_means_and_what_to_do() -> None:
    for rule in RULES.values():
        assert re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", rule.name)
        assert rule.summary.endswith(".")
        assert rule.hint.endswith((".", "?", ".)"))


def test_the_runbook_names_only_rules_that_exist() -> None:
    text = (DOCS / "runbook.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`([a-z]+(?:-[a-z]+)+)`", text))
    assert named - {"restore-drill"} <= set(RULES)


def test_the_command_writes_the_file_it_is_given(tmp_path: Path) -> None:
    assert main([str(tmp_path / "errors.md")]) == 0
    assert (tmp_path / "errors.md").read_text(encoding="utf-8") == errors_doc()


def test_the_command_explains_itself(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 3
    assert "usage" in capsys.readouterr().err
