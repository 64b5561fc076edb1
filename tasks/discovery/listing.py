"""Which listings to ask for: as few as the window allows, whatever the size of the bucket.

A pattern gives prefixes from coarse (a year, a month) to fine (a day, an hour). The coarse ones are asked
for first: most buckets hold one or a few backups a day, and two listings see a month. A prefix that turns
out to be crowded is taken apart into the finer ones that the window can reach.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import islice

from tasks.discovery.pattern import KeyPattern, Prefixes, moved
from tasks.model.backup import StoredObject
from tasks.model.errors import PermanentError
from tasks.stores.base import Store

CROWDED = 3000
"""So many keys (three pages) under one prefix make finer prefixes worth their calls."""
MOST_KEYS = 1_000_000
"""Half a KiB each. A directory dump of 30,000 files a night, for a month, has as many."""
_BACK_S = 20 * 365 * 86400.0
_OLDER_KEYS = 20_000


def reachable(store: Store, pattern: KeyPattern, start: datetime, end: datetime) -> list[StoredObject]:
    """Return what lies under the prefixes that keys of *start* to *end* can have, each object once.

    Raises:
        PermanentError: `listing-too-large`.
    """
    prefixes = pattern.prefixes(start, end)
    objects: dict[str, StoredObject] = {}
    for prefix in prefixes.first:
        for obj in _under(store, prefix, prefixes):
            objects[obj.uri] = obj
            if len(objects) > MOST_KEYS:
                raise _too_many(pattern)
    return list(objects.values())


def older(store: Store, pattern: KeyPattern, before: datetime) -> Iterator[list[StoredObject]]:
    """Yield listings of ever older stretches of time, each twice as long as the one before.

    It ends after twenty years, or where the pattern's prefixes hold no time to go back by.
    """
    span, key_count = timedelta(days=31), 0
    while span.total_seconds() < _BACK_S and key_count < _OLDER_KEYS:
        prefixes = pattern.prefixes(moved(before, -span), before)
        if prefixes.is_constant:
            return
        objects = [obj for prefix in prefixes.first for obj in islice(store.list(prefix), _OLDER_KEYS)]
        key_count += len(objects)
        yield objects
        before, span = moved(before, -span), span * 2


def _under(store: Store, prefix: str, prefixes: Prefixes) -> Iterator[StoredObject]:
    listing = store.list(prefix)
    objects = list(islice(listing, CROWDED))
    finer = None if len(objects) < CROWDED else prefixes.below(prefix)
    if finer is None:
        yield from objects
        yield from listing
        return
    for child in finer:
        yield from _under(store, child, prefixes)


def _too_many(pattern: KeyPattern) -> PermanentError:
    return PermanentError(
        f"More than {MOST_KEYS:,} keys lie where a backup of the window could lie. The drill does not take "
        "so many into its memory, so it cannot know which is the newest.",
        pattern.uri,
        rule="listing-too-large",
    )
