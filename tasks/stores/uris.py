"""URIs of stored things: `s3://bucket/key` and `file:///path`, as they are, never percent-encoded.

Keys hold strftime's percent signs, blanks and umlauts; encoding them would make a pattern and its keys
differ. A plain path means a file.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from tasks.model.errors import ConfigInvalid

S3_SCHEME = "s3://"
FILE_SCHEME = "file://"


class S3Location(NamedTuple):
    """A bucket and a key or prefix in it."""

    bucket: str
    key: str

    @property
    def uri(self) -> str:
        """The location as it is written."""
        return f"{S3_SCHEME}{self.bucket}/{self.key}"


def is_s3(uri: str) -> bool:
    """Tell whether *uri* names something in an S3 store."""
    return uri.startswith(S3_SCHEME)


def s3_location(uri: str) -> S3Location:
    """Split `s3://bucket/key`.

    Raises:
        ConfigInvalid: no bucket is named.
    """
    bucket, _, key = uri.removeprefix(S3_SCHEME).partition("/")
    if not is_s3(uri) or not bucket:
        raise ConfigInvalid("The URI names no bucket.", uri, "Write it as s3://bucket/path.")
    return S3Location(bucket, key)


def local_path(uri: str) -> Path:
    """Return the path behind `file://` or a plain path.

    Raises:
        ConfigInvalid: another scheme, or a host in a file URI.
    """
    if uri.startswith(FILE_SCHEME):
        rest = uri.removeprefix(FILE_SCHEME)
        if not rest.startswith("/"):
            raise ConfigInvalid("The file URI is not absolute.", uri, "Write it as file:///path.")
        return Path(rest)
    if "://" in uri:
        raise ConfigInvalid(
            "The URI has a scheme that no store answers to.", uri, "Known: s3://, file:// and plain paths."
        )
    return Path(uri)


def file_uri(path: Path | str) -> str:
    """Return the URI of an absolute local path."""
    return f"{FILE_SCHEME}{path}"


def normalised(uri: str) -> str:
    """Return *uri* with its scheme: plain paths become absolute `file://` URIs, a trailing `/` is kept."""
    if is_s3(uri):
        return uri
    path = local_path(uri).expanduser().absolute()
    return file_uri(path) + ("/" if uri.endswith("/") and str(path) != "/" else "")


def constant_folder(at: str) -> str:
    """Return the folder that a local pattern names before anything in it may vary, and above the backup."""
    path = normalised(at).removeprefix(FILE_SCHEME).rstrip("/")
    varies = min((place for place in (path.find(mark) for mark in "%*") if place >= 0), default=len(path))
    return path[:varies].rpartition("/")[0] or "/"
