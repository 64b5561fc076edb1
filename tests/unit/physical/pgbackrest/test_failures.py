"""What pgBackRest's words mean: lines as 2.45 and 2.55.1 said them, and what they must not be taken for."""

from __future__ import annotations

import pytest

from tasks.model.errors import PermanentError, TransientError
from tasks.physical.pgbackrest.failures import broken_wal, failure_of, restore_failure
from tasks.physical.pgbackrest.run import Done

LABEL = "20261201-040222F_20261201-040228I"
PRIOR = "20261201-040222F"
LAST = "ERROR: [075]: no backup set found to restore"


def told(*lines: str, code: int = 75) -> Done:
    return Done(code, b"", lines)


@pytest.mark.parametrize(
    ("line", "rule"),
    [
        ("      FormatError: key/value found outside of section at line 1: \ufffd?z", "cipher-wrong"),
        ("WARN: repo1: [ProtocolError] HTTP request failed with 403 (Forbidden):", "get-denied"),
        ("      HTTP request failed with 503 (Slow Down):", "store-throttled"),
        ("ERROR: [095]: unable to verify certificate presented by 's3:443': [18]", "store-unreachable"),
        ("ERROR: [049]: unable to connect to 'localhost:1': [111] Connection refused", "store-unreachable"),
        ("WARN: repo1: [PathOpenError] unable to list path '/r': [13] Permission denied", "get-denied"),
        ("ERROR: [046]: invalid PostgreSQL version 170000", "tool-too-old"),
        ("ERROR: [031]: option 'job-retry' is unknown", "tool-too-old"),
        ("ERROR: [099]: something new", "tool-failed"),
    ],
)
def test_the_last_line_is_the_same_and_the_warning_tells(line: str, rule: str) -> None:
    error = failure_of(told(line, LAST), "restore", "/r")
    assert error.rule == rule
    assert line.strip() not in str(error)


def test_a_store_that_did_not_answer_may_answer_later_and_a_certificate_stays_what_it_is() -> None:
    assert isinstance(failure_of(told("[049]: unable to connect"), "restore", "/r"), TransientError)
    assert isinstance(failure_of(told("unable to verify certificate"), "restore", "/r"), PermanentError)


def test_a_missing_file_is_the_chains_or_the_backups_own() -> None:
    line = "ERROR: [055]: raised from local-1: unable to open missing file '/r/backup/orders/{}/bundle/1'"
    assert restore_failure(told(line.format(PRIOR), code=55), LABEL, "/r").rule == "chain-broken"
    assert restore_failure(told(line.format(LABEL), code=55), LABEL, "/r").rule == "backup-manifest-mismatch"


@pytest.mark.parametrize(
    "line",
    [
        "ERROR: [029]: raised from local-1 protocol: zlib threw error: [-3] data error",
        "ERROR: [095]: raised from local-1 protocol: cipher header missing",
        "ERROR: [026]: actual checksum does not match",
    ],
)
def test_damage_is_the_backups(line: str) -> None:
    assert restore_failure(told(line, code=29), LABEL, "/r").rule == "backup-manifest-mismatch"


def test_a_refusal_in_a_restore_is_no_damage() -> None:
    done = told("ERROR: [039]: HTTP request failed with 403 (Forbidden)", code=39)
    assert restore_failure(done, LABEL, "/r").rule == "get-denied"


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (
            "       repo1: 17-1/0/0B-f1.gz [FormatError] zlib threw error: [-3] data error",
            "cannot be read back",
        ),
        ("       repo1: 17-1/0/0B-f1.gz [CryptoError] unable to flush", "cannot be read back"),
        (
            "       repo1: 17-1/0/0B-f1.gz [FormatError] unexpected eof in compressed data",
            "cannot be read back",
        ),
        ("ERROR: [045]: duplicates found for WAL segment 0B:", "stands twice"),
    ],
)
def test_a_segment_that_is_there_and_broken(line: str, why: str) -> None:
    said = broken_wal(told("ERROR: [042]: unable to get 0B:", line, code=42))
    assert said is not None
    assert said.startswith(why)


@pytest.mark.parametrize(
    "line",
    [
        "       repo1: 17-1/0/0B-f1.gz [ProtocolError] HTTP request failed with 403 (Forbidden)",
        "WARN: repo1: [FormatError] unable to load info file '/r/archive/orders/archive.info'",
    ],
)
def test_what_keeps_the_tool_from_a_segment_does_not_break_it(line: str) -> None:
    assert broken_wal(told(line, code=103)) is None
