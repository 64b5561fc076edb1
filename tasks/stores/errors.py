"""The boundary to botocore and the file system: their errors become ours, once, from tables.

What may pass is a `TransientError`; what a real recovery would meet too is of class `path`; what only this
worker meets is of class `drill` (tasks/model/rules/access.py holds the classes).
"""

from __future__ import annotations

import errno
import re
from enum import StrEnum
from typing import Any

from botocore import exceptions as boto
from botocore.exceptions import BotoCoreError, ClientError

from tasks.model.errors import DrillError, PermanentError, TransientError
from tasks.model.printable import printable
from tasks.model.redact import redact
from tasks.model.units import format_bytes


class Action(StrEnum):
    """What was being done when it failed."""

    LIST = "list"
    READ = "read"
    WRITE = "write"
    ASSUME = "assume"


# code of the service -> rule; what is refused for want of rights depends on the action, see `_denied`
_CODES = {
    "NoSuchBucket": "bucket-missing",
    "InvalidBucketName": "bucket-missing",
    "NoSuchKey": "object-gone",
    "NoSuchVersion": "object-gone",
    "NotFound": "object-gone",
    "404": "object-gone",
    "InvalidObjectState": "object-archived",
    "ExpiredToken": "token-expired",
    "ExpiredTokenException": "token-expired",
    "TokenRefreshRequired": "token-expired",
    "InvalidAccessKeyId": "credentials-invalid",
    "SignatureDoesNotMatch": "credentials-invalid",
    "InvalidClientTokenId": "credentials-invalid",
    "UnrecognizedClientException": "credentials-invalid",
    "InvalidToken": "credentials-invalid",
    "InvalidSecurity": "credentials-invalid",
    "AuthFailure": "credentials-invalid",
    "NotSignedUp": "credentials-invalid",
    "IncompleteSignature": "credentials-invalid",
    "PermanentRedirect": "region-wrong",
    "TemporaryRedirect": "region-wrong",
    "301": "region-wrong",
    "AuthorizationHeaderMalformed": "region-wrong",
    "IllegalLocationConstraintException": "region-wrong",
    "RegionDisabledException": "region-wrong",
    "RequestTimeTooSkewed": "clock-refused",
    "RequestExpired": "clock-refused",
    "KMS.DisabledException": "kms-key-disabled",
    "KMS.NotFoundException": "kms-key-unavailable",
    "KMS.InvalidKeyUsageException": "kms-key-unavailable",
    "KMS.KMSInvalidStateException": "kms-key-unavailable",
    "KMS.InvalidStateException": "kms-key-unavailable",
    "SlowDown": "store-throttled",
    "Throttling": "store-throttled",
    "ThrottlingException": "store-throttled",
    "ThrottledException": "store-throttled",
    "RequestThrottled": "store-throttled",
    "RequestThrottledException": "store-throttled",
    "RequestLimitExceeded": "store-throttled",
    "TooManyRequests": "store-throttled",
    "TooManyRequestsException": "store-throttled",
    "BandwidthLimitExceeded": "store-throttled",
    "KMS.ThrottlingException": "store-throttled",
    "429": "store-throttled",
    "503": "store-throttled",
    "ServiceUnavailable": "store-throttled",
    "InternalError": "store-unreachable",
    "InternalServerError": "store-unreachable",
    "InternalFailure": "store-unreachable",
    "RequestTimeout": "store-unreachable",
    "OperationAborted": "store-unreachable",
    "PreconditionFailed": "object-changed",
    "412": "object-changed",
}
_DENIED = frozenset(
    {
        "AccessDenied",
        "AccessDeniedException",
        "AccountProblem",
        "AllAccessDisabled",
        "Forbidden",
        "Unauthorized",
        "UnauthorizedAccess",
        "UnauthorizedOperation",
        "401",
        "403",
    }
)
_TRANSIENT = frozenset({"store-throttled", "store-unreachable", "transfer-incomplete", "object-changed"})
# class of botocore -> rule; the first that fits
_CLASSES: tuple[tuple[tuple[type[Exception], ...], str], ...] = (
    (
        (
            boto.NoCredentialsError,
            boto.PartialCredentialsError,
            boto.CredentialRetrievalError,
            boto.ProfileNotFound,
        ),
        "credentials-missing",
    ),
    ((boto.TokenRetrievalError, boto.UnauthorizedSSOTokenError, boto.SSOTokenLoadError), "token-expired"),
    ((boto.IncompleteReadError, boto.ResponseStreamingError), "transfer-incomplete"),
    ((boto.ParamValidationError,), "bucket-missing"),
)
_KMS_STATES = (
    (
        re.compile(r"pending deletion|PendingDeletion|scheduled for deletion", re.IGNORECASE),
        "kms-key-pending-deletion",
    ),
    (
        re.compile(r"\bis disabled\b|KMS\.DisabledException|DisabledException", re.IGNORECASE),
        "kms-key-disabled",
    ),
    (re.compile(r"\bkms:[A-Z]\w+|ciphertext refers to a customer"), "kms-denied"),
)
_WORDS = {
    "bucket-missing": "The bucket does not exist",
    "list-denied": "The store refuses to list the backups",
    "get-denied": "The store refuses to hand out the object",
    "evidence-unwritable": "The store refuses to take the evidence",
    "role-denied": "The recovery role could not be assumed",
    "object-gone": "The object is not there",
    "object-archived": "The object lies in an archive storage class and cannot be read at once",
    "object-changed": "The object was overwritten while it was being read",
    "token-expired": "The session token of this worker has expired",
    "credentials-invalid": "The store does not accept the credentials",
    "credentials-missing": "This worker has no usable credentials for the store",
    "region-wrong": "The bucket belongs to another region or endpoint",
    "clock-refused": "The store refuses requests because this worker's clock is wrong",
    "kms-denied": "The recovery role may not decrypt with the KMS key",
    "kms-key-disabled": "The KMS key of the object is disabled",
    "kms-key-pending-deletion": "The KMS key of the object is about to be deleted",
    "kms-key-unavailable": "The KMS key of the object does not exist or cannot be used",
    "store-throttled": "The store asks to slow down",
    "store-unreachable": "The store did not answer as it should",
    "transfer-incomplete": "The transfer ended early or stalled",
}
_MEANING = {
    "list-denied": "whoever recovers with these rights finds no backup",
    "get-denied": "whoever recovers with these rights reads no backup",
    "kms-denied": "the bytes are there and nobody with these rights can read them",
    "kms-key-disabled": "nobody can read the object until the key is enabled",
    "kms-key-pending-deletion": "once the key is gone every backup under it is lost",
    "kms-key-unavailable": "nobody can read the object",
    "token-expired": "nothing is said about the backup",
    "store-unreachable": "nothing is said about the backup",
    "store-throttled": "nothing is said about the backup",
    "transfer-incomplete": "nothing is said about the backup",
    "credentials-missing": "nothing is said about the backup",
    "clock-refused": "nothing is said about the backup",
}
_LOCAL = {
    errno.ENOSPC: "disk-full",
    errno.EDQUOT: "disk-full",
    errno.ELOOP: "object-gone",
    errno.EIO: "store-unreachable",
    errno.ESTALE: "store-unreachable",
    errno.ETIMEDOUT: "store-unreachable",
    errno.EHOSTDOWN: "store-unreachable",
    errno.ENOTCONN: "store-unreachable",
}
_MAX_TEXT = 300
_READ_TEXT = 4000
_ACCESS_KEY = re.compile(r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b")
_OPAQUE = re.compile(r"[A-Za-z0-9+/=]{40,}")


def translated(exc: Exception, action: Action, where: str) -> DrillError:
    """Return what *exc*, met while doing *action* at *where*, means for the drill.

    *exc* is botocore's, urllib3's or the file system's; a `DrillError` comes back as it is.
    """
    if isinstance(exc, DrillError):
        return exc
    if isinstance(exc, ClientError):
        return _of_service(exc, action, where)
    if isinstance(exc, BotoCoreError):
        return _of_sdk(exc, where)
    if isinstance(exc, OSError) and exc.errno is not None:
        return _of_system(exc, action, where)
    return TransientError(_sentence("transfer-incomplete", str(exc)), where, rule="transfer-incomplete")


def error_code(exc: ClientError) -> str:
    """Return the service's code, or the HTTP status where there was no body."""
    return str(exc.response.get("Error", {}).get("Code", ""))


def is_missing(exc: ClientError) -> bool:
    """Tell whether the service said that the key is not there."""
    return _CODES.get(error_code(exc)) == "object-gone"


def _of_service(exc: ClientError, action: Action, uri: str) -> DrillError:
    error: Any = exc.response.get("Error", {})
    code, message = error_code(exc), str(error.get("Message", ""))
    rule = _rule_of_service(code, message, action, _status(exc))
    return _made(rule, f"{code}: {message}" if message else code, uri)


def _rule_of_service(code: str, message: str, action: Action, status: int) -> str:
    state = _kms_state(code, message)
    if state:
        return state
    if code in _DENIED:
        return _denied(action)
    rule = _CODES.get(code)
    if rule == "object-gone" and action is Action.LIST:
        return "bucket-missing"
    if rule:
        return rule
    if action is Action.ASSUME:
        return "role-denied"
    return _rule_of_status(status, action)


def _kms_state(code: str, message: str) -> str | None:
    if not (
        code.startswith("KMS") or code in _DENIED or code in {"400", "InvalidArgument", "InvalidRequest"}
    ):
        return None
    return next((rule for pattern, rule in _KMS_STATES if pattern.search(f"{code} {message}")), None)


def _status(exc: ClientError) -> int:
    return int(exc.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def _rule_of_status(status: int, action: Action) -> str:
    if status in {429, 503}:
        return "store-throttled"
    if status in {301, 307}:
        return "region-wrong"
    if status in {401, 403}:
        return _denied(action)
    return "store-unreachable"


def _denied(action: Action) -> str:
    return {
        Action.LIST: "list-denied",
        Action.READ: "get-denied",
        Action.WRITE: "evidence-unwritable",
        Action.ASSUME: "role-denied",
    }[action]


def _of_sdk(exc: BotoCoreError, uri: str) -> DrillError:
    rule = next((rule for classes, rule in _CLASSES if isinstance(exc, classes)), "store-unreachable")
    if isinstance(exc, boto.SSLError):
        return PermanentError(
            _sentence(rule, str(exc)),
            uri,
            "The store's certificate is not trusted here: set AWS_CA_BUNDLE, or correct store.endpoint_url.",
            rule,
        )
    return _made(rule, str(exc), uri)


def _of_system(exc: OSError, action: Action, uri: str) -> DrillError:
    text = exc.strerror or str(exc)
    if isinstance(exc, PermissionError):
        rule = _denied(action)
    elif isinstance(exc, FileNotFoundError | NotADirectoryError):
        rule = "path-missing" if action is Action.LIST else "object-gone"
    else:
        rule = _LOCAL.get(exc.errno or 0, "store-unreachable")
    return _made(rule, text, uri)


def _made(rule: str, detail: str, uri: str) -> DrillError:
    kind = TransientError if rule in _TRANSIENT else PermanentError
    return kind(_sentence(rule, detail), uri, rule=rule)


def _sentence(rule: str, detail: str) -> str:
    fact = _WORDS.get(rule, "The store answered with an error")
    meaning = _MEANING.get(rule)
    remark = f" ({_told(detail)})" if detail else ""
    return f"{fact}{remark}: {meaning}." if meaning else f"{fact}{remark}."


def _told(detail: str) -> str:
    """Return what the store says, short, without what could be a key or token of this worker's."""
    text = _ACCESS_KEY.sub("***", redact(detail[:_READ_TEXT]))
    return printable(_OPAQUE.sub(_without_token, text)[:_MAX_TEXT])


def _without_token(run: re.Match[str]) -> str:
    """Mask a long run of letters that mixes cases and digits: a secret key or a session token."""
    text = run.group()
    kinds = (str.isdigit, str.islower, str.isupper)
    return "***" if all(any(map(kind, text)) for kind in kinds) else text


def disk_full(where: str, size: int) -> PermanentError:
    """Return the error of a worker's disk that cannot take *size* bytes."""
    return PermanentError(
        f"The worker's disk has no room for {format_bytes(size)} of the download: "
        "nothing is said about the backup.",
        where,
        rule="disk-full",
    )
