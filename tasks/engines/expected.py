"""From a table of contents to what the restored database is held against."""

from __future__ import annotations

import re
from collections import defaultdict

from tasks.model.backup import Toc, TocEntry
from tasks.model.expected import Expected, Origin, Position

_POST_DATA = frozenset(
    {"CONSTRAINT", "FK CONSTRAINT", "CHECK CONSTRAINT", "INDEX", "TRIGGER", "INDEX ATTACH"}
)
_SETVAL = re.compile(r"\bsetval\('(?:[^']|'')*', (?P<value>-?\d{1,19}), (?P<called>true|false)\)")


def expected_of(toc: Toc) -> Expected:
    """Return what *toc* lists."""
    names: dict[str, str] = {}
    by_desc: defaultdict[str, set[str]] = defaultdict(set)
    sequences: defaultdict[tuple[str, str], set[Position]] = defaultdict(set)
    for entry in toc.entries:
        if entry.desc in ("TABLE", "TABLE DATA", "MATERIALIZED VIEW DATA"):
            name = f"{entry.namespace}.{entry.tag}"
            by_desc[entry.desc].add(names.setdefault(name, name))
        elif entry.desc == "SEQUENCE SET":
            sequences[entry.namespace, entry.tag] |= _positions(entry)
    return Expected(
        tables=frozenset(by_desc["TABLE"]),
        with_data=frozenset(by_desc["TABLE DATA"]),
        filled_views=frozenset(by_desc["MATERIALIZED VIEW DATA"]),
        extensions=tuple(entry.tag for entry in toc.of("EXTENSION")),
        sequences={name: frozenset(positions) for name, positions in sequences.items()},
        has_post_data=any(entry.desc in _POST_DATA for entry in toc.entries),
    )


def origin_of(toc: Toc) -> Origin:
    """Return what *toc*'s header tells."""
    return Origin(
        toc.server_version, toc.dump_version, toc.database, toc.made_at, toc.compression, toc.encoding
    )


def _positions(entry: TocEntry) -> set[Position]:
    match = _SETVAL.search(entry.defn)
    return set() if match is None else {(int(match["value"]), match["called"] == "true")}
