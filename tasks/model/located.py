"""Which of a cluster's databases something lies in: `<database>:<place>`, wherever several are verified.

What is said of one database by itself bears no such mark, within a drill of several neither: it is put on
when what the checks saw goes to the drill's record, and taken off what they are held against.
"""

from __future__ import annotations

from fnmatch import fnmatchcase


def located(database: str | None, place: str) -> str:
    """Return *place* as a drill of several databases calls it; None stands for the only one."""
    return place if database is None else f"{database}:{place}"


def place_in(database: str, pattern: str) -> str | None:
    """Return what *pattern*, of places in any database, comes to within *database*; None where nothing."""
    own = f"{database}:"
    if pattern.startswith(own):
        return pattern.removeprefix(own)
    name, mark, place = pattern.partition(":")
    if not mark:
        return pattern if pattern.startswith("*") else None
    return place if fnmatchcase(database, name) else None
