"""What a drill has seen: nothing is lost on an early end, and what did not run is named."""

from __future__ import annotations

import pickle
from datetime import UTC, datetime, timedelta

from tasks.checks.preflight import Readiness
from tasks.drill.closing import closed, verdict_of
from tasks.drill.entries import (
    add_crash,
    add_discovery,
    add_error,
    add_kept,
    add_readiness,
    add_recoverable,
    add_teardown,
)
from tasks.drill.ledger import Ledger
from tasks.drill.options import DrillOptions
from tasks.drill.process import Stopped
from tasks.evidence import build_evidence
from tasks.model.backup import Candidate, Discovery, DumpPoint, StoredObject
from tasks.model.drill import Drill
from tasks.model.errors import PermanentError, StageFailed
from tasks.model.findings import Check, Outcome, Stage, Verdict
from tasks.model.restored import Checked
from tasks.model.rules import finding
from tasks.model.target import Selection
from tasks.plan import begin, begin_older
from tests.unit.evidence import samples

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)


def discovery(count: int = 2) -> Discovery[DumpPoint]:
    times = [NOW - timedelta(hours=4 + 24 * back) for back in range(count)]
    points = tuple(DumpPoint.of(StoredObject(f"file:///b/{at:%d}.dump", 10, at), at) for at in times)
    taken = tuple(Candidate(point.uri, 10, point.at, taken=True, reason="newest") for point in points)
    return Discovery(points, taken, tuple(sorted(times)))


def ledger(kind: str = "newest") -> Ledger:
    return begin(samples.target(), Selection(kind=kind), NOW, DrillOptions(within=True))  # type: ignore[arg-type]


def drill(kind: str = "newest") -> Drill:
    return ledger(kind).drill


def test_a_drill_that_ends_early_names_every_stage_that_it_did_not_reach() -> None:
    under_way = ledger()
    with under_way.entering(Stage.DISCOVER):
        add_error(under_way.drill, PermanentError("Nothing matches.", "s3://b/x", rule="no-backup-found"))

    missed = {check.name for check in closed(under_way.drill).checks if check.outcome is Outcome.NOT_RUN}
    assert missed == {
        f"{s}-completed" for s in ("preflight", "fetch", "provision", "restore", "verify", "validate")
    }
    assert verdict_of(under_way.drill) is Verdict.FAILED


def test_an_error_with_several_findings_keeps_them_all() -> None:
    record = drill()
    add_error(record, StageFailed((finding("schema-only", "No rows."), finding("extension-missing", "x."))))
    assert [found.rule for found in record.findings] == ["schema-only", "extension-missing"]


def test_the_newest_is_judged_now_and_an_older_point_at_its_own_time() -> None:
    first = ledger()
    found = discovery()
    add_discovery(first.drill, found)
    assert first.drill.judged_at == NOW

    older = begin_older(first, found.points[1], NOW).drill
    assert older.judged_at == found.points[1].at
    assert older.reached == (Stage.DISCOVER,)

    chosen = drill("random")
    add_discovery(chosen, found)
    assert chosen.judged_at == found.points[0].at


def test_an_unknown_error_is_inconclusive_and_tells_nothing_of_its_text() -> None:
    record = drill()
    add_crash(record, ValueError("row (alice@example.org)"))
    assert record.findings[0].rule == "drill-crashed"
    assert "alice" not in record.findings[0].message
    assert verdict_of(record) is Verdict.INCONCLUSIVE


def test_an_interrupted_drill_is_inconclusive_and_says_so() -> None:
    under_way = ledger()
    with under_way.entering(Stage.FETCH):
        add_crash(under_way.drill, KeyboardInterrupt())
    assert under_way.drill.interrupted
    (found,) = under_way.drill.findings
    assert (found.rule, found.message) == ("drill-interrupted", "The drill was stopped during fetch.")


def test_what_a_stopped_drill_meets_says_nothing_about_its_backup() -> None:
    record = drill()
    add_error(record, Stopped("The drill was stopped from outside."))
    assert record.interrupted
    assert [found.rule for found in record.findings] == ["drill-interrupted"]


def test_a_drill_stopped_before_it_began_says_so() -> None:
    record = drill()
    add_crash(record, KeyboardInterrupt())
    assert record.findings[0].message == "The drill was stopped before it began."


def test_a_preflight_that_fails_stops_the_drill_and_its_other_findings_stay() -> None:
    record = drill()
    warning, failure = finding("role-not-assumed", "As the worker."), finding("disk-too-small", "Too small.")
    try:
        add_readiness(record, Readiness(None, {"tables": {}}, Checked((), (warning, failure))))
    except StageFailed as error:
        add_error(record, error)
    assert record.findings == (warning, failure)
    assert record.manifest == {"tables": {}}


def test_leftovers_are_a_finding_and_an_empty_receipt_is_a_pass() -> None:
    clean, dirty = drill(), drill()
    add_teardown(clean, (), NOW)
    add_teardown(dirty, ("process 12",), NOW)

    assert (clean.destroyed_at, clean.findings) == (NOW, ())
    assert dirty.destroyed_at is None
    assert dirty.findings[0].rule == "teardown-incomplete"


def test_a_kept_sandbox_is_named_and_is_no_pass() -> None:
    record = samples.verified()
    record.workspace = record.running_sandbox.workspace
    add_kept(record, NOW)
    assert "kept for a look until" in record.left_behind[0]
    assert record.checks[-1].outcome is Outcome.NOT_CONFIGURED


def test_walking_back_notes_the_newest_that_came_back() -> None:
    first, second = drill(), drill()
    for record in (first, second):
        add_discovery(record, discovery())
    add_error(first, PermanentError("It is cut.", rule="archive-truncated"))
    second.reached = tuple(Stage)
    second.take(Checked((Check("tables-present", Stage.VERIFY, Outcome.PASSED),)))

    add_recoverable(first, [second])

    assert first.newest_recoverable is not None
    assert first.newest_recoverable["drill_id"] == second.drill_id


def test_a_phase_entered_twice_is_added_up() -> None:
    under_way = ledger()
    for _ in range(2):
        with under_way.entering(Stage.FETCH):
            pass
    assert under_way.drill.reached.count(Stage.FETCH) == 2
    assert set(closed(under_way.drill).phases_s) == {"fetch"}


def test_a_record_can_be_handed_to_another_process() -> None:
    record = closed(samples.verified())
    received = pickle.loads(pickle.dumps(record))  # noqa: S301  our own bytes
    assert build_evidence(received, finished_at=NOW) == build_evidence(record, finished_at=NOW)
