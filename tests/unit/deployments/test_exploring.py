"""Looking round in a store: few listings, and names told apart by what they are; the file that is drafted."""

from __future__ import annotations

import os

import pytest

from deployments import exploring, with_starter
from deployments.exploring import explore, sort_names
from deployments.fleet_text import DraftDatabase, duration, fleet_text
from expectations.yaml_text import read_yaml
from tasks.model.target import StoreConfig
from tests.unit.stores.fake import BUCKET, FakeStore, nightly


def store_of(*keys: str) -> FakeStore:
    store = FakeStore()
    store.put_all(keys)
    return store


def test_of_dated_folders_only_the_newest_are_looked_into() -> None:
    few, many = store_of(*nightly(60)), store_of(*nightly(600))
    explored = [explore(store, f"{BUCKET}prod/") for store in (few, many)]
    assert explored[0].listings == explored[1].listings
    newest = max(many.objects)
    assert newest in explored[1].objects


def test_names_are_told_apart_by_what_they_are() -> None:
    store = store_of("p/a.dump", "p/a.dump.sha256", "p/b.dump.partial", "p/c.inventory.json", "p/d/toc.dat")
    names = sort_names(explore(store, f"{BUCKET}p/"), f"{BUCKET}p/")
    assert BUCKET + "p/a.dump" in names.backups
    assert names.sidecars == [BUCKET + "p/a.dump.sha256", BUCKET + "p/c.inventory.json"]
    assert names.partial == [BUCKET + "p/b.dump.partial"]


def test_a_look_round_ends_and_says_what_it_has_not_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exploring, "MAX_LISTINGS", 3)
    explored = explore(store_of(*(f"{letter * 3}/x.dump" for letter in "abcdefgh")), BUCKET)
    assert explored.listings == 3
    assert explored.unseen


def test_what_most_databases_share_stands_once_and_the_file_can_be_read() -> None:
    shared = "s3://b/{database}/%Y%m%d.dump"
    drafts = [
        DraftDatabase("orders", shared, rpo_s=93600.0, about="custom, 14 backups"),
        DraftDatabase("stock", shared, rpo_s=93600.0, encryption="age"),
        DraftDatabase("odd: name", "s3://b/odd/%Y.sql", inside="in", timezone="Europe/Berlin", trouble="cut"),
    ]
    text = fleet_text("shop", drafts, StoreConfig(region="eu-west-1"), ("s3://b/x.exe",))
    document = read_yaml(text).data
    assert isinstance(document, dict)
    assert document["defaults"] == {"rpo": "26h", "backup": {"at": shared}}
    assert document["databases"][0] == {"name": "orders"}
    assert document["databases"][2] == {
        "name": "odd: name",
        "rpo": None,
        "backup": {"at": "s3://b/odd/%Y.sql", "timezone": "Europe/Berlin", "database": "in"},
    }
    assert document["store"] == {"region": "eu-west-1"}
    assert "#   s3://b/x.exe" in text
    assert "# decrypt: {age: {identity_file: KEY-FILE}}" in text


@pytest.mark.parametrize(
    ("seconds", "text"), [(93600, "26h"), (30 * 86400, "30d"), (4200, "70m"), (90, "90s"), (0.5, "0.5s")]
)
def test_durations_are_written_as_fleet_files_have_them(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_what_ends_with_its_starter_is_told_who_that_is() -> None:
    argv = with_starter.command(["/bin/sleep", "600"])
    assert argv[-2:] == ["/bin/sleep", "600"]
    assert argv[-3] == str(os.getpid())
