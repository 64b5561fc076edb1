"""Secrets are masked wherever they stand, and words that only sound like one are left alone."""

from __future__ import annotations

import pytest

from tasks.model.redact import LONGEST, redact


@pytest.mark.parametrize(
    "text",
    [
        "postgres://u:planted@host/db",
        "postgresql://u:planted@@host/db?sslmode=disable",
        "jdbc:postgresql://u:p/planted@host",
        "at https://b.example/k?X-Amz-Signature=planted&a=b now",
        "'https://b.example/k?a=b&Signature=planted'",
        "https://b.example/k?sig=planted",
        "SCRAM-SHA-256$4096:planted$x:y",
        "AGE-SECRET-KEY-1PLANTEDPLANTED".replace("PLANTED", "planted".upper()),
        "-----BEGIN RSA PRIVATE KEY-----\nplanted\n-----END RSA PRIVATE KEY-----",
        "-----BEGIN PRIVATE KEY-----\nplanted and no end",
        "password=planted",
        "PGPASSWORD=planted psql",
        "db_password = 'planted; more planted'",
        "ALTER ROLE x PASSWORD 'it''s planted'",
        '{"aws_session_token": "planted"}',
        "passphrase => 'planted",
        "gpg --passphrase planted --decrypt",
        "secret: planted",
    ],
)
def test_a_secret_is_masked(text: str) -> None:
    said = redact(text)
    assert "planted" not in said.lower()
    assert "***" in said


@pytest.mark.parametrize(
    "text",
    [
        "The session token of this worker has expired",
        "public.password resets",
        "password authentication failed for user x",
        "s3://bucket/a@b/c.dump",
        "https://host/report?page=2",
        "the secret of it",
        "TABLE public.tokens",
        "CREATE INDEX tokens_idx ON public.tokens (token)",
    ],
)
def test_words_that_are_no_secret_stay(text: str) -> None:
    assert redact(text) == text


def test_what_stands_around_a_secret_stays() -> None:
    assert redact("at postgres://u:x@h:5432/db, port 5") == "at postgres://u:***@h:5432/db, port 5"
    assert redact("a password=b, c token='d' e") == "a password=***, c token=*** e"


def test_a_long_text_is_cut() -> None:
    said = redact("a" * (LONGEST + 10))
    assert len(said) < LONGEST + 10
    assert said.endswith("[cut]")
