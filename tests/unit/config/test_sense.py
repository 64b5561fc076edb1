"""Well-formed values that make no sense are named with their place and a remedy; sensible ones are not."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tasks.config.resolve import evidence, find_suite, resolved
from tasks.config.sense import ACCEPT_DAYS
from tasks.config.yaml_source import Problem
from tests.unit.config.fleets import TODAY, fleet_of, refusal

SENSELESS: dict[str, tuple[dict[str, Any], str]] = {
    "window": ({"backup": {"at": "/b/%Y%m%d", "window": "0s"}}, "0 can never be met; write a duration"),
    "deadline": ({"deadline": "0s"}, "0 can never be met"),
    "rpo": ({"rpo": "0h"}, "0 can never be met"),
    "rto": ({"rto": {"objective": "0h"}}, "0 can never be met"),
    "no schema": ({"expect": {"required_tables": ["orders"]}}, "write public.orders"),
    "quoted": (
        {"expect": {"required_tables": ['public."Orders"']}},
        "write the catalogue's name: public.Orders",
    ),
    "freshness": (
        {"expect": {"freshness": {"table": "orders", "column": "at", "max_age": "1h"}}},
        "write public.orders",
    ),
    "drift": ({"expect": {"drift": {"tables": {"sessions": "ignore"}}}}, "write public.sessions"),
    "no rule": (
        {"accept": [{"rule": "rows-droped", "where": "x", "until": TODAY, "why": "y"}]},
        'did you mean "rows-dropped"?',
    ),
    "no drift": (
        {"accept": [{"rule": "archive-truncated", "where": "x", "until": TODAY, "why": "y"}]},
        "only drift can",
    ),
    "for ever": (
        {
            "accept": [
                {
                    "rule": "rows-dropped",
                    "where": "x",
                    "until": TODAY + timedelta(days=ACCEPT_DAYS + 1),
                    "why": "y",
                }
            ]
        },
        "is more than 180 days ahead",
    ),
    "no key": ({"backup": {"at": "/b/%Y%m%d", "decrypt": {"age": {}}}}, "no key is named"),
}


@pytest.mark.parametrize("name", SENSELESS)
def test_what_makes_no_sense_is_refused_with_a_remedy(name: str, tmp_path: Path) -> None:
    database, words = SENSELESS[name]
    assert words in refusal(tmp_path, database)


def test_what_makes_sense_is_taken(tmp_path: Path) -> None:
    until = TODAY + timedelta(days=ACCEPT_DAYS)
    database = {
        "rpo": "26h",
        "rto": "1h",
        "expect": {
            "required_tables": ["public.Gift Cards"],
            "drift": {"tables": {"public.sessions*": "ignore", "*": "ignore"}},
        },
        "accept": [{"rule": "rows-dropped", "where": "public.orders", "until": until, "why": "archived"}],
    }
    assert fleet_of(tmp_path, database).targets[0].rpo == 26 * 3600


def test_a_suites_name_is_looked_for_upwards_and_a_path_from_the_file(tmp_path: Path) -> None:
    base = tmp_path / "fleets" / "eu"
    suites = tmp_path / "expectations" / "suites"
    suites.mkdir(parents=True)
    base.mkdir(parents=True)
    (suites / "orders.yaml").write_text("suite: orders\n")
    assert find_suite("orders", base) == suites / "orders.yaml"
    assert find_suite("../../expectations/suites/orders.yaml", base) == suites / "orders.yaml"
    with pytest.raises(ValueError, match='there is no suite "ordres"'):
        find_suite("ordres", base)
    with pytest.raises(ValueError, match="is no file"):
        find_suite("./orders.yaml", base)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("s3://drills/shop/", "s3://drills/shop"),
        ("evidence", "/fleets/evidence"),
        ("../e", "/e"),
        ("file:///srv/e%20v/", "/srv/e v"),
    ],
)
def test_evidence_goes_to_a_bucket_or_an_absolute_folder(text: str, place: str) -> None:
    problems: list[Problem] = []
    assert evidence(text, Path("/fleets"), problems) == place
    assert problems == []


@pytest.mark.parametrize("text", ["http://x/y", "s3://", " "])
def test_what_is_no_place_for_evidence_is_a_problem(text: str) -> None:
    problems: list[Problem] = []
    evidence(text, Path("/fleets"), problems)
    assert [problem.path for problem in problems] == [("evidence",)]


def test_every_problem_of_a_database_is_gathered_and_the_given_keys_stay_as_they_are() -> None:
    problems: list[Problem] = []
    given = {
        "name": "orders",
        "backup": {"kind": "dump", "at": "b/{database}_%Y%m%d.dump", "timezone": "Mars/Olympus"},
        "expect": {"suite": "none-such"},
    }
    database = resolved(given, "shop", Path("/fleets"), problems)
    assert {problem.path for problem in problems} == {("backup", "timezone"), ("expect", "suite")}
    assert database["backup"]["at"] == "/fleets/b/orders_%Y%m%d.dump"
    backup: Any = given["backup"]
    assert backup["at"] == "b/{database}_%Y%m%d.dump"
