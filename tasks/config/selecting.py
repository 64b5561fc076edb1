"""`select`: which recovery points of the window are drilled, in a fleet file and on the command line."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from tasks.model.errors import ConfigInvalid
from tasks.model.target import Selection

FORMS = "newest, {newest: {walk_back: 3}}, random, all, {at: 2026-01-31T03:00:00Z} or {key: orders/x.dump}"
CLI_FORMS = "newest, random, all, at:2026-01-31T03:00:00Z, key:orders/x.dump, walk_back:3 or random:7"
MAX_WALK_BACK = 1000


def selection_from(value: object, timezone: str = "UTC") -> Selection:
    """Return the selection that a fleet file's `select` describes.

    Args:
        timezone: read for a time that names no offset.

    Raises:
        ValueError: none of the known forms; the message names them.
    """
    if isinstance(value, str) and value in ("newest", "random", "all"):
        return Selection.model_validate({"kind": value})
    if isinstance(value, dict) and len(value) == 1:
        kind, argument = next(iter(value.items()))
        if kind == "newest":
            return Selection(kind="newest", walk_back=_inner(argument, "walk_back", MAX_WALK_BACK))
        if kind == "random":
            return Selection(kind="random", seed=_inner(argument, "seed"))
        if kind == "at":
            return Selection(kind="at", at=parse_time(str(argument), timezone))
        if kind == "key" and isinstance(argument, str) and argument:
            return Selection(kind="key", key=argument)
    raise ValueError(f"{_shown(value)} is no selection; write {FORMS}")


def parse_select(text: str, timezone: str = "UTC") -> Selection:
    """Return the selection that the command line's `--select` names.

    Args:
        timezone: read for a time that names no offset.

    Raises:
        ConfigInvalid: none of the known forms; the message names them.
    """
    word, colon, argument = text.strip().partition(":")
    try:
        if word in ("newest", "random", "all") and not colon:
            return Selection.model_validate({"kind": word})
        if word in ("walk_back", "newest") and colon:
            return Selection(kind="newest", walk_back=_whole(argument, "walk_back", MAX_WALK_BACK))
        if word == "random" and colon:
            return Selection(kind="random", seed=_whole(argument, "seed"))
        if word == "at" and colon:
            return Selection(kind="at", at=parse_time(argument, timezone))
        if word == "key" and argument:
            return Selection(kind="key", key=argument)
    except ValueError as exc:
        raise ConfigInvalid(f"--select {text}: {exc}") from exc
    raise ConfigInvalid(f"--select {text}: no such selection; write {CLI_FORMS}")


def parse_time(text: str, timezone: str = "UTC") -> datetime:
    """Return an ISO time as aware UTC; *timezone* is read for one without an offset.

    Raises:
        ValueError: no time, or a date alone, of which nobody can say which end is meant.
    """
    try:
        at = datetime.fromisoformat(text.strip())
    except ValueError:
        raise ValueError(f'"{text}" is not a time; write 2026-01-31T03:00:00Z') from None
    if len(text.strip()) <= len("2026-01-31"):
        raise ValueError(f'"{text}" is a date without a time; write {text.strip()}T23:59:59Z')
    try:
        return (at if at.tzinfo else at.replace(tzinfo=ZoneInfo(timezone))).astimezone(UTC)
    except OverflowError:
        raise ValueError(f'"{text}" lies before or after all time; write 2026-01-31T03:00:00Z') from None


def _inner(argument: object, key: str, largest: int | None = None) -> int:
    if isinstance(argument, dict) and set(argument) == {key}:
        return _whole(argument[key], key, largest)
    raise ValueError(f"{_shown(argument)} is not understood here; write {{{key}: 3}}")


def _whole(value: object, key: str, largest: int | None = None) -> int:
    text = str(value).strip()
    if not (text.isascii() and text.isdigit()) or isinstance(value, bool):
        raise ValueError(f"{key}: {_shown(value)} is not a whole number; write {key} 3")
    if largest is not None and int(text) > largest:
        raise ValueError(f"{key}: {text} is more than {largest}")
    return int(text)


def _shown(value: object) -> str:
    if isinstance(value, (dict, list)):
        return "this"
    return "null" if value is None else f'"{str(value)[:80]}"'
