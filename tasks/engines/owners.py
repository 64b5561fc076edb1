"""What a script written by hand gives to other owners: read out of `ALTER ... OWNER TO`, written anew."""

from __future__ import annotations

from dataclasses import dataclass

from tasks.engines.acl import argument_text
from tasks.engines.sql.tokens import is_name, name_of, qualified_names, quoted, tokens

_KINDS = frozenset(
    {"AGGREGATE", "FUNCTION", "PROCEDURE", "ROUTINE", "COLLATION", "CONVERSION", "STATISTICS", "SERVER",
     "TEXT SEARCH DICTIONARY", "TEXT SEARCH CONFIGURATION", "PUBLICATION"}
)  # fmt: skip
_TAIL = 3  # OWNER TO role
_LONGEST_KIND = 3


@dataclass(frozen=True, slots=True)
class OwnerChange:
    """An object that changes hands.

    Attributes:
        what: the object as messages name it.
        text: the statement, built anew.
    """

    what: str
    owner: str
    text: str


def read_owner_change(statement: str) -> OwnerChange | None:
    """Return what `ALTER kind name OWNER TO role` says; None for any other shape, and for other kinds."""
    parts = [part for part in tokens(statement) if part != ";"]
    upper = [part.upper() for part in parts]
    if upper[:1] != ["ALTER"] or upper[-_TAIL:-1] != ["OWNER", "TO"] or not is_name(parts[-1]):
        return None
    for size in range(_LONGEST_KIND, 0, -1):
        kind = " ".join(upper[1 : 1 + size])
        if kind in _KINDS:
            return _changed(kind, parts[1 + size : -_TAIL], name_of(parts[-1]))
    return None


def _changed(kind: str, rest: list[str], owner: str) -> OwnerChange | None:
    parts = qualified_names(rest)
    arguments = rest[2 * len(parts) - 1 :] if parts else []
    inside = argument_text(arguments[1:-1]) if arguments else None
    if not parts or (arguments and (arguments[0] != "(" or arguments[-1] != ")" or inside is None)):
        return None
    name = ".".join(map(quoted, parts)) + (f"({inside})" if inside is not None else "")
    what = f"{kind} {'.'.join(parts)}" + (f"({inside})" if inside is not None else "")
    return OwnerChange(what, owner, f"ALTER {kind} {name} OWNER TO {quoted(owner)}")
