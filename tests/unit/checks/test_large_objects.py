"""Which columns refer to large objects, and when empty ones mean a cut archive."""

from __future__ import annotations

import pytest

from tasks.checks.large_objects import Column, References, judge_empty, judge_references
from tasks.model.findings import Severity

IMAGE = Column("public", "photos", "image", is_lo=False, whole=False)
LO = Column("public", "photos", "image", is_lo=True, whole=False)
RELID = Column("public", "seen", "rel_oid", is_lo=False, whole=False)


@pytest.mark.parametrize(
    ("column", "references", "held"),
    [
        (LO, References(rows=10, distinct=9, resolved=0, lowest=1), 5),
        (IMAGE, References(rows=10, distinct=10, resolved=9, lowest=50000), 9),
        (IMAGE, References(rows=10, distinct=10, resolved=0, lowest=16384), 0),
    ],
    ids=["its-type-says-so", "some-resolve", "looks-like-it-and-there-are-none"],
)
def test_large_objects_that_a_column_refers_to_are_missed(
    column: Column, references: References, held: int
) -> None:
    (finding,) = judge_references(column, references, held)
    missing = references.distinct - references.resolved
    assert (finding.rule, finding.where) == ("large-objects-missing", "public.photos.image")
    assert finding.message.startswith(f"{missing} of {references.distinct} large objects")


@pytest.mark.parametrize(
    ("column", "references", "held"),
    [
        (LO, References(rows=9, distinct=9, resolved=9, lowest=50000), 9),
        (LO, References(rows=0, distinct=0, resolved=0, lowest=0), 0),
        (IMAGE, References(rows=10, distinct=10, resolved=0, lowest=16384), 1),
        (IMAGE, References(rows=10, distinct=10, resolved=0, lowest=16383), 0),
        (IMAGE, References(rows=11, distinct=10, resolved=0, lowest=50000), 0),
        (RELID, References(rows=10, distinct=10, resolved=0, lowest=50000), 0),
    ],
    ids=[
        "all-resolve",
        "no-values",
        "the-archive-lost-none",
        "the-systems-own-oids",
        "two-alike",
        "named-for-the-catalogue",
    ],
)
def test_columns_that_mean_something_else_or_resolve_are_silent(
    column: Column, references: References, held: int
) -> None:
    assert judge_references(column, references, held) == []


@pytest.mark.parametrize(
    ("empty", "held", "severity"),
    [
        (2, 3, Severity.FAILURE),
        (11, 20, Severity.FAILURE),
        (10, 20, Severity.INFO),
        (1, 1, Severity.INFO),
        (1, 20, Severity.INFO),
    ],
    ids=["two-of-three", "more-than-half", "half", "the-only-one", "one-of-many"],
)
def test_empty_large_objects_fail_only_when_most_are(empty: int, held: int, severity: Severity) -> None:
    (finding,) = judge_empty(empty, held)
    assert (finding.rule, finding.severity) == ("large-objects-empty", severity)


def test_large_objects_with_bytes_are_silent() -> None:
    assert judge_empty(0, 20) == []
