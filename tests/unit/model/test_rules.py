"""Every rule stands once, is named in kebab-case, and says in sentences what it means and what to do."""

from __future__ import annotations

import pkgutil
import re
from collections import Counter
from importlib import import_module

import pytest

from tasks.model import rules
from tasks.model.findings import FindingClass, Severity, Stage
from tasks.model.rules import RULES, finding, objectives
from tasks.model.rules.rule import Rule

MODULES = [
    import_module(f"{rules.__name__}.{found.name}")
    for found in pkgutil.iter_modules(rules.__path__)
    if found.name != "rule"
]
EVERY: list[Rule] = [rule for module in MODULES for rule in module.RULES]


def test_no_rule_stands_twice_and_none_is_forgotten() -> None:
    assert [name for name, count in Counter(rule.name for rule in EVERY).items() if count > 1] == []
    assert {rule.name for rule in EVERY} == set(RULES)


@pytest.mark.parametrize("rule", EVERY, ids=lambda rule: rule.name)
def test_a_rule_says_what_it_means_and_what_to_do(rule: Rule) -> None:
    assert re.fullmatch(r"[a-z]+(-[a-z]+)*", rule.name)
    for sentence in (rule.summary, rule.hint):
        assert sentence[-1] in ".?"


def test_a_finding_takes_what_its_rule_says_unless_it_knows_better() -> None:
    plain = finding("rpo-missed", "x")
    assert (plain.klass, plain.severity, plain.stage) == (
        FindingClass.STALE,
        Severity.FAILURE,
        Stage.MEASURE,
    )
    assert plain.hint == RULES["rpo-missed"].hint
    told = finding("rpo-missed", "x", severity=Severity.INFO, stage=Stage.VERIFY, hint="")
    assert (told.severity, told.stage, told.hint) == (Severity.INFO, Stage.VERIFY, "")
    with pytest.raises(KeyError):
        finding("no-such-rule", "x")


def test_what_the_objectives_show_is_never_the_drills_fault() -> None:
    assert {rule.klass for rule in objectives.RULES} == {FindingClass.STALE, FindingClass.SLOW}
