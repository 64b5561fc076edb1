"""Which dump of several in one container (tar or folder) is the one that is meant.

Decided here: a folder is never mixed with another, and a name decides only where it decides alone. What the
dump says of itself (its database) goes before what somebody called its folder; where neither leaves exactly
one, the choice is the user's.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from tasks.model.bounded_list import listing
from tasks.model.errors import PermanentError

LISTED = 6
"""Places that one sentence names."""
_DATE = re.compile(r"[-_]\d{6,14}(?:[-_T]\d{2,6}Z?)?$")
_APPLICATIONS = (
    ("backup_information.yml", re.compile(r"db/[^/]+\.sql(\.gz)?")),
    ("manifest.json", re.compile(r"dump\.(sql|dump)(\.gz)?")),
)
"""A file that GitLab's or Odoo's backups hold, and their dumps; the rest are uploads, whatever they are."""
File = TypeVar("File")
_JUNK = frozenset({"__MACOSX", ".DS_Store", "@eaDir", "Thumbs.db", ".AppleDouble"})


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the fleet file says of the database that is to be drilled.

    Attributes:
        database: `backup.database`; None where it is not set.
        name: the target's own.
    """

    database: str | None = None
    name: str = ""

    @property
    def database_or_name(self) -> str:
        """The name by which the dump is looked for."""
        return self.name if self.database is None else self.database


@dataclass(frozen=True, slots=True)
class Contained:
    """One dump of a container.

    Attributes:
        place: its folder or file in the container, `/` between parts; "" for the container's top.
        databases: what it holds by its own word; empty where it does not say.
    """

    place: str
    databases: tuple[str, ...] = ()

    @property
    def stem(self) -> str:
        """The name that somebody gave to the folder or file, without suffixes and without its date."""
        return _DATE.sub("", self.place.rsplit("/", 1)[-1].split(".", 1)[0])


def parts_of(name: str) -> tuple[str, ...]:
    """Return the parts of a member's name; empty for what operating systems leave beside the files."""
    parts = tuple(part for part in name.split("/") if part not in ("", "."))
    return () if any(part in _JUNK or part.startswith("._") for part in parts) else parts


def application_dumps(files: Mapping[str, File]) -> dict[str, File]:
    """Return the dumps of an archive that a known application wrote; none where it is no such archive."""
    for marker, dumps in _APPLICATIONS:
        matches = {name: file for name, file in files.items() if dumps.fullmatch(name)}
        if marker in files and matches:
            return matches
    return {}


def choose(dumps: Sequence[Contained], wanted: Wanted, where: str) -> Contained:
    """Return the one of *dumps* that *wanted* means.

    Raises:
        PermanentError: `database-not-in-dump`: every dump names its database, and none is the one asked for;
            `database-choice-ambiguous`: more than one could be meant.
    """
    if len(dumps) == 1:
        return dumps[0]
    name = wanted.database_or_name
    own = [dump for dump in dumps if name in dump.databases]
    others = [dump for dump in dumps if name not in dump.databases]
    called = [dump for dump in others if _is_called(dump, name, dumps, wanted)]
    meant = [*own, *called]
    if len(meant) == 1:
        return meant[0]
    if not meant and wanted.database is not None and all(dump.databases for dump in dumps):
        raise PermanentError(
            f"The backup holds {len(dumps)} dumps ({_listed(dumps)}) and none of the database {name}. What "
            "was asked for is not in it.",
            where,
            rule="database-not-in-dump",
        )
    candidates = f"{len(meant)} of them could be {name}" if meant else f"none is of a database {name}"
    raise PermanentError(
        f"The backup holds {len(dumps)} dumps ({_listed(dumps)}) and {candidates}. The drill cannot know "
        "which one is meant.",
        where,
        "Set `backup.database` to the database to drill; of two dumps of one database keep each by itself.",
        rule="database-choice-ambiguous",
    )


def _is_called(dump: Contained, name: str, dumps: Collection[Contained], choice: Wanted) -> bool:
    """Say whether the folder or file is called *name*.

    A dump that names another database is not the one that `backup.database` asks for, whatever its folder is
    called. A script that names none may be one of several parts: then its name decides nothing.
    """
    if dump.stem != name or (dump.databases and choice.database is not None):
        return False
    return bool(dump.databases) or not any(
        other is not dump and not other.databases and other.stem.startswith(name) for other in dumps
    )


def _listed(dumps: Iterable[Contained]) -> str:
    return listing([_named(dump) for dump in dumps], LISTED, place="", between="; ")


def _named(dump: Contained) -> str:
    place = dump.place or "its top folder"
    return f"{place} of {listing(dump.databases, 1, place='')}" if dump.databases else place
