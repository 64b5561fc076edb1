"""Which store a place lies in: the one module that knows them all."""

from __future__ import annotations

from tasks.model.overlaid import OverlaidStore
from tasks.model.target import StoreConfig
from tasks.stores.base import Store
from tasks.stores.local import LocalStore
from tasks.stores.overlay import OverlayStore
from tasks.stores.uris import is_s3


def open_store(
    config: StoreConfig, at: str, *also: str | None, stranger: bool = False, verify: bool | str = True
) -> Store:
    """Return the store that *at* (`s3://`, `file://` or a path) lies in.

    Args:
        config: how it is reached.
        at: a pattern or a place.
        also: what else is to be read from it, such as the globals' pattern.
        stranger: with a key that nobody gave out; a folder knows no keys.
        verify: whether a server must prove who it is, or the file of the CAs that say so.

    Raises:
        PermanentError: the recovery role could not be assumed; the URI or endpoint cannot be used.
        TransientError: STS did not answer.
    """
    if isinstance(config, OverlaidStore):
        beneath = StoreConfig.model_construct(
            **{name: getattr(config, name) for name in StoreConfig.model_fields}
        )
        store = open_store(beneath, at, *also, stranger=stranger, verify=verify)
        return OverlayStore(store, LocalStore(f"{config.folder}/"), config.changes)
    if is_s3(at):
        from tasks.stores.s3 import S3Store  # noqa: PLC0415  boto3 takes half a second that local drills save

        return S3Store(config, stranger=stranger, verify=verify)
    return LocalStore(*(place for place in (at, *also) if place is not None and not is_s3(place)))
