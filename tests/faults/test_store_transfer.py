"""What networks and stores do to a download: the class and words of the error, and nothing left running."""

from __future__ import annotations

import os
import random
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tasks.discovery import discover
from tasks.model.backup import DumpPoint
from tasks.model.clock import utc_now
from tasks.model.errors import DrillError, PermanentError, TransientError
from tasks.model.target import DumpBackup, StoreConfig, Target
from tasks.stores import aws, fetch_backup, open_store, transfer
from tasks.stores.fetch import Fetched
from tests.fix_proxy import FaultProxy
from tests.fix_s3 import Bucket

PART = 1 << 20
BODY = random.Random(7).randbytes(5 * PART + 12345)
Proxied = Callable[[str], FaultProxy]


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """The waits of production would make each of these tests a minute long."""
    monkeypatch.setattr(transfer, "PART_BYTES", PART)
    monkeypatch.setattr(transfer, "_FIRST_PAUSE_S", 0.01)
    monkeypatch.setattr(aws, "READ_TIMEOUT_S", 1)


@pytest.fixture
def stored(weed_bucket: Bucket) -> Bucket:
    weed_bucket.put("o.dump", BODY)
    return weed_bucket


def fetch(
    bucket: Bucket, endpoint: str, dest: Path, *, checksum: str = "auto", deadline_s: float = 60
) -> Fetched:
    config = StoreConfig(endpoint_url=endpoint, region="us-east-1")
    backup = DumpBackup(at=f"{bucket.uri}/o.dump", checksum=checksum)  # type: ignore[arg-type]
    drilled = Target(fleet="f", name="orders", store=config, backup=backup, evidence="/x")
    store = open_store(config, backup.at)
    direct = open_store(bucket.config, backup.at).head(backup.at)
    return fetch_backup(DumpPoint.of(direct, utc_now()), store, drilled, dest, _no_progress, deadline_s)


def nothing_is_left(dest: Path) -> bool:
    running = [
        thread.name for thread in threading.enumerate() if thread.name.startswith(("fetch", "hash", "files"))
    ]
    return not running and not list(dest.glob("*"))


@pytest.mark.parametrize("kind", ["drop", "truncate", "stall", "throttle", "error", "refuse"])
def test_trouble_with_one_part_is_cured_by_asking_again(
    stored: Bucket, proxied: Proxied, tmp_path: Path, kind: str
) -> None:
    proxy = proxied(stored.endpoint)
    proxy.add(kind, match="GET ", range_start=2 * PART, after_bytes=1000, times=1)  # type: ignore[arg-type]
    got = fetch(stored, proxy.url, tmp_path)
    assert got.path.read_bytes() == BODY
    assert got.integrity == "s3-crc32"


@pytest.mark.parametrize(
    ("kind", "rule"),
    [
        ("drop", "transfer-incomplete"),
        ("truncate", "transfer-incomplete"),
        ("stall", "transfer-incomplete"),
        ("throttle", "store-throttled"),
        ("error", "store-unreachable"),
        ("refuse", "store-unreachable"),
    ],
)
def test_trouble_that_stays_is_transient_and_says_nothing_of_the_backup(
    stored: Bucket, proxied: Proxied, tmp_path: Path, kind: str, rule: str
) -> None:
    proxy = proxied(stored.endpoint)
    proxy.add(kind, match="/o.dump", range_start=2 * PART, after_bytes=1000)  # type: ignore[arg-type]
    begun = time.monotonic()
    with pytest.raises(TransientError, match="nothing is said about the backup") as caught:
        fetch(stored, proxy.url, tmp_path)
    assert (caught.value.rule, caught.value.finding().klass.value) == (rule, "drill")
    assert time.monotonic() - begun < 40
    assert nothing_is_left(tmp_path)


def test_byte_that_flips_once_on_the_way_is_cured_by_a_second_download(
    stored: Bucket, proxied: Proxied, tmp_path: Path
) -> None:
    proxy = proxied(stored.endpoint)
    proxy.add("corrupt", range_start=PART, after_bytes=500, times=1)
    assert fetch(stored, proxy.url, tmp_path).path.read_bytes() == BODY


def test_byte_that_flips_every_time_is_a_damaged_object(
    stored: Bucket, proxied: Proxied, tmp_path: Path
) -> None:
    proxy = proxied(stored.endpoint)
    proxy.add("corrupt", range_start=PART, after_bytes=500)
    with pytest.raises(PermanentError) as caught:
        fetch(stored, proxy.url, tmp_path)
    assert (caught.value.rule, caught.value.finding().klass.value) == ("checksum-mismatch", "data")
    assert nothing_is_left(tmp_path)


def test_flip_without_a_checksum_is_unproven(stored: Bucket, proxied: Proxied, tmp_path: Path) -> None:
    proxy = proxied(stored.endpoint)
    proxy.add("corrupt", range_start=PART, after_bytes=500)
    got = fetch(stored, proxy.url, tmp_path, checksum="none")
    assert got.integrity == "none"
    assert got.path.read_bytes() != BODY


def test_drip_is_a_stall_although_bytes_arrive(
    stored: Bucket, proxied: Proxied, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transfer, "STALL_S", 0.3)
    proxy = proxied(stored.endpoint)
    proxy.add("drip", range_start=0, after_bytes=10)
    with pytest.raises(TransientError, match="stalls") as caught:
        fetch(stored, proxy.url, tmp_path)
    assert caught.value.rule == "transfer-incomplete"
    assert nothing_is_left(tmp_path)


def test_deadline_ends_a_drip_long_before_the_last_byte(
    stored: Bucket, proxied: Proxied, tmp_path: Path
) -> None:
    proxy = proxied(stored.endpoint)
    proxy.add("drip", range_start=0, after_bytes=10)
    begun = time.monotonic()
    with pytest.raises(PermanentError) as caught:
        fetch(stored, proxy.url, tmp_path, deadline_s=2)
    assert (caught.value.rule, caught.value.finding().klass.value) == ("stage-deadline", "drill")
    assert time.monotonic() - begun < 20


def test_deadline_ends_a_download_that_only_stalls(stored: Bucket, proxied: Proxied, tmp_path: Path) -> None:
    proxy = proxied(stored.endpoint)
    proxy.add("stall", match="/o.dump?", after_bytes=10)
    proxy.add("stall", range_start=0, after_bytes=10)
    begun = time.monotonic()
    with pytest.raises(DrillError) as caught:
        fetch(stored, proxy.url, tmp_path, deadline_s=2)
    assert caught.value.finding().klass.value == "drill"
    assert time.monotonic() - begun < 15
    assert nothing_is_left(tmp_path)


def test_object_overwritten_while_it_is_read_is_read_again(
    stored: Bucket, proxied: Proxied, tmp_path: Path
) -> None:
    proxy = proxied(stored.endpoint)
    newer = os.urandom(3 * PART)
    once = threading.Event()

    def overwrite(head: str) -> None:
        if f"bytes={PART}-" in head and not once.is_set():
            once.set()
            stored.put("o.dump", newer)

    proxy.on_request = overwrite
    got = fetch(stored, proxy.url, tmp_path)
    assert got.path.read_bytes() == newer


def test_object_deleted_while_it_is_read_is_gone(stored: Bucket, proxied: Proxied, tmp_path: Path) -> None:
    proxy = proxied(stored.endpoint)

    def delete(head: str) -> None:
        if f"bytes={PART}-" in head:
            stored.client.delete_object(Bucket=stored.name, Key="o.dump")

    proxy.on_request = delete
    with pytest.raises(PermanentError) as caught:
        fetch(stored, proxy.url, tmp_path)
    assert (caught.value.rule, caught.value.finding().klass.value) == ("object-gone", "path")
    assert nothing_is_left(tmp_path)


def test_full_disk_is_known_before_the_first_byte(
    stored: Bucket, proxied: Proxied, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = proxied(stored.endpoint)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(PermanentError) as caught:
        fetch(stored, proxy.url, tmp_path)
    assert (caught.value.rule, caught.value.finding().klass.value) == ("disk-full", "drill")
    assert proxy.count("GET /") == 1  # the sidecars' listing
    assert nothing_is_left(tmp_path)


@pytest.mark.parametrize(("kind", "rule"), [("throttle", "store-throttled"), ("stall", "store-unreachable")])
def test_listing_that_fails_is_transient_never_no_backup(
    stored: Bucket, proxied: Proxied, kind: str, rule: str
) -> None:
    proxy = proxied(stored.endpoint)
    proxy.add(kind, match="list-type=2", after_bytes=0)  # type: ignore[arg-type]
    config = stored.through(proxy.url)
    backup = DumpBackup(at=f"{stored.uri}/o.dump")
    drilled = Target(fleet="f", name="orders", store=config, backup=backup, evidence="/x")
    begun = time.monotonic()
    with pytest.raises(TransientError) as caught:
        discover(drilled, open_store(config, backup.at), utc_now())
    assert caught.value.rule == rule
    assert time.monotonic() - begun < 45


def test_listing_that_fails_once_is_retried(stored: Bucket, proxied: Proxied) -> None:
    proxy = proxied(stored.endpoint)
    proxy.add("throttle", match="list-type=2", times=1)
    config = stored.through(proxy.url)
    backup = DumpBackup(at=f"{stored.uri}/o.dump")
    drilled = Target(fleet="f", name="orders", store=config, backup=backup, evidence="/x")
    assert discover(drilled, open_store(config, backup.at), utc_now()).points


def _no_progress(_done: int, _all: int) -> None:
    return None
