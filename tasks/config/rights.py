"""Whose rights are used: backups are read as the recovery role, evidence is written as the worker."""

from __future__ import annotations

from tasks.model.target import StoreConfig


def own_rights(store: StoreConfig) -> StoreConfig:
    """Return how evidence is reached: as the worker itself, since the recovery role only reads backups."""
    return store.model_copy(update={"role_arn": None, "external_id": None})
