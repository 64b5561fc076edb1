from __future__ import annotations

import pytest

from tasks.config.pattern import DIRECTIVES, check_pattern, fill, has_time
from tasks.discovery import strftime as fields


@pytest.mark.parametrize(
    "at",
    [
        "s3://b/%Y/%m/%d/x_%Y%m%dT%H%M%SZ.dump",
        "s3://b/latest.dump",
        "/var/b/%Y-%m-%d/",
        "file:///var/b/%Y%j.sql.gz",
        "s3://b/x_%s.dump",
        "s3://b/*/x_%Y%m%d.dump",
        "s3://b/100%%/x_%Y%m%d.dump",
        "../b/%F.dump",
    ],
)
def test_patterns_that_can_match_are_accepted(at: str) -> None:
    check_pattern(at)


@pytest.mark.parametrize(
    ("at", "message"),
    [
        ("gs://b/%Y", r"gs:// \(Google Cloud Storage\) is no store"),
        ("https://b/%Y", "is no store that can be read"),
        ("s3://", "names no bucket"),
        ("s3://%Y/x", "names no bucket"),
        ("s3://*/x", "names no bucket"),
        ("s3://b", "names a bucket and no key"),
        ("s3://b/", "names a bucket and no key"),
        ("s3://b/%Q.dump", "%Q is not a field"),
        ("s3://b/x%", "a % at the end is not a field"),
        ("s3://b/%m-%d.dump", "its fields name no year"),
        ("s3://b/%H%M.dump", "a time and no date"),
        ("s3://b/../x_%Y.dump", '".." is not followed'),
        ("/b/%Y/../x", '".." is not followed'),
        ("s3://b/**/x_%Y", r'"\*\*" is not known'),
    ],
)
def test_patterns_that_never_match_are_refused_with_the_remedy(at: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        check_pattern(at)


def test_names_fill_the_braces_and_other_words_are_refused() -> None:
    assert fill("{fleet}/{database}/{database}_%Y", "orders", "shop") == "shop/orders/orders_%Y"
    with pytest.raises(ValueError, match=r'"\{flet\}" is not known; write \{fleet\}'):
        fill("{flet}", "orders", "shop")


def test_only_fields_of_time_date_a_key() -> None:
    assert has_time("x_%Y")
    assert not has_time("x_100%%")


def test_the_fields_are_those_that_stores_read() -> None:
    assert set(fields.REGEX) | set(fields.EXPANDED) | {"%"} == DIRECTIVES
