"""How far a copy recovered, as Prefect draws it in a drill's artifact."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from markdown_it import MarkdownIt

from tasks.evidence.document import build_evidence
from tasks.evidence.markdown import markdown
from tasks.model.reach import RecoverableWindow
from tests.unit.evidence import samples

SEGMENT = "000000010000000000000006"
GAP = {"timeline": 1, "first": SEGMENT, "last": SEGMENT, "count": 1, "newer": 2}


def recovery(**wal: Any) -> dict[str, Any]:
    return {
        "target": "latest",
        "base": {
            "label": "base/20261121T030000Z",
            "system_identifier": "7",
            "timeline": 1,
            "start_lsn": "0/2000028",
            "stop_lsn": "0/2000138",
            "started_at": "2026-11-21T03:00:00Z",
        },
        "reached": {
            "lsn": "0/5FFFFA0",
            "timeline": 2,
            "last_commit_at": "2026-11-22T02:11:09Z",
            "next_commit_at": None,
            "stopped": "",
        },
        "wal": {
            "first": "000000010000000000000002",
            "last": "000000010000000000000005",
            "segments": 4,
            "bytes": 4 << 24,
            "waited_s": 0.1,
            "newest_archived": "000000010000000000000008",
            "newest_archived_at": "2026-11-22T02:40:00Z",
            "ends_because": f"{SEGMENT} is absent, and newer ones are there",
            "gaps": [],
            "forks": [],
            **wal,
        },
        "phases_s": {"start": 0.5, "replay": 1.5, "promote": 0.2},
    }


def drawn(facts: dict[str, Any] | None, *windows: RecoverableWindow) -> str:
    """Return the section as a reader sees it, "" if there is none."""
    drill = samples.verified()
    assert drill.restored is not None
    assert drill.discovery is not None
    drill = replace(drill, discovery=replace(drill.discovery, windows=windows))
    document = build_evidence(replace(drill, restored=replace(drill.restored, recovery=facts)))
    page = MarkdownIt("commonmark", {"html": True}).enable(["table"]).render(markdown(document))
    _, _, rest = page.partition("<h2>How far it recovered</h2>")
    return rest.partition("<h2>")[0]


def words(html: str) -> str:
    return re.sub(r"<[^>]+>", "", html)


def test_a_dump_has_no_such_section() -> None:
    assert drawn(None) == ""


def test_what_was_reached_stands_beside_what_is_archived() -> None:
    shown = words(drawn(recovery()))
    assert "Asked for: latest, from base base/20261121T030000Z, timeline 1" in shown
    assert "Last commit that came back: 2026-11-22T02:11:09Z, at 0/5FFFFA0\n" in shown
    assert "WAL replayed: 4 segments to 000000010000000000000005, 64.0 MiB" in shown
    assert "The archive's newest: 000000010000000000000008, archived 2026-11-22 02:40 UTC" in shown
    assert "Gap" not in shown


def test_a_gap_is_named_with_its_first_segment_and_many_are_counted() -> None:
    html = drawn(recovery(gaps=[GAP]))
    assert f"<strong>Gap</strong> on timeline 1: 1 segment is absent from <code>{SEGMENT}</code> on" in html
    assert "2 newer ones are there" in html
    many = words(drawn(recovery(gaps=[GAP] * 7)))
    assert many.count("Gap on timeline") == 5
    assert "2 more gaps are in the evidence" in many


def test_a_recovery_that_brought_nothing_or_has_no_archive_says_so() -> None:
    facts = recovery(newest_archived=None, newest_archived_at=None, last=None, segments=0)
    facts["reached"]["last_commit_at"] = None
    shown = words(drawn(facts))
    assert "No transaction came back after the base; recovery ended at 0/5FFFFA0" in shown
    assert "0 segments to none" in shown
    assert "Nothing is archived" in shown
    assert "WAL replayed" not in words(drawn({**facts, "wal": None}))


def test_where_a_target_stopped_it_the_next_commit_is_told() -> None:
    facts = recovery()
    facts["target"] = "time 2026-11-22 02:12:00"
    facts["reached"]["next_commit_at"] = "2026-11-22T02:13:00Z"
    assert "; the next was at 2026-11-22T02:13:00Z" in words(drawn(facts))


def test_a_label_that_would_be_markup_stays_text() -> None:
    facts = recovery()
    facts["base"]["label"] = "</code><img src=x onerror=alert(1)>`[x](javascript:1)"
    html = drawn(facts)
    assert "<img" not in html
    assert "<a " not in html


def window(base: str, usable: bool | None) -> RecoverableWindow:
    start_at, end_at = datetime(2026, 11, 21, 3, 10, tzinfo=UTC), datetime(2026, 11, 22, 2, 40, tzinfo=UTC)
    return RecoverableWindow(base, f"s3://b/{base}/", start_at, end_at, 7, 7 << 24, 1, usable, "it is absent")


def test_each_base_backup_says_what_it_brings_back() -> None:
    usable = window("a", usable=True)
    shown = words(drawn(recovery(), usable, window("b", usable=None), window("c", usable=False)))
    assert "Base a brings back 2026-11-21 03:10 UTC to 2026-11-22 02:40 UTC\n" in shown
    assert "Base b brings back 2026-11-21 03:10 UTC to 2026-11-22 02:40 UTC, if it holds its own WAL" in shown
    assert "Base c cannot be recovered: it is absent" in shown
    many = words(drawn(recovery(), *([usable] * 12)))
    assert many.count("brings back") == 10
    assert "2 older base backups are in the evidence" in many


def test_a_drill_that_recovered_nothing_says_so_beside_what_the_listing_showed() -> None:
    shown = words(drawn({**recovery(gaps=[GAP]), "reached": None}))
    assert "Nothing was recovered: the drill ended before" in shown
    assert "Gap on timeline 1" in shown
    assert "Last commit" not in shown
