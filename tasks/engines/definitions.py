"""Reading the definitions that only a superuser may create, so strictly that nobody can read them otherwise.

A statement that our superuser is to run is made of nothing but names, numbers, plain strings and punctuation:
no comment, no escape, no body. Then PostgreSQL's lexer sees the tokens that we see, and the first of them say
what the statement is. Attributes of functions that a superuser alone may give are cut out of the text, which
the restoring role then runs, and are given afterwards by statements of ours.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from tasks.engines.sql.splitter import Kind, scan
from tasks.engines.sql.tokens import is_name, name_of, qualified_names, quoted, string_of, tokens

ALWAYS = frozenset(
    {"ACCESS METHOD", "CAST", "LANGUAGE", "OPERATOR CLASS", "OPERATOR FAMILY", "PROCEDURAL LANGUAGE",
     "SHELL TYPE", "TEXT SEARCH PARSER", "TEXT SEARCH TEMPLATE", "TRANSFORM"}
)  # fmt: skip
"""Kinds of entries that nobody but a superuser creates, or that many can create in one case only."""
_OPTIONAL = frozenset({"OR", "REPLACE", "TRUSTED", "PROCEDURAL"})
_HEADS = (
    ("CREATE", "ACCESS", "METHOD"), ("CREATE", "AGGREGATE"), ("CREATE", "CAST"), ("CREATE", "FUNCTION"),
    ("CREATE", "LANGUAGE"), ("CREATE", "OPERATOR", "CLASS"), ("CREATE", "OPERATOR", "FAMILY"),
    ("ALTER", "OPERATOR", "FAMILY"), ("CREATE", "PROCEDURE"), ("CREATE", "TEXT", "SEARCH", "PARSER"),
    ("CREATE", "TEXT", "SEARCH", "TEMPLATE"), ("CREATE", "TRANSFORM"), ("CREATE", "TYPE"),
)  # fmt: skip
_BY_LIBRARY = frozenset({"c", "internal"})
_PUNCTUATION = frozenset("(),.;[]=<>+-*/%^&|~!@#?:")
_UNICODE = re.compile(r"[uU]&[\"']")
_SPACE = re.compile(r"[ \t\r\n\f\v]*")
_SYMBOL = re.compile(r"\$\$(\w+)\$\$")
_LONGEST = 1 << 16
"""Characters: an operator class with every operator that there is has fewer."""


@dataclass(frozen=True, slots=True)
class Setting:
    """A SET clause of a function: name in its parts, values as texts."""

    name: tuple[str, ...]
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Softened:
    """A function's definition without what only a superuser may say, and that.

    Attributes:
        text: for the restoring role to run.
        support: a planner's support function, () if none.
    """

    text: str
    leakproof: bool
    support: tuple[str, ...]
    settings: tuple[Setting, ...]


def statements_of(definition: str) -> list[str]:
    """Return the statements of an entry's definition: most have one."""
    pieces = scan([definition.encode("utf-8", "surrogateescape")])
    return [
        piece.data.decode("utf-8", "surrogateescape").strip()
        for piece in pieces
        if piece.kind is not Kind.GAP
    ]


def needs_superuser(desc: str, statement: str, settings: frozenset[str]) -> bool:
    """Tell whether only a superuser, or he too where others may not, can create what *statement* does.

    Args:
        desc: the kind of entry.
        statement: its definition.
        settings: parameters that only a superuser may set.
    """
    if desc in ALWAYS:
        return True
    if desc == "TYPE":
        return _is_base_type(statement)
    if desc == "AGGREGATE":
        parts = list(tokens(statement[:_LONGEST]))
        states = zip(parts, parts[2:], strict=False)
        return any(
            word.upper() in ("STYPE", "MSTYPE") and name_of(value) == "internal" for word, value in states
        )
    if desc not in ("FUNCTION", "PROCEDURE"):
        return False
    return language_of(statement) in _BY_LIBRARY or soften(statement, settings) is not None


def language_of(statement: str) -> str:
    """Return the language of a function, "" where it says none."""
    parts = _outer(statement)
    upper = [token.upper() for token in parts]
    at = upper.index("LANGUAGE") + 1 if "LANGUAGE" in upper else len(parts)
    if at >= len(parts):
        return ""
    return string_of(parts[at]).lower() if parts[at].startswith("'") else name_of(parts[at])


def type_returned(statement: str) -> str:
    """Return the type that a function RETURNS where it is one word, "" where it says none."""
    parts = _outer(statement)
    upper = [token.upper() for token in parts]
    at = upper.index("RETURNS") + 1 if "RETURNS" in upper else len(parts)
    return name_of(parts[at]) if at < len(parts) and is_name(parts[at]) else ""


def library_of(statement: str) -> tuple[str, str] | None:
    """Return library and symbol of a function in C, or "" and symbol of an internal one; None if unread."""
    parts = _outer(statement)
    upper = [token.upper() for token in parts]
    if upper.count("AS") != 1:
        return None
    after = parts[upper.index("AS") + 1 :]
    texts = (
        [_text_of(token) for token in after[:3:2]]
        if after[1:2] == [","]
        else [_text_of(after[0])]
        if after
        else []
    )
    if not texts or None in texts:
        return None
    if language_of(statement) == "internal":
        return ("", texts[0] or "") if len(texts) == 1 else None
    return (texts[0] or "", (texts[1] or "") if len(texts) > 1 else routine_name(statement))


def strict(statement: str) -> str | None:
    """Return a statement that our superuser may run as it stands, without OR REPLACE; None for any other."""
    text = statement.strip()
    if len(text) > _LONGEST or _UNICODE.search(text) or not is_text_of_tokens(text):
        return None
    parts = list(tokens(text))
    if ";" in parts[:-1] or not all(map(_is_plain, parts)):
        return None
    head = [part.upper() for part in parts[:7]]
    short = [part for part in head if part not in _OPTIONAL]
    if not any(tuple(short[: len(words)]) == words for words in _HEADS):
        return None
    if head[1:3] == ["OR", "REPLACE"]:
        return f"{parts[0]} {text[_after(text, parts[:3]) :].lstrip()}"
    return text


def is_text_of_tokens(text: str) -> bool:
    """Tell whether *text* is nothing but its tokens and white space: no comments."""
    at = 0
    for token in tokens(text):
        at = _end_of_space(text, at)
        if not text.startswith(token, at):
            return False
        at += len(token)
    return _end_of_space(text, at) == len(text)


def _end_of_space(text: str, at: int) -> int:
    space = _SPACE.match(text, at)
    return at if space is None else space.end()


def _after(text: str, parts: list[str]) -> int:
    at = 0
    for token in parts:
        at = text.index(token, at) + len(token)
    return at


def _is_plain(token: str) -> bool:
    if token in _PUNCTUATION or _SYMBOL.fullmatch(token):
        return True
    if token.startswith('"'):
        return token.endswith('"') and len(token) > 2  # noqa: PLR2004  two quotes
    if token.startswith("'"):
        return len(token) > 1 and token.endswith("'") and "\\" not in token
    return is_name(token) or (token.isascii() and token[:1].isdigit())


def _text_of(token: str) -> str | None:
    symbol = _SYMBOL.fullmatch(token)
    if symbol is not None:
        return symbol[1]
    return string_of(token) if token.startswith("'") else None


def routine_name(statement: str) -> str:
    """Return the name of a function, without its schema."""
    parts = [part for part in tokens(statement[:_LONGEST]) if part.upper() not in _OPTIONAL]
    return (qualified_names(parts[2:]) or ("",))[-1]


def _is_base_type(statement: str) -> bool:
    parts = list(tokens(statement[:_LONGEST]))
    name = qualified_names(parts[2:])
    after = parts[2 + 2 * len(name) - 1 :]
    return bool(name) and after[:1] in ([], [";"], ["("])


# -- clauses of functions


@dataclass(frozen=True, slots=True)
class _Span:
    """A token outside of parentheses, and where it stands."""

    token: str
    begin: int
    end: int

    @property
    def upper(self) -> str:
        return self.token.upper()


def _outer(statement: str) -> list[str]:
    """Return the tokens outside of parentheses."""
    outer: list[str] = []
    depth = 0
    for token in tokens(statement):
        depth += (token in ("(", "[")) - (token in (")", "]"))
        if not depth and token not in (")", "]"):
            outer.append(token)
    return outer


def _clauses(statement: str) -> list[_Span]:
    """Return the tokens outside of parentheses and before a body of SQL; [] where comments stand between."""
    spans: list[_Span] = []
    at = depth = 0
    for token in tokens(statement):
        begin = statement.find(token, at)
        if begin < 0 or statement[at:begin].strip():
            return []
        at = begin + len(token)
        depth += (token in ("(", "[")) - (token in (")", "]"))
        if not depth and token not in (")", "]"):
            spans.append(_Span(token, begin, at))
    words = [span.upper for span in spans]
    ends = [index for index, word in enumerate(words) if word in ("RETURN", "BEGIN")]
    return spans[: ends[0] if ends else len(spans)]


def soften(statement: str, settings: frozenset[str]) -> Softened | None:
    """Cut out what only a superuser may say of a function; None where it says nothing of that."""
    spans = _clauses(statement)
    cuts: list[tuple[int, int]] = []
    leakproof, support, cut_settings = False, (), []  # type: tuple[bool, tuple[str, ...], list[Setting]]
    for index, span in enumerate(spans):
        before = spans[index - 1].upper if index else ""
        if span.upper == "LEAKPROOF" and before != "NOT":
            leakproof = True
            cuts.append((span.begin, span.end))
        elif span.upper == "SUPPORT" and before not in ("FUNCTION", "PROCEDURE", "."):
            support = qualified_names([other.token for other in spans[index + 1 :]])
            cuts.append((span.begin, spans[index + 2 * len(support) - 1].end if support else span.end))
        elif span.upper == "SET":
            setting, end = _setting(spans[index + 1 :])
            if setting is not None and _is_superusers(setting, settings):
                cut_settings.append(setting)
                cuts.append((span.begin, end))
    if not cuts:
        return None
    text = statement
    for begin, end in reversed(cuts):
        text = text[:begin] + " " + text[end:]
    return Softened(text, leakproof, support, tuple(cut_settings))


def _setting(spans: list[_Span]) -> tuple[Setting | None, int]:
    """Read `name TO value, value` from the front; with where it ends."""
    name = qualified_names([span.token for span in spans])
    at = 2 * len(name) - 1
    if not name or at + 1 >= len(spans) or spans[at].upper not in ("TO", "="):
        return None, 0
    values: list[str] = []
    while at + 1 < len(spans):
        values.append(_value(spans[at + 1].token))
        at += 2
        if at >= len(spans) or spans[at].upper != ",":
            break
    return Setting(name, tuple(values)), spans[at - 1].end


def _value(token: str) -> str:
    return string_of(token) if token.startswith("'") else name_of(token)


def _is_superusers(setting: Setting, settings: frozenset[str]) -> bool:
    """One of a library that is not loaded, with a dot in its name, may be set by a superuser only."""
    return len(setting.name) > 1 or "." in setting.name[0] or setting.name[0].lower() in settings


def setting_name(setting: Setting) -> str:
    """Return a parameter's name as SQL has it."""
    return ".".join(quoted(part) for name in setting.name for part in name.split("."))


def strings(values: tuple[str, ...]) -> Iterator[str]:
    """Yield *values* as plain literals."""
    for value in values:
        yield "'" + value.replace("'", "''") + "'"
