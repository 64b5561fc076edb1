"""What a drill has seen: nothing is lost on an early end, and what did not run is named."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from tasks.drill.process import Stopped
from tasks.ledger import Ledger
from tasks.model.backup import Candidate, Discovery, RecoveryPoint, StoredObject
from tasks.model.errors import PermanentError, StageFailed
from tasks.model.findings import Check, Outcome, Stage, Verdict
from tasks.model.restored import Checked
from tasks.model.rules import finding
from tasks.model.target import Selection
from tasks.plan import begin, begin_older
from tests.unit.evidence.samples import target

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)


def discovery(count: int = 2) -> Discovery:
    times = [NOW - timedelta(hours=4 + 24 * back) for back in range(count)]
    points = tuple(RecoveryPoint(StoredObject(f"file:///b/{at:%d}.dump", 10, at), at) for at in times)
    taken = tuple(Candidate(point.object.uri, 10, point.at, taken=True, reason="newest") for point in points)
    return Discovery(points, taken, tuple(sorted(times)))


def ledger(kind: str = "newest") -> Ledger:
    return begin(target(), Selection(kind=kind), NOW)  # type: ignore[arg-type]


def test_a_drill_that_ends_early_names_every_stage_that_it_did_not_reach() -> None:
    drill = ledger()
    with drill.entering(Stage.DISCOVER):
        drill.note(PermanentError("Nothing matches.", "s3://b/x", rule="no-backup-found"))

    missed = {check.name for check in drill.facts().checks if check.outcome is Outcome.NOT_RUN}
    assert missed == {
        f"{s}-completed" for s in ("preflight", "fetch", "provision", "restore", "verify", "validate")
    }
    assert drill.verdict is Verdict.FAILED


def test_an_error_with_several_findings_keeps_them_all() -> None:
    drill = ledger()
    drill.note(StageFailed((finding("schema-only", "No rows."), finding("extension-missing", "No postgis."))))
    assert [found.rule for found in drill.findings] == ["schema-only", "extension-missing"]


def test_the_newest_is_judged_now_and_an_older_point_at_its_own_time() -> None:
    first = ledger()
    first.choose(discovery())
    assert first.as_of == NOW

    found = discovery()
    older = begin_older(first, found.points[1], NOW)
    assert older.as_of == found.points[1].at

    chosen = ledger("random")
    chosen.choose(found)
    assert chosen.as_of == found.points[0].at


def test_an_unknown_error_is_inconclusive_and_tells_nothing_of_its_text() -> None:
    drill = ledger()
    drill.crashed(ValueError("row (alice@example.org)"))
    assert drill.findings[0].rule == "drill-crashed"
    assert "alice" not in drill.findings[0].message
    assert drill.verdict is Verdict.INCONCLUSIVE


def test_an_interrupted_drill_is_inconclusive_and_says_so() -> None:
    drill = ledger()
    drill.crashed(KeyboardInterrupt())
    assert drill.interrupted
    assert drill.findings[0].rule == "drill-interrupted"


def test_what_a_stopped_drill_meets_says_nothing_about_its_backup() -> None:
    drill = ledger()
    drill.note(Stopped("The drill was stopped from outside."))
    assert drill.interrupted
    assert [found.rule for found in drill.findings] == ["drill-interrupted"]


def test_a_drill_stopped_before_it_began_says_so() -> None:
    drill = ledger()
    drill.crashed(KeyboardInterrupt())
    assert drill.findings[0].message == "The drill was stopped before it began."


def test_leftovers_are_a_finding_and_an_empty_receipt_is_a_pass() -> None:
    clean, dirty = ledger(), ledger()
    clean.kept_nothing((), NOW)
    dirty.kept_nothing(("process 12",), NOW)

    assert (clean.destroyed_at, clean.findings) == (NOW, [])
    assert dirty.destroyed_at is None
    assert dirty.findings[0].rule == "teardown-incomplete"


def test_walking_back_notes_the_newest_that_came_back() -> None:
    first, second = ledger(), ledger()
    for drill in (first, second):
        drill.choose(discovery())
    first.note(PermanentError("It is cut.", rule="archive-truncated"))
    second.reached = list(Stage)
    second.take(Checked((Check("tables-present", Stage.VERIFY, Outcome.PASSED),)))

    first.note_recoverable([second])

    assert first.newest_recoverable is not None
    assert first.newest_recoverable["drill_id"] == second.drill_id


def test_a_phase_within_another_is_not_counted_twice() -> None:
    drill = ledger()
    with drill.entering(Stage.FETCH):
        pass
    with drill.entering(Stage.FETCH):
        pass
    assert drill.reached.count(Stage.FETCH) == 2
    assert set(drill.facts().phases_s) == {"fetch"}
