"""Which families of keys are one database's: copies that are kept longer, and links to the newest.

Pure. Decided here: of one database's families the one that is written most often is drilled. Where the others
hold days that it lacks (scripts that write only the weekly backup on Sundays) and differ from it by the
folder's word alone, all of them are one family, with a star for that word; else its longest gap counts.
Only a folder's name makes copies: `stats` and `stats_daily` are two databases. Names without a date that
differ in a number of one or two digits are one database's where they were written hours apart (`date +%d`,
logrotate), and databases of their own where one night wrote them all.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import pairwise

from deployments.layouts import Family, stem

_KEPT_WORDS = "last|hourly|daily|weekly|monthly|quarterly|yearly|annual"
_KEPT = re.compile(rf"(?i)(?<![A-Za-z])(?:{_KEPT_WORDS})(?![A-Za-z])")
_KEPT_FOLDER = re.compile(rf"(?i)[\0._-]*(?:{_KEPT_WORDS})[\0._-]*")
_LINK = re.compile(
    r"(?i)^(?:latest|current|newest|last)(?=[._-])|[._-](?:latest|current|newest|last)(?=\.|$)"
)
_OF_A_COPY = re.compile(
    r"(?i)(?<![A-Za-z])(?:week[._-]?\d*|january|february|march|april|may|june|july|august|september|october"
    r"|november|december)(?![A-Za-z])|(?<![0-9A-Za-z])20\d{4}(?![0-9])"
)
"""What copies bear for the week or the month that they are kept for."""
_FIELD = re.compile(r"%[A-Za-z]|\*")
_CLOCK_LETTERS = re.compile(r"(?<=\0)[hmsTZ](?=\0|[._-]|$)")
_TELLING = re.compile(r"[._-]{0,9}\0[\0._-]*")
_NUMBER = re.compile(r"(?<![0-9])\d{1,2}(?![0-9])")
_NUMBER_BEHIND = re.compile(r"\.\*(?=(?:\.[a-z]+)?$)")
_ALIKE = 3
_APART = timedelta(hours=6)
_A_DAY = timedelta(days=1)
_STILL_WRITTEN = 3
"""A family is written to as long as its newest is no older than so many of its intervals."""


@dataclass(frozen=True)
class Rotated:
    """Families, one for each database, and what was left out for them.

    Attributes:
        copies: pattern that is drilled -> patterns or keys of the same database's other backups.
    """

    families: tuple[Family, ...]
    copies: dict[str, tuple[str, ...]]


def one_for_each(found: Iterable[Family], timezone: str = "UTC") -> Rotated:
    """Return *found* with one family where several are one database's."""
    grouped: dict[str, list[Family]] = defaultdict(list)
    for family in found:
        grouped[_database_of(family)].append(family)
    chosen: list[Family] = []
    copies: dict[str, tuple[str, ...]] = {}
    for alike in grouped.values():
        families = _taken(alike, timezone)
        chosen += families
        others = [family.at for family in alike if not set(family.keys) <= set(families[0].keys)]
        if len(families) == 1 and others:
            copies[families[0].at] = tuple(others)
    return Rotated(tuple(sorted(chosen, key=lambda family: family.at)), copies)


def numbered(found: Iterable[Family], modified_at: Callable[[str], datetime | None]) -> list[Family]:
    """Return *found*, with one family for keys that a number rotates.

    Args:
        found: families of keys.
        modified_at: when a key was written; None where that is not known.
    """
    families, groups = [], defaultdict[str, list[Family]](list)
    for family in found:
        folder, slash, name = family.at.rpartition("/")
        single = not family.times and len(family.keys) == 1 and _NUMBER.search(name)
        groups[f"{folder}{slash}{_NUMBER.sub('*', name)}" if single else family.at].append(family)
    for at, alike in groups.items():
        times = sorted((time, family.at) for family in alike if (time := modified_at(family.at)))
        gaps = [later - sooner for (sooner, _), (later, _) in pairwise(times)]
        if len(times) == len(alike) >= _ALIKE and min(gaps) >= _APART:
            families.append(Family(at, tuple(key for _, key in times), ()))
        else:
            families += alike
    return families


def _database_of(family: Family) -> str:
    """Return the pattern without all that tells the backups of one database apart."""
    *folders, name = _CLOCK_LETTERS.sub("", _FIELD.sub("\0", family.at.replace("%%", "%25"))).split("/")
    is_copy = any(_KEPT_FOLDER.fullmatch(folder) for folder in folders)
    if is_copy:
        name = _OF_A_COPY.sub("\0", name)
    if not family.times:
        name = _LINK.sub("\0", re.sub(r"\.\0(?:\.[a-z0-9]+)?$", "", name))
    parts = [("" if _KEPT_FOLDER.fullmatch(folder) else folder) for folder in folders]
    without = stem(name)
    parts += [without, name[len(without) :]]
    return "/".join(_TELLING.sub("\0", part).strip("\0") for part in parts if part)


def _taken(alike: list[Family], timezone: str) -> list[Family]:
    dated = [family for family in alike if family.times]
    if len(alike) == 1:
        return alike
    if not dated:
        return _taken_undated(alike)
    newest = max(family.times[-1] for family in dated)
    written = [
        family for family in dated if (newest - family.times[-1]).total_seconds() <= _patience_s(family)
    ]
    finest = min(written, key=lambda family: (family.cadence_s or float("inf"), newest - family.times[-1]))
    if all(_holds_days_of(finest, family) for family in dated):
        return [finest]
    joined = _joined([finest, *(family for family in dated if family is not finest)], timezone)
    gaps = [(later - sooner).total_seconds() for sooner, later in pairwise(finest.times)]
    return [joined or replace(finest, rhythm_s=max(gaps, default=None))]


def _taken_undated(alike: list[Family]) -> list[Family]:
    """Return the family with stars, whose keys tell more than a link; before it what logrotate moves on."""
    starred = [family for family in alike if "*" in family.at]
    plain = [family for family in alike if "*" not in family.at]
    fixed = [family for family in plain if not _LINK.search(family.at.rpartition("/")[2])]
    if len(fixed) == 1 and len(starred) == 1 and _NUMBER_BEHIND.search(starred[0].at):
        return fixed
    return starred if len(starred) == 1 and not fixed else alike


def _patience_s(family: Family) -> float:
    return max(_STILL_WRITTEN * (family.cadence_s or 0.0), 2 * _A_DAY.total_seconds())


def _holds_days_of(finest: Family, other: Family) -> bool:
    """Say whether *finest* has a backup of each day of *other*, as far back as it goes."""
    days = {time.date() for time in finest.times}
    return all(time.date() in days for time in other.times if time >= finest.times[0] + _A_DAY)


def _joined(alike: Sequence[Family], timezone: str) -> Family | None:
    """Return the family of all keys with a star for the word that tells them apart; None if more does."""
    patterns = {_KEPT.sub("*", family.at) for family in alike}
    if len(patterns) != 1:
        return None
    return Family.read(patterns.pop(), [key for family in alike for key in family.keys], timezone)
