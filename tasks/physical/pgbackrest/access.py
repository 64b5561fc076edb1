"""How a repository is reached: options that anybody may see, and secrets that go by the environment only."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from tasks.model.errors import PermanentError
from tasks.model.target import PgBackRestBackup, StoreConfig
from tasks.physical.pgbackrest.program import HTTP_SINCE, Program
from tasks.sandbox.removal import read_regular
from tasks.stores.uris import is_s3, local_path, s3_location

_LARGEST_PASSPHRASE_BYTES = 64 << 10
_NETWORK_WAIT_S = 5
_CIPHER = "aes-256-cbc"
_PASSPHRASE = "PGBACKREST_REPO1_CIPHER_PASS"  # noqa: S105  a variable's name
_AMAZON = "s3.{region}.amazonaws.com"


@dataclass(frozen=True, slots=True)
class Access:
    """What every call of the tool is given.

    Attributes:
        options: the repository and its place.
        env: secrets alone.
        folder: of a repository on this machine; None for a bucket.
        ca_file: of the authorities that a store's certificate may be from.
    """

    options: tuple[str, ...]
    env: Mapping[str, str] = field(repr=False)
    folder: Path | None = None
    ca_file: Path | None = None

    @property
    def is_encrypted(self) -> bool:
        """Whether there is a passphrase."""
        return _PASSPHRASE in self.env

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must be in no message."""
        return tuple(self.env.values())


def access_to(
    backup: PgBackRestBackup, store: StoreConfig, program: Program, *, stranger: bool = False
) -> Access:
    """Return how *program* reaches the repository of *backup*.

    Raises:
        PermanentError: `cipher-missing`; `tool-too-old`: the store speaks no TLS; as the store's rights.
        TransientError: as the store's rights.
    """
    passphrase = passphrase_of(backup)
    options = [f"--stanza={backup.stanza}"]
    env: dict[str, str] = {}
    if passphrase is not None:
        options.append(f"--repo1-cipher-type={_CIPHER}")
        env[_PASSPHRASE] = passphrase
    if not is_s3(backup.at):
        folder = local_path(backup.at)
        return Access((*options, f"--repo1-path={folder}"), env, folder=folder)
    more, rights = _bucket(backup, store, program, stranger=stranger)
    return Access((*options, *more), env | rights, ca_file=ca_file_of(backup))


def options_by_hand(backup: PgBackRestBackup, store: StoreConfig) -> tuple[str, ...]:
    """Return what a person types to reach the same repository; secrets are in his environment."""
    options = [f"--stanza={backup.stanza}"]
    if backup.cipher is not None:
        options.append(f"--repo1-cipher-type={_CIPHER}")
    if not is_s3(backup.at):
        return (*options, f"--repo1-path={local_path(backup.at)}")
    at, endpoint = s3_location(backup.at), urlsplit(store.endpoint_url or "")
    options += ["--repo1-type=s3", f"--repo1-s3-bucket={at.bucket}", f"--repo1-path=/{at.key.strip('/')}"]
    options += [f"--repo1-s3-region={store.region}"] if store.region else []
    options += [f"--repo1-s3-endpoint={endpoint.netloc}"] if endpoint.netloc else []
    return tuple(options)


def passphrase_of(backup: PgBackRestBackup) -> str | None:
    """Return the repository's passphrase; None where the fleet file names none.

    Raises:
        PermanentError: `cipher-missing`: it leads nowhere.
    """
    cipher = backup.cipher
    if cipher is None:
        return None
    if cipher.passphrase_env is not None:
        text = os.environ.get(cipher.passphrase_env, "")
        place = "cipher.passphrase_env names an environment variable that is not set on this worker"
    else:
        text = _text_of(cipher.passphrase_file)
        place = "cipher.passphrase_file leads to no readable file with a passphrase"
    if text:
        return text
    raise PermanentError(
        f"{place}. In a disaster nobody could open the repository.", backup.at, rule="cipher-missing"
    )


def ca_file_of(backup: PgBackRestBackup) -> Path | None:
    """Return the file of the authorities; by default the one that our own client of the store uses."""
    bundle = os.environ.get("AWS_CA_BUNDLE")
    return backup.tls.ca_file or (Path(bundle) if bundle else None)


def verification(backup: PgBackRestBackup) -> bool | str:
    """Return how our own client of the store proves the server, as `open_store` takes it."""
    if not backup.tls.verify:
        return False
    return True if backup.tls.ca_file is None else str(backup.tls.ca_file)


def _bucket(
    backup: PgBackRestBackup, store: StoreConfig, program: Program, *, stranger: bool
) -> tuple[list[str], dict[str, str]]:
    from tasks.stores.aws import s3_access  # noqa: PLC0415  boto3 takes half a second that folders save

    at, rights = s3_location(backup.at), s3_access(store, stranger=stranger)
    options = [
        "--repo1-type=s3",
        f"--repo1-s3-bucket={at.bucket}",
        f"--repo1-path=/{at.key.strip('/')}",
        f"--repo1-s3-region={rights.region}",
        f"--repo1-s3-uri-style={'path' if rights.in_path or '.' in at.bucket else 'host'}",
        f"--io-timeout={_NETWORK_WAIT_S}",
        *_endpoint(rights.endpoint, rights.region, program),
    ]
    ca_file = ca_file_of(backup)
    if not backup.tls.verify:
        options.append("--no-repo1-storage-verify-tls")
    elif ca_file is not None:
        options.append(f"--repo1-storage-ca-file={ca_file}")
    env = {
        "PGBACKREST_REPO1_S3_KEY": rights.access_key,
        "PGBACKREST_REPO1_S3_KEY_SECRET": rights.secret_key,
    }
    return options, env | ({"PGBACKREST_REPO1_S3_TOKEN": rights.token} if rights.token else {})


def _endpoint(endpoint: str | None, region: str, program: Program) -> list[str]:
    if endpoint is None:
        return [f"--repo1-s3-endpoint={_AMAZON.format(region=region)}"]
    parts = urlsplit(endpoint)
    if parts.scheme == "http":
        if program.version < HTTP_SINCE:
            raise PermanentError(
                f"The store's endpoint speaks no TLS, and pgBackRest {program.release} speaks to a store by "
                "TLS alone. Nothing is said about the backup.",
                endpoint,
                "Give the store an https endpoint, as its own archive_command needs it too.",
                rule="tool-too-old",
            )
        return [f"--repo1-s3-endpoint=http://{parts.netloc}"]
    port = [] if parts.port is None else [f"--repo1-storage-port={parts.port}"]
    return [f"--repo1-s3-endpoint={parts.hostname or ''}", *port]


def _text_of(path: Path | None) -> str:
    try:
        text = b"" if path is None else read_regular(path, _LARGEST_PASSPHRASE_BYTES)
    except OSError:
        return ""
    return text.decode("utf-8", "surrogateescape").strip("\r\n")
