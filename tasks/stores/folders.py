"""Directory dumps: one backup out of the objects that lie in its folder."""

from __future__ import annotations

from collections.abc import Iterable

from tasks.model.backup import StoredObject


def as_folder(uri: str, objects: Iterable[StoredObject]) -> StoredObject:
    """Return a directory dump out of the objects in it; names that lead out of it are left out."""
    listed_objects = list(objects)
    members = tuple(sorted((obj for obj in listed_objects if _is_member(uri, obj)), key=lambda obj: obj.uri))
    return StoredObject(
        uri=uri,
        bytes=sum(obj.bytes for obj in members),
        modified_at=max(obj.modified_at for obj in members or listed_objects),
        members=members,
    )


def _is_member(folder: str, obj: StoredObject) -> bool:
    parts = obj.uri.removeprefix(folder).split("/")
    return all(part not in {"", ".", ".."} and "\0" not in part for part in parts)
