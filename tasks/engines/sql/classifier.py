"""What is done with each statement of a script: given to the server, left to the trusted step, or refused.

The decision rests on the statement's first words. It protects nothing by itself: what is given to the
server runs as a role without power. It keeps apart what that role may not do although a healthy dump asks
for it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum, auto

from tasks.engines.comments import LATE
from tasks.engines.sql.splitter import is_server_file
from tasks.engines.sql.tokens import is_name, name_of, qualified_names, string_of, tokens, words
from tasks.model.backup import TocEntry


class Action(Enum):
    """What becomes of a statement."""

    RUN = auto()
    SETTING = auto()  # run, and no sign of content
    DROP = auto()  # run; a failure for want of the object is no failure
    SKIP = auto()
    OWNER = auto()
    GRANT = auto()
    GRANTOR = auto()  # who grants from here on; elsewhere it would only say who owns what follows
    ROLE = auto()
    DATABASE = auto()
    DROP_DATABASE = auto()
    EXTENSION = auto()
    WRAPPER = auto()
    LATER = auto()  # event triggers, publications of everything: after the data, by us
    NEVER = auto()  # subscriptions, user mappings: listed
    COLLATION = auto()
    BLOCK = auto()  # DO: run, after the roles that it creates
    TRIGGERS = auto()  # all of a table put to sleep or woken: by us, for those of keys are the system's
    HOSTILE = auto()


_PLAIN_WORDS = frozenset(
    {b"INSERT", b"SELECT", b"UPDATE", b"DELETE", b"WITH", b"VALUES", b"BEGIN", b"COMMIT", b"END"}
)
_LEAVES_NOTHING = frozenset(
    {b"SELECT", b"SHOW", b"VALUES", b"BEGIN", b"START", b"COMMIT", b"END", b"ROLLBACK", b"ABORT", b"LOCK",
     b"DISCARD", b"CHECKPOINT", b"ANALYZE", b"VACUUM"}
)  # fmt: skip
_OF_SERVER = re.compile(
    rb"(?i)(?:UPDATE\s{1,9}(?:pg_catalog\s{0,9}\.\s{0,9})?pg_database\b"
    rb"|SELECT\s{1,9}(?:pg_catalog\s{0,9}\.\s{0,9})?pg_(?:terminate|cancel)_backend\s{0,9}\()"
)
"""What makes room for a database: it is no template any more (pg_dump --clean), nobody is in it any more."""
_NAME = rb"(?:\"(?:[^\"]|\"\")+\"|[A-Za-z_\x80-\xff][\w$\x80-\xff]*)"
_ALL_TRIGGERS = re.compile(
    rb"(?i)ALTER\s{1,9}TABLE\s{1,9}(?:IF\s{1,9}EXISTS\s{1,9})?(?:ONLY\s{1,9})?(?P<table>"
    + _NAME
    + rb"(?:\."
    + _NAME
    + rb")?)\s{1,9}(?P<what>DISABLE|ENABLE)\s{1,9}TRIGGER\s{1,9}ALL\s{0,9};?\s{0,9}"
)
_FIRST = re.compile(rb"[A-Za-z]+")
_WORDS = 8
_SKIPPED: tuple[tuple[str, ...], ...] = (
    ("SET", "ROLE"),
    ("SET", "LOCAL", "ROLE"),
    ("SET", "SESSION", "ROLE"),
    ("SET", "LOCAL", "SESSION", "AUTHORIZATION"),
    ("RESET", "ROLE"),
    ("SET", "DEFAULT_TABLESPACE"),
    ("SET", "EVENT_TRIGGERS"),
    ("ALTER", "DATABASE"),
    ("ALTER", "ROLE"),
    ("COMMENT", "ON", "DATABASE"),
    ("COMMENT", "ON", "ROLE"),
    ("COMMENT", "ON", "TABLESPACE"),
    ("COMMENT", "ON", "SUBSCRIPTION"),
    ("SECURITY", "LABEL", "ON", "DATABASE"),
    ("SECURITY", "LABEL", "ON", "ROLE"),
    ("CREATE", "TABLESPACE"),
    ("ALTER", "TABLESPACE"),
    ("DROP", "TABLESPACE"),
    ("DROP", "ROLE"),
    ("DROP", "USER"),
    ("DROP", "GROUP"),
    ("DROP", "EXTENSION"),
    ("DROP", "EVENT", "TRIGGER"),
    ("DROP", "SUBSCRIPTION"),
    ("DROP", "FOREIGN", "DATA"),
    ("ALTER", "EVENT", "TRIGGER"),
    ("ALTER", "SUBSCRIPTION"),
    ("ALTER", "LANGUAGE"),
    ("ALTER", "PROCEDURAL", "LANGUAGE"),
    ("ALTER", "FOREIGN", "DATA"),
)
_ACTIONS: tuple[tuple[tuple[str, ...], Action], ...] = (
    (("ALTER", "SYSTEM"), Action.HOSTILE),
    (("CREATE", "DATABASE"), Action.DATABASE),
    (("DROP", "DATABASE"), Action.DROP_DATABASE),
    (("CREATE", "ROLE"), Action.ROLE),
    (("CREATE", "USER", "MAPPING"), Action.NEVER),
    (("CREATE", "USER"), Action.ROLE),
    (("CREATE", "GROUP"), Action.ROLE),
    (("ALTER", "USER", "MAPPING"), Action.NEVER),
    (("ALTER", "USER"), Action.ROLE),
    (("CREATE", "SUBSCRIPTION"), Action.NEVER),
    (("CREATE", "EXTENSION"), Action.EXTENSION),
    (("ALTER", "EXTENSION"), Action.NEVER),
    (("CREATE", "FOREIGN", "DATA"), Action.WRAPPER),
    (("CREATE", "EVENT", "TRIGGER"), Action.LATER),
    (("CREATE", "COLLATION"), Action.COLLATION),
    (("ALTER", "DEFAULT", "PRIVILEGES"), Action.GRANT),
    (("REVOKE",), Action.GRANT),
    *((("COMMENT", "ON", *kind.split()), Action.LATER) for kind in LATE),
    (("DO",), Action.BLOCK),
    (("SET", "SESSION", "AUTHORIZATION"), Action.GRANTOR),
    (("RESET", "SESSION", "AUTHORIZATION"), Action.GRANTOR),
    (("DROP",), Action.DROP),
    (("SET",), Action.SETTING),
    (("RESET",), Action.SETTING),
)
_OWNER_TO = re.compile(rb"(?is)\bOWNER\s{1,9}TO\s{1,9}(?:\"(?:[^\"]|\"\")+\"|[\w$\x80-\xff]+)\Z")
_ENDS = b"; \t\r\n\f\v"
_CREATES_ROLE = re.compile(r'\bCREATE\s+(?:ROLE|USER)\s+("(?:[^"]|"")+"|[A-Za-z_][\w$]*)', re.IGNORECASE)
_MODIFIERS = frozenset(
    {"OR", "REPLACE", "UNIQUE", "UNLOGGED", "TEMP", "TEMPORARY", "GLOBAL", "LOCAL", "RECURSIVE", "CONSTRAINT",
     "TRUSTED", "PROCEDURAL", "CONCURRENTLY", "IF", "NOT", "EXISTS", "ONLY", "DEFAULT"}
)  # fmt: skip
_OWNED = frozenset(
    {"TABLE", "VIEW", "SEQUENCE", "MATERIALIZED VIEW", "FOREIGN TABLE", "SCHEMA", "TYPE", "DOMAIN"}
)
_TWO_WORDS = frozenset({"MATERIALIZED", "FOREIGN", "TEXT", "OPERATOR", "EVENT", "ACCESS"})
_SCRIPT_BYTES = 1 << 16
_COMMENT = (("COMMENT", "ON"),)
_GRANTS = (("GRANT",), ("REVOKE",), ("ALTER", "DEFAULT"), ("SET", "SESSION"), ("RESET", "SESSION"))
_MINOR_STARTS: dict[str, tuple[tuple[str, ...], ...]] = {
    "ACL": _GRANTS,
    "DEFAULT ACL": _GRANTS,
    "COMMENT": _COMMENT,
    "BLOB COMMENTS": _COMMENT,
    "SECURITY LABEL": (("SECURITY", "LABEL"),),
    "DATABASE": (("CREATE", "DATABASE"), ("ALTER", "DATABASE")),
    "DATABASE PROPERTIES": (("ALTER", "DATABASE"), ("ALTER", "ROLE")),
    "PUBLICATION": (("CREATE", "PUBLICATION"), ("ALTER", "PUBLICATION")),
    "PUBLICATION TABLE": (("ALTER", "PUBLICATION"),),
    "PUBLICATION TABLES IN SCHEMA": (("ALTER", "PUBLICATION"),),
    "SUBSCRIPTION": (("CREATE", "SUBSCRIPTION"), ("ALTER", "SUBSCRIPTION")),
    "SUBSCRIPTION TABLE": (("SELECT",),),
    "EVENT TRIGGER": (("CREATE", "EVENT"), ("ALTER", "EVENT")),
    "USER MAPPING": (("CREATE", "USER"),),
    "STATISTICS DATA": (("SELECT", "*"), ("SELECT", "PG_CATALOG")),
}
"""How the statements begin of entries whose loss loses no row: a comment may say so before any other."""


def decide(statement: bytes) -> Action:
    """Return what becomes of *statement*."""
    first = _FIRST.match(statement)
    word = first.group().upper() if first is not None else b""
    if word in _PLAIN_WORDS:
        if _OF_SERVER.match(statement) is not None:
            return Action.SKIP
        return Action.SETTING if b"set_config" in statement[:64] else Action.RUN
    if word == b"COPY":
        return Action.HOSTILE if is_server_file(statement) else Action.RUN
    special = _alter(statement) if word == b"ALTER" else None
    if special is not None:
        return special
    head = words(statement, _WORDS)
    if any(head[: len(prefix)] == prefix for prefix in _SKIPPED if prefix != ("ALTER", "ROLE")):
        return Action.SKIP
    return _by_words(statement, head)


def _alter(statement: bytes) -> Action | None:
    """Tell apart ALTERs by their ends; None for those that their first words tell."""
    if _OWNER_TO.search(statement[-400:].rstrip(_ENDS)) and _is_single(statement):
        return Action.SKIP if statement[:32].upper().startswith(b"ALTER DATABASE") else Action.OWNER
    return Action.TRIGGERS if _ALL_TRIGGERS.fullmatch(statement) else None


def makes_content(statement: bytes, action: Action) -> bool:
    """Tell whether *statement* can leave something in the database that it runs in.

    What stands before a script connects to its database asks, waits, or makes roles.
    """
    first = _FIRST.match(statement)
    word = first.group().upper() if first is not None else b""
    return action not in (Action.SETTING, Action.DROP, Action.BLOCK) and word not in _LEAVES_NOTHING


def table_switched(statement: bytes) -> tuple[str, bool] | None:
    """Return the table, as it stands, whose triggers an ALTER TABLE all wakes, or puts to sleep (False)."""
    switched = _ALL_TRIGGERS.fullmatch(statement)
    return switched and (switched["table"].decode("utf-8", "replace"), switched["what"].upper() == b"ENABLE")


def _is_single(statement: bytes) -> bool:
    """Tell whether an ALTER does one thing only: OWNER TO may be the last of several."""
    depth = 0
    for part in tokens(statement.decode("utf-8", "replace")):
        depth += (part in "([") - (part in ")]")
        if part == "," and not depth:
            return False
    return True


def _by_words(statement: bytes, head: tuple[str, ...]) -> Action:
    if head[:1] == ("GRANT",) or head[:2] == ("ALTER", "ROLE"):
        return _grant(statement, head)
    for prefix, action in _ACTIONS:
        if head[: len(prefix)] == prefix:
            return action
    if "PUBLICATION" in head[1:2]:
        return _publication(statement, head)
    if "DROP" in head and head[:2] == ("ALTER", "TABLE"):
        return Action.DROP
    if head[:1] == ("CREATE",) and "LANGUAGE" in head[1:5] and "PLPGSQL" in head:
        return Action.SKIP
    return Action.RUN


def _grant(statement: bytes, head: tuple[str, ...]) -> Action:
    """Tell a grant on an object from one of membership."""
    if head[0] == "ALTER":
        return Action.ROLE
    upper = [token.upper() for token in tokens(statement.decode("utf-8", "replace"))]
    on = upper.index("ON") if "ON" in upper else -1
    return Action.GRANT if 0 < on < (upper.index("TO") if "TO" in upper else len(upper)) else Action.ROLE


def _publication(statement: bytes, head: tuple[str, ...]) -> Action:
    upper = [token.upper() for token in tokens(statement[:_SCRIPT_BYTES].decode("utf-8", "replace"))]
    everything = upper[3:6] == ["FOR", "ALL", "TABLES"] or upper[3:6] == ["ADD", "TABLES", "IN"]
    return Action.LATER if everything else (Action.DROP if head[0] == "DROP" else Action.RUN)


def roles_created(block: bytes) -> tuple[str, ...]:
    """Return the roles that a DO block would create: scripts written by hand guard CREATE ROLE with one."""
    text = block[:_SCRIPT_BYTES].decode("utf-8", "replace")
    return tuple(name_of(token) for token in _CREATES_ROLE.findall(text))


def database_named(statement: bytes) -> str:
    """Return the database of a CREATE or DROP DATABASE statement."""
    parts = [
        token
        for token in tokens(statement.decode("utf-8", "replace"))
        if token.upper() not in ("IF", "EXISTS")
    ]
    return name_of(parts[2]) if len(parts) > 2 and is_name(parts[2]) else ""  # noqa: PLR2004


_NAMELESS = "statement"
_VERBS_TEXT = """
ABORT ALTER ANALYZE BEGIN CALL CHECKPOINT CLOSE CLUSTER COMMIT DEALLOCATE DECLARE DELETE DISCARD DO DROP END
EXECUTE EXPLAIN FETCH GRANT IMPORT LISTEN LOAD LOCK MERGE MOVE NOTIFY PREPARE REASSIGN REINDEX RELEASE RESET
REVOKE ROLLBACK SAVEPOINT SELECT SET SHOW START TABLE TRUNCATE UNLISTEN UPDATE VACUUM VALUES WITH
"""
_KINDS_TEXT = """
ACCESS AGGREGATE CAST COLLATION CONVERSION DATABASE DOMAIN EVENT EXTENSION FOREIGN FUNCTION GROUP INDEX
LANGUAGE MATERIALIZED OPERATOR POLICY PROCEDURE PUBLICATION ROLE RULE SCHEMA SEQUENCE SERVER STATISTICS
SUBSCRIPTION TABLE TABLESPACE TEXT TRANSFORM TRIGGER TYPE USER VIEW
"""
_VERBS, _KINDS = frozenset(_VERBS_TEXT.split()), frozenset(_KINDS_TEXT.split())


def describe(statement: bytes) -> tuple[str, str, str]:
    """Return kind, namespace and tag of what *statement* makes, as a table of contents would name it."""
    parts = list(tokens(statement[:_SCRIPT_BYTES].decode("utf-8", "replace")))
    upper = [token.upper() for token in parts]
    verb = upper[0] if upper else ""
    if verb in ("COPY", "INSERT"):
        return "TABLE DATA", *_place(parts[2 if verb == "INSERT" else 1 :])
    if verb == "REFRESH":
        return "MATERIALIZED VIEW DATA", *_place(
            [token for token in parts[3:] if token.upper() not in _MODIFIERS]
        )
    if verb == "CREATE":
        return _created(parts)
    if upper[:2] == ["ALTER", "TABLE"]:
        return _altered(parts, upper)
    if verb in ("COMMENT", "SECURITY") and len(upper) > 1 and upper[1] in ("ON", "LABEL"):
        words_before = parts[2 : upper.index("IS") if "IS" in upper[:6] else 5]
        return ("COMMENT" if verb == "COMMENT" else "SECURITY LABEL"), "", " ".join(words_before)
    return verb if verb in _VERBS else _NAMELESS, "", ""  # a row that lost its COPY is no statement's name


def fits(entry: TocEntry, statement: bytes) -> bool:
    """Tell whether a statement can be of *entry*, so that failing it means no more than losing the entry."""
    head = words(statement, 2)
    starts = _MINOR_STARTS.get(entry.desc)
    return starts is None or any(head[: len(start)] == start for start in starts)


def kind_made(statement: bytes) -> str | None:
    """Return the kind of object that a CREATE makes, or an ALTER OPERATOR FAMILY adds to; None for others."""
    head = words(statement, 3)
    if head == ("ALTER", "OPERATOR", "FAMILY"):
        return "OPERATOR FAMILY"
    return describe(statement)[0] if head[:1] == ("CREATE",) else None


def tables_named(statement: bytes) -> tuple[str, ...]:
    """Return the tables that an ALTER TABLE, COPY or INSERT speaks of, a foreign key's target too."""
    desc, namespace, tag = describe(statement)
    parts = list(tokens(statement[:_SCRIPT_BYTES].decode("utf-8", "replace")))
    upper = [token.upper() for token in parts]
    if desc == "TABLE DATA":
        return (f"{namespace}.{tag}",)
    if upper[:2] != ["ALTER", "TABLE"]:
        return ()
    own = _place([token for token in parts[2:] if token.upper() not in _MODIFIERS])
    tables = [".".join(own)]
    if "REFERENCES" in upper:
        tables.append(".".join(_place(parts[upper.index("REFERENCES") + 1 :])))
    return tuple(tables)


def _created(parts: list[str]) -> tuple[str, str, str]:
    rest = [token for token in parts[1:] if token.upper() not in _MODIFIERS]
    kind = rest[0].upper() if rest else ""
    upper = [token.upper() for token in rest[:3]]
    wide = kind == "TEXT" or upper == ["FOREIGN", "DATA", "WRAPPER"]
    size = 3 if wide else 2 if kind in _TWO_WORDS else 1
    if kind == "OPERATOR" and rest[1:2] and rest[1].upper() not in ("CLASS", "FAMILY"):
        size = 1
    desc = " ".join(rest[:size]).upper()
    if kind not in _KINDS:
        return _NAMELESS, "", ""
    namespace, name = _place(rest[size:])
    before_table = "TO" if desc == "RULE" else "ON"  # ON is followed by its event
    if desc in ("TRIGGER", "POLICY", "RULE") and before_table in (upper := [token.upper() for token in rest]):
        at = upper.index(before_table) + 1
        namespace, table = _place([token for token in rest[at:] if token.upper() not in _MODIFIERS])
        return desc, namespace, f"{table} {name}"
    return desc, namespace, name


def _altered(parts: list[str], upper: list[str]) -> tuple[str, str, str]:
    namespace, table = _place([token for token in parts[2:] if token.upper() not in _MODIFIERS])
    if "CONSTRAINT" in upper and "ADD" in upper:
        at = upper.index("CONSTRAINT") + 1
        name = name_of(parts[at]) if at < len(parts) else ""
        return ("FK CONSTRAINT" if "FOREIGN" in upper else "CONSTRAINT"), namespace, f"{table} {name}"
    return "ALTER TABLE", namespace, table


def _place(name_tokens: list[str]) -> tuple[str, str]:
    parts = qualified_names(name_tokens)
    return (".".join(parts[:-1]), parts[-1]) if parts else ("", "")


# -- psql commands and pg_dump's comments

_SETVAL = re.compile(
    r"(?i)\bsetval\s*\(\s*'(?P<name>(?:[^']|'')*)'(?:\s*::\s*regclass)?\s*,\s*(?P<value>-?\d{1,19})\s*"
    r"(?:,\s*(?P<called>true|false)\s*)?\)"
)
_CLIENT_ENCODING = re.compile(rb"(?i)\ASET\s+client_encoding\s*(?:=|TO)\s*'?([\w-]+)")
_META = re.compile(r"\\(?P<word>[^\s\\]*)")
_KEY = re.compile(r"[A-Za-z0-9]+")
_DBNAME = re.compile(r"\"?dbname\s*=\s*'(?P<name>(?:[^'\\]|\\.|'')*)'\"?")
_ENTRY = re.compile(rb"^-- (?:Data for )?Name: ([^\n]*)", re.MULTILINE)
_COMMENTED = re.compile(rb"^--[ \t]{0,9}(?:CREATE|ALTER)[ \t]", re.MULTILINE)
_TYPE = re.compile(rb"; Type: ([A-Z ]+); Schema: ")


_COMMANDS_TEXT = """
! ? a bind C c cd connect conninfo copy copyright crosstabview d e echo ef elif else encoding endif
errverbose ev f g gdesc gexec gset gx H h help html i if include include_relative ir l list lo_export
lo_import lo_list lo_unlink o out p parse password print prompt pset q qecho quit r reset restrict s set
setenv sf sv T t timing unrestrict unset w warn watch write x z
"""
PSQL_COMMANDS = frozenset(_COMMANDS_TEXT.split())
"""psql's commands; another word behind a backslash may be a row's."""


_OF_DISPLAY = frozenset(["a", "C", "echo", "f", "H", "pset", "qecho", "t", "T", "timing", "warn", "x"])
"""What is said and how it looks: nothing that a restore brings back."""
_VARIABLES = frozenset(
    ("ECHO", "ECHO_HIDDEN", "FETCH_COUNT", "HISTFILE", "HISTSIZE", "ON_ERROR_STOP", "QUIET", "SHOW_CONTEXT",
     "VERBOSITY")
)  # fmt: skip
"""psql's own variables that change neither what runs nor what becomes of it."""
_RUNS_MORE = re.compile(r"[`\\]")
"""A backquote runs a program, a backslash begins another command in the same line."""
_ENCODING_NAME = re.compile(r"[A-Za-z0-9_-]{1,40}")


@dataclass(frozen=True, slots=True)
class Meta:
    """A psql command.

    Attributes:
        word: without its backslash.
        database: of a connect that names nothing but a database.
        key: of restrict and unrestrict.
        encoding: that the client is to speak from here on.
        harmless: it brings nothing back and reaches nothing: display, psql's own settings.
        ends: the script is over here.
    """

    word: str
    database: str | None = None
    key: str | None = None
    encoding: str | None = None
    harmless: bool = False
    ends: bool = False


def read_meta(line: bytes) -> Meta:
    """Read a psql command; what is not understood has neither database nor key."""
    text = line.decode("utf-8", "replace")
    match = _META.match(text)
    word, rest = (match["word"], text[match.end() :].strip()) if match is not None else ("", "")
    if word in ("restrict", "unrestrict") and _KEY.fullmatch(rest):
        return Meta(word, key=rest)
    if word in ("connect", "c"):
        return Meta(word, database=_connected(rest))
    return Meta(word) if _RUNS_MORE.search(rest) else _plain_meta(word, rest)


def _plain_meta(word: str, rest: str) -> Meta:
    """Read a command whose arguments run nothing."""
    if word == "encoding" and _ENCODING_NAME.fullmatch(rest):
        return Meta(word, encoding=rest)
    if word in ("q", "quit") and not rest:
        return Meta(word, ends=True)
    of_psql = word in ("set", "unset") and rest.split(" ", 1)[0] in _VARIABLES
    return Meta(word, harmless=word in _OF_DISPLAY or of_psql)


def _connected(rest: str) -> str | None:
    rest = rest.removeprefix("-reuse-previous=on ").rstrip("; ").strip()  # as psql does
    named = _DBNAME.fullmatch(rest)
    if named is not None:
        return re.sub(r"\\(.)", r"\1", named["name"])
    parts = list(tokens(rest))
    if len(parts) == 1 and parts[0].startswith("'"):
        return string_of(parts[0])
    if (
        "=" in rest
        or ":" in rest
        or "`" in rest
        or (" " in rest.replace('""', "").strip('"') and rest[:1] != '"')
    ):
        return None
    if rest.startswith('"'):
        return name_of(rest) if re.fullmatch(r'"(?:[^"]|"")+"', rest) else None
    return rest if re.fullmatch(r"[\w.@+~-]+", rest) else None


def read_entries(gap: bytes, first_id: int) -> list[TocEntry]:
    """Return the entries that pg_dump's comments in *gap* announce, numbered from *first_id*.

    Bytes that are not UTF-8 stay in them as surrogate escapes, for who knows the script's encoding.
    """
    if b"-- " not in gap:
        return []
    announced = (_announced(match[1]) for match in _ENTRY.finditer(gap))
    return [
        TocEntry(first_id + offset, *names, "none")
        for offset, names in enumerate(names for names in announced if names is not None)
    ]


def commented_out(gap: bytes) -> list[bool]:
    """Tell of each entry that `read_entries` finds in *gap* whether its statement is a comment there."""
    matches = [match for match in _ENTRY.finditer(gap) if _announced(match[1]) is not None]
    ends = (*(match.start() for match in matches[1:]), len(gap))
    return [
        _COMMENTED.search(gap, match.end(), end) is not None
        for match, end in zip(matches, ends, strict=False)
    ]


def _announced(line: bytes) -> tuple[str, str, str, str] | None:
    """Return kind, tag, schema and owner in `tag; Type: X; Schema: s; Owner: o; Tablespace: t`."""
    kind = _TYPE.search(line)
    if kind is None:
        return None
    schema, has_owner, owner = line[kind.end() :].partition(b"; Owner: ")
    if not has_owner:
        return None
    owner = owner.partition(b"; Tablespace: ")[0].removesuffix(b"\r")
    tag = line[: kind.start()].decode("utf-8", "surrogateescape")
    return kind[1].decode(), tag, _known(schema), _known(owner)


def _known(text: bytes) -> str:
    return "" if text == b"-" else text.decode("utf-8", "surrogateescape")


def encoding_set(statement: bytes) -> str | None:
    """Return the encoding that a `SET client_encoding` says what follows is in; None for other statements."""
    match = _CLIENT_ENCODING.match(statement)
    return match and match[1].decode()


def sequences_set(statement: str) -> list[TocEntry]:
    """Return what the `setval` calls of *statement* set, where they name it plainly; "" for no schema."""
    entries = []
    for match in _SETVAL.finditer(statement):
        names = qualified_names(tokens(match["name"].replace("''", "'")))
        if names:
            called = (match["called"] or "true").lower()
            defn = f"SELECT pg_catalog.setval('{match['name']}', {match['value']}, {called});"
            space = names[-2] if len(names) > 1 else ""
            entries.append(TocEntry(-1, "SEQUENCE SET", names[-1], space, "", "none", defn))
    return entries


def owned_by_hand(statement: str) -> TocEntry | None:
    """Return what an `ALTER ... OWNER TO` names, with its owner; None for kinds whose names hold types."""
    parts = [part for part in tokens(statement) if part != ";"]
    rest = [part for part in parts[1:-3] if part.upper() not in _MODIFIERS]
    for size in (2, 1):
        desc = " ".join(rest[:size]).upper()
        namespace, name = _place(rest[size:])
        if desc in _OWNED and name and len(rest) == size + (3 if namespace else 1):
            return TocEntry(-1, desc, name, namespace, name_of(parts[-1]), "none")
    return None
