"""Clients of S3 and STS: whose rights they carry, how long they wait, how often they try again.

Time-outs are explicit and short because a drill must tell "the store is down" within a minute: three attempts
of at most five seconds to connect and twelve of silence. What is worth a longer wait is retried by the step.
"""

from __future__ import annotations

import ipaddress
import os
import warnings
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

import boto3
import botocore.session
from botocore.config import Config
from botocore.credentials import RefreshableCredentials
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError

from tasks.model.errors import ConfigInvalid
from tasks.model.redact import redact
from tasks.model.target import StoreConfig
from tasks.stores.errors import Action, translated

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sts import STSClient

CONNECT_TIMEOUT_S = 5
READ_TIMEOUT_S = 12
ATTEMPTS = 3
ROLE_SESSION_NAME = "restore-drill"
_DEFAULT_REGION = "us-east-1"
_NOBODY = "AKIANOBODYSKEY000000", "a key that nobody gave out"
"""What a stranger has: who recovers once his own key was withdrawn, or somebody else."""


def s3_client(config: StoreConfig, *, assume_role: bool = True) -> S3Client:
    """Return a client of the store of *config*, as the recovery role where one is configured.

    With *assume_role* False it is the worker's own, for what it does in its own name: writing evidence.

    Raises:
        PermanentError: the role could not be assumed, or the configuration cannot be used.
        TransientError: STS did not answer.
    """
    return _s3_client(config, _session(config, assume_role=assume_role), ATTEMPTS)


def s3_readers(
    config: StoreConfig, *, stranger: bool = False, verify: bool | str = True
) -> tuple[S3Client, S3Client]:
    """Return a client as the recovery role, and one that asks once: for parts of a download.

    A part is asked for again by whoever downloads it, since botocore does not see a body that breaks off.
    Were botocore to ask three times for each of those, and the step to begin anew twice, a store that
    throttles would be asked 36 times for one part.

    Raises:
        PermanentError: as `s3_client`.
        TransientError: as `s3_client`.
    """
    session = _session(config, assume_role=True, stranger=stranger)
    return _s3_client(config, session, ATTEMPTS, verify), _s3_client(config, session, 1, verify)


class S3Access(NamedTuple):
    """What another program than ours needs to read a bucket.

    Attributes:
        token: of a session, such as an assumed role's.
        endpoint: None for Amazon's own.
        in_path: whether the bucket's name belongs into the path.
    """

    access_key: str
    secret_key: str
    token: str | None
    region: str
    endpoint: str | None
    in_path: bool


def s3_access(config: StoreConfig, *, stranger: bool = False) -> S3Access:
    """Return the rights of *config* as they are at this moment: an assumed role's end after an hour.

    Raises:
        PermanentError: as `s3_client`; `credentials-missing`.
        TransientError: as `s3_client`.
    """
    session = _session(config, assume_role=True, stranger=stranger)
    endpoint = endpoint_of(config, "S3")
    try:
        held = session.get_credentials()
        if held is None:
            raise NoCredentialsError
        keys = held.get_frozen_credentials()
    except BotoCoreError as exc:
        raise translated(exc, Action.READ, endpoint or "credentials") from exc
    in_path = _addressing(endpoint, session)["addressing_style"] == "path"
    region = _region(config, session)
    return S3Access(str(keys.access_key), str(keys.secret_key), keys.token, region, endpoint, in_path)


def _s3_client(
    config: StoreConfig, session: boto3.session.Session, attempts: int, verify: bool | str = True
) -> S3Client:
    endpoint = endpoint_of(config, "S3")
    if verify is False:  # it was asked for: once is enough
        warnings.filterwarnings("ignore", message="Unverified HTTPS request")
    try:
        return session.client(
            "s3",
            region_name=_region(config, session),
            endpoint_url=endpoint,
            verify=None if verify is True else verify,  # None: as the environment says
            config=_client_config(
                attempts,
                request_checksum_calculation=config.request_checksum_calculation,
                # We compare checksums ourselves: ranged reads are not covered by the SDK's.
                response_checksum_validation="when_required",
                max_pool_connections=16,
                s3=_addressing(endpoint, session),
            ),
        )
    except (ValueError, BotoCoreError) as exc:
        raise _unusable(exc, endpoint) from exc


def caller_identity(config: StoreConfig, *, stranger: bool = False) -> str | None:
    """Return the ARN of whoever reads the store, or None where the endpoint has no STS."""
    try:
        session = _session(config, assume_role=True, stranger=stranger)
        return _sts(config, session).get_caller_identity().get("Arn")
    except (ClientError, BotoCoreError, ValueError):
        return None  # many stores that speak S3 do not speak STS; the evidence then says null


def endpoint_of(config: StoreConfig, service: str) -> str | None:
    """Return the endpoint of *service* (`S3`, `STS`): configured, else the environment's, else None."""
    generic = os.environ.get("AWS_ENDPOINT_URL")
    special = os.environ.get(f"AWS_ENDPOINT_URL_{service}")
    if service == "S3":
        return config.endpoint_url or special or generic or None
    return special or config.endpoint_url or generic or None


def _session(config: StoreConfig, *, assume_role: bool, stranger: bool = False) -> boto3.session.Session:
    try:
        own = boto3.session.Session(*(_NOBODY if stranger else ()))
        if not (assume_role and config.role_arn):
            return own
        return _as_role(config, own)
    except BotoCoreError as exc:
        raise translated(exc, Action.ASSUME, config.role_arn or "credentials") from exc


def _as_role(config: StoreConfig, own: boto3.session.Session) -> boto3.session.Session:
    """Assume the recovery role; its credentials renew themselves, a restore may outlast one session."""

    def refresh() -> dict[str, Any]:
        return _role_credentials(config, own)

    core = botocore.session.get_session()
    renewed = RefreshableCredentials.create_from_metadata(refresh(), refresh, "sts-assume-role")
    core._credentials = renewed  # type: ignore[attr-defined]  # noqa: SLF001  no public way
    return boto3.session.Session(botocore_session=core)


def _role_credentials(config: StoreConfig, own: boto3.session.Session) -> dict[str, Any]:
    request: dict[str, Any] = {"RoleArn": config.role_arn, "RoleSessionName": ROLE_SESSION_NAME}
    if config.external_id:
        request["ExternalId"] = config.external_id
    try:
        credentials = _sts(config, own).assume_role(**request)["Credentials"]
    except (ClientError, BotoCoreError) as exc:
        raise translated(exc, Action.ASSUME, str(config.role_arn)) from exc
    return {
        "access_key": credentials["AccessKeyId"],
        "secret_key": credentials["SecretAccessKey"],
        "token": credentials["SessionToken"],
        "expiry_time": credentials["Expiration"].isoformat(),
    }


def _sts(config: StoreConfig, session: boto3.session.Session) -> STSClient:
    endpoint = endpoint_of(config, "STS")
    try:
        return session.client(
            "sts",
            region_name=_region(config, session),
            endpoint_url=endpoint,
            config=_client_config(ATTEMPTS),
        )
    except (ValueError, BotoCoreError) as exc:
        raise _unusable(exc, endpoint) from exc


def _client_config(attempts: int, **more: Any) -> Config:  # noqa: ANN401  botocore's own keywords
    return Config(
        connect_timeout=CONNECT_TIMEOUT_S,
        read_timeout=READ_TIMEOUT_S,
        retries={"total_max_attempts": attempts, "mode": "standard"},
        user_agent_extra="restore-drill",
        **more,
    )


def _region(config: StoreConfig, session: boto3.session.Session) -> str:
    return config.region or session.region_name or _DEFAULT_REGION


def _addressing(endpoint: str | None, session: boto3.session.Session) -> dict[str, str]:
    """Buckets in the path where the store is not Amazon's, unless the user's profile says otherwise."""
    chosen = (session._session.get_scoped_config().get("s3") or {}).get("addressing_style")  # noqa: SLF001
    if chosen and not _is_address(endpoint):
        return {"addressing_style": chosen}
    host = urlsplit(endpoint or "").hostname or ""
    amazons = endpoint is None or host.endswith((".amazonaws.com", ".amazonaws.com.cn"))
    return {"addressing_style": "auto" if amazons else "path"}


def _is_address(endpoint: str | None) -> bool:
    try:
        ipaddress.ip_address(urlsplit(endpoint or "").hostname or "")
    except ValueError:
        return False
    return True


def _unusable(exc: Exception, endpoint: str | None) -> ConfigInvalid:
    return ConfigInvalid(
        f"The store's configuration cannot be used: {redact(str(exc))}.",
        endpoint and redact(endpoint),
        "Correct store.endpoint_url or store.region.",
    )
