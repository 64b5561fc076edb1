"""Secrets do not belong in a fleet file, which version control keeps: refused, and not repeated."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tasks.config.yaml_source import KeyPath, Problem

_SECRETS = (
    (re.compile(r"://[^\s/@:]*:[^\s/@]+@"), "an address with its password", "leave it out"),
    (re.compile(r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"), "an AWS key id", "leave it out"),
    (
        re.compile(r"(?i)[?&](?:X-Amz-[a-z-]+|Signature|AWSAccessKeyId|sig)="),
        "a presigned address",
        "write the plain URI",
    ),
    (re.compile(r"AGE-SECRET-KEY-"), "an age identity", "name its file or environment variable"),
    (re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY"), "a private key", "name its file or environment variable"),
    (re.compile(r"SCRAM-SHA-256\$"), "the verifier of a password", "leave it out"),
)
_SECRET_KEY = re.compile(r"(?i)passw|secret|access_key|session_token|api_key|credential|passphrase$|^token$")
_ELSEWHERE = (
    "credentials come from the environment, an AWS profile or the machine's role, never from this file"
)


def secret_in(text: str) -> str | None:
    """Return what secret *text* holds and the remedy, or None; the secret itself is not repeated."""
    for pattern, what, remedy in _SECRETS:
        if pattern.search(text):
            return f"this holds {what}; {remedy}: {_ELSEWHERE}"
    return None


def is_secret_key(key: str) -> bool:
    """Say whether a key of this name would hold a secret."""
    return bool(_SECRET_KEY.search(key))


def find_secrets(value: object, path: KeyPath = ()) -> Iterator[Problem]:
    """Yield a problem for every secret in a document, at its place."""
    if isinstance(value, str):
        secret = secret_in(value)
        if secret:
            yield Problem(path, secret)
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from find_secrets(inner, (*path, key))
    elif isinstance(value, list):
        for i, inner in enumerate(value):
            yield from find_secrets(inner, (*path, i))
