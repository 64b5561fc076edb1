from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import jsonschema
import pytest

from tasks.evidence.document import (
    FIELDS,
    FIELDS_OF_COPIES,
    FIELDS_SINCE,
    add_finding,
    build_evidence,
    check_of,
    document_name,
    finding_of,
)
from tasks.model.backup import ArchiveHead, Format, LocalBackup
from tasks.model.canonical_json import to_json
from tasks.model.drill import Drill
from tasks.model.findings import Check, Outcome, Stage
from tasks.model.inventory import TableFigures
from tasks.model.restored import LeftOut
from tasks.model.rules import finding
from tasks.model.target import Selection
from tests.unit.evidence import samples

SCHEMA = json.loads((Path(__file__).parents[3] / "docs" / "evidence.schema.json").read_text())
PLANTED = (
    "SCRAM-SHA-256$4096:c2FsdA==$planted:planted",
    "postgresql://app:planted@db/shop",
    "https://bk.s3.example/orders.dump?X-Amz-Signature=planted",
    "password = 'planted'",
    "AGE-SECRET-KEY-1PLANTEDPLANTED",
)


@pytest.mark.parametrize("kind", samples.ALL)
def test_every_document_follows_the_published_schema(kind: str) -> None:
    document = json.loads(to_json(build_evidence(samples.ALL[kind]())))
    jsonschema.validate(document, SCHEMA)
    assert document.keys() == FIELDS | FIELDS_SINCE


def test_the_schema_requires_every_field_and_refuses_unknown_ones() -> None:
    assert set(SCHEMA["required"]) == FIELDS == set(SCHEMA["properties"]) - FIELDS_SINCE - FIELDS_OF_COPIES
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(build_evidence(samples.verified()) | {"verdict": "fine"}, SCHEMA)


def test_the_least_that_a_drill_can_know_is_a_whole_document() -> None:
    facts = Drill("d1", samples.target(), samples.NOW, samples.NOW)
    document = build_evidence(facts)
    jsonschema.validate(document, SCHEMA)
    assert document["verdict"] == "inconclusive"
    assert (document["recovery_point"], document["sandbox"], document["inventory"]) == (None, None, None)


def test_canonical_json_is_one_sorted_line_and_comes_back_equal() -> None:
    document = build_evidence(samples.verified())
    text = to_json(document)
    assert text.count("\n") == 1
    assert json.loads(text) == document
    assert text == to_json(json.loads(text))


def test_the_name_sorts_by_time() -> None:
    document = build_evidence(samples.verified())
    assert document_name(document) == "shop/orders/20261122T070000Z_d1f0a7c2.json"


def test_what_was_found_but_not_taken_is_kept_when_nothing_was_taken() -> None:
    facts = samples.verified()
    rejected = tuple(item for item in facts.discovery.candidates if not item.taken)
    nothing = replace(
        samples.unreachable(), discovery=replace(facts.discovery, points=(), candidates=rejected)
    )
    point = build_evidence(nothing)["recovery_point"]
    assert point["uri"] is None
    assert [item["reason"] for item in point["candidates"]] == [item.reason for item in rejected]


def test_the_receipt_is_kept_when_no_server_ever_ran() -> None:
    document = build_evidence(samples.truncated())
    assert document["sandbox"]["postgres_version"] is None
    assert document["sandbox"]["destroyed_at"] == "2026-11-22T07:00:49Z"
    assert document["sandbox"]["left_behind"] == []


def test_as_of_is_now_for_the_newest_and_the_points_own_time_otherwise() -> None:
    facts = samples.verified()
    random = replace(facts, selection=Selection(kind="random"))
    assert build_evidence(facts)["as_of"] == "2026-11-22T07:00:00Z"
    assert build_evidence(random)["as_of"] == "2026-11-22T03:00:00Z"


def test_a_verified_newest_backup_is_the_newest_recoverable() -> None:
    assert build_evidence(samples.verified())["newest_recoverable"]["at"] == "2026-11-22T03:00:00Z"
    older = replace(samples.verified(), selection=Selection(kind="random"))
    assert build_evidence(older)["newest_recoverable"] is None
    assert build_evidence(samples.shrunk())["newest_recoverable"] is None


def test_what_a_head_cannot_tell_of_the_backup_the_restore_does() -> None:
    drill = samples.verified()
    assert isinstance(drill.backup, LocalBackup)
    headless = replace(drill.backup, head=ArchiveHead(Format.PLAIN, ("gzip",), None))
    backup = build_evidence(replace(drill, backup=headless))["recovery_point"]
    told = ("server_version", "source_database", "encoding", "compression")
    assert [backup[field] for field in told] == ["17.11", "orders", "UTF8", "gzip"]
    unknown = replace(drill, backup=headless, restored=None)
    backup = build_evidence(unknown)["recovery_point"]
    assert [backup[field] for field in told] == [None, None, None, None]


def test_local_times_become_utc() -> None:
    aware = datetime.fromisoformat("2026-11-22T09:00:00+02:00")
    facts = replace(samples.verified(), started_at=aware, finished_at=aware, discovery=None)
    assert build_evidence(facts)["started_at"] == "2026-11-22T07:00:00Z"


@pytest.mark.parametrize("secret", PLANTED)
def test_no_planted_secret_reaches_the_document(secret: str) -> None:
    facts = samples.verified()
    command = replace(facts.restored.commands[0], command=f"psql '{secret}'")
    leaky = replace(
        facts,
        findings=(finding("restore-error", f"it said {secret}", where=f"{secret}", hint=secret),),
        checks=(*facts.checks, Check("x", Stage.VERIFY, Outcome.NOT_RUN, secret, secret, why=secret)),
        restored=replace(
            facts.restored,
            commands=(command,),
            not_restored=(f"USER MAPPING {secret}",),
            left_out=(
                LeftOut(f"SERVER {secret}", "superuser-entry", (f"USER MAPPING {secret}",), (secret,)),
            ),
        ),
        accepted=({"rule": "rows-dropped", "where": "a", "why": secret},),
        left_behind=(secret,),
        actor=secret,
    )
    assert "planted" not in to_json(build_evidence(leaky)).lower()


def test_names_that_look_like_secrets_stay_comparable() -> None:
    facts = samples.verified()
    tables = {"public.password resets": TableFigures(3, 8192), "public.password tries": TableFigures(4, 8192)}
    lost = finding("table-lost", "gone", where="public.password resets")
    document = build_evidence(
        replace(facts, inventory=replace(facts.inventory, tables=tables), findings=(lost,))
    )
    assert set(document["inventory"]["tables"]) == set(tables)
    assert document["findings"][0]["where"] == "public.password resets"


def test_names_that_are_no_valid_text_do_not_stop_the_record() -> None:
    facts = samples.verified()
    odd = replace(facts.point, uri="file:///backups/\udcff.dump")
    document = build_evidence(replace(facts, point=odd))
    assert "\\udcff" in to_json(document).encode().decode()


def test_figures_that_json_lacks_become_words() -> None:
    facts = samples.verified()
    odd = Check("x", Stage.VERIFY, Outcome.PASSED, observed=float("nan"))
    assert '"nan"' in to_json(build_evidence(replace(facts, checks=(odd,))))


def test_one_more_finding_is_judged_again() -> None:
    document = add_finding(build_evidence(samples.verified()), finding("evidence-unwritable", "no"))
    assert document["verdict"] == "inconclusive"
    assert document["findings"][0]["rule"] == "evidence-unwritable"
    jsonschema.validate(document, SCHEMA)


def test_findings_and_checks_come_back_as_they_were() -> None:
    facts = samples.shrunk()
    document = json.loads(to_json(build_evidence(facts)))
    assert {finding_of(item) for item in document["findings"]} == set(facts.findings)
    assert tuple(check_of(item) for item in document["checks"]) == facts.checks


def test_the_time_of_the_record_can_come_last() -> None:
    end = datetime(2026, 11, 22, 8, tzinfo=UTC)
    assert build_evidence(samples.verified(), finished_at=end)["finished_at"] == "2026-11-22T08:00:00Z"


def test_the_host_and_the_versions_are_looked_up_if_nobody_did() -> None:
    document = build_evidence(replace(samples.verified(), host=None, tool=None))
    assert document["host"]["cpus"] > 0
    assert document["host"]["disk"]["free_bytes"] > 0
    assert document["tool"]["python"].startswith("3.")
    jsonschema.validate(document, SCHEMA)
