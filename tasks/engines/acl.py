"""Grants and default privileges: read out of a dump's text into privileges, objects and roles, written anew.

Nothing of the text itself reaches a server: what is run is put together from names, words of fixed sets and
the lexical parts of argument lists. What has another shape than a grant is None, and is listed, not run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import TypeVar

from tasks.engines.sql.tokens import is_name, name_of, quoted, string_of, tokens

PRIVILEGES = frozenset(
    {"SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER", "MAINTAIN", "USAGE",
     "CREATE", "CONNECT", "TEMPORARY", "TEMP", "EXECUTE", "ALL"}
)  # fmt: skip
ROUTINES = frozenset({"FUNCTION", "PROCEDURE", "ROUTINE"})
RELATIONS = frozenset({"TABLE", "SEQUENCE"})
_GLOBAL = frozenset({"SCHEMA", "LANGUAGE", "DATABASE", "FOREIGN DATA WRAPPER", "FOREIGN SERVER"})
IN_SCHEMA = "IN SCHEMA"
_EVERYTHING = frozenset({"TABLES", "SEQUENCES", "FUNCTIONS", "PROCEDURES", "ROUTINES"})
_DEFAULTS = _EVERYTHING - {"PROCEDURES"} | {"TYPES", "SCHEMAS", "LARGE OBJECTS"}
_TWO_WORDS = (("LARGE", "OBJECT"), ("FOREIGN", "SERVER"))
_ROLE_WORDS = frozenset({"PUBLIC", "CURRENT_USER", "CURRENT_ROLE", "SESSION_USER"})
_KINDS = RELATIONS | ROUTINES | _EVERYTHING | _GLOBAL | {"TYPE", "DOMAIN"}
_NO_NAME = frozenset({".", ",", "TO", "FROM"})
"""What follows a table that is called as a kind is, and no kind."""
_ARGUMENT_MARKS = frozenset(".,[]()*")
_SYSTEM_SCHEMAS = frozenset({"pg_catalog", "information_schema"})
_SYSTEM_LANGUAGES = frozenset({"plpgsql", "sql", "internal", "c"})
_LONGEST = 1 << 20
"""Characters of an ACL entry that are read: a table with 1600 columns and many roles has far fewer."""


@dataclass(frozen=True, slots=True)
class Grantee:
    """Whom a privilege is for.

    Attributes:
        word: it is no role's name but PUBLIC, CURRENT_USER or the like.
    """

    name: str
    word: bool = False

    @property
    def text(self) -> str:
        """The grantee as SQL has it."""
        return self.name if self.word else quoted(self.name)


@dataclass(frozen=True, slots=True)
class Privilege:
    """A privilege, of some columns only where they are named."""

    name: str
    columns: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The privilege as SQL has it."""
        return self.name + (f" ({_listed(self.columns)})" if self.columns else "")


@dataclass(frozen=True, slots=True)
class Target:
    """An object that a grant is on.

    Attributes:
        parts: its name, schema first; of a large object, its number.
        arguments: of a function, its argument list; None where there is no list.
    """

    parts: tuple[str, ...]
    arguments: str | None = None

    @property
    def text(self) -> str:
        """The object as SQL has it."""
        name = ".".join(map(quoted, self.parts))
        return name if self.arguments is None else f"{name}({self.arguments})"


@dataclass(frozen=True, slots=True)
class Scope:
    """Whose future objects default privileges are about; empty where the text names none."""

    roles: tuple[Grantee, ...] = ()
    schemas: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The clauses as SQL has them, with a space behind each."""
        roles = f"FOR ROLE {', '.join(role.text for role in self.roles)} " if self.roles else ""
        return roles + (f"IN SCHEMA {_listed(self.schemas)} " if self.schemas else "")


@dataclass(frozen=True, slots=True)
class Grant:
    """A GRANT or REVOKE of privileges.

    Attributes:
        gives: GRANT, not REVOKE.
        kind: of *targets*: TABLE, LARGE OBJECT, `TABLES IN SCHEMA` and the like; of defaults TABLES.
        with_option: WITH GRANT OPTION, or GRANT OPTION FOR.
        grantor: of GRANTED BY.
        scope: of default privileges; None of a grant on objects.
    """

    gives: bool
    privileges: tuple[Privilege, ...]
    kind: str
    targets: tuple[Target, ...]
    grantees: tuple[Grantee, ...]
    with_option: bool = False
    cascade: bool = False
    grantor: Grantee | None = None
    scope: Scope | None = None

    @property
    def text(self) -> str:
        """The statement, built anew."""
        lead = "" if self.scope is None else f"ALTER DEFAULT PRIVILEGES {self.scope.text}"
        verb = "GRANT " if self.gives else "REVOKE " + ("GRANT OPTION FOR " if self.with_option else "")
        privileges = ", ".join(privilege.text for privilege in self.privileges)
        ways = ("TO", " WITH GRANT OPTION" if self.with_option else "") if self.gives else ("FROM", "")
        grantees = ", ".join(grantee.text for grantee in self.grantees)
        by = f" GRANTED BY {self.grantor.text}" if self.grantor is not None else ""
        end = ways[1] + by + (" CASCADE" if self.cascade else "")
        return f"{lead}{verb}{privileges} ON {self._on()} {ways[0]} {grantees}{end}"

    def _on(self) -> str:
        if self.scope is not None:
            return self.kind
        if self.kind == "LARGE OBJECT":
            return f"LARGE OBJECT {', '.join(target.parts[0] for target in self.targets)}"
        lead = f"ALL {self.kind}" if self.kind.endswith(IN_SCHEMA) else self.kind
        return f"{lead} {', '.join(target.text for target in self.targets)}"

    @property
    def is_system(self) -> bool:
        """Tell whether it is about objects that every PostgreSQL has."""
        if self.kind == "LANGUAGE":
            return any(target.parts[0] in _SYSTEM_LANGUAGES for target in self.targets)
        schemas = self.kind == "SCHEMA" or self.kind.endswith(IN_SCHEMA)
        return any(
            target.parts[0] in _SYSTEM_SCHEMAS for target in self.targets if schemas or len(target.parts) > 1
        )

    def within(self, schema: str) -> Grant:
        """Return the grant with *schema* before the names that have none: old archives leave it out."""
        if self.scope is not None or self.kind in _GLOBAL or self.kind == "LARGE OBJECT":
            return self
        if not schema or self.kind.endswith(IN_SCHEMA):
            return self
        targets = (
            replace(target, parts=(schema, *target.parts)) if len(target.parts) == 1 else target
            for target in self.targets
        )
        return replace(self, targets=tuple(targets))

    def only_for(self, roles: frozenset[str]) -> Grant | None:
        """Return the grant to those of its grantees that are words or of *roles*; None if nobody is left."""
        left = tuple(grantee for grantee in self.grantees if grantee.word or grantee.name in roles)
        return replace(self, grantees=left) if left else None


@dataclass(frozen=True, slots=True)
class ActAs:
    """From here on another role grants: `SET SESSION AUTHORIZATION`; None: the former one again."""

    role: str | None

    @property
    def text(self) -> str:
        """The statement, built anew: a role is taken on, a session's user never changes."""
        return "RESET ROLE" if self.role is None else f"SET ROLE {quoted(self.role)}"


Statement = Grant | ActAs
Item = TypeVar("Item")


def read_acl(text: str) -> tuple[Statement, ...] | None:
    """Return the statements of an ACL or DEFAULT ACL entry, or None where any of them is no grant."""
    if len(text) > _LONGEST:
        return None
    statements: list[Statement] = []
    for parts in _split(tokens(text)):
        statement = _read(parts)
        if statement is None:
            return None
        statements.append(statement)
    return tuple(statements)


def _split(parts: Iterable[str]) -> Iterable[list[str]]:
    current: list[str] = []
    for part in parts:
        if part == ";":
            if current:
                yield current
            current = []
        else:
            current.append(part)
    if current:
        yield current


def _read(parts: list[str]) -> Statement | None:
    cursor = _Cursor(parts)
    try:
        statement = _statement(cursor)
        cursor.end()
    except _Unlike:
        return None
    return statement


def _statement(cursor: _Cursor) -> Statement:
    if cursor.take("SET", "SESSION", "AUTHORIZATION"):
        return ActAs(None if cursor.take("DEFAULT") else cursor.name_or_string())
    if cursor.take("RESET", "SESSION", "AUTHORIZATION"):
        return ActAs(None)
    scope = _scope(cursor) if cursor.take("ALTER", "DEFAULT", "PRIVILEGES") else None
    return _grant(cursor, scope)


def _scope(cursor: _Cursor) -> Scope:
    roles: tuple[Grantee, ...] = ()
    schemas: tuple[str, ...] = ()
    if cursor.take("FOR", "ROLE") or cursor.take("FOR", "USER"):
        roles = tuple(cursor.listed(cursor.grantee))
    if cursor.take("IN", "SCHEMA"):
        schemas = tuple(cursor.listed(cursor.name))
    return Scope(roles, schemas)


def _grant(cursor: _Cursor, scope: Scope | None) -> Grant:
    gives = cursor.take("GRANT")
    if not gives:
        cursor.demand("REVOKE")
    option_for = not gives and cursor.take("GRANT", "OPTION", "FOR")
    privileges = tuple(cursor.listed(cursor.privilege))
    cursor.demand("ON")
    kind, targets = _on(cursor) if scope is None else (_default_kind(cursor), ())
    cursor.demand("TO" if gives else "FROM")
    grantees = tuple(cursor.listed(cursor.grantee))
    option = gives and cursor.take("WITH", "GRANT", "OPTION")
    grantor = cursor.grantee() if cursor.take("GRANTED", "BY") else None
    cascade = not gives and cursor.take("CASCADE")
    if not gives and not cascade:
        cursor.take("RESTRICT")
    return Grant(gives, privileges, kind, targets, grantees, option or option_for, cascade, grantor, scope)


def _default_kind(cursor: _Cursor) -> str:
    for kind in _DEFAULTS:
        if cursor.take(*kind.split()):
            return kind
    raise _Unlike


def _on(cursor: _Cursor) -> tuple[str, tuple[Target, ...]]:
    if cursor.take("ALL"):
        everything = cursor.kind()
        cursor.demand("IN", "SCHEMA")
        if everything not in _EVERYTHING:
            raise _Unlike
        return f"{everything} {IN_SCHEMA}", tuple(cursor.listed(lambda: Target((cursor.name(),))))
    kind = cursor.kind()
    if kind == "LARGE OBJECT":
        return kind, tuple(cursor.listed(lambda: Target((cursor.number(),))))
    if kind in ROUTINES:
        return kind, tuple(cursor.listed(lambda: Target(cursor.qualified(), cursor.arguments())))
    return kind, tuple(cursor.listed(lambda: Target(cursor.qualified())))


class _Unlike(Exception):  # noqa: N818  what is read is not like a grant
    """The text has another shape."""


class _Cursor:
    """Reads a statement token by token."""

    def __init__(self, parts: list[str]) -> None:
        self._listed = parts
        self._upper = [token.upper() for token in parts]
        self._at = 0

    def take(self, *words: str) -> bool:
        """Pass over *words* if they come next, and tell whether they did."""
        fits = tuple(self._upper[self._at : self._at + len(words)]) == words
        self._at += len(words) * fits
        return fits

    def demand(self, *words: str) -> None:
        """Pass over *words*, which must come next."""
        if not self.take(*words):
            raise _Unlike

    def end(self) -> None:
        """Demand that nothing is left to read."""
        if self._at != len(self._listed):
            raise _Unlike

    def token(self) -> str:
        """Return the next token and pass over it."""
        if self._at >= len(self._listed):
            raise _Unlike
        self._at += 1
        return self._listed[self._at - 1]

    def name(self) -> str:
        """Return the next name."""
        token = self.token()
        if not is_name(token):
            raise _Unlike
        return name_of(token)

    def name_or_string(self) -> str:
        """Return the next name, or the text of a plain string."""
        if self._at < len(self._listed) and self._listed[self._at].startswith("'"):
            return string_of(self.token())
        return self.name()

    def number(self) -> str:
        """Return the next number."""
        token = self.token()
        if not (token.isascii() and token.isdigit()):
            raise _Unlike
        return token

    def listed(self, read: Callable[[], Item]) -> list[Item]:
        """Return the items of a comma list, each read by *read*."""
        items = [read()]
        while self.take(","):
            items.append(read())
        return items

    def qualified(self) -> tuple[str, ...]:
        """Return the parts of a name with dots."""
        parts = [self.name()]
        while self.take("."):
            parts.append(self.name())
        return tuple(parts)

    def grantee(self) -> Grantee:
        """Return a role, or the word that stands for one."""
        self.take("GROUP")
        word = self._upper[self._at] if self._at < len(self._upper) else ""
        if word in _ROLE_WORDS:
            self._at += 1
            return Grantee(word, word=True)
        return Grantee(self.name())

    def privilege(self) -> Privilege:
        """Return a privilege with its columns."""
        name = self.token().upper()
        if name not in PRIVILEGES:
            raise _Unlike
        if name == "ALL":
            self.take("PRIVILEGES")
        columns: tuple[str, ...] = ()
        if self.take("("):
            columns = tuple(self.listed(self.name))
            self.demand(")")
        return Privilege(name, columns)

    def kind(self) -> str:
        """Return what kind of object follows; a relation's need not be named."""
        if self.take("FOREIGN", "DATA", "WRAPPER"):
            return "FOREIGN DATA WRAPPER"
        for words in _TWO_WORDS:
            if self.take(*words):
                return " ".join(words)
        word = self._upper[self._at] if self._at < len(self._upper) else ""
        if word in _KINDS and not _NO_NAME.issuperset(self._upper[self._at + 1 : self._at + 2]):
            self._at += 1
            return word
        return "TABLE"

    def arguments(self) -> str | None:
        """Return an argument list: names, types and what stands between them, nothing else."""
        if not self.take("("):
            return None
        parts: list[str] = []
        depth = 1
        while depth:
            parts.append(self.token())
            depth += (parts[-1] == "(") - (parts[-1] == ")")
        text = argument_text(parts[:-1])
        if text is None:
            raise _Unlike
        return text


def argument_text(listed: Iterable[str]) -> str | None:
    """Return an argument list written anew from its tokens; None where they are no such list."""
    depth, parts = 0, list(listed)
    for part in parts:
        depth += (part == "(") - (part == ")")
        if depth < 0:
            return None
    try:
        return None if depth else " ".join(map(_argument, parts))
    except _Unlike:
        return None


def _argument(part: str) -> str:
    if part in _ARGUMENT_MARKS or (part.isascii() and part.isdigit()):
        return part
    if not is_name(part):
        raise _Unlike
    return quoted(name_of(part)) if part.startswith('"') else part


def _listed(names: Iterable[str]) -> str:
    return ", ".join(map(quoted, names))
