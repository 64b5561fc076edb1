"""Which line of a backup script made these keys: their dates become fields, keys of one line a family.

Pure: names in, patterns out. A pattern is believed only if reading it backwards gives each key its time.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from statistics import median

from tasks.discovery.pattern import KeyPattern
from tasks.model.errors import DrillError

GENERIC = frozenset(
    [
        "backup",
        "backups",
        "bak",
        "dump",
        "dumps",
        "db",
        "dbs",
        "database",
        "databases",
        "daily",
        "hourly",
        "weekly",
        "monthly",
        "nightly",
        "full",
        "logical",
        "sql",
        "data",
        "pg",
        "pgdump",
        "dumpall",
        "all",
        "cluster",
        "postgres",
        "postgresql",
        "prod",
        "production",
        "live",
        "latest",
        "current",
        "export",
        "archive",
        "archives",
        "snapshot",
        "s3",
        "file",
    ]
)
"""Words in keys that name no database."""
SIDECARS = (
    ".sha256",
    ".sha256sum",
    ".sha512",
    ".sha1",
    ".md5",
    ".md5sum",
    ".inventory.json",
    ".sig",
    ".minisig",
)
PARTIAL = (".partial", ".part", ".tmp", ".incomplete", ".filepart", "_COPYING_")
DUMP_SUFFIXES = re.compile(
    r"(?i)\.(?:dump|dmp|pgdump|pg_dump|custom|backup|bak|sql|tar|tgz|gz|zst|lz4|xz|bz2|gpg|pgp|asc|age|fc|out)$"
)
_WEEKDAY = re.compile(
    r"(?i)(?<![a-z])(?:mon|tue|wed|thu|fri|sat|sun)(?:day|sday|nesday|rsday|urday)?(?![a-z])"
)
_FIELD = re.compile(r"%[A-Za-z]")
_LEFT_OVER = re.compile(
    r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|(?<![0-9A-Za-z%])[0-9a-f]*\d[0-9a-f]*(?![0-9A-Za-z])"
)
_MONTHS = "Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec"
_Y, _M, _D = r"(?P<Y>(?:19|20)\d\d)", r"(?P<m>0[1-9]|1[0-2])", r"(?P<d>0[1-9]|[12]\d|3[01])"
_H, _MI, _S = r"(?P<H>[01]\d|2[0-3])", r"(?P<M>[0-5]\d)", r"(?P<S>[0-5]\d)"
_ZONE = r"(?P<z>[+-]\d\d:?\d\d)?"
_CLOCK = rf"{_H}(?P<u>[:._h-]?){_MI}(?:(?P=u){_S}(?:\.(?P<f>\d{{1,6}}))?)?{_ZONE}"
_NO_DIGIT_BEFORE, _NO_DIGIT_AFTER = r"(?<![0-9])", r"(?![0-9])"
_DATES = tuple(
    re.compile(_NO_DIGIT_BEFORE + pattern + _NO_DIGIT_AFTER)
    for pattern in (
        rf"year={_Y}/month={_M}/day={_D}(?:/hour={_H})?",
        rf"{_Y}(?P<s>[-_.]?){_M}(?P=s){_D}(?:[T_ .-]|at|-at-)?{_CLOCK}",
        rf"{_Y}(?P<s>[-_.]?){_M}(?P=s){_D}T{_H}",
        rf"{_Y}/{_M}/{_D}/{_H}(?=/)",
        rf"{_Y}(?P<s>[-_./]?){_M}(?P=s){_D}",
        rf"{_D}(?P<s>[-_.]?)(?P<b>{_MONTHS})(?P=s){_Y}",
        rf"{_D}(?P<s>[-_.]){_M}(?P=s){_Y}",
        rf"{_Y}[-_/]{_M}",
    )
)
_EPOCH = re.compile(_NO_DIGIT_BEFORE + r"(?P<s>1[5-9]\d{8}|20\d{8})" + _NO_DIGIT_AFTER)
_TIME_ONLY = re.compile(rf"(?<![0-9A-Za-z%])T?{_CLOCK}(?=Z?[._-]|Z?$)")
_ALIKE = 3
"""So many single keys that differ in one varying part are taken for one family."""


@dataclass(frozen=True)
class Family:
    """The keys that one line of a backup script made.

    Attributes:
        at: the pattern, whole URI; `/` at the end for directory dumps.
        keys: their URIs, oldest first where they tell their time.
        times: aware UTC, ascending; empty for keys without time.
        astray: keys that look alike and name no time.
    """

    at: str
    keys: tuple[str, ...]
    times: tuple[datetime, ...]
    astray: tuple[str, ...] = ()

    @property
    def newest(self) -> str:
        """The URI of the newest."""
        return self.keys[-1]

    @property
    def cadence_s(self) -> float | None:
        """The usual time between two backups, seconds; None where too few tell."""
        distinct = sorted(set(self.times))
        gaps = [(b - a).total_seconds() for a, b in pairwise(distinct)]
        return median(gaps) if gaps else None


def families(uris: Iterable[str], timezone: str = "UTC") -> list[Family]:
    """Return the families of *uris*, by pattern."""
    grouped: dict[str, list[str]] = defaultdict(list)
    for uri in sorted(uris):
        grouped[template(uri)].append(uri)
    return sorted((_family(at, keys, timezone) for at, keys in _alike(grouped).items()), key=lambda f: f.at)


def template(uri: str) -> str:
    """Return *uri* with its dates and times as strftime's fields."""
    scheme, separator, rest = uri.partition("://")
    bucket, slash, key = (rest if separator else uri).partition("/")
    written = key.replace("%", "%%")
    for date in _DATES:
        written = _replaced(date, written)
    if "%Y" not in written:
        written = _EPOCH.sub("%s", written)
    written = _folders_like_date(_with_time(written), key)
    return f"{scheme}{separator}{bucket}{slash}{written}"


def is_dated(folder: str) -> bool:
    """Say whether a folder's name is a date or a part of one."""
    name = folder.rstrip("/").rsplit("/", 1)[-1]
    part = re.fullmatch(r"(?:19|20)\d\d|[0-3]\d|(?:year|month|day|hour|date|dt)=[\d-]+", name)
    return bool(part) or bool(_FIELD.search(template(f"x://b/{name}")))


def name_in(at: str) -> str:
    """Return the word of a pattern that most likely names its database; "" if none does."""
    _, _, rest = at.partition("://")
    parts = [part for part in rest.split("/") if part]
    if parts:
        parts[-1] = stem(parts[-1])
    for part in reversed(parts):
        words = [
            word for word in re.split(r"[-_.]+", re.sub(r"[TZ]?(?:%[A-Za-z%]|\*)[TZ]?", "-", part)) if word
        ]
        telling = [word for word in words if word.lower() not in GENERIC and re.search(r"\w", word)]
        if telling:
            return _delimited("_".join(words), part, telling)
    return ""


def stem(name: str) -> str:
    """Return a file's name without the suffixes that dumps carry."""
    while DUMP_SUFFIXES.search(name):
        name = DUMP_SUFFIXES.sub("", name)
    return name


def _delimited(joined: str, part: str, telling: list[str]) -> str:
    """Return the longest run of the part's own text that holds the telling words: `my_shop`, not `my`."""
    plain = re.sub(r"(?:%[A-Za-z%]|\*)+", "\0", part)
    runs = [run.strip("-_.TZ") for run in plain.split("\0")]
    whole = [run for run in runs if any(word in run for word in telling)]
    trimmed = (
        re.sub(rf"(?i)(?:^(?:{'|'.join(GENERIC)})[-_.]+)|(?:[-_.]+(?:{'|'.join(GENERIC)})$)", "", whole[0])
        if whole
        else joined
    )
    return trimmed or joined


def _replaced(pattern: re.Pattern[str], text: str) -> str:
    return pattern.sub(_fields, text)


def _fields(found: re.Match[str]) -> str:
    """Return the match with its groups written as fields, the rest as it stands."""
    whole, start = found.group(0), found.start()
    spans = sorted(
        (found.start(name), found.end(name), name)
        for name, value in found.groupdict().items()
        if value is not None and name in "YmdHMSfzbs" and not (name == "s" and not value.isdigit())
    )
    if not _is_date(found):
        return whole
    text, at = "", 0
    for begin, end, name in spans:
        text += whole[at : begin - start] + f"%{name}"
        at = end - start
    return text + whole[at:]


def _is_date(found: re.Match[str]) -> bool:
    groups = found.groupdict()
    if not (groups.get("Y") and groups.get("m") and groups.get("d")):
        return True
    try:
        datetime(int(groups["Y"]), int(groups["m"]), int(groups["d"]))  # noqa: DTZ001  only whether there is such a day
    except ValueError:
        return False
    return True


def _with_time(written: str) -> str:
    """Read a time of day in the last part, when the date stands before it."""
    if "%d" not in written or "%H" in written:
        return written
    head, slash, last = written.rstrip("/").rpartition("/")
    tail = "/" if written.endswith("/") else ""
    if "%d" in last:
        return written
    return f"{head}{slash}{_TIME_ONLY.sub(_fields, last, count=1)}{tail}"


def _folders_like_date(written: str, key: str) -> str:
    """Write folders that repeat the date's year, month or day as fields too: `2026/orders_20261120.dump`."""
    if "%Y" not in written:
        return written
    values = _values(written, key)
    parts = written.split("/")
    expected = "Y"
    for i, part in enumerate(parts[:-1]):
        if part == values.get(expected):
            parts[i] = f"%{expected}"
            expected = {"Y": "m", "m": "d", "d": "H", "H": ""}[expected]
            if not expected:
                break
    return "/".join(parts)


def _values(written: str, key: str) -> dict[str, str]:
    regex = re.escape(written.replace("%%", "%"))
    seen: set[str] = set()

    def group(found: re.Match[str]) -> str:
        name = found[1]
        if name in seen:
            return ".+?"
        seen.add(name)
        return f"(?P<{name}>.+?)"

    found = re.fullmatch(re.sub(r"%([A-Za-z])", group, regex), key)
    return {} if found is None else found.groupdict()


def _alike(grouped: dict[str, list[str]]) -> dict[str, list[str]]:
    """Join families of one key whose patterns differ in a number or a weekday only: a `*` varies there."""
    result = {at: keys for at, keys in grouped.items() if len(keys) > 1}
    singles = {at: keys[0] for at, keys in grouped.items() if len(keys) == 1}
    for varying, of in ((_left_over, True), (_weekday, False)):
        joined: dict[str, list[str]] = defaultdict(list)
        for at in singles:
            joined[varying(at)].append(at)
        for at, members in joined.items():
            times = {time_text(at, singles[m]) for m in members}
            if (
                "*" in at
                and len(members) >= _ALIKE
                and (not of or (_FIELD.search(at) and len(times) == len(members)))
            ):
                result[at] = [singles.pop(member) for member in members]
    return result | {at: [uri] for at, uri in singles.items()}


def time_text(at: str, uri: str) -> str:
    """Return what the fields of *at* are in *uri*, as one text: two backups of one time are two databases."""
    regex = re.sub(r"%[A-Za-z]", "(.+?)", re.escape(at.replace("%%", "%")).replace(r"\*", "[^/]*"))
    found = re.fullmatch(regex, uri)
    return "|".join(found.groups()) if found else uri


def _left_over(at: str) -> str:
    head, slash, last = at.rstrip("/").rpartition("/")
    return f"{head}{slash}{_LEFT_OVER.sub('*', last)}" + ("/" if at.endswith("/") else "")


def _weekday(at: str) -> str:
    return _WEEKDAY.sub("*", at)


def _family(at: str, keys: list[str], timezone: str) -> Family:
    if not _FIELD.search(at.replace("%%", "")):
        return Family(at, tuple(keys), ())
    read = _reader(at, timezone)
    dated = sorted((time, key) for key in keys if (time := read(key)))
    astray = tuple(key for key in keys if read(key) is None)
    if not dated:
        return Family(at, tuple(keys), (), astray)
    return Family(at, tuple(key for _, key in dated), tuple(time for time, _ in dated), astray)


def _reader(at: str, timezone: str) -> Callable[[str], datetime | None]:
    try:
        pattern = KeyPattern(at, timezone)
    except DrillError:
        return lambda _: None

    def read(uri: str) -> datetime | None:
        found = pattern.match(uri)
        return None if found is None else found.at

    return read


def round_up_rpo_s(cadence_s: float) -> float:
    """Return the objective that a cadence suggests: one interval and a bit for the backup's own duration."""
    slack = max(cadence_s / 12, timedelta(minutes=10).total_seconds())
    step = 3600.0 if cadence_s >= 12 * 3600 else 600.0  # whole hours for daily backups, else 10 min
    return -(-(cadence_s + slack) // step) * step
