"""The same line with another database in it: whose backups lie beside ours, and who drills them?

`at` arrives with its placeholders filled in, so the database's place is where its name stands as a word.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cached_property

from tasks.discovery.matching import Token, has_several_stars, regex_of
from tasks.discovery.pattern import KeyPattern
from tasks.model.backup import StoredObject
from tasks.model.bounded_list import beyond, listing
from tasks.model.findings import Finding
from tasks.model.printable import printable
from tasks.model.rules import finding
from tasks.stores.base import Store

_NAME = r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}?"
_MARK = "\x00"
_LOOKED_AT = 100
_HOPS = 20
_FOLDERS = 40
_BEYOND_DIGITS = ":"  # the character after 9


class Siblings:
    """What the pattern of *database* would match for any other name.

    Args:
        pattern: the database's own.
        database: its name, as it stands in the pattern.
        drilled: names that some fleet drills.
    """

    def __init__(self, pattern: KeyPattern, database: str, drilled: tuple[str, ...]) -> None:
        self._pattern = pattern
        self._database = database.casefold()
        self._drilled = {name.casefold() for name in (database, *drilled)}
        self._word = re.compile(rf"(?<![A-Za-z0-9]){re.escape(database)}(?![A-Za-z0-9])")

    @property
    def place(self) -> str | None:
        """The beginning of the keys up to the database's name; None where that is not constant."""
        match = self._word.search(self._pattern.constant, self._after_bucket())
        return None if match is None else self._pattern.constant[: match.start()]

    def name_in(self, uri: str) -> str | None:
        """Return the other database whose backup *uri* is, or None."""
        if self._regex is None:
            return None
        match = self._regex.fullmatch(uri)
        if match is None or match["database"].casefold() == self._database:
            return None
        return match["database"]

    def look(self, store: Store) -> dict[str, str]:
        """Return other databases whose backups the store holds, with one URI of each.

        One delimiter listing where a folder bears the name; else keys are skipped from name to name.
        """
        place = self.place
        if place is None:
            return {}
        if "/" in self._pattern.constant[len(place) :]:
            return self._look_in_folders(store, place)
        return self._look_along(store, place)

    def findings(self, neighbours: dict[str, str]) -> tuple[Finding, ...]:
        """Return one warning for all databases that no fleet names; where the first one's backups lie."""
        undrilled = sorted(
            (name, uri) for name, uri in neighbours.items() if name.casefold() not in self._drilled
        )
        if not undrilled:
            return ()
        names = [f'"{printable(name)}"' for name, _ in undrilled]
        whose = "a database" if len(names) == 1 else f"{len(names)} databases"
        such = "that name" if len(names) == 1 else "those names"
        message = (
            f"Backups of {whose}, {listing(names)}, lie beside these and this fleet drills none of {such}: "
            "nobody knows whether they can be restored."
        )
        return (finding("undrilled-backup", message, where=undrilled[0][1], names=beyond(names)),)

    @cached_property
    def _regex(self) -> re.Pattern[str] | None:
        """The pattern with any name in the database's places, all of them the same.

        None where the name is in none, or where two stars beside it would leave too many ways to match.
        """
        if has_several_stars(self._pattern.tokens):
            return None
        bucket = self._after_bucket()
        first, *rest = self._pattern.tokens
        head, tail = first.text[:bucket], first.text[bucket:]
        marked = (Token("literal", head + self._marked(tail)), *map(self._marked_token, rest))
        before, *after = regex_of(marked, directory=self._pattern.directory).split(_MARK)
        if not after:
            return None
        body = before + f"(?P<database>{_NAME})" + "(?P=database)".join(after)
        return re.compile(body, re.ASCII | re.DOTALL)

    def _marked_token(self, token: Token) -> Token:
        return Token("literal", self._marked(token.text)) if token.kind == "literal" else token

    def _marked(self, text: str) -> str:
        return self._word.sub(_MARK, text)

    def _after_bucket(self) -> int:
        uri = self._pattern.uri
        return uri.index("/", uri.index("://") + 3)

    def _look_in_folders(self, store: Store, place: str) -> dict[str, str]:
        parent = place.rpartition("/")[0] + "/"
        own = self._pattern.constant[len(parent) :].partition("/")[0]
        names: dict[str, str] = {}
        others = [
            folder
            for folder in store.folders(parent)
            if (name := folder.removeprefix(parent).rstrip("/")) != own
            and name.casefold() not in self._drilled
        ]
        for folder in others[:_FOLDERS]:
            names.update(self._first(store.list(folder, limit=_LOOKED_AT)))
        return names

    def _look_along(self, store: Store, place: str) -> dict[str, str]:
        """Read a page, then jump behind the last name seen, so that a database costs one call."""
        names: dict[str, str] = {}
        after: str | None = None
        for _ in range(_HOPS):
            page = list(store.list(place, start_after=after, limit=_LOOKED_AT))
            names.update(self._first(page))
            if len(page) < _LOOKED_AT:
                break
            after = self._behind(page[-1].uri)
        return names

    def _behind(self, uri: str) -> str:
        match = self._regex.fullmatch(uri) if self._regex else None
        if match is None:
            return uri
        field = next((match.start(name) for name in match.re.groupindex if name.startswith("f")), None)
        if field is None or not uri[field].isdigit():
            return uri
        return (
            f"{uri[:field]}{_BEYOND_DIGITS}"  # no further: orders_2026 and orders_archive_2026 are two names
        )

    def _first(self, objects: Iterator[StoredObject] | list[StoredObject]) -> dict[str, str]:
        names: dict[str, str] = {}
        for obj in objects:
            name = self.name_in(obj.uri)
            if name is not None:
                names.setdefault(name, obj.uri)
        return names
