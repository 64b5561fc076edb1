"""What the person on call is told: only what a drill brought back is called proven."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.commands.can_i_recover import lines_of
from tasks.evidence.drilled import DrilledBackup
from tasks.model.backup import Candidate, Discovery
from tasks.model.findings import FindingClass, Verdict
from tasks.model.rules import finding
from tasks.model.target import BaseBackup, DumpBackup, Target
from tasks.recovery.answer import Answer, Recoverable, answer, nothing_to_restore

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)


def target(rpo: str | None = None) -> Target:
    return Target(
        fleet_file=Path("/f.yaml"),
        fleet="f",
        name="shop",
        evidence="/e",
        backup=DumpBackup(at="/b/%Y%m%d"),
        rpo=rpo,
    )


def stored(days: int, size: int = 1000, *, taken: bool = True) -> Candidate:
    return Candidate(f"file:///b/{days}.dump", size, NOW - timedelta(days=days), taken=taken, reason="r")


def drill(
    days: int, verdict: Verdict = Verdict.VERIFIED, size: int = 1000, rto_s: float = 60
) -> DrilledBackup:
    return DrilledBackup(
        uri=f"file:///b/{days}.dump",
        at=NOW - timedelta(days=days),
        bytes=size,
        verdict=verdict,
        came_back=verdict is Verdict.VERIFIED,
        drill_id=f"d{days}",
        finished_at=NOW,
        achieved_rto_s=rto_s,
        overhead_s=20,
        commands=("pg_restore x",),
        cause="" if verdict is Verdict.VERIFIED else "It is cut.",
        evidence="/e/d.json",
    )


def answered(asked: Target, candidates: list[Candidate], drills: list[DrilledBackup], at: datetime) -> Answer:
    return answer(asked, Discovery((), tuple(candidates), ()), drills, at)


def test_the_newest_backup_that_a_drill_brought_back_is_the_answer() -> None:
    said = answered(target(rpo="36h"), [stored(1), stored(2)], [drill(1), drill(2)], NOW)
    assert said.recoverable is Recoverable.PROVEN
    assert said.backup == stored(1)
    assert said.newer is None
    assert (said.lost_s, said.within_rpo, said.about_s) == (86400, True, 60)
    assert said.as_dict()["commands"] == ["pg_restore x"]


def test_a_newer_backup_without_a_proof_is_named_beside_it_with_its_own_forecast() -> None:
    said = answered(target(rpo="36h"), [stored(1, 2000), stored(2)], [drill(2)], NOW)
    assert said.recoverable is Recoverable.PROVEN
    assert said.backup == stored(2)
    assert said.newer == stored(1, 2000)
    assert said.newer_about_s == 20 + 2 * 40
    assert said.within_rpo is False


def test_a_base_backup_with_its_wal_is_not_called_beyond_the_rpo_for_its_own_age() -> None:
    backup = BaseBackup(at="/b/%Y%m%d/", wal="/wal")
    asked = target(rpo="1h").model_copy(update={"backup": backup})
    said = answered(asked, [stored(1)], [drill(1)], NOW)
    assert (said.recoverable, said.within_rpo) == (Recoverable.PROVEN, None)
    assert "WAL brings back" in " ".join(lines_of(said, Path("f.yaml")))


def test_what_no_drill_has_tried_is_never_called_proven() -> None:
    said = answered(target(), [stored(1), stored(2)], [], NOW)
    assert said.recoverable is Recoverable.UNPROVEN
    assert said.backup == stored(1)
    assert said.proof is None
    assert said.about_s is None
    assert said.within_rpo is None


def test_a_backup_that_a_drill_showed_broken_is_never_offered() -> None:
    said = answered(target(), [stored(1), stored(2)], [drill(1, Verdict.FAILED), drill(2)], NOW)
    assert said.backup == stored(2)
    assert said.newer is None
    assert [item.drill_id for item in said.distrusted] == ["d1"]
    alone = answered(target(), [stored(1)], [drill(1, Verdict.FAILED)], NOW)
    assert alone.recoverable is Recoverable.NO
    assert alone.backup is None


def test_a_backup_that_was_written_anew_since_its_drill_is_unproven() -> None:
    said = answered(target(), [stored(1, size=999)], [drill(1)], NOW)
    assert said.recoverable is Recoverable.UNPROVEN
    again = answered(target(), [stored(1, size=999)], [drill(1, Verdict.FAILED)], NOW)
    assert again.recoverable is Recoverable.UNPROVEN


def test_a_drill_that_could_not_judge_says_nothing_against_a_proof_nor_for_one() -> None:
    proven = answered(target(), [stored(1)], [drill(1, Verdict.INCONCLUSIVE), drill(1)], NOW)
    assert proven.recoverable is Recoverable.PROVEN
    untold = answered(target(), [stored(1)], [drill(1, Verdict.INCONCLUSIVE)], NOW)
    assert untold.recoverable is Recoverable.UNPROVEN


def test_the_last_word_on_a_backup_counts() -> None:
    refuted = answered(target(), [stored(1)], [drill(1, Verdict.FAILED), drill(1)], NOW)
    assert refuted.recoverable is Recoverable.NO
    mended = answered(target(), [stored(1)], [drill(1), drill(1, Verdict.FAILED)], NOW)
    assert mended.recoverable is Recoverable.PROVEN


def test_candidates_that_are_no_recovery_points_do_not_count() -> None:
    said = answered(target(), [stored(1, taken=False), stored(2)], [drill(1), drill(2)], NOW)
    assert said.backup == stored(2)


@pytest.mark.parametrize(
    ("rule", "word"), [("no-backup-found", Recoverable.NO), ("store-unreachable", Recoverable.UNKNOWN)]
)
def test_nothing_there_is_told_apart_from_nobody_could_look(rule: str, word: Recoverable) -> None:
    reason = finding(rule, "Nothing.")
    assert (reason.klass is FindingClass.DRILL) is (word is Recoverable.UNKNOWN)
    said = nothing_to_restore(target(), [reason], NOW)
    assert said.recoverable is word
    assert said.as_dict()["why"][0]["rule"] == rule


@given(
    st.lists(
        st.tuples(st.integers(1, 6), st.sampled_from(list(Verdict)), st.sampled_from([1000, 999])),
        max_size=12,
    ),
    st.sets(st.integers(1, 6)),
)
def test_proven_is_stored_as_it_was_when_a_drill_brought_it_back(
    told: list[tuple[int, Verdict, int]], days: set[int]
) -> None:
    drills = [drill(*item) for item in told]
    said = answered(target(), [stored(day) for day in sorted(days)], drills, NOW)
    if said.recoverable is Recoverable.PROVEN:
        assert said.proof is not None
        assert said.proof.came_back
        assert said.backup == stored((NOW - said.proof.at).days)
        assert said.proof.bytes == 1000
    else:
        assert said.proof is None
    offered = [item for item in (said.backup, said.newer) if item is not None]
    for item in offered:
        words = [
            d
            for d in drills
            if d.uri == item.uri and d.bytes == 1000 and d.verdict is not Verdict.INCONCLUSIVE
        ]
        assert not words or words[0].came_back
