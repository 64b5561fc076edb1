"""The document of a self test has what was asked for, and the gate of a suite that can be read."""

from __future__ import annotations

from pathlib import Path

import pytest

from tasks.model.target import Expect, Target
from tasks.selftest.record import document_of, gate_of
from tasks.selftest.restored import Request
from tests.unit.evidence import samples
from tests.unit.evidence.test_selftest import CAUGHT, CUT

SUITE = (
    "suite: s\n{gate}tables:\n  public.t:\n"
    "    - {{type: expect_table_row_count_to_equal, kwargs: {{value: 1}}}}\n"
)


def target_with(folder: Path, text: str | None) -> Target:
    file = None if text is None else folder / "s.yaml"
    if file is not None and text is not None:
        file.write_text(text)
    return samples.target().model_copy(update={"expect": Expect(suite=file)})


@pytest.mark.parametrize(
    ("text", "gate"),
    [
        (SUITE.format(gate=""), "fail"),
        (SUITE.format(gate="gate: report\n"), "report"),
        ("suite: [", None),
        (None, None),
    ],
)
def test_the_gate_is_the_suites_own(tmp_path: Path, text: str | None, gate: str | None) -> None:
    assert gate_of(target_with(tmp_path, text)) == gate


def test_the_document_says_what_was_asked_for_and_what_came_of_it(tmp_path: Path) -> None:
    drill = samples.verified()
    drill.target = target_with(tmp_path, None)
    document = document_of(drill, [CAUGHT, CUT], Request(seed=7, mutants=20, quick=True))
    assert (document["seed"], document["wanted"], document["quick"]) == (7, 20, True)
    assert (document["ability"], len(document["rows"])) == ("can_fail", 2)
    assert document["suite"]["gate"] is None
