"""S3 and what speaks it: listing with its traps, ranged reads of one pinned version, archived classes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from tasks.model.backup import StoredObject
from tasks.model.clock import utc_now
from tasks.model.deadline import Deadline
from tasks.model.errors import DrillError, PermanentError, TransientError
from tasks.model.findings import Finding
from tasks.model.rules import finding
from tasks.model.target import StoreConfig
from tasks.stores import aws
from tasks.stores.base import Progress
from tasks.stores.checksums import Digests, comparable
from tasks.stores.errors import Action, error_code, is_missing, translated
from tasks.stores.ranged_reads import BlockSource
from tasks.stores.transfer import download, require_pace
from tasks.stores.uris import S3Location, s3_location

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

PAGE_KEYS = 1000
ARCHIVED = frozenset({"GLACIER", "DEEP_ARCHIVE"})
_CHUNK = 1 << 20
_VERSION_PAGES = 10
_FOREIGN = (ClientError, BotoCoreError)


class S3Store:
    """Buckets behind one endpoint, read with one role.

    Args:
        config: endpoint, region and the recovery role.
        client: for tests; else made from *config*.
        stranger: read with a key that is not valid.
        verify: whether the server must prove who it is, or the file of the CAs that say so.
    """

    def __init__(
        self,
        config: StoreConfig,
        client: S3Client | None = None,
        *,
        stranger: bool = False,
        verify: bool | str = True,
    ) -> None:
        self._config = config
        self._stranger = stranger
        readers = (client, client) if client else aws.s3_readers(config, stranger=stranger, verify=verify)
        self._client, self._parts = readers
        self._skew_s: float | None = None

    def identity(self) -> str | None:
        """See `Store`."""
        return aws.caller_identity(self._config, stranger=self._stranger)

    def findings(self) -> tuple[Finding, ...]:
        """See `Store`."""
        if self._config.role_arn:
            return ()
        return (
            finding(
                "role-not-assumed",
                "No recovery role is configured: the store was read with this worker's own rights, "
                "which may be more than a real recovery would have.",
            ),
        )

    def clock_skew_s(self) -> float | None:
        """See `Store`."""
        return self._skew_s

    def list(
        self, prefix: str, *, start_after: str | None = None, limit: int | None = None
    ) -> Iterator[StoredObject]:
        """See `Store`."""
        at = s3_location(prefix)
        request: dict[str, Any] = {"Bucket": at.bucket, "Prefix": at.key}
        if start_after is not None:
            request["StartAfter"] = s3_location(start_after).key
        request["MaxKeys"] = PAGE_KEYS if limit is None else min(limit, PAGE_KEYS)
        left = limit
        for page in self._pages(request, prefix):
            items = page.get("Contents", [])[:left]
            yield from (_listed(at.bucket, item) for item in items)
            left = None if left is None else left - len(items)
            if left == 0:
                return

    def folders(self, prefix: str) -> tuple[str, ...]:
        """See `Store`."""
        at = s3_location(prefix)
        page = self._level(prefix)
        return tuple(S3Location(at.bucket, item["Prefix"]).uri for item in page.get("CommonPrefixes", []))

    def files(self, prefix: str) -> tuple[str, ...]:
        """See `Store`."""
        at = s3_location(prefix)
        page = self._level(prefix)
        return tuple(S3Location(at.bucket, item["Key"]).uri for item in page.get("Contents", []))

    def head(self, uri: str) -> StoredObject:
        """See `Store`."""
        at = s3_location(uri)
        try:
            answer = self._client.head_object(Bucket=at.bucket, Key=at.key, ChecksumMode="ENABLED")
        except _FOREIGN as exc:
            raise self._explained(exc, at) from exc
        return StoredObject(
            uri=uri,
            bytes=answer["ContentLength"],
            modified_at=answer["LastModified"].astimezone(UTC),
            etag=answer.get("ETag", "").strip('"') or None,
            version_id=_version(answer.get("VersionId")),
            storage_class=_class_of(answer),
            checksums=comparable(answer),
        )

    def source(self, obj: StoredObject) -> BlockSource:
        """See `Store`."""
        self._require_readable(obj)
        return BlockSource(obj.uri, obj.bytes, lambda offset, length: self._bytes(obj, offset, length))

    def fetch(
        self,
        obj: StoredObject,
        dest: Path,
        progress: Progress,
        deadline_s: float,
        digests: Digests | None = None,
    ) -> None:
        """See `Store`."""
        self._require_readable(obj)
        download(
            lambda offset, length: self._range(self._parts, obj, offset, length),
            obj.uri,
            obj.bytes,
            dest,
            progress=progress,
            deadline=Deadline.within(deadline_s),
            digests=digests,
        )

    def deleted(self, prefix: str) -> Iterator[StoredObject]:
        """See `Store`. A role that may not list versions sees none: that is no reason to fail a drill."""
        at = s3_location(prefix)
        pages = self._client.get_paginator("list_object_versions").paginate(Bucket=at.bucket, Prefix=at.key)
        try:
            for number, page in enumerate(pages):
                if number == _VERSION_PAGES:
                    return
                for marker in page.get("DeleteMarkers", []):
                    if marker.get("IsLatest"):
                        yield _marked(at.bucket, marker)
        except _FOREIGN:
            return

    def _require_readable(self, obj: StoredObject) -> None:
        """Refuse an archived object before it is read. A listing cannot tell a thawed one, a head can."""
        if obj.storage_class not in ARCHIVED or self.head(obj.uri).storage_class not in ARCHIVED:
            return
        raise PermanentError(
            f"The object lies in the storage class {obj.storage_class}: it must be thawed, which takes "
            "hours, before anybody can read it.",
            obj.uri,
            rule="object-archived",
        )

    def _pages(self, request: dict[str, Any], uri: str) -> Iterator[dict[str, Any]]:
        while True:
            try:
                page: Any = self._client.list_objects_v2(**request)
            except _FOREIGN as exc:
                raise translated(exc, Action.LIST, uri) from exc
            self._see_clock(page)
            yield page
            if not page.get("IsTruncated") or not page.get("NextContinuationToken"):
                return
            request = {**request, "ContinuationToken": page["NextContinuationToken"]}

    def _level(self, prefix: str) -> dict[str, Any]:
        at = s3_location(prefix)
        return next(self._pages({"Bucket": at.bucket, "Prefix": at.key, "Delimiter": "/"}, prefix))

    def _see_clock(self, answer: dict[str, Any]) -> None:
        text = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date")
        if not text:
            return
        try:
            self._skew_s = (utc_now() - parsedate_to_datetime(text)).total_seconds()
        except (ValueError, TypeError):
            self._skew_s = None

    def _explained(self, exc: Exception, at: S3Location) -> DrillError:
        """HEAD has no body to say why it was refused; a GET of one byte has."""
        if not isinstance(exc, ClientError) or is_missing(exc) or not error_code(exc).isdigit():
            return translated(exc, Action.READ, at.uri)
        try:
            self._client.get_object(Bucket=at.bucket, Key=at.key, Range="bytes=0-0")["Body"].close()
        except _FOREIGN as told:
            if isinstance(told, BotoCoreError) or error_code(told) not in {"InvalidRange", "416"}:
                return translated(told, Action.READ, at.uri)
        return translated(exc, Action.READ, at.uri)

    def _bytes(self, obj: StoredObject, offset: int, length: int) -> bytes:
        begun, got = time.monotonic(), bytearray()
        try:
            for chunk in self._range(self._client, obj, offset, length):
                got += chunk
                require_pace(len(got), begun, obj.uri)
        except DrillError:
            raise
        except Exception as exc:
            raise translated(exc, Action.READ, obj.uri) from exc
        if len(got) < length:  # a connection that ends politely: else the archive would seem to end there
            raise TransientError(
                f"The answer ended after {len(got)} of {length} bytes: nothing is said about the backup.",
                obj.uri,
                rule="transfer-incomplete",
            )
        return bytes(got)

    def _range(self, client: S3Client, obj: StoredObject, offset: int, length: int) -> Iterator[bytes]:
        """Yield a range of exactly the version that was looked at: it cannot change under us."""
        at = s3_location(obj.uri)
        request: dict[str, Any] = {
            "Bucket": at.bucket,
            "Key": at.key,
            "Range": f"bytes={offset}-{offset + length - 1}",
        }
        if obj.version_id:
            request["VersionId"] = obj.version_id
        if obj.etag:
            request["IfMatch"] = f'"{obj.etag}"'
        body = client.get_object(**request)["Body"]
        # What has arrived, not a whole chunk: a server that drips must not keep us from the deadline.
        read = getattr(getattr(body, "_raw_stream", body), "read1", body.read)
        try:
            left = length
            while left and (chunk := read(min(_CHUNK, left))):
                left -= len(chunk)
                yield chunk
        finally:
            body.close()


def _listed(bucket: str, item: dict[str, Any]) -> StoredObject:
    return StoredObject(
        uri=S3Location(bucket, item["Key"]).uri,
        bytes=item["Size"],
        modified_at=item["LastModified"].astimezone(UTC),
        etag=str(item.get("ETag", "")).strip('"') or None,
        storage_class=item.get("StorageClass"),
    )


def _marked(bucket: str, marker: Any) -> StoredObject:  # noqa: ANN401  botocore's own type
    return StoredObject(
        uri=S3Location(bucket, marker["Key"]).uri,
        bytes=0,
        modified_at=marker["LastModified"].astimezone(UTC),
        version_id=marker.get("VersionId"),
    )


def _version(text: str | None) -> str | None:
    return None if text in {None, "", "null"} else text


def _class_of(answer: Any) -> str | None:  # noqa: ANN401  botocore's own type
    """Return the storage class; one that has been thawed reads like any other."""
    storage_class: str | None = answer.get("StorageClass")
    if answer.get("ArchiveStatus"):
        storage_class = "DEEP_ARCHIVE" if "DEEP" in answer["ArchiveStatus"] else "GLACIER"
    thawed = 'ongoing-request="false"' in str(answer.get("Restore", ""))
    return "STANDARD" if thawed and storage_class in ARCHIVED else storage_class
