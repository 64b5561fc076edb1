from __future__ import annotations

from dataclasses import replace

import pytest

from tasks.evidence.document import build_evidence
from tasks.evidence.markdown import check_rows, markdown
from tasks.model.findings import Check, Outcome, Stage
from tests.unit.evidence import samples


def test_verdict_and_cause_come_first() -> None:
    lines = markdown(build_evidence(samples.truncated())).splitlines()
    assert lines[0] == "# shop/customers: FAILED (data)"
    assert lines[2].startswith("The archive ends at byte")


@pytest.mark.parametrize("kind", samples.ALL)
def test_every_drill_has_its_sections(kind: str) -> None:
    text = markdown(build_evidence(samples.ALL[kind]()))
    assert "## Not proven" in text
    assert "## Checks" in text
    assert "## Objectives" in text


def test_failed_checks_come_first_in_words() -> None:
    text = markdown(build_evidence(samples.shrunk()))
    table = text.split("## Checks")[1].split("##")[0]
    assert table.splitlines()[4].startswith("| rows-against-history | FAIL |")


def test_a_hostile_name_does_not_become_markup() -> None:
    text = markdown(build_evidence(samples.hostile()))
    outside_code = "".join(text.split("`")[::2])
    assert "<script" not in outside_code
    assert "<img" not in outside_code
    assert "<b>" not in outside_code


def test_a_link_in_a_name_stays_text() -> None:
    facts = replace(
        samples.verified(),
        checks=(Check("[x](javascript:alert)", Stage.VERIFY, Outcome.PASSED, "a|b\nc"),),
    )
    text = markdown(build_evidence(facts))
    assert "\\[x\\]" in text
    assert "a\\|b\\\\nc" in text


def test_long_cells_are_cut_and_long_tables_end_with_a_count() -> None:
    many = tuple(Check(f"check-{n} {'x' * 200}", Stage.VERIFY, Outcome.PASSED) for n in range(250))
    text = markdown(build_evidence(replace(samples.verified(), checks=many)))
    assert "50 more in the evidence" in text
    assert max(len(line) for line in text.split("## Checks")[1].split("##")[0].splitlines()) < 140


def test_the_full_report_is_linked_if_there_is_one() -> None:
    document = build_evidence(samples.verified())
    assert "(https://reports.example/shop)" in markdown(document, "https://reports.example/shop")
    assert "Full report" not in markdown(document)


def test_the_table_of_checks_holds_words_for_a_person() -> None:
    rows = check_rows(build_evidence(samples.truncated()))
    assert rows[0] == {
        "check": "restore-errors",
        "stage": "restore",
        "outcome": "NOT RUN",
        "observed": "-",
        "expected": "-",
        "why": "the archive is truncated",
    }
