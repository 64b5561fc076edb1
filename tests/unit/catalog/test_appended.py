"""What lies behind an archive's end: a second dump, or bytes of no archive."""

from __future__ import annotations

import pytest

from tasks.catalog.appended import doubled, followed, second_dump
from tasks.model.findings import Severity

TAR = b"toc.dat".ljust(257, b"\0") + b"ustar\x0000"


@pytest.mark.parametrize(
    ("after", "told"),
    [
        (b"\x1f\x8b\x08rest", (0, "gzip")),
        (b"\0\0\n\x28\xb5\x2f\xfd", (3, "zstd")),
        (b"\x04\x22\x4d\x18", (0, "lz4")),
        (b" \xfd7zXZ\x00", (1, "xz")),
        (TAR, (0, "tar")),
        (b"job done\nPGDMP\x01\x0e", (9, "custom")),
        (b"\n--\n-- PostgreSQL database dump\n", (4, "plain")),
    ],
)
def test_a_second_dump_is_told_by_how_it_begins(after: bytes, told: tuple[int, str]) -> None:
    assert second_dump(after) == told


@pytest.mark.parametrize(
    "after", [b"", b"\0" * 600, b"\r\n\t ", b"Backup ended at 03:00\n", b"PGDM", b"\x1f\x8b"]
)
def test_padding_and_messages_of_a_job_are_no_dump(after: bytes) -> None:
    assert second_dump(after) is None


def test_a_doubled_file_names_kind_and_byte_and_who_loses() -> None:
    error = doubled(4096, "gzip", "orders.dump.gz")
    assert (error.rule, error.where) == ("archive-doubled", "orders.dump.gz")
    assert "gzip dump begins at byte 4096" in error.what


def test_what_follows_an_end_is_a_warning_and_no_failure() -> None:
    issue = followed(12, "the end of the archive", "orders.dump")
    assert (issue.rule, issue.severity, issue.where) == ("archive-corrupt", Severity.WARNING, "orders.dump")
    assert "12 bytes follow the end of the archive" in issue.message
