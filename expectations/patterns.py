"""The shapes that text can have, from the most telling to the plainest: what a scrambled column loses.

Decision: PostgreSQL's own regular expressions, and none with a value of the data in it, so that even a
sensitive column's shape may stand in a file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Pattern:
    """A shape of text.

    Attributes:
        regex: PostgreSQL's.
        what: completes "each looks like ...".
        implies: plainer patterns that say nothing new once this one holds.
    """

    name: str
    regex: str
    what: str
    implies: tuple[str, ...] = ()


_ALL_SHAPES = ("code", "slug", "words", "capital", "digitless", "spaced", "trimmed")
PATTERNS: Mapping[str, Pattern] = {
    pattern.name: pattern
    for pattern in (
        Pattern("email", r"^[^@[:space:]]+@[^@[:space:]]+\.[[:alnum:]-]+$", "an e-mail address", _ALL_SHAPES),
        Pattern(
            "uuid",
            r"^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$",
            "a UUID",
            _ALL_SHAPES,
        ),
        Pattern("url", r"^[a-z][a-z0-9+.-]*://[^[:space:]]+$", "a URL", _ALL_SHAPES),
        Pattern(
            "iso_time",
            r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]+)?)?(Z|[+-][0-9:]+)?$",
            "an ISO time",
            (*_ALL_SHAPES, "iso_date"),
        ),
        Pattern("iso_date", r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$", "an ISO date", _ALL_SHAPES),
        Pattern("ipv4", r"^([0-9]{1,3}\.){3}[0-9]{1,3}$", "an IPv4 address", _ALL_SHAPES),
        Pattern("hash", r"^([0-9a-f]{32}|[0-9a-f]{40}|[0-9a-f]{64})$", "a digest", _ALL_SHAPES),
        Pattern("digits", r"^[0-9]+$", "digits only", _ALL_SHAPES),
        Pattern("decimal", r"^[+-]?[0-9]+([.,][0-9]+)?$", "a number", _ALL_SHAPES),
        Pattern("phone", r"^[+(]?[0-9][0-9 ()./-]{4,}$", "a telephone number", _ALL_SHAPES),
        Pattern("code", r"^[A-Z0-9]+([_./-][A-Z0-9]+)*$", "a code in capitals", ("capital", "trimmed")),
        Pattern("slug", r"^[a-z0-9]+([_./-][a-z0-9]+)*$", "a name in small letters", ("trimmed",)),
        Pattern(
            "words",
            r"^[[:upper:]][^[:digit:]]*( [[:upper:]][^[:digit:]]*)*$",
            "words without digits that start with a capital",
            ("capital", "digitless"),
        ),
        Pattern("capital", r"^[[:upper:][:digit:]]", "text that starts with a capital or a digit"),
        Pattern("digitless", r"^[^[:digit:]]*$", "text without digits"),
        Pattern("spaced", r"[^[:space:]] [^[:space:]]", "several words"),
        Pattern("trimmed", r"^[^[:space:]](.*[^[:space:]])?$", "text without blanks around it"),
    )
}
# What UTF-8 read as Latin-1, and text that lost its characters, look like.
# In PostgreSQL's own escapes; only a UTF-8 database knows them.
DAMAGED = r"[\u00c2\u00c3][\u0080-\u00bf]|\u00e2\u20ac|\ufffd"


def telling(found: set[str]) -> list[Pattern]:
    """Return the patterns of *found* that say something new, the most telling first."""
    implied_names: set[str] = set()
    patterns = []
    for name, pattern in PATTERNS.items():
        if name in found and name not in implied_names:
            patterns.append(pattern)
            implied_names.update(pattern.implies)
    return patterns
