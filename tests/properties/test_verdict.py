"""What holds of every verdict, whatever the drill saw."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tasks.evidence.document import add_finding, build_evidence, check_of, finding_of
from tasks.evidence.sentence import state_message
from tasks.evidence.verdict import judge, settle
from tasks.model.drill import Drill
from tasks.model.findings import Check, Finding, FindingClass, Outcome, Severity, Stage, Verdict
from tasks.model.rules import RULES, finding
from tests.unit.evidence import samples

BETTER_FIRST = [Verdict.VERIFIED, Verdict.INCONCLUSIVE, Verdict.FAILED]
TEXT = st.text(st.characters(codec="utf-8"), min_size=1, max_size=20)


@st.composite
def findings(draw: st.DrawFn) -> Finding:
    """A finding of any rule, of any severity: checks can be set to warning, and changes be accepted."""
    name = draw(st.sampled_from(sorted(RULES)))
    severity = draw(st.none() | st.sampled_from(Severity))
    return finding(name, draw(TEXT), where=draw(st.none() | TEXT), severity=severity)


def checks(outcomes: st.SearchStrategy[Outcome]) -> st.SearchStrategy[Check]:
    """A check of any stage."""
    return st.builds(Check, TEXT, st.sampled_from(Stage), outcomes, st.none() | TEXT | st.integers())


SEEN = st.lists(findings(), max_size=6)
MADE = st.lists(checks(st.sampled_from(Outcome)), max_size=6)
SKIPPED = st.lists(checks(st.sampled_from([Outcome.NOT_RUN, Outcome.NOT_CONFIGURED])), max_size=8)


@given(SEEN, MADE, findings())
def test_one_more_finding_never_improves_a_verdict(
    seen: list[Finding], made: list[Check], more: Finding
) -> None:
    before, after = judge(seen, made), judge([*seen, more], made)
    assert BETTER_FIRST.index(after) >= BETTER_FIRST.index(before)


@given(SEEN, SKIPPED)
def test_no_mix_of_skips_is_verified(seen: list[Finding], made: list[Check]) -> None:
    assert judge(seen, made) is not Verdict.VERIFIED


@given(SEEN, MADE, checks(st.just(Outcome.NOT_RUN)))
def test_one_check_that_did_not_run_is_enough(seen: list[Finding], made: list[Check], idle: Check) -> None:
    assert judge(seen, [*made, idle]) is not Verdict.VERIFIED


@given(SEEN, MADE)
def test_the_verdict_does_not_depend_on_the_order(seen: list[Finding], made: list[Check]) -> None:
    assert judge(seen, made) is judge(reversed(seen), reversed(made))


@given(SEEN, MADE)
def test_failed_means_that_a_promise_other_than_the_drills_own_was_broken(
    seen: list[Finding], made: list[Check]
) -> None:
    broken = any(item.severity is Severity.FAILURE and item.klass is not FindingClass.DRILL for item in seen)
    assert (judge(seen, made) is Verdict.FAILED) == broken


@given(SEEN, MADE)
def test_settling_twice_changes_nothing_and_hides_nothing(seen: list[Finding], made: list[Check]) -> None:
    settled = settle(seen, made)
    assert settle(settled, made) == settled
    assert set(seen) <= set(settled)
    assert BETTER_FIRST.index(judge(settled, made)) >= BETTER_FIRST.index(judge(seen, made))


@given(SEEN, MADE, findings())
def test_the_document_agrees_with_the_judge(seen: list[Finding], made: list[Check], more: Finding) -> None:
    facts = Drill(
        "d1",
        samples.target(),
        samples.NOW,
        samples.NOW,
        findings=tuple(seen),
        checks=tuple(made),
        host=samples.HOST,
        tool=samples.TOOL,
    )
    document = build_evidence(facts)
    stored = [finding_of(item) for item in document["findings"]]
    assert document["verdict"] == judge(stored, [check_of(item) for item in document["checks"]])
    assert state_message(document).startswith(document["verdict"])
    added = add_finding(document, more)
    assert BETTER_FIRST.index(Verdict(added["verdict"])) >= BETTER_FIRST.index(Verdict(document["verdict"]))
