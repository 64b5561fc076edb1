"""How `defaults` and a database become one: deep, the database's word last."""

from __future__ import annotations

from typing import Any

SECTIONS = frozenset(
    {"store", "backup", "sandbox", "expect", "checks", "labels", "extensions", "drift", "baseline"}
)
"""Keys that hold keys: an empty one says nothing. Elsewhere null means *off*."""
WHOLE = frozenset({"select", "decrypt"})
"""One of several forms: the database's replaces the default's, they are never mixed."""


def deep_merge(defaults: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
    """Return *own* over *defaults*: mappings merge key by key, all else is replaced, lists too."""
    merged = dict(defaults)
    for key, value in own.items():
        old = merged.get(key)
        if value is None and key in SECTIONS:
            merged.setdefault(key, {})
        elif isinstance(old, dict) and isinstance(value, dict) and key not in WHOLE:
            merged[key] = deep_merge(old, value)
        else:
            merged[key] = value
    return merged


def long_forms(database: dict[str, Any]) -> dict[str, Any]:
    """Return a database's keys with `rto: 1h` written out, so that a default's overhead stays beside it."""
    rto = database.get("rto")
    if rto is None or isinstance(rto, dict):
        return database
    return {**database, "rto": {"objective": rto}}
