"""Base backups and WAL in a bucket: recovered with read rights alone, and what keeps them back is named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.e2e.test_physical import repository
from tests.fix_drill import Fleet, Here, rules_of, validate
from tests.fix_proxy import FaultProxy
from tests.fix_s3 import READER, Bucket, Moto, iam_user, use_account

__all__ = ["repository"]


def upload(bucket: Bucket, repository: Path, archived: str = "") -> None:
    """Store the repository; the WAL file *archived* in an archive's storage class."""
    for path in repository.rglob("*"):
        if path.is_file():
            more = {"StorageClass": "GLACIER"} if path.name == archived else {}
            bucket.put(str(path.relative_to(repository)), path.read_bytes(), **more)


def add(fleet: Fleet, bucket: Bucket, endpoint: str = "", **keys: Any) -> None:
    fleet.keys["store"] = {"endpoint_url": endpoint or bucket.endpoint, "region": "us-east-1"}
    place = {
        "kind": "basebackup",
        "at": f"{bucket.uri}/base/%Y%m%dT%H%M%SZ/",
        "wal": f"{bucket.uri}/wal/",
        "database": "shop",
    }
    fleet.add("shop", backup=place, **keys)


def segments(repository: Path) -> list[str]:
    return sorted(path.name for path in (repository / "wal").glob("[0-9A-F]" * 24))


def allowed(bucket: Bucket, *prefixes: str) -> list[dict[str, Any]]:
    """Return the statements of a role that lists the bucket and reads below *prefixes*."""
    arn = f"arn:aws:s3:::{bucket.name}"
    objects = [f"{arn}/{prefix}/*" for prefix in prefixes]
    return [
        {"Action": ["s3:ListBucket", "s3:GetBucketLocation"], "Resource": arn},
        {"Action": ["s3:GetObject"], "Resource": objects},
    ]


def test_a_reader_brings_back_everything(
    here: Here,
    fleet: Fleet,
    repository: Path,
    weed_bucket: Bucket,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    upload(weed_bucket, repository)
    use_account(monkeypatch, READER.access_key, READER.secret_key)
    add(fleet, weed_bucket, expect={"required_tables": ["shop.marks"]})
    ran = here("run", fleet.path, "--json")
    assert (rules_of(ran.document), ran.document["verdict"]) == (set(), "verified")
    validate(ran.document)
    assert ran.document["inventory"]["tables"]["shop.marks"]["rows"] == 3
    assert ran.document["recovery"]["wal"]["last"] == segments(repository)[-1]


@pytest.mark.parametrize(
    ("prefixes", "rules"), [(("base",), {"wal-denied"}), (("wal",), {"get-denied"})], ids=["wal", "base"]
)
def test_what_the_role_may_not_read_is_named(
    prefixes: tuple[str, ...],
    rules: set[str],
    here: Here,
    fleet: Fleet,
    repository: Path,
    moto: Moto,
    moto_bucket: Bucket,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    upload(moto_bucket, repository)
    use_account(monkeypatch, *iam_user(moto, *allowed(moto_bucket, *prefixes)))
    moto.enforce_iam()
    add(fleet, moto_bucket)
    ran = here("run", fleet.path, "--json")
    assert (rules_of(ran.document), ran.document["verdict"]) == (rules, "failed")
    classes = {item["class"] for item in ran.document["findings"] if item["severity"] == "failure"}
    assert classes == {"path"}


def test_wal_in_an_archives_storage_class_cannot_be_replayed(
    here: Here, fleet: Fleet, repository: Path, moto_bucket: Bucket
) -> None:
    upload(moto_bucket, repository, archived=segments(repository)[-2])
    add(fleet, moto_bucket)
    ran = here("run", fleet.path, "--json")
    assert (rules_of(ran.document), ran.document["verdict"]) == ({"wal-denied"}, "failed")
    (failure,) = (item for item in ran.document["findings"] if item["severity"] == "failure")
    assert "storage class GLACIER" in failure["message"]
    assert "thaw" in failure["hint"].lower()
    assert failure["where"].endswith(segments(repository)[-2])


def test_a_store_that_goes_away_during_replay_is_no_end_of_the_wal(
    here: Here, fleet: Fleet, repository: Path, weed_bucket: Bucket, proxied: Any
) -> None:
    upload(weed_bucket, repository)
    proxy: FaultProxy = proxied(weed_bucket.endpoint)
    lost = segments(repository)[-2]
    proxy.add("refuse", match=f"/{lost} ")
    add(fleet, weed_bucket, proxy.url)
    ran = here("run", fleet.path, "--json")
    assert ran.document["verdict"] == "inconclusive"
    assert rules_of(ran.document) == {"store-unreachable"}
    assert ran.document["inventory"] is None
