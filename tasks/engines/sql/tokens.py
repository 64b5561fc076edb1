"""Reading names out of SQL text that pg_dump or somebody else wrote; the text itself is never passed on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from string import ascii_lowercase, ascii_uppercase

from tasks.catalog import lexer
from tasks.model.encodings import is_text

_NOT_ROLES = frozenset({"public", "current_user", "session_user", "current_role", "user", "none", ""})
_HEAD_BYTES = 4096
_FOLDED = str.maketrans(ascii_uppercase, ascii_lowercase)
"""PostgreSQL folds the letters of ASCII and, in UTF-8, no others."""


def tokens(text: str) -> Iterator[str]:
    """Yield the tokens of *text*, without white space and comments."""
    for token in lexer.tokens(text.encode("utf-8", "surrogateescape")):
        yield token.decode("utf-8", "surrogateescape")


def words(statement: bytes, count: int) -> tuple[str, ...]:
    """Return the first *count* tokens of a statement, words in upper case, quoted names as they stand."""
    first_words: list[str] = []
    for token in tokens(statement[:_HEAD_BYTES].decode("utf-8", "replace")):
        first_words.append(token if token[0] in "\"'" else token.upper())
        if len(first_words) == count:
            break
    return tuple(first_words)


def name_of(token: str) -> str:
    """Return the name that an identifier stands for: unquoted, or in lower case as PostgreSQL folds it."""
    if token.startswith('"'):
        return token[1:-1].replace('""', '"')
    return token.translate(_FOLDED)


def quoted(name: str) -> str:
    """Return *name* as a quoted identifier."""
    return '"' + name.replace('"', '""') + '"'


def string_of(token: str) -> str:
    """Return what a plain string literal holds."""
    return token[token.index("'") + 1 : -1].replace("''", "'")


def is_name(token: str) -> bool:
    """Tell whether *token* can be an identifier."""
    word = (token[:1].isalpha() or token[:1] == "_") and "'" not in token
    return word or token.startswith('"')


def qualified_names(listed: Iterable[str]) -> tuple[str, ...]:
    """Return the parts of `a.b.c` from the front of a token list."""
    parts: list[str] = []
    rest = iter(listed)
    for token in rest:
        if not is_name(token):
            break
        parts.append(name_of(token))
        if next(rest, "") != ".":
            break
    return tuple(parts)


def names_listed(listed: list[str], start: int) -> tuple[tuple[str, ...], int]:
    """Return the names of a comma list that begins at *start*, and where it ends."""
    names: list[str] = []
    while start < len(listed) and is_name(listed[start]):
        names.append(name_of(listed[start]))
        start += 1
        if start >= len(listed) or listed[start] != ",":
            break
        start += 1
    return tuple(names), start


def roles_in_grants(text: str) -> frozenset[str]:
    """Return the roles that grants, default privileges and SET SESSION AUTHORIZATION speak of."""
    parts = list(tokens(text))
    upper = [token.upper() for token in parts]
    roles: set[str] = set()
    for index, word in enumerate(upper):
        if word in ("TO", "FROM", "AUTHORIZATION", "ROLE", "USER") and index + 1 < len(upper):
            start = index + 1 + (upper[index + 1] == "GROUP")
            if word in ("ROLE", "USER") and upper[index - 1] != "FOR":
                continue
            roles.update(names_listed(parts, start)[0])
    return real_roles(roles)


def roles_in_policy(text: str) -> frozenset[str]:
    """Return the roles that a CREATE POLICY is for."""
    parts = list(tokens(text))
    upper = [token.upper() for token in parts]
    limits = [upper.index(word) for word in ("USING", "WITH") if word in upper]
    clause = upper[: min(limits, default=len(upper))]
    if "TO" not in clause:
        return frozenset()
    return real_roles(names_listed(parts, clause.index("TO") + 1)[0])


def real_roles(names: Iterable[str]) -> frozenset[str]:
    """Return *names* without those that stand for no role of a dump's own, or that no server would take."""
    return frozenset(
        name for name in names if name not in _NOT_ROLES and not name.startswith("pg_") and is_text(name)
    )
