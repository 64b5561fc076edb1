"""The least that the recovery role needs, as an IAM policy: what discovery and fetch really ask for."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tasks.discovery.pattern import KeyPattern
from tasks.model.target import Target
from tasks.stores.uris import S3Location, is_s3, s3_location

_LIST = ["s3:ListBucket", "s3:ListBucketVersions"]
_READ = ["s3:GetObject", "s3:GetObjectVersion"]


def least_privilege_policy(
    targets: Iterable[Target], kms_key_arn: str = "arn:aws:kms:REGION:ACCOUNT:key/ID"
) -> dict[str, Any]:
    """Return the policy of the role that recovers *targets*: list and read, nothing else.

    Listing reaches the folders above, where neighbours are looked for; reading what the patterns can match.
    """
    places = sorted({place for target in targets for place in _places(target)})
    buckets = sorted({place.bucket for place in places})
    statements = [_may_list(bucket, [p for p in places if p.bucket == bucket]) for bucket in buckets]
    if places:
        statements += [_may_read(places), _may_decrypt(kms_key_arn, buckets)]
    return {"Version": "2012-10-17", "Statement": statements}


def _places(target: Target) -> list[S3Location]:
    """Return the constant beginnings of everything that a drill of *target* reads."""
    patterns = target.backup.patterns
    zone = target.backup.timezone
    return [s3_location(_constant(KeyPattern(at, zone))) for at in patterns if at is not None and is_s3(at)]


def _constant(pattern: KeyPattern) -> str:
    return pattern.constant.rstrip("/") if pattern.is_one_key else pattern.constant


def _may_list(bucket: str, places: list[S3Location]) -> dict[str, Any]:
    prefixes = sorted({prefix for place in places for prefix in (f"{place.key}*", *_parents(place.key))})
    return {
        "Sid": f"ListBackups{_words(bucket)}",
        "Effect": "Allow",
        "Action": _LIST,
        "Resource": f"arn:aws:s3:::{bucket}",
        "Condition": {"StringLike": {"s3:prefix": prefixes}},
    }


def _parents(key: str) -> list[str]:
    """Return the folders on the way to *key*, "" for the bucket itself: each is listed by delimiter."""
    parts = key.split("/")[:-1]
    return ["".join(f"{part}/" for part in parts[:depth]) for depth in range(len(parts) + 1)]


def _may_read(places: list[S3Location]) -> dict[str, Any]:
    return {
        "Sid": "ReadBackups",
        "Effect": "Allow",
        "Action": _READ,
        "Resource": [f"arn:aws:s3:::{place.bucket}/{place.key}*" for place in places],
    }


def _may_decrypt(key_arn: str, buckets: list[str]) -> dict[str, Any]:
    return {
        "Sid": "DecryptBackups",
        "Effect": "Allow",
        "Action": ["kms:Decrypt"],
        "Resource": key_arn,
        "Condition": {
            "StringLike": {"kms:EncryptionContext:aws:s3:arn": [f"arn:aws:s3:::{b}*" for b in buckets]}
        },
    }


def _words(name: str) -> str:
    return "".join(part.capitalize() for part in name.replace(".", "-").split("-"))
