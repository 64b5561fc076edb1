from __future__ import annotations

from dataclasses import replace

import pytest

from tasks.evidence.document import build_evidence
from tasks.evidence.markdown import markdown
from tasks.evidence.sentence import cause, caveat, first_sentence, restored_bytes, sentence, state_message
from tasks.model.findings import Check, Outcome, Stage
from tasks.model.rules import finding
from tests.unit.evidence import samples


def test_a_verified_drill_in_one_line() -> None:
    assert sentence(build_evidence(samples.verified())) == (
        "orders: verified — 1.1 GiB restored in 41 s from 2026-11-22 03:00 UTC (age 4 h, RPO 26 h)"
    )


def test_a_failed_drill_names_class_and_cause() -> None:
    assert state_message(build_evidence(samples.truncated())) == (
        "failed (data) — The archive ends at byte 42,991,616, inside the data of public.customers"
    )


def test_an_inconclusive_drill_says_why() -> None:
    assert sentence(build_evidence(samples.unreachable())) == (
        "payments: inconclusive — The store did not answer within 20 s, three times"
    )


def test_isolation_that_was_off_is_said_at_once() -> None:
    told = "Isolation was off: code of this dump ran with the worker's own rights"
    facts = samples.verified()
    off = replace(
        facts, findings=(*facts.findings, finding("isolation-off", f"{told}. What it did is not known."))
    )
    document = build_evidence(off)
    assert document["verdict"] == "verified"
    assert sentence(document).endswith(f"; {told}")
    assert "Isolation was off" in "".join(markdown(document).splitlines()[:6])
    assert told not in sentence(build_evidence(facts))
    assert caveat(build_evidence(facts)) is None


@pytest.mark.parametrize("kind", samples.ALL)
def test_every_state_message_is_one_line(kind: str) -> None:
    assert "\n" not in state_message(build_evidence(samples.ALL[kind]()))


def caused(*rules: str) -> str:
    findings = tuple(finding(rule, f"{rule} it was.") for rule in rules)
    return cause(build_evidence(replace(samples.verified(), findings=findings)))


def test_the_earliest_stage_is_the_cause_and_the_rest_is_counted() -> None:
    assert caused("rows-not-restored", "archive-truncated") == "archive-truncated it was (and 1 more)."


def test_lost_data_outweighs_age_and_the_drills_own_trouble() -> None:
    assert caused("disk-full", "backup-too-old", "rows-dropped").startswith("rows-dropped")
    assert caused("disk-full", "backup-too-old").startswith("backup-too-old")


def test_without_a_failure_the_check_that_did_not_run_is_the_cause() -> None:
    facts = samples.verified()
    idle = Check("amcheck", Stage.VERIFY, Outcome.NOT_RUN, why="over budget")
    document = build_evidence(replace(facts, findings=(), checks=(*facts.checks, idle)))
    assert cause(document) == "The check amcheck did not run: over budget."


def test_a_drill_that_checked_nothing_says_so() -> None:
    document = build_evidence(replace(samples.verified(), findings=(), checks=()))
    assert cause(document) == "Nothing of the restored database was checked."


def test_accepted_exceptions_show_in_the_line() -> None:
    entry = {"rule": "rows-dropped", "where": "public.orders", "why": "purge"}
    document = build_evidence(replace(samples.verified(), accepted=(entry,)))
    assert state_message(document).endswith("; 1 accepted exception")


def test_partitions_are_not_counted_twice() -> None:
    inventory = build_evidence(samples.verified())["inventory"]
    whole = sum(t["bytes"] for name, t in inventory["tables"].items() if "_2026_" not in name)
    assert restored_bytes({"inventory": inventory}) == whole + inventory["large_objects"]["bytes"]


def test_names_with_dots_do_not_end_a_sentence() -> None:
    assert first_sentence("public.orders has 3.5 rows. It lost some.") == "public.orders has 3.5 rows."
