"""Which listings to ask for: as few as the window allows, whatever the size of the bucket.

A pattern gives prefixes from coarse (a year, a month) to fine (a day, an hour). The coarse ones are asked
for first: most buckets hold one or a few backups a day, and two listings see a month. A prefix that turns
out to be crowded is taken apart into the finer ones that the window can reach.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import islice

from tasks.model.backup import StoredObject
from tasks.stores.base import Store
from tasks.stores.pattern import KeyPattern, Prefixes

CROWDED = 3000
"""So many keys (three pages) under one prefix make finer prefixes worth their calls."""
_BACK_S = 20 * 365 * 86400.0
_OLDER_KEYS = 20_000


def reachable(store: Store, pattern: KeyPattern, start: datetime, end: datetime) -> list[StoredObject]:
    """Return what lies under the prefixes that keys of *start* to *end* can have, each object once."""
    prefixes = pattern.prefixes(start, end)
    found: dict[str, StoredObject] = {}
    for prefix in prefixes.first:
        for obj in _under(store, prefix, prefixes):
            found[obj.uri] = obj
    return list(found.values())


def older(store: Store, pattern: KeyPattern, before: datetime) -> Iterator[list[StoredObject]]:
    """Yield listings of ever older stretches of time, each twice as long as the one before.

    It ends after twenty years, or where the pattern's prefixes hold no time to go back by.
    """
    span, seen = timedelta(days=31), 0
    while span.total_seconds() < _BACK_S and seen < _OLDER_KEYS:
        prefixes = pattern.prefixes(before - span, before)
        if prefixes.is_constant:
            return
        listed = [obj for prefix in prefixes.first for obj in islice(store.list(prefix), _OLDER_KEYS)]
        seen += len(listed)
        yield listed
        before, span = before - span, span * 2


def _under(store: Store, prefix: str, prefixes: Prefixes) -> list[StoredObject]:
    listing = store.list(prefix)
    found = list(islice(listing, CROWDED))
    if len(found) < CROWDED:
        return found
    finer = prefixes.below(prefix)
    if finer is None:
        return [*found, *listing]
    return [obj for child in finer for obj in _under(store, child, prefixes)]
