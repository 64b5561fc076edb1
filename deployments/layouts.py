"""Which line of a backup script made these keys: their dates become fields, keys of one line a family.

Pure: names in, patterns out. A pattern is believed only if reading it backwards gives each key its time.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from statistics import median

from tasks.discovery.pattern import KeyPattern
from tasks.discovery.strftime import DAYS, MONTHS, REGEX
from tasks.model.backup import MANIFEST_SUFFIX
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
_GENERIC = "|".join(sorted(GENERIC, key=len, reverse=True))
SIDECARS = (
    ".sha256",
    ".sha256sum",
    ".sha512",
    ".sha1",
    ".md5",
    ".md5sum",
    MANIFEST_SUFFIX,
    ".sig",
    ".minisig",
)
PARTIAL = (".partial", ".part", ".tmp", ".incomplete", ".filepart", "_COPYING_")
DUMP_SUFFIXES = re.compile(
    r"(?i)\.(?:dump|dmp|pgdump|pg_dump|custom|backup|bak|sql|sqlc|psql|pgsql|tar|tgz|zip|enc|gz|zst|lz4|xz|bz2|gpg|pgp|asc|age|fc|out)$"
)
_WEEKDAY = re.compile(
    r"(?i)(?<![a-z%])(?:mon|tue|wed|thu|fri|sat|sun)(?:day|sday|nesday|rsday|urday)?(?![a-z])"
)
_FIELD = re.compile(r"%[A-Za-z]")
_FIELDS = frozenset("YmdjbBHIMSfpPzs")
"""Fields that a date's groups are named for; the other groups hold separators."""
_LEFT_OVER = re.compile(
    r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|(?<![0-9A-Za-z%])[0-9a-f]*\d[0-9a-f]*(?![0-9A-Za-z])"
)
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_Y, _M, _D = r"(?P<Y>(?:19|20)\d\d)", r"(?P<m>0[1-9]|1[0-2])", r"(?P<d>0[1-9]|[12]\d|3[01])"
_MAY = "May"  # whole or short: the other months tell
_B = f"(?P<B>{'|'.join(month for month in MONTHS if month != _MAY)})"
_SHORT_B = f"(?P<b>{'|'.join(month[:3] for month in MONTHS)})"
_H, _MI, _S = r"(?P<H>[01]\d|2[0-3])", r"(?P<M>[0-5]\d)", r"(?P<S>[0-5]\d)"
_ZONE = r"(?P<z>[+-]\d\d:?\d\d)?"
_FRACTION = r"(?:\.(?P<f>\d{1,6})|[-_](?P<f2>\d{3})(?=Z)|(?P<f3>\d{3}|\d{6})(?![0-9]))?"
_CLOCK = rf"{_H}(?P<u>[:._h-]?){_MI}(?:(?P=u){_S}{_FRACTION})?{_ZONE}"
_CLOCK_12 = rf"(?P<I>0[1-9]|1[0-2])(?P<u>[:._-]?){_MI}(?:(?P=u){_S})?[ _.-]?(?:(?P<p>AM|PM)|(?P<P>am|pm))"
_BETWEEN = r"(?:[T_ .-]|at|-at-)?"
_NO_DIGIT_BEFORE, _NO_DIGIT_AFTER = r"(?<![0-9])", r"(?![0-9])"
_EUROPEAN, _AMERICAN = rf"{_D}(?P<x>[-_.]){_M}(?P=x){_Y}", rf"{_M}(?P<x>[-_.]){_D}(?P=x){_Y}"
_OF_YEAR = rf"{_Y}[-_.]?(?P<j>[0-3]\d\d)"


def _dates(numeric: str) -> tuple[re.Pattern[str], ...]:
    """Return the forms in which dates are written, the most telling first.

    Args:
        numeric: how day, month and year stand where the year is last.
    """
    days = (
        rf"{_Y}(?P<x>[-_.]?){_M}(?P=x){_D}",
        rf"{_D}(?P<x>[-_. ]?){_B}(?P=x){_Y}",
        rf"{_D}(?P<x>[-_. ]?){_SHORT_B}(?P=x){_Y}",
        rf"{_B}(?P<x>[-_. ]?){_D}(?P=x){_Y}",
        rf"{_SHORT_B}(?P<x>[-_. ]?){_D}(?P=x){_Y}",
        rf"{_Y}(?P<x>[-_.]?){_B}(?P=x){_D}",
        rf"{_Y}(?P<x>[-_.]?){_SHORT_B}(?P=x){_D}",
        numeric,
    )
    forms = (
        rf"year={_Y}/month={_M}/day={_D}(?:/hour={_H})?",
        *(f"{day}{_BETWEEN}{_CLOCK_12}" for day in days),
        *(f"{day}{_BETWEEN}{_CLOCK}" for day in days),
        rf"{_Y}(?P<x>[-_.]?){_M}(?P=x){_D}T{_H}",
        rf"{_Y}/{_M}/{_D}/{_H}(?=/)",
        rf"{_Y}(?P<x>[-_./]?){_M}(?P=x){_D}",
        *days[1:],
        rf"{_OF_YEAR}{_BETWEEN}{_CLOCK}",
        _OF_YEAR,
        rf"{_Y}[-_/]{_M}",
        rf"{_Y}{_M}",
    )
    return tuple(re.compile(f"{_NO_DIGIT_BEFORE}{form}{_NO_DIGIT_AFTER}") for form in forms)


_DATES, _AMERICAN_DATES = _dates(_EUROPEAN), _dates(_AMERICAN)
_EPOCH = re.compile(_NO_DIGIT_BEFORE + r"(?P<s>(?:1[5-9]\d{8}|20\d{8})(?:\d{3})?)" + _NO_DIGIT_AFTER)
_TIMES_ONLY = (
    re.compile(rf"(?<![0-9A-Za-z%])T?{_CLOCK_12}(?=[._-]|$)"),
    re.compile(rf"(?<![0-9A-Za-z%])T?{_CLOCK}(?=Z?[._-]|Z?$)"),
)
_TIME_FOLDERS = tuple(re.compile(rf"T?{clock}Z?") for clock in (_CLOCK_12, _CLOCK))
_GITLAB_VERSION = re.compile(r"(?<![0-9])\d{1,4}\.\d{1,4}\.\d{1,4}(?:-[a-z0-9-]{1,20})?(?=_gitlab_backup)")
_HEROKU = re.compile(r"(?<=/)(?P<letter>[ab])\d{3,}(?P<end>(?:\.[a-z]+)*)$")
"""What Heroku calls its backups: a number of their own, one after the other."""
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
        rhythm_s: the time between two backups, seconds, where more is known than they tell.
    """

    at: str
    keys: tuple[str, ...]
    times: tuple[datetime, ...]
    astray: tuple[str, ...] = ()
    rhythm_s: float | None = None

    @classmethod
    def read(cls, at: str, keys: Iterable[str], timezone: str = "UTC") -> Family:
        """Return the family of *keys*, with the times that *at* reads out of them."""
        keys = tuple(keys)
        if not _FIELD.search(at.replace("%%", "")):
            return cls(at, keys, ())
        read = _reader(at, timezone)
        dated = sorted((time, key) for key in keys if (time := read(key)))
        astray = tuple(key for key in keys if read(key) is None)
        if not dated:
            return cls(at, keys, (), astray)
        return cls(at, tuple(key for _, key in dated), tuple(time for time, _ in dated), astray)

    @property
    def newest(self) -> str:
        """The URI of the newest."""
        return self.keys[-1]

    @property
    def cadence_s(self) -> float | None:
        """The usual time between two backups, seconds; None where too few tell."""
        if self.rhythm_s is not None:
            return self.rhythm_s
        distinct = sorted(set(self.times))
        gaps = [(b - a).total_seconds() for a, b in pairwise(distinct)]
        return median(gaps) if gaps else None


def families(uris: Iterable[str], timezone: str = "UTC") -> list[Family]:
    """Return the families of *uris*, by pattern."""
    names = sorted(uris)
    grouped, american = _grouped(names, _DATES), _grouped(names, _AMERICAN_DATES)
    if len(american) < len(grouped):  # a month beyond the twelfth: the day comes second
        grouped = american
    return sorted(
        (Family.read(at, keys, timezone) for at, keys in _alike(_with_whole_months(grouped)).items()),
        key=lambda f: f.at,
    )


def _grouped(uris: Iterable[str], dates: Sequence[re.Pattern[str]]) -> dict[str, list[str]]:
    grouped: dict[str, list[str]] = defaultdict(list)
    for uri in uris:
        grouped[template(uri, dates)].append(uri)
    return grouped


def _with_whole_months(grouped: dict[str, list[str]]) -> dict[str, list[str]]:
    """Join the keys of May, which may be whole or short, to those of other months in whole names."""
    joined: dict[str, list[str]] = {}
    for at, keys in grouped.items():
        whole = at.replace("%b", "%B")
        is_may = whole != at and whole in grouped and all(_MAY in key for key in keys)
        joined.setdefault(whole if is_may else at, []).extend(keys)
    return joined


def template(uri: str, dates: Sequence[re.Pattern[str]] = _DATES) -> str:
    """Return *uri* with its dates and times as strftime's fields."""
    scheme, separator, rest = uri.partition("://")
    bucket, slash, key = (rest if separator else uri).partition("/")
    written = _GITLAB_VERSION.sub("*", key.replace("%", "%%"))
    if _EPOCH.search(written.rpartition("/")[2]):
        return f"{scheme}{separator}{bucket}{slash}{_by_epoch(written, dates)}"
    reader = _Reader()
    for date in dates:
        written = date.sub(reader.fields, written)
    written = _folders_like_date(_with_time(written), key)
    return _with_weekday(f"{scheme}{separator}{bucket}{slash}{written}", uri)


def _by_epoch(written: str, dates: Sequence[re.Pattern[str]]) -> str:
    """Return a name that tells seconds since 1970 with a star for the local date that it repeats."""
    folder, slash, name = written.rpartition("/")
    head, seconds, tail = _EPOCH.sub("\0", name, count=1).partition("\0")
    for date in dates:
        head, tail = date.sub("*", head), date.sub("*", tail)
    return f"{folder}{slash}{head}{'%s' if seconds else ''}{tail}"


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
        if _UUID.fullmatch(part) or re.fullmatch(r"[ab]\*", part):
            continue
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
        re.sub(rf"(?i)^(?:(?:{_GENERIC})[-_.]+)+|(?:[-_.]+(?:{_GENERIC}))+$", "", whole[0])
        if whole
        else joined
    )
    return trimmed or joined


class _Reader:
    """Writes the dates of one key as fields; one that contradicts those before it is none of the backup's."""

    def __init__(self) -> None:
        self._values: dict[str, str] = {}

    def fields(self, match: re.Match[str]) -> str:
        """Return the match with its groups written as fields, the rest as it stands."""
        values = {name[0]: value for name, value in match.groupdict().items() if name[0] in _FIELDS and value}
        if not _is_date(match):
            return match.group(0)
        if any(self._values.get(name, value) != value for name, value in values.items()):
            return "*"
        self._values |= values
        return _fields(match)


def _fields(match: re.Match[str]) -> str:
    key, start = match.group(0), match.start()
    spans = sorted(
        (match.start(name), match.end(name), name[0])
        for name, value in match.groupdict().items()
        if value is not None and name[0] in _FIELDS
    )
    text, at = "", 0
    for begin, end, name in spans:
        text += key[at : begin - start] + f"%{name}"
        at = end - start
    return text + key[at:]


def _is_date(match: re.Match[str]) -> bool:
    groups = match.groupdict()
    if groups.get("j"):
        return 1 <= int(groups["j"]) <= 366  # noqa: PLR2004  a leap year's last
    if not (groups.get("Y") and groups.get("d")):
        return True
    names = [month[: len(groups.get("b") or month)] for month in MONTHS]
    word = groups.get("B") or groups.get("b")
    month = names.index(word) + 1 if word else int(groups["m"])
    try:
        datetime(int(groups["Y"]), month, int(groups["d"]))  # noqa: DTZ001  only whether there is such a day
    except ValueError:
        return False
    return True


def _with_time(written: str) -> str:
    """Read a time of day that stands behind the date: in the last part, or as a folder of its own."""
    if not re.search("%[dj]", written) or re.search("%[HI]", written):
        return written
    parts = written.split("/")
    dated = max(number for number, part in enumerate(parts) if re.search("%[dj]", part))
    for number, part in enumerate(parts[dated + 1 :], dated + 1):
        times = _TIMES_ONLY if number == len(parts) - 1 else _TIME_FOLDERS
        for clock in times:
            match = clock.search(part) if number == len(parts) - 1 else clock.fullmatch(part)
            if match:
                parts[number] = part[: match.start()] + _fields(match) + part[match.end() :]
                return "/".join(parts)
    return written


def _with_weekday(at: str, uri: str) -> str:
    """Write a weekday beside a date as the field that it is, or as a star where it is spelt otherwise."""
    if not re.search("%[dj]", at):
        return at
    named = _WEEKDAY.sub(lambda match: dict.fromkeys(DAYS, "%A").get(match[0], match[0]), at)
    named = _WEEKDAY.sub(lambda match: {name[:3]: "%a" for name in DAYS}.get(match[0], match[0]), named)
    if named != at and _reader(named, "UTC")(uri):
        return named
    folder, slash, name = at.rpartition("/")
    return f"{folder}{slash}{_WEEKDAY.sub('*', name)}"


def _folders_like_date(written: str, key: str) -> str:
    """Write folders that repeat the date's year, month or day as fields too: `2026/orders_20261120.dump`."""
    if "%Y" not in written:
        return written
    values = _values(written, key)
    if values.get("m", "").isdigit():
        values |= {"B": MONTHS[int(values["m"]) - 1], "b": MONTHS[int(values["m"]) - 1][:3]}
    parts, following = written.split("/"), iter(("Y", "mbB", "d", "H"))
    expected = next(following)
    for i, part in enumerate(parts[:-1]):
        field = next((field for field in expected if part and part == values.get(field)), None)
        if field is not None:
            parts[i] = f"%{field}"
            expected = next(following, "")
    return "/".join(parts)


def _values(written: str, key: str) -> dict[str, str]:
    regex = re.escape(written.replace("%%", "%")).replace(r"\*", "[^/]*")
    fields: set[str] = set()

    def group(match: re.Match[str]) -> str:
        name = match[1]
        if name in fields:
            return REGEX[name]
        fields.add(name)
        return f"(?P<{name}>{REGEX[name]})"

    match = re.fullmatch(re.sub(r"%([A-Za-z])", group, regex), key)
    return {} if match is None else match.groupdict()


def _alike(grouped: dict[str, list[str]]) -> dict[str, list[str]]:
    """Join families of one key whose patterns differ in a number or a weekday only: a `*` varies there."""
    shared = {at: keys for at, keys in grouped.items() if len(keys) > 1}
    singles = {at: keys[0] for at, keys in grouped.items() if len(keys) == 1}
    for varying, of in ((_left_over, True), (_weekday, False), (_heroku, False)):
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
                shared[at] = [singles.pop(member) for member in members]
    return shared | {at: [uri] for at, uri in singles.items()}


def time_text(at: str, uri: str) -> str:
    """Return what the fields of *at* are in *uri*, as one text: two backups of one time are two databases."""
    regex = re.sub(r"%[A-Za-z]", "(.+?)", re.escape(at.replace("%%", "%")).replace(r"\*", "[^/]*"))
    match = re.fullmatch(regex, uri)
    return "|".join(match.groups()) if match else uri


def _left_over(at: str) -> str:
    head, slash, last = at.rstrip("/").rpartition("/")
    return f"{head}{slash}{_LEFT_OVER.sub('*', last)}" + ("/" if at.endswith("/") else "")


def _weekday(at: str) -> str:
    return _WEEKDAY.sub("*", at)


def _heroku(at: str) -> str:
    return _HEROKU.sub(r"\g<letter>*\g<end>", at)


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
