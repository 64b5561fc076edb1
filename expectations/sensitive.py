"""Which columns hold what belongs to a person or opens a door: by name, by pattern and by tag.

Decision: names are enough to start from, because the cost of a miss is a value in a file and the cost of a
false alarm is one expectation fewer. Tags in the database's comments and patterns in the suite widen it.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable

# Parts of a name, cut at underscores, digits, spaces and humps: `customerEmail`, `home_phone_2`, `IBAN`.
_PARTS = (
    "email mail phone mobile fax tel telephone address addr street city zip zipcode postcode postal"
    " birth birthday birthdate dob born ssn sin nin passport iban bic swift card cvv cvc pan password"
    " passwd pwd passphrase secret token apikey salt hash salary wage income firstname lastname surname"
    " fullname forename givenname middlename username login nickname ip ipaddr latitude longitude lat"
    " lon lng geo diagnosis religion gender sex ethnicity nationality license licence plate vin"
    " fingerprint biometric signature photo avatar picture personal private taxid vat medical health"
    " patient iris body message comment note notes remark"
)
_WORDS = frozenset(_PARTS.split())
_PHRASES = (
    "first name", "last name", "full name", "middle name", "maiden name", "given name", "family name",
    "user name", "contact name", "customer name", "person name", "owner name", "holder name",
    "account number", "account no", "social security", "tax id", "credit card", "api key",
    "access key", "private key", "national id",
)  # fmt: skip
_TAGS = re.compile(r"\b(pii|gdpr|personal|sensitive|confidential|secret|phi)\b", re.IGNORECASE)
_HUMPS = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|[^A-Za-z]+")


def is_sensitive(table: str, column: str, patterns: Iterable[str] = (), comment: str | None = None) -> bool:
    """Say whether values of a column must stay out of every file.

    Args:
        table: `schema.name`.
        column: as the catalogue has it.
        patterns: of the suite, such as `public.people.*` or `*.nickname`, matched with the whole name.
        comment: the column's comment in the database; tags such as `pii` in it count.
    """
    words = [part.lower() for part in _HUMPS.split(column) if part]
    phrase = " ".join(words)
    return (
        any(word in _WORDS for word in words)
        or any(known_phrase in phrase for known_phrase in _PHRASES)
        or any(fnmatch.fnmatchcase(f"{table}.{column}", pattern) for pattern in patterns)
        or bool(comment and _TAGS.search(comment))
    )
