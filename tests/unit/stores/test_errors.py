from __future__ import annotations

import errno

import pytest
from botocore import exceptions as boto
from botocore.exceptions import ClientError

from tasks.model.errors import PermanentError, TransientError
from tasks.stores.errors import Action, is_missing, translated

UNTRUSTED = Exception("self-signed")
WHERE = "s3://bk/orders.dump"
KEY = "arn:aws:kms:eu-west-1:123456789012:key/8a6d"
INVALID_STATE = "KMS.KMSInvalidStateException"
DENIED = f"User is not authorized to perform: kms:Decrypt on {KEY}"
CIPHERTEXT = "The ciphertext refers to a customer master key that does not exist"
DELETED, IMPORTED = f"{KEY} is pending deletion.", f"{KEY} is pending import."


def client_error(code: str, message: str = "", status: int = 400) -> ClientError:
    return ClientError(
        {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}},  # type: ignore[typeddict-item]
        "GetObject",
    )


@pytest.mark.parametrize(
    ("code", "message", "action", "rule", "klass", "transient"),
    [
        ("NoSuchBucket", "", Action.LIST, "bucket-missing", "path", False),
        ("404", "Not Found", Action.LIST, "bucket-missing", "path", False),
        ("NoSuchKey", "", Action.READ, "object-gone", "path", False),
        ("404", "Not Found", Action.READ, "object-gone", "path", False),
        ("AccessDenied", "Access Denied", Action.LIST, "list-denied", "path", False),
        ("AccessDenied", "Access Denied", Action.READ, "get-denied", "path", False),
        ("403", "Forbidden", Action.READ, "get-denied", "path", False),
        ("AccessDenied", "not for: sts:AssumeRole", Action.ASSUME, "role-denied", "path", False),
        ("ValidationError", "x is invalid", Action.ASSUME, "role-denied", "path", False),
        ("AccessDenied", DENIED, Action.READ, "kms-denied", "path", False),
        ("AccessDenied", CIPHERTEXT, Action.READ, "kms-denied", "path", False),
        ("KMS.DisabledException", f"{KEY} is disabled.", Action.READ, "kms-key-disabled", "path", False),
        (INVALID_STATE, DELETED, Action.READ, "kms-key-pending-deletion", "path", False),
        (INVALID_STATE, IMPORTED, Action.READ, "kms-key-unavailable", "path", False),
        ("KMS.NotFoundException", f"{KEY} is not there", Action.READ, "kms-key-unavailable", "path", False),
        ("InvalidObjectState", "storage class", Action.READ, "object-archived", "path", False),
        ("ExpiredToken", "", Action.LIST, "token-expired", "drill", False),
        ("ExpiredTokenException", "", Action.ASSUME, "token-expired", "drill", False),
        ("InvalidAccessKeyId", "", Action.LIST, "credentials-invalid", "path", False),
        ("SignatureDoesNotMatch", "", Action.READ, "credentials-invalid", "path", False),
        ("InvalidClientTokenId", "", Action.ASSUME, "credentials-invalid", "path", False),
        ("PermanentRedirect", "", Action.LIST, "region-wrong", "path", False),
        ("AuthorizationHeaderMalformed", "expecting 'eu-west-1'", Action.LIST, "region-wrong", "path", False),
        ("RequestTimeTooSkewed", "", Action.LIST, "clock-refused", "drill", False),
        ("SlowDown", "Reduce your request rate", Action.READ, "store-throttled", "drill", True),
        ("503", "", Action.READ, "store-throttled", "drill", True),
        ("InternalError", "", Action.LIST, "store-unreachable", "drill", True),
        ("PreconditionFailed", "", Action.READ, "object-changed", "drill", True),
        ("AccessDenied", "Access Denied", Action.WRITE, "evidence-unwritable", "drill", False),
    ],
)  # fmt: skip
def test_code_of_the_service_becomes_a_rule(
    code: str, message: str, action: Action, rule: str, klass: str, transient: bool
) -> None:
    error = translated(client_error(code, message), action, WHERE)
    assert (error.rule, error.finding().klass.value) == (rule, klass)
    assert isinstance(error, TransientError) == transient
    assert error.where == WHERE
    assert error.hint


def test_three_states_of_a_key_are_told_apart_in_words() -> None:
    said = {
        translated(client_error(code, message), Action.READ, WHERE).what.split(" (", 1)[0]
        for code, message in (
            ("AccessDenied", "not authorized to perform: kms:Decrypt"),
            ("KMS.DisabledException", "is disabled"),
            ("KMS.KMSInvalidStateException", "is pending deletion"),
        )
    }
    assert len(said) == 3


@pytest.mark.parametrize(
    ("error", "rule", "kind"),
    [
        (boto.EndpointConnectionError(endpoint_url="http://x"), "store-unreachable", TransientError),
        (boto.ConnectTimeoutError(endpoint_url="http://x"), "store-unreachable", TransientError),
        (boto.ReadTimeoutError(endpoint_url="http://x"), "store-unreachable", TransientError),
        (boto.ConnectionClosedError(endpoint_url="http://x"), "store-unreachable", TransientError),
        (boto.ResponseStreamingError(error="cut"), "transfer-incomplete", TransientError),
        (boto.IncompleteReadError(actual_bytes=1, expected_bytes=2), "transfer-incomplete", TransientError),
        (boto.NoCredentialsError(), "credentials-missing", PermanentError),
        (boto.ProfileNotFound(profile="x"), "credentials-missing", PermanentError),
        (boto.ParamValidationError(report="Invalid bucket name"), "bucket-missing", PermanentError),
        (
            boto.SSLError(endpoint_url="https://x", error=UNTRUSTED),
            "store-unreachable",
            PermanentError,
        ),
    ],
)
def test_error_of_the_sdk_becomes_a_rule(error: Exception, rule: str, kind: type[Exception]) -> None:
    known = translated(error, Action.READ, WHERE)
    assert known.rule == rule
    assert isinstance(known, kind)


@pytest.mark.parametrize(
    ("error", "action", "rule"),
    [
        (PermissionError(errno.EACCES, "Permission denied"), Action.LIST, "list-denied"),
        (PermissionError(errno.EACCES, "Permission denied"), Action.READ, "get-denied"),
        (FileNotFoundError(errno.ENOENT, "No such file"), Action.READ, "object-gone"),
        (FileNotFoundError(errno.ENOENT, "No such file"), Action.LIST, "path-missing"),
        (OSError(errno.ENOSPC, "No space left"), Action.READ, "disk-full"),
        (OSError(errno.ESTALE, "Stale file handle"), Action.READ, "store-unreachable"),
        (OSError(errno.EIO, "Input/output error"), Action.READ, "store-unreachable"),
    ],
)
def test_error_of_the_file_system_becomes_a_rule(error: OSError, action: Action, rule: str) -> None:
    assert translated(error, action, WHERE).rule == rule


def test_error_of_ours_stays_as_it_is() -> None:
    ours = PermanentError("said", WHERE, rule="object-gone")
    assert translated(ours, Action.LIST, "elsewhere") is ours


def test_unknown_code_goes_by_the_http_status() -> None:
    assert translated(client_error("Odd", status=403), Action.READ, WHERE).rule == "get-denied"
    assert translated(client_error("Odd", status=503), Action.READ, WHERE).rule == "store-throttled"
    assert translated(client_error("Odd", status=418), Action.READ, WHERE).rule == "store-unreachable"


def test_secrets_in_a_message_are_masked_and_it_is_cut() -> None:
    said = "see https://bk.example/x?X-Amz-Signature=c0ffee&X-Amz-Credential=AK " + "z" * 1000
    text = str(translated(client_error("Odd", said), Action.READ, WHERE))
    assert "c0ffee" not in text
    assert len(text) < 700


def test_missing_is_told_from_forbidden() -> None:
    assert is_missing(client_error("NoSuchKey"))
    assert is_missing(client_error("404"))
    assert not is_missing(client_error("403"))


@pytest.mark.parametrize(
    "text",
    [
        "The provided token is invalid: FwoGZXIvYXdzEPlanted9fake8TOKEN7body6of5letters3and2digits1000==",
        "secret wJalrXUtnFEMI/K7MDENG/bPxRfiCYPLANTEDKEY is wrong",
        "key AKIAPLANTEDPLANTED99 is unknown",
        "cannot reach https://h/b/k?X-Amz-Security-Token=planted&X-Amz-Signature=planted",
        "cannot reach https://user:planted@h/",
        "\x1b[31mplanted\x1b[0m".replace("planted", "red"),
    ],
)
def test_what_a_store_says_is_told_without_keys_and_tokens(text: str) -> None:
    said = str(translated(client_error("Odd", text), Action.READ, "s3://b/k"))
    assert "planted" not in said.lower()
    assert "\x1b" not in said


def test_who_was_denied_what_is_told() -> None:
    text = "arn:aws:sts::111122223333:assumed-role/drill/i-0abc is not authorized to perform: s3:GetObject"
    assert text in str(translated(client_error("AccessDenied", text), Action.READ, "s3://b/k"))
