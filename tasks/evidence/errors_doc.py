"""docs/errors.md, written from the rules themselves: `python -m tasks.evidence.errors_doc docs/errors.md`."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from tasks.model.findings import FindingClass, Severity, Stage
from tasks.model.rules import RULES
from tasks.model.rules.rule import Rule

_CLASSES = {
    FindingClass.DATA: "The backup is there; what is in it is corrupt, incomplete or wrong.",
    FindingClass.PATH: "The backup may be good; the way back to it is broken.",
    FindingClass.STALE: "It may restore; it is too old for what was promised.",
    FindingClass.SLOW: "It may restore; it takes longer than was promised.",
    FindingClass.DRILL: "The drill itself could not judge; nothing is said about the backup.",
}
_HEAD = """# Rules

<!-- Written from tasks/model/rules/ by `python -m tasks.evidence.errors_doc docs/errors.md`. -->

Every finding carries one of these names. A `failure` of class `data`, `path`, `stale` or `slow` makes a drill
`failed`; a `failure` of class `drill` makes it `inconclusive`; warnings and infos leave the verdict alone. A
finding may be milder than its rule (a check set to `warning`, an accepted change), never graver. What to do
for each verdict is in [runbook.md](runbook.md).
"""


def errors_doc() -> str:
    """Return the whole document."""
    return "\n".join((_HEAD, *_sections()))


def main(arguments: list[str]) -> int:
    """Write the document to the file that *arguments* name; return the exit code."""
    if len(arguments) != 1:
        sys.stderr.write("usage: python -m tasks.evidence.errors_doc FILE\n")
        return 3
    Path(arguments[0]).write_text(errors_doc(), encoding="utf-8")
    return 0


def _sections() -> Iterator[str]:
    for klass in FindingClass:
        rules = [rule for rule in RULES.values() if rule.klass is klass]
        if rules:
            yield f"## {klass.value}\n\n{_CLASSES[klass]}\n"
            yield from _entries(rules)


def _entries(rules: Iterable[Rule]) -> Iterator[str]:
    for rule in sorted(rules, key=_order):
        yield f"### {rule.name}\n\n*{rule.severity.value}, found in {rule.stage.value}.* {rule.summary}\n"
        yield f"What to do: {rule.hint}\n"


def _order(rule: Rule) -> tuple[int, int, str]:
    return tuple(Stage).index(rule.stage), tuple(Severity).index(rule.severity), rule.name


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
