"""What does not belong in a fleet file, and whose rights are used."""

from __future__ import annotations

import pytest

from tasks.config.rights import own_rights
from tasks.config.secrets import find_secrets, is_secret_key, secret_in
from tasks.model.target import StoreConfig

SECRETS = {
    "postgresql://drill:hunter2@db/orders": "hunter2",
    "key AKIAIOSFODNN7EXAMPLE here": "AKIAIOSFODNN7EXAMPLE",
    "https://b.s3.amazonaws.com/x?X-Amz-Signature=abc": "abc",
    "https://b/x?AWSAccessKeyId=1&Signature=z": "Signature=z",
    "AGE-SECRET-KEY-1QQQ": "1QQQ",
    "-----BEGIN RSA PRIVATE KEY-----": "BEGIN",
    "SCRAM-SHA-256$4096:salt": "salt",
}


@pytest.mark.parametrize("text", SECRETS)
def test_a_secret_is_named_and_not_repeated(text: str) -> None:
    problem = secret_in(text)
    assert problem is not None
    assert "never from this file" in problem
    assert SECRETS[text] not in problem


@pytest.mark.parametrize(
    "text",
    [
        "s3://acme-backups/prod/{database}/%Y/%m/%d/x.dump",
        "postgresql://drill@db:5432/orders",
        "arn:aws:iam::123456789012:role/restore-drill",
        "https://minio.internal:9000",
        "/keys/age-identity.txt",
    ],
)
def test_addresses_and_names_are_no_secrets(text: str) -> None:
    assert secret_in(text) is None


def test_every_secret_of_a_document_is_found_at_its_place() -> None:
    document = {"store": {"endpoint_url": "https://a:b@h"}, "databases": [{"name": "x"}, "AGE-SECRET-KEY-1"]}
    assert [problem.path for problem in find_secrets(document)] == [
        ("store", "endpoint_url"),
        ("databases", 1),
    ]


def test_names_of_keys_that_would_hold_secrets() -> None:
    told = [key for key in ("password", "aws_secret", "gpg_passphrase", "token") if is_secret_key(key)]
    assert told == ["password", "aws_secret", "gpg_passphrase", "token"]
    assert not any(map(is_secret_key, ("passphrase_file", "key_file", "identity_env", "tokens_table")))


def test_evidence_is_written_as_the_worker_itself_in_the_same_place() -> None:
    store = StoreConfig(region="eu-west-1", endpoint_url="https://s3", role_arn="arn:x", external_id="e")
    own = own_rights(store)
    assert (own.role_arn, own.external_id) == (None, None)
    assert (own.region, own.endpoint_url) == (store.region, store.endpoint_url)
