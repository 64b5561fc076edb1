"""How long a recovery takes with the most WAL between two base backups, by the rate that was measured."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tasks.evidence.document import build_evidence
from tasks.evidence.forecast import LEAST_REPLAYED_BYTES
from tasks.evidence.markdown import markdown
from tasks.evidence.measure import measure, objectives_of
from tasks.model.drill import Drill
from tasks.model.target import Rto
from tasks.wal.names import format_lsn
from tests.unit.evidence import samples

GIB = 1 << 30
START = 1 << 32


def drilled(
    replayed: int = GIB, replay_s: float = 20.0, most: int | None = 10 * GIB, **changed: Any
) -> Drill:
    """A drill that replayed *replayed* bytes of WAL, and took a minute in all."""
    facts = samples.verified()
    assert facts.restored is not None
    assert facts.discovery is not None
    recovery = {
        "target": "latest",
        "base": {"label": "b", "start_lsn": format_lsn(START), **dict.fromkeys(("stop_lsn", "started_at"))}
        | {"system_identifier": "7", "timeline": 1},
        "reached": {"lsn": format_lsn(START + replayed), "timeline": 2, "stopped": ""}
        | dict.fromkeys(("last_commit_at", "next_commit_at")),
        "wal": None,
        "phases_s": {"start": 1.0, "replay": replay_s, "promote": 0.5},
    }
    rto = Rto.model_validate({"objective": "3m", "overhead": "0s"})
    return replace(
        facts,
        target=facts.target.model_copy(update={"rto": rto, **changed}),
        phases_s={"fetch": 30.0, "restore": 30.0},
        restored=replace(facts.restored, recovery=recovery),
        discovery=replace(facts.discovery, most_wal_bytes=most),
    )


def rules_of(facts: Drill) -> list[str]:
    return [item.rule for item in measure(facts).findings]


def test_the_rest_of_the_wal_is_replayed_at_the_measured_rate() -> None:
    objectives = objectives_of(drilled())
    assert objectives.achieved_rto_s == 60
    assert objectives.worst_rto_s == 60 + 9 * 20


def test_only_what_lies_beyond_the_objective_is_a_warning() -> None:
    (warning,) = measure(drilled()).findings
    assert (warning.rule, warning.severity.value) == ("replay-forecast", "warning")
    assert "takes 4 min, not 1 min," in warning.message
    assert "up to 10.0 GiB of WAL" in warning.message
    assert rules_of(drilled(most=7 * GIB)) == []  # three minutes, as promised
    assert rules_of(drilled(most=GIB // 2)) == []
    assert objectives_of(drilled(most=GIB // 2)).worst_rto_s == 60


def test_a_promise_that_was_missed_already_is_not_forecast_to_be() -> None:
    slow = drilled(rto=Rto.model_validate({"objective": "50s"}))
    assert rules_of(slow) == ["rto-missed"]


def test_without_a_promise_the_time_is_measured_and_nothing_is_said() -> None:
    free = drilled(rto=None)
    assert (objectives_of(free).worst_rto_s, rules_of(free)) == (240, [])


@pytest.mark.parametrize(
    "facts",
    [
        drilled(replayed=LEAST_REPLAYED_BYTES - 1),
        drilled(replay_s=0.0),
        drilled(most=None),
        samples.verified(),
    ],
)
def test_where_nothing_can_be_told_nothing_is(facts: Drill) -> None:
    assert objectives_of(facts).worst_rto_s is None
    assert "replay-forecast" not in rules_of(facts)


def test_the_evidence_and_the_artifact_hold_it() -> None:
    document = build_evidence(drilled())
    assert document["objectives"]["worst_rto_s"] == 240
    assert "RTO, just before the next base backup" in markdown(document)
    assert "just before" not in markdown(build_evidence(samples.verified()))
