"""The document of a self test: what it concludes, where it lies, and that nothing takes it for evidence."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest

from tasks.evidence import build_evidence
from tasks.evidence.history import read_records
from tasks.evidence.report import render_report
from tasks.evidence.selftest import build_selftest, conclude, newest_selftests, read_selftest, write_selftest
from tasks.evidence.selftest_text import as_markdown, lines
from tasks.evidence.store import list_evidence, write_acceptance, write_evidence
from tasks.model.clock import utc_now
from tasks.model.errors import PermanentError
from tasks.model.selftest import Ability, Family, Fate, Judged, Mutant
from tasks.model.target import StoreConfig
from tests.unit.evidence import samples

STORE = StoreConfig()
YAML = "public.orders:\n  - type: expect_column_values_to_not_be_null\n    kwargs: {column: note}"


def row(
    fate: Fate, kind: str = "column-nulled", *, must: bool = False, content: bool = True, backup: bool = False
) -> Judged:
    family = Family.BACKUP if backup else Family.DATA
    table, column = (None, None) if backup else ("public.orders", "note")
    mutant = Mutant(family, kind, "note set to NULL", table, column, content and not backup, must)
    by = ("expectation-failed public.orders.note",) if fate is Fate.CAUGHT else ()
    return Judged(mutant, fate, 10, by, None, YAML if fate is Fate.SURVIVED and not backup else None, 0.5)


CAUGHT, SURVIVED = row(Fate.CAUGHT), row(Fate.SURVIVED)
CUT = row(Fate.CAUGHT, "truncated-data", must=True, backup=True)


def document(*rows: Judged) -> dict[str, object]:
    facts = samples.verified()
    at = facts.started_at + timedelta(minutes=1)
    return build_selftest(facts, rows, seed=1, wanted=100, quick=False, finished_at=at, gate="fail")


@pytest.mark.parametrize(
    ("rows", "ability"),
    [
        ((CAUGHT, SURVIVED, CUT), Ability.CAN_FAIL),
        ((CAUGHT, row(Fate.SURVIVED, "truncated-data", must=True, backup=True)), Ability.CANNOT_FAIL),
        ((CAUGHT, row(Fate.NOTICED, "table-data-missing", must=True, backup=True)), Ability.CANNOT_FAIL),
        ((CAUGHT, row(Fate.SURVIVED, "flipped-byte-data", backup=True)), Ability.CAN_FAIL),
        ((SURVIVED, SURVIVED, CUT), Ability.CANNOT_FAIL),
        ((row(Fate.NOTICED), CUT, row(Fate.CAUGHT, "table-dropped", content=False)), Ability.CANNOT_FAIL),
        ((CUT,), Ability.CAN_FAIL),
        ((row(Fate.ERRORED), row(Fate.NOT_APPLICABLE)), Ability.INCONCLUSIVE),
        ((), Ability.INCONCLUSIVE),
    ],
)
def test_what_a_matrix_says_of_the_drill(rows: tuple[Judged, ...], ability: Ability) -> None:
    assert conclude(rows, [])[0] is ability


def test_what_was_not_judged_is_no_part_of_the_score() -> None:
    score = document(CAUGHT, SURVIVED, row(Fate.NOTICED), row(Fate.ERRORED), row(Fate.NOT_APPLICABLE))[
        "score"
    ]
    assert score == {fate.value: 1 for fate in Fate} | {"judged": 3, "share": 0.3333}


def test_the_reason_of_an_inconclusive_one_is_told() -> None:
    assert conclude((), ["The archive ends at byte 4096."])[1].endswith("The archive ends at byte 4096.")


def test_it_is_written_and_read_back_and_the_newest_is_found(tmp_path: Path) -> None:
    made = document(CAUGHT, SURVIVED)
    later = made | {"started_at": "2029-01-01T00:00:00Z"}
    write_selftest(made, str(tmp_path), STORE)
    uri = write_selftest(later, str(tmp_path), STORE)
    assert newest_selftests(str(tmp_path), STORE) == {(made["fleet"], made["database"]): uri}
    assert newest_selftests(str(tmp_path), STORE, "another") == {}
    assert read_selftest(uri, STORE) == later


def test_bytes_that_are_no_text_are_written_out_and_the_matrix_comes(tmp_path: Path) -> None:
    odd = "VIEW public.caf\udce9\ud83d \x1b[31m"
    mutant = Mutant(Family.BACKUP, "flipped-byte-contents", "one byte turned", odd, odd)
    caught = Judged(mutant, Fate.CAUGHT, None, (f"invalid-encoding {odd}",), odd)
    survived = Judged(mutant, Fate.SURVIVED, None, (), odd, YAML)
    made = document(caught, survived)
    uri = write_selftest(made, str(tmp_path), STORE)
    stored = read_selftest(uri, STORE)
    assert stored is not None
    assert stored["rows"][0]["by"] == ["invalid-encoding VIEW public.caf\\udce9\\ud83d \x1b[31m"]
    write_evidence(build_evidence(samples.verified()), str(tmp_path), STORE)
    render_report([str(tmp_path)], tmp_path / "report")
    pages = [path.read_text() for path in (tmp_path / "report").rglob("*.html")]
    assert any("caf\\udce9" in page for page in pages)
    for shown in (as_markdown(made), as_markdown(stored)):
        assert "\x1b" not in shown
        assert shown.encode()


def test_a_damaged_document_is_passed_over(tmp_path: Path) -> None:
    uri = write_selftest(document(CAUGHT), str(tmp_path), STORE)
    for broken in ("{", "[]", '{"schema": "another/v1"}'):
        Path(uri).write_text(broken)
        assert read_selftest(uri, STORE) is None


def test_nothing_takes_it_for_a_drills_evidence(tmp_path: Path) -> None:
    made = document(CAUGHT)
    uri = write_selftest(made, str(tmp_path), STORE)
    assert list_evidence(str(tmp_path), STORE) == []
    assert read_records(str(tmp_path), str(made["fleet"]), str(made["database"]), STORE) == ((), ())
    with pytest.raises(PermanentError, match="no evidence document"):
        write_acceptance(uri, STORE, rule="rows-dropped", where="t", why="x", who="me", now=utc_now())


def test_the_report_shows_score_matrix_and_survivors_on_the_newest_drills_page(tmp_path: Path) -> None:
    drill = build_evidence(samples.verified())
    write_evidence(drill, str(tmp_path), STORE)
    write_selftest(document(CAUGHT, SURVIVED, CUT), str(tmp_path), STORE)
    index = render_report([str(tmp_path)], tmp_path / "site")
    (page,) = (tmp_path / "site").rglob("*_*.html")
    shown = page.read_text()
    assert '<h2 id="selftest">Self test</h2>' in shown
    assert "2 of 3 caught (67 %)" in shown
    assert "expect_column_values_to_not_be_null" in shown
    assert "Can fail" in shown
    assert "2 of 3 caught (67 %)" in index.read_text()


def test_a_drill_that_cannot_fail_is_as_loud_as_a_failed_one(tmp_path: Path) -> None:
    write_evidence(build_evidence(samples.verified()), str(tmp_path), STORE)
    write_selftest(document(SURVIVED, CUT), str(tmp_path), STORE)
    index = render_report([str(tmp_path)], tmp_path / "site").read_text()
    assert 'class="verdict failed"' in index
    assert "Self test: cannot fail" in index
    assert "; 1 drill cannot fail" in index
    assert "not one of 1 damages to rows and values was caught" in index


def test_a_later_self_test_renders_the_page_anew_and_a_broken_one_takes_no_page_away(tmp_path: Path) -> None:
    write_evidence(build_evidence(samples.verified()), str(tmp_path), STORE)
    render_report([str(tmp_path)], tmp_path / "site")
    (page,) = (tmp_path / "site").rglob("*_*.html")
    assert "Self test" not in page.read_text()
    uri = write_selftest(document(CAUGHT), str(tmp_path), STORE)
    render_report([str(tmp_path)], tmp_path / "site")
    assert "Self test" in page.read_text()
    Path(uri).write_text(json.dumps({"schema": "restore-drill/selftest/v1", "ability": "can_fail"}))
    render_report([str(tmp_path)], tmp_path / "site")
    assert page.exists()
    assert "Self test" not in page.read_text()


def test_the_terminal_ends_with_a_plain_sentence_and_shows_what_to_paste() -> None:
    shown = list(lines(document(CAUGHT, SURVIVED, row(Fate.NOT_APPLICABLE, "trigger-dropped"))))
    assert shown[-1][0].startswith("The drill can fail: it caught 1 of 2 damages")
    text = "\n".join(line for line, _ in shown)
    assert "column-nulled  +x" in text
    assert "      public.orders:" in text
    assert "trigger-dropped: " in text


def test_markdown_has_a_row_for_each_damage() -> None:
    text = as_markdown(document(CAUGHT, SURVIVED))
    assert (
        "| caught | data | note set to NULL | public.orders.note | expectation-failed public.orders.note |"
        in text
    )
    assert "```yaml\npublic.orders:" in text
