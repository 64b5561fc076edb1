"""`at`, as far as its text alone can be judged: the line from the backup script, with fields for its time.

What a pattern means in a store is tasks/stores; here a line that could never match is refused.
"""

from __future__ import annotations

import difflib
import re

DIRECTIVES = frozenset("YymdHIpPMSfjbBaAszFTRD%")
"""strftime's fields that a key can be read back from."""
_DATES = frozenset("YysFD")
_TIMES = frozenset("HIpPMSfTRz")
_PLACEHOLDERS = ("database", "fleet")
_FIELD = re.compile(r"%(.?)")
_BRACES = re.compile(r"\{([^{}]*)\}")
_OTHER_STORES = {
    "gs": "Google Cloud Storage",
    "az": "Azure",
    "abfs": "Azure",
    "http": "a web server",
    "https": "a web server",
}


def fill(text: str, database: str, fleet: str) -> str:
    """Return *text* with `{database}` and `{fleet}` filled in.

    Raises:
        ValueError: another word stands in braces.
    """
    fields = {"database": database, "fleet": fleet}

    def value(found: re.Match[str]) -> str:
        word = found[1].strip()
        if word in fields:
            return fields[word]
        near = difflib.get_close_matches(word, _PLACEHOLDERS, 1)
        raise ValueError(f'"{{{word}}}" is not known; write {{{near[0] if near else "database"}}}')

    return _BRACES.sub(value, text)


def check_pattern(at: str) -> None:
    """Accept a pattern that some key could match.

    Raises:
        ValueError: what is wrong with it, and the remedy.
    """
    scheme, separator, rest = at.partition("://")
    if separator and scheme == "s3":
        _check_bucket(at, rest)
    elif separator and scheme != "file":
        other = _OTHER_STORES.get(scheme)
        hint = f" ({other})" if other else ""
        raise ValueError(
            f"{scheme}://{hint} is no store that can be read; write s3://bucket/key, file:///path or a path"
        )
    _check_fields(at)
    _check_steps(at, is_s3=scheme == "s3" and bool(separator))


def has_time(at: str) -> bool:
    """Say whether the pattern holds a field of time at all; without one LastModified counts."""
    return any(match[1] != "%" for match in _FIELD.finditer(at))


def _check_bucket(at: str, rest: str) -> None:
    bucket, _, key = rest.partition("/")
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._:-]*", bucket):
        raise ValueError(f'"{at}" names no bucket; write s3://bucket/key, the bucket without fields or *')
    if not key:
        raise ValueError(
            f'"{at}" names a bucket and no key; write the whole line, such as s3://{bucket}/orders_%Y%m%d.dump'
        )


def _check_fields(at: str) -> None:
    fields = [match[1] for match in _FIELD.finditer(at)]
    for field in fields:
        if field not in DIRECTIVES:
            shown = f"%{field}" if field else "a % at the end"
            raise ValueError(
                f"{shown} is not a field that a time can be read from; known: "
                f"{' '.join('%' + d for d in sorted(DIRECTIVES))} (%% is a percent sign, * whatever varies)"
            )
    used = set(fields) - {"%"}
    if used and not used & _DATES:
        lacking = "a time and no date" if used <= _TIMES else "no year"
        raise ValueError(
            f"its fields name {lacking}; add %Y%m%d, or write * there and let LastModified count"
        )


def _check_steps(at: str, *, is_s3: bool) -> None:
    parts = at.split("/")
    fixed = next((i for i, part in enumerate(parts) if "%" in part or "*" in part), len(parts))
    for i, part in enumerate(parts):
        if part == ".." and (is_s3 or i > fixed):
            raise ValueError('".." is not followed here; write the key as it is stored')
    if "**" in at:
        raise ValueError('"**" is not known; write * for one varying part between two slashes')
