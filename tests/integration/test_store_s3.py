"""The store against servers: a real one (SeaweedFS), and moto for what only AWS and its mock have."""

from __future__ import annotations

import hashlib
import os
import random
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from boto3.s3.transfer import TransferConfig

from tasks.discovery import discover, least_privilege_policy
from tasks.discovery import undrilled as siblings
from tasks.model.backup import Discovery, DumpPoint
from tasks.model.clock import utc_now
from tasks.model.errors import DrillError, PermanentError, StageFailed
from tasks.model.target import DumpBackup, StoreConfig, Target
from tasks.stores import fetch_backup, open_store, s3
from tasks.stores.blobs import BlobMissing, list_blobs, read_blob, write_blob
from tasks.stores.fetch import Fetched
from tests.fix_s3 import LISTER, OWNER, READER, Bucket, Moto, iam_user, use_account

LINE = "prod/orders/%Y/%m/%d/orders_%Y%m%dT%H%M%SZ.dump"
BODY = random.Random(7).randbytes(200_000)


def target(bucket: Bucket, line: str = LINE, **backup: Any) -> Target:
    config = backup.pop("store", bucket.config)
    return Target(
        fleet="shop",
        name="orders",
        store=config,
        backup=DumpBackup(at=f"{bucket.uri}/{line}", **backup),
        evidence="/nowhere",
        fleet_databases=("orders",),
    )


def found(drilled: Target, now: datetime | None = None) -> Discovery[DumpPoint]:
    return discover(drilled, open_store(drilled.store, drilled.backup.at), now or utc_now())


def fetched(drilled: Target, dest: Path, point: DumpPoint | None = None) -> Fetched:
    store = open_store(drilled.store, drilled.backup.at)
    one = point or discover(drilled, store, utc_now()).points[0]
    return fetch_backup(one, store, drilled, dest, lambda _done, _all: None, 60)


def key(at: datetime) -> str:
    return at.strftime(LINE)


class TestRealServer:
    def test_newest_is_found_fetched_and_proven(self, weed_bucket: Bucket, tmp_path: Path) -> None:
        now = utc_now().replace(microsecond=0)
        for day in range(35):
            weed_bucket.put(key(now - timedelta(days=day)), BODY if day == 0 else b"old")
        drilled = target(weed_bucket)
        seen = found(drilled)
        assert seen.points[0].at == now
        assert len(seen.points_at) == 30
        got = fetched(drilled, tmp_path)
        assert got.path.read_bytes() == BODY
        assert (got.sha256, got.integrity) == (hashlib.sha256(BODY).hexdigest(), "s3-crc32")

    def test_keys_beyond_a_page_and_odd_characters_are_listed(
        self, weed_bucket: Bucket, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        now = utc_now().replace(microsecond=0)
        line = "über +&%%/x y/%Y%m%dT%H%M%SZ (1).dump"
        monkeypatch.setattr(s3, "PAGE_KEYS", 10)
        for minute in range(25):
            weed_bucket.put((now - timedelta(minutes=minute)).strftime(line))
        assert len(found(target(weed_bucket, line)).points_at) == 25

    def test_multipart_upload_without_a_whole_checksum_is_unproven_not_corrupt(
        self, weed_bucket: Bucket, tmp_path: Path
    ) -> None:
        body = os.urandom(18 << 20)
        source = tmp_path / "big"
        source.write_bytes(body)
        parts = TransferConfig(multipart_threshold=8 << 20, multipart_chunksize=8 << 20)
        weed_bucket.client.upload_file(str(source), weed_bucket.name, "o.dump", Config=parts)
        got = fetched(target(weed_bucket, "o.dump"), tmp_path / "here")
        assert (got.sha256, got.integrity) == (hashlib.sha256(body).hexdigest(), "none")
        assert got.path.read_bytes() == body

    def test_stored_sha256_is_the_strongest_proof(self, weed_bucket: Bucket, tmp_path: Path) -> None:
        weed_bucket.put("o.dump", BODY, ChecksumAlgorithm="SHA256")
        assert fetched(target(weed_bucket, "o.dump", checksum="required"), tmp_path).integrity == "s3-sha256"

    def test_upload_without_a_checksum_is_proven_by_its_etag(
        self, weed_bucket: Bucket, tmp_path: Path
    ) -> None:
        self.put_plain(weed_bucket, "o.dump", BODY)
        assert fetched(target(weed_bucket, "o.dump"), tmp_path).integrity == "etag-md5"
        with pytest.raises(PermanentError) as caught:
            fetched(target(weed_bucket, "o.dump", checksum="required"), tmp_path)
        assert caught.value.rule == "checksum-missing"

    def test_sidecar_that_differs_is_damage(self, weed_bucket: Bucket, tmp_path: Path) -> None:
        weed_bucket.put("o.dump", BODY)
        weed_bucket.put("o.dump.sha256", b"0" * 64 + b"  o.dump\n")
        with pytest.raises(PermanentError) as caught:
            fetched(target(weed_bucket, "o.dump"), tmp_path)
        assert caught.value.rule == "checksum-mismatch"

    def test_empty_object_is_fetched_as_it_is(self, weed_bucket: Bucket, tmp_path: Path) -> None:
        weed_bucket.put("o.dump", b"")
        assert fetched(target(weed_bucket, "o.dump"), tmp_path).bytes == 0

    def test_directory_dump_is_brought_file_by_file(self, weed_bucket: Bucket, tmp_path: Path) -> None:
        files = {f"{i}.dat.gz": os.urandom(1000 + i) for i in range(30)} | {"toc.dat": BODY}
        for name, body in files.items():
            weed_bucket.put(f"prod/orders-20261122/{name}", body)
        got = fetched(target(weed_bucket, "prod/orders-%Y%m%d/", window="3650d"), tmp_path)
        assert {path.name: path.read_bytes() for path in got.path.iterdir()} == files
        assert got.integrity == "s3-crc32"

    def test_object_that_is_overwritten_after_the_listing_is_taken_as_it_is_now(
        self, weed_bucket: Bucket, tmp_path: Path
    ) -> None:
        weed_bucket.put("o.dump", b"yesterday")
        drilled = target(weed_bucket, "o.dump")
        listed = found(drilled).points[0]
        weed_bucket.put("o.dump", BODY)
        got = fetched(drilled, tmp_path, listed)
        assert got.path.read_bytes() == BODY
        assert got.object.bytes == len(BODY)

    def test_object_that_is_gone_after_the_listing_is_gone(self, weed_bucket: Bucket, tmp_path: Path) -> None:
        weed_bucket.put("o.dump")
        drilled = target(weed_bucket, "o.dump")
        listed = found(drilled).points[0]
        weed_bucket.client.delete_object(Bucket=weed_bucket.name, Key="o.dump")
        with pytest.raises(DrillError) as caught:
            fetched(drilled, tmp_path, listed)
        assert (caught.value.rule, caught.value.finding().klass.value) == ("object-gone", "path")

    def test_blobs_are_written_whole_and_read_back(self, weed_bucket: Bucket) -> None:
        uri = f"{weed_bucket.uri}/evidence/shop/x.json"
        write_blob(weed_bucket.config, uri, b"{}", "application/json")
        assert list_blobs(weed_bucket.config, f"{weed_bucket.uri}/evidence/") == [uri]
        assert read_blob(weed_bucket.config, uri) == b"{}"
        with pytest.raises(BlobMissing):
            read_blob(weed_bucket.config, uri + "none")

    def test_neighbours_are_found_in_a_flat_bucket(
        self, weed_bucket: Bucket, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(siblings, "_LOOKED_AT", 10)
        today = f"{utc_now():%Y%m%d}"
        for name in ("accounts", "orders", "orders_old"):
            for i in range(25):
                weed_bucket.put(f"{name}_{today}-{i:03d}.dump")
        warned = found(target(weed_bucket, "orders_%Y%m%d-*.dump")).findings
        (neighbours,) = (item for item in warned if item.rule == "undrilled-backup")
        assert "accounts" in neighbours.message
        assert "orders_old" in neighbours.message

    def put_plain(self, bucket: Bucket, name: str, body: bytes) -> None:
        """As an old client uploads: no checksum."""
        import boto3  # noqa: PLC0415
        from botocore.config import Config  # noqa: PLC0415

        old = Config(request_checksum_calculation="when_required", s3={"addressing_style": "path"})
        client = boto3.session.Session().client("s3", endpoint_url=bucket.endpoint, config=old)
        client.put_object(Bucket=bucket.name, Key=name, Body=body)


class TestRefusals:
    """What is refused is told apart; the drill reads with the credentials that a real recovery would have."""

    def test_missing_bucket(self, weed_bucket: Bucket) -> None:
        drilled = target(weed_bucket)
        gone = drilled.model_copy(update={"backup": DumpBackup(at="s3://no-such-bucket-here/%Y.dump")})
        assert self.rule_of(gone) == "bucket-missing"

    def test_reader_may_drill(
        self, weed_bucket: Bucket, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        weed_bucket.put("o.dump", BODY)
        use_account(monkeypatch, READER.access_key, READER.secret_key)
        assert fetched(target(weed_bucket, "o.dump"), tmp_path).sha256

    def test_lister_finds_and_may_not_read(
        self, weed_bucket: Bucket, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        weed_bucket.put("o.dump", BODY)
        use_account(monkeypatch, LISTER.access_key, LISTER.secret_key)
        drilled = target(weed_bucket, "o.dump")
        assert found(drilled).points
        with pytest.raises(PermanentError) as caught:
            fetched(drilled, tmp_path)
        assert caught.value.rule == "get-denied"
        store = open_store(drilled.store, drilled.backup.at)
        with pytest.raises(PermanentError) as caught:
            store.source(found(drilled).points[0].stored).read(0, 1)
        assert caught.value.rule == "get-denied"

    @pytest.mark.parametrize(("access", "secret"), [("NOBODY", "x" * 20), (OWNER[0], "wrong" * 4)])
    def test_wrong_credentials(
        self, weed_bucket: Bucket, monkeypatch: pytest.MonkeyPatch, access: str, secret: str
    ) -> None:
        use_account(monkeypatch, access, secret)
        assert self.rule_of(target(weed_bucket)) == "credentials-invalid"

    def test_no_credentials(self, weed_bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("AWS_ACCESS_KEY_ID")
        monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
        assert self.rule_of(target(weed_bucket)) == "credentials-missing"

    @pytest.mark.usefixtures("aws_env")
    def test_endpoint_that_is_down_is_reported_within_a_minute(self) -> None:
        begun = time.monotonic()
        config = StoreConfig(endpoint_url="http://127.0.0.1:9")
        drilled = Target(
            fleet="f", name="o", store=config, backup=DumpBackup(at="s3://bucket/x"), evidence="/x"
        )
        assert self.rule_of(drilled) == "store-unreachable"
        assert time.monotonic() - begun < 30

    def rule_of(self, drilled: Target) -> str:
        with pytest.raises(DrillError) as caught:
            found(drilled)
        return caught.value.rule


class TestMock:
    """IAM, versions, storage classes and STS."""

    def test_least_privilege_policy_is_enough_and_no_more(
        self, moto: Moto, moto_bucket: Bucket, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        moto_bucket.put(key(utc_now()), BODY)
        moto_bucket.put("secret/x.dump", BODY)
        drilled = target(moto_bucket)
        allowed = [
            {name: value for name, value in statement.items() if name in {"Action", "Resource"}}
            for statement in least_privilege_policy([drilled])["Statement"][:2]
        ]
        use_account(monkeypatch, *iam_user(moto, *allowed))
        moto.enforce_iam()
        assert fetched(drilled, tmp_path).integrity == "s3-crc32"
        with pytest.raises(PermanentError) as caught:
            fetched(target(moto_bucket, "secret/x.dump"), tmp_path)
        assert caught.value.rule == "get-denied"

    @pytest.mark.parametrize(
        ("allowed", "rule"),
        [((), "list-denied"), (("s3:GetObject",), "list-denied"), (("s3:ListBucket",), "get-denied")],
    )
    def test_rights_that_lack_are_named(
        self,
        moto: Moto,
        moto_bucket: Bucket,
        monkeypatch: pytest.MonkeyPatch,
        tmp_path: Path,
        allowed: tuple[str, ...],
        rule: str,
    ) -> None:
        moto_bucket.put(key(utc_now()), BODY)
        statements = ({"Action": list(allowed), "Resource": "*"},) if allowed else ()
        use_account(monkeypatch, *iam_user(moto, *statements))
        moto.enforce_iam()
        with pytest.raises(PermanentError) as caught:
            fetched(target(moto_bucket), tmp_path)
        assert caught.value.rule == rule

    @pytest.mark.parametrize("kept", ["GLACIER", "DEEP_ARCHIVE"])
    def test_archived_object_is_found_and_refused_before_the_download(
        self, moto_bucket: Bucket, tmp_path: Path, kept: str
    ) -> None:
        moto_bucket.put(key(utc_now()), BODY, StorageClass=kept)
        drilled = target(moto_bucket)
        seen = found(drilled)
        store = open_store(drilled.store, drilled.backup.at)
        for read in (lambda: store.source(seen.points[0].stored), lambda: fetched(drilled, tmp_path)):
            with pytest.raises(PermanentError, match=kept) as caught:
                read()
            assert caught.value.rule == "object-archived"

    def test_thawed_object_can_be_fetched(self, moto_bucket: Bucket, tmp_path: Path) -> None:
        name = key(utc_now())
        moto_bucket.put(name, BODY, StorageClass="GLACIER")
        moto_bucket.client.restore_object(Bucket=moto_bucket.name, Key=name, RestoreRequest={"Days": 1})
        assert fetched(target(moto_bucket), tmp_path).bytes == len(BODY)

    def test_deleted_newest_is_seen_behind_its_marker(self, moto_bucket: Bucket) -> None:
        versioning = {"Status": "Enabled"}
        moto_bucket.client.put_bucket_versioning(Bucket=moto_bucket.name, VersioningConfiguration=versioning)  # type: ignore[arg-type]
        name = key(utc_now())
        moto_bucket.put(name, BODY)
        moto_bucket.client.delete_object(Bucket=moto_bucket.name, Key=name)
        with pytest.raises(StageFailed) as caught:
            found(target(moto_bucket))
        assert (caught.value.rule, caught.value.where) == ("newest-deleted", f"{moto_bucket.uri}/{name}")

    def test_version_that_was_listed_is_pinned(self, moto_bucket: Bucket, tmp_path: Path) -> None:
        versioning = {"Status": "Enabled"}
        moto_bucket.client.put_bucket_versioning(Bucket=moto_bucket.name, VersioningConfiguration=versioning)  # type: ignore[arg-type]
        moto_bucket.put("o.dump", BODY)
        got = fetched(target(moto_bucket, "o.dump"), tmp_path)
        assert got.object.version_id

    def test_unlabelled_checksum_of_a_multipart_upload_is_not_compared(
        self, moto_bucket: Bucket, tmp_path: Path
    ) -> None:
        source = tmp_path / "big"
        source.write_bytes(os.urandom(11 << 20))
        parts = TransferConfig(multipart_threshold=5 << 20, multipart_chunksize=5 << 20)
        moto_bucket.client.upload_file(str(source), moto_bucket.name, "o.dump", Config=parts)
        assert fetched(target(moto_bucket, "o.dump"), tmp_path / "here").integrity == "none"

    def test_recovery_role_is_assumed_and_named(self, moto_bucket: Bucket, tmp_path: Path) -> None:
        moto_bucket.put("o.dump", BODY)
        arn = "arn:aws:iam::123456789012:role/recovery"
        config = moto_bucket.config.model_copy(update={"role_arn": arn})
        drilled = target(moto_bucket, "o.dump", store=config)
        store = open_store(config, drilled.backup.at)
        assert store.identity() == "arn:aws:sts::123456789012:assumed-role/recovery/restore-drill"
        assert store.findings() == ()
        assert fetched(drilled, tmp_path).bytes == len(BODY)

    def test_identity_without_a_role_is_the_workers_and_a_warning_says_so(self, moto_bucket: Bucket) -> None:
        store = open_store(moto_bucket.config, moto_bucket.uri)
        assert (store.identity() or "").startswith("arn:aws:sts::")
        assert [one.rule for one in store.findings()] == ["role-not-assumed"]

    def test_recovery_role_that_may_not_be_assumed(
        self, moto: Moto, moto_bucket: Bucket, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        arn = "arn:aws:iam::123456789012:role/recovery"
        use_account(monkeypatch, *iam_user(moto, {"Action": "s3:*", "Resource": "*"}))
        moto.enforce_iam()
        with pytest.raises(PermanentError) as caught:
            open_store(moto_bucket.config.model_copy(update={"role_arn": arn}), moto_bucket.uri)
        assert (caught.value.rule, caught.value.where) == ("role-denied", arn)

    def test_clocks_agree(self, moto_bucket: Bucket) -> None:
        moto_bucket.put("o.dump")
        store = open_store(moto_bucket.config, moto_bucket.uri)
        assert list(store.list(f"{moto_bucket.uri}/o"))
        assert abs(store.clock_skew_s() or 99) < 60

    def test_listing_pages_through_many_keys(
        self, moto_bucket: Bucket, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(s3, "PAGE_KEYS", 7)
        for i in range(20):
            moto_bucket.put(f"many/{i:04d}", b"")
        store = open_store(moto_bucket.config, moto_bucket.uri)
        assert len(list(store.list(f"{moto_bucket.uri}/many/"))) == 20
        limited = store.list(f"{moto_bucket.uri}/many/", start_after=f"{moto_bucket.uri}/many/0005", limit=2)
        assert [obj.uri[-4:] for obj in limited] == ["0006", "0007"]
        assert store.folders(f"{moto_bucket.uri}/") == (f"{moto_bucket.uri}/many/",)
        assert store.head(f"{moto_bucket.uri}/many/0001").modified_at.tzinfo is UTC
