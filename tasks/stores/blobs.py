"""Small things kept in a store or a folder, such as evidence: written whole or not at all.

They are read and written in the worker's own name: the recovery role, where one is configured, should not be
able to write anything.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from expectations.json_text import LARGEST_BYTES
from tasks.model.errors import DrillError, PermanentError, TransientError
from tasks.model.target import StoreConfig
from tasks.stores.aws import s3_client
from tasks.stores.beneath import Root
from tasks.stores.errors import Action, is_missing, translated
from tasks.stores.uris import S3Location, file_uri, is_s3, local_path, s3_location

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


class BlobMissing(PermanentError):  # noqa: N818  what went wrong
    """Nothing is stored under that name."""

    default_rule = "history-unreadable"


class NoBlob(BlobMissing):
    """What is stored under that name is no file of that folder: a pipe, or a link that leads elsewhere."""


def read_blob(config: StoreConfig, uri: str, most_bytes: int = LARGEST_BYTES) -> bytes:
    """Return what is stored at *uri* (`s3://`, `file://` or a path); of what is larger, a byte too many.

    Raises:
        BlobMissing: nothing is there, or no file.
        PermanentError, TransientError: rule `history-unreadable`.
    """
    with _as_rule("history-unreadable", Action.READ, uri):
        try:
            if not is_s3(uri):
                return _content(local_path(uri), most_bytes + 1)
            at = s3_location(uri)
            return _client(config).get_object(Bucket=at.bucket, Key=at.key)["Body"].read(most_bytes + 1)
        except FileNotFoundError as exc:
            raise BlobMissing("Nothing is stored under that name.", uri) from exc
        except ClientError as exc:
            if is_missing(exc):
                raise BlobMissing("Nothing is stored under that name.", uri) from exc
            raise


def write_blob(config: StoreConfig, uri: str, data: bytes, content_type: str | None = None) -> None:
    """Store *data* at *uri*, whole or not at all; what was there is replaced.

    Raises:
        PermanentError, TransientError: rule `evidence-unwritable`; nothing or the old content is there.
    """
    with _as_rule("evidence-unwritable", Action.WRITE, uri):
        if is_s3(uri):
            _put(config, s3_location(uri), data, content_type)
        else:
            _replace(local_path(uri), data)


def list_blobs(config: StoreConfig, uri_prefix: str) -> list[str]:
    """Return the URIs of all that is stored below or with the prefix *uri_prefix*, sorted; [] if nothing is.

    A plain path gives plain paths back, so that a listed name can be read as it is.

    Raises:
        PermanentError, TransientError: rule `history-unreadable`.
    """
    with _as_rule("history-unreadable", Action.LIST, uri_prefix):
        return sorted(_keys(config, s3_location(uri_prefix)) if is_s3(uri_prefix) else _files(uri_prefix))


def _content(path: Path, length: int) -> bytes:
    """Return a file's first bytes: no link out of its folder is followed, and no pipe is waited for."""
    with ExitStack() as opened:
        try:
            handle = opened.enter_context(Root(str(path.parent)).opened(str(path)))
        except PermanentError as exc:
            raise NoBlob(exc.what, str(path)) from exc
        return opened.enter_context(os.fdopen(os.dup(handle), "rb")).read(length)


def _client(config: StoreConfig) -> S3Client:
    return s3_client(config, assume_role=False)


@contextmanager
def _as_rule(rule: str, action: Action, uri: str) -> Iterator[None]:
    """Whatever goes wrong here concerns the drill's own records, never the backup."""
    try:
        yield
    except BlobMissing:
        raise
    except (ClientError, BotoCoreError, OSError, DrillError) as exc:
        error = translated(exc, action, uri)
        kind = TransientError if isinstance(error, TransientError) else PermanentError
        raise kind(error.what, error.where, rule=rule) from exc


def _put(config: StoreConfig, at: S3Location, data: bytes, content_type: str | None) -> None:
    kind = content_type or "application/octet-stream"
    _client(config).put_object(Bucket=at.bucket, Key=at.key, Body=data, ContentType=kind)


def _replace(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name[:100]}.", suffix=".tmp", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as out:
            out.write(data)
            out.flush()
            os.fsync(out.fileno())
        Path(name).chmod(0o644)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _keys(config: StoreConfig, at: S3Location) -> Iterator[str]:
    pages = _client(config).get_paginator("list_objects_v2").paginate(Bucket=at.bucket, Prefix=at.key)
    for page in pages:
        for item in page.get("Contents", ()):
            yield S3Location(at.bucket, item["Key"]).uri


def _files(prefix: str) -> Iterator[str]:
    written_as_uri = prefix.startswith("file://")
    whole = str(local_path(prefix)) + ("/" if prefix.endswith("/") else "")
    folder = whole if Path(whole).is_dir() else str(Path(whole).parent)
    for path in _files_below(folder.rstrip("/")):
        if path.startswith(whole) and not path.endswith(".tmp"):
            yield file_uri(path) if written_as_uri else path


def _files_below(folder: str) -> Iterator[str]:
    """Yield the files below *folder*, however deep it is; links to folders are not followed."""
    folders = [folder or "/"]
    while folders:
        at = folders.pop()
        try:
            entries = list(os.scandir(at))
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError:
            if at == folder:  # what was asked for cannot be read: that is no empty history
                raise
            continue
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                folders.append(entry.path)
            else:
                yield entry.path
