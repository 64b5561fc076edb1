"""What no server here can do, played by botocore's Stubber: KMS denials, thaws, tiers, odd answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.response import StreamingBody
from botocore.stub import ANY, Stubber

from tasks.model.backup import StoredObject
from tasks.model.clock import utc_now
from tasks.model.errors import PermanentError
from tasks.model.target import StoreConfig
from tasks.stores import aws
from tasks.stores.s3 import S3Store
from tests.unit.stores.fake import NOW

URI = "s3://bk/orders.dump"
Made = tuple[S3Store, Stubber]


@pytest.fixture
def stubbed() -> Iterator[Made]:
    client = boto3.client("s3", region_name="eu-west-1", aws_access_key_id="x", aws_secret_access_key="y")
    with Stubber(client) as stub:
        yield S3Store(StoreConfig(), client), stub


def head_answer(**more: Any) -> dict[str, Any]:
    return {"ContentLength": 4, "LastModified": NOW, "ETag": '"abc"', **more}


def obj(storage_class: str | None = None) -> StoredObject:
    return StoredObject(URI, 4, NOW, etag="abc", storage_class=storage_class)


def refused_head(stub: Stubber, code: str, message: str) -> None:
    """HEAD says 403 or 400 and no more; GET of a byte gives the reason."""
    stub.add_client_error("head_object", "403", "Forbidden", 403)
    stub.add_client_error(
        "get_object", code, message, 403, expected_params={"Bucket": "bk", "Key": ANY, "Range": ANY}
    )


@pytest.mark.parametrize(
    ("code", "message", "rule"),
    [
        ("AccessDenied", "User is not authorized to perform: kms:Decrypt on the resource", "kms-denied"),
        ("KMS.DisabledException", "arn:aws:kms:x:1:key/2 is disabled.", "kms-key-disabled"),
        (
            "KMS.KMSInvalidStateException",
            "arn:aws:kms:x:1:key/2 is pending deletion.",
            "kms-key-pending-deletion",
        ),
        ("KMS.NotFoundException", "Key arn:aws:kms:x:1:key/2 does not exist", "kms-key-unavailable"),
        ("AccessDenied", "Access Denied", "get-denied"),
        ("ExpiredToken", "The provided token has expired.", "token-expired"),
    ],
)
def test_head_without_a_body_is_explained_by_a_get(stubbed: Made, code: str, message: str, rule: str) -> None:
    store, stub = stubbed
    refused_head(stub, code, message)
    with pytest.raises(PermanentError) as caught:
        store.head(URI)
    assert caught.value.rule == rule


@pytest.mark.parametrize(
    ("answer", "archived"),
    [
        ({"StorageClass": "GLACIER"}, True),
        ({"StorageClass": "DEEP_ARCHIVE", "Restore": 'ongoing-request="true"'}, True),
        ({"StorageClass": "INTELLIGENT_TIERING", "ArchiveStatus": "DEEP_ARCHIVE_ACCESS"}, True),
        ({"StorageClass": "GLACIER", "Restore": 'ongoing-request="false", expiry-date="Fri"'}, False),
        ({"StorageClass": "GLACIER_IR"}, False),
        ({"StorageClass": "INTELLIGENT_TIERING"}, False),
        ({"StorageClass": "STANDARD_IA"}, False),
        ({}, False),
    ],
)
def test_archived_object_is_refused_before_it_is_read(
    stubbed: Made, answer: dict[str, str], archived: bool
) -> None:
    store, stub = stubbed
    stub.add_response("head_object", head_answer(**answer))
    stub.add_response("head_object", head_answer(**answer))
    found = store.head(URI)
    if not archived:
        assert store.source(found).size == 4
        return
    with pytest.raises(PermanentError, match="hours") as caught:
        store.source(found)
    assert (caught.value.rule, caught.value.finding().klass.value) == ("object-archived", "path")


def test_thawed_object_of_a_listing_can_be_read(stubbed: Made) -> None:
    store, stub = stubbed
    stub.add_response("head_object", head_answer(StorageClass="GLACIER", Restore='ongoing-request="false"'))
    assert store.source(obj("GLACIER")).size == 4


def test_version_that_was_looked_at_is_the_one_that_is_read(stubbed: Made, tmp_path: Path) -> None:
    store, stub = stubbed
    stub.add_response("head_object", head_answer(VersionId="v7"))
    body = StreamingBody(BytesIO(b"body"), 4)
    asked = {
        "Bucket": "bk",
        "Key": "orders.dump",
        "Range": "bytes=0-3",
        "VersionId": "v7",
        "IfMatch": '"abc"',
    }
    stub.add_response("get_object", {"Body": body}, asked)
    store.fetch(store.head(URI), tmp_path / "o", lambda _done, _all: None, 60)
    assert (tmp_path / "o").read_bytes() == b"body"


def test_clock_is_compared_with_the_store(stubbed: Made) -> None:
    store, stub = stubbed
    date = (utc_now() - timedelta(days=2)).strftime("%a, %d %b %Y %H:%M:%S GMT")
    metadata = {"HTTPHeaders": {"date": date}, "HTTPStatusCode": 200}
    stub.add_response("list_objects_v2", {"IsTruncated": False, "ResponseMetadata": metadata})
    assert list(store.list("s3://bk/x")) == []
    assert store.clock_skew_s() == pytest.approx(2 * 86400, abs=5)


def test_versions_that_may_not_be_listed_hide_nothing(stubbed: Made) -> None:
    store, stub = stubbed
    stub.add_client_error("list_object_versions", "AccessDenied", "no", 403)
    assert list(store.deleted("s3://bk/x")) == []


class TestRole:
    ARN = "arn:aws:iam::123456789012:role/recovery"

    @pytest.mark.parametrize(
        ("code", "message", "rule", "klass"),
        [
            ("AccessDenied", "User: x is not authorized to perform: sts:AssumeRole", "role-denied", "path"),
            (
                "ExpiredToken",
                "The security token included in the request is expired",
                "token-expired",
                "drill",
            ),
            ("InvalidClientTokenId", "The security token is invalid", "credentials-invalid", "path"),
            ("RegionDisabledException", "STS is not activated in this region", "region-wrong", "path"),
        ],
    )
    def test_role_that_cannot_be_assumed_is_told_apart(
        self, monkeypatch: pytest.MonkeyPatch, code: str, message: str, rule: str, klass: str
    ) -> None:
        with self.sts(monkeypatch, lambda stub: stub.add_client_error("assume_role", code, message, 403)):
            with pytest.raises(PermanentError) as caught:
                aws.s3_client(StoreConfig(role_arn=self.ARN))
            assert (caught.value.rule, caught.value.finding().klass.value) == (rule, klass)
            assert caught.value.where == self.ARN

    def test_external_id_is_sent(self, monkeypatch: pytest.MonkeyPatch) -> None:
        asked = {"RoleArn": self.ARN, "RoleSessionName": ANY, "ExternalId": "acme-7"}
        given = {
            "AccessKeyId": "ASIAEXAMPLE000000",
            "SecretAccessKey": "s",
            "SessionToken": "t",
            "Expiration": utc_now() + timedelta(hours=1),
        }
        with self.sts(
            monkeypatch, lambda stub: stub.add_response("assume_role", {"Credentials": given}, asked)
        ):
            client = aws.s3_client(StoreConfig(role_arn=self.ARN, external_id="acme-7"))
        assert client._request_signer._credentials.access_key == given["AccessKeyId"]  # type: ignore[attr-defined]

    def test_role_is_not_assumed_is_a_warning_without_one(self, stubbed: Made) -> None:
        store, _ = stubbed
        assert [one.rule for one in store.findings()] == ["role-not-assumed"]
        assert S3Store(StoreConfig(role_arn=self.ARN), store._client).findings() == ()

    @contextmanager
    def sts(self, monkeypatch: pytest.MonkeyPatch, plan: Callable[[Stubber], None]) -> Iterator[None]:
        client = boto3.client(
            "sts", region_name="eu-west-1", aws_access_key_id="x", aws_secret_access_key="y"
        )
        with Stubber(client) as stub:
            plan(stub)
            monkeypatch.setattr(aws, "_sts", lambda *_: client)
            yield


@pytest.mark.parametrize(
    ("endpoint", "style"),
    [
        (None, "auto"),
        ("https://s3.eu-west-1.amazonaws.com", "auto"),
        ("http://127.0.0.1:9000", "path"),
        ("http://[::1]:9000", "path"),
        ("http://localhost:9000", "path"),
        ("https://minio.internal", "path"),
    ],
)
def test_buckets_go_into_the_path_where_a_host_name_would_not_resolve(
    endpoint: str | None, style: str
) -> None:
    assert aws._addressing(endpoint, boto3.session.Session())["addressing_style"] == style


def test_unusable_endpoint_is_a_configuration_error() -> None:
    with pytest.raises(PermanentError) as caught:
        aws.s3_client(StoreConfig(endpoint_url="not a url"))
    assert caught.value.rule == "config-invalid"
