"""Text that is no SQL: error pages, other databases' dumps, exports that only an application can load."""

from __future__ import annotations

import re

from tasks.catalog.lexer import Lexer
from tasks.model.errors import PermanentError

_SEMICOLON = ord(";")

_FIRST_WORD = re.compile(
    r"(?:abort|alter|analyze|begin|call|cluster|comment|commit|copy|create|delete|do|drop|grant|import|insert"
    r"|lock|merge|prepare|reassign|refresh|reindex|reset|revoke|rollback|savepoint|security|select|set|start"
    r"|truncate|update|vacuum|values|with)\b|\\[a-z]",
    re.IGNORECASE,
)
_STRANGERS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"<!doctype html|<html", re.IGNORECASE), "an HTML page"),
    (re.compile(r"<\?xml|<error>", re.IGNORECASE), "an XML document, such as a store's error answer"),
    (re.compile(r"[{\[]"), "a JSON document"),
    (re.compile(r"-- (?:MySQL|MariaDB) dump|/\*!\d{5}", re.IGNORECASE), "a dump of MySQL or MariaDB"),
    (re.compile(r"PRAGMA foreign_keys", re.IGNORECASE), "a dump of SQLite"),
    (
        re.compile(r"(?:pg_dump|pg_dumpall|pg_basebackup|psql)(?:\.exe)?: "),
        "an error message of PostgreSQL's tools",
    ),
    (re.compile(r"(?:FATAL|ERROR|error|Error|fatal)\b"), "an error message"),
    (re.compile(r"#!"), "a program's script"),
)

_DJANGO = re.compile(
    r'\[\s{0,99}\{\s{0,99}"model"\s{0,9}:|\{"model": ?"[\w.]{1,200}", ?"pk":'
    r"|- model: [\w.]{1,200}\r?\n\s{1,9}(?:pk|fields):"
    r"|(?:<\?xml[^>]{0,200}>)?\s{0,99}<django-objects\b"
)


def may_be_sql(line: str) -> bool:
    """Tell whether *line* begins as a statement or a psql command does."""
    return _FIRST_WORD.match(line.lstrip()) is not None


def must_be_sql(text: str, *, whole: bool, where: str) -> None:
    """Refuse *text*, the first part of a file or, if *whole*, all of it, where it is no SQL.

    Raises:
        PermanentError: `archive-tiny`, `not-a-backup`, `format-unsupported`.
    """
    if not text.strip():
        raise PermanentError(
            f"The backup holds nothing but {len(text)} blank characters. There is nothing to restore.",
            where,
            rule="archive-tiny",
        )
    begin = text.lstrip()
    if _DJANGO.match(begin):
        raise PermanentError(
            "The file is what Django's dumpdata writes: rows without their tables, which only the "
            "application can load. This drill restores what PostgreSQL's tools restore. The file may be "
            "good.",
            where,
            "Back up with pg_dump, which needs no application to come back.",
            rule="format-unsupported",
        )
    looks_like = next((name for pattern, name in _STRANGERS if pattern.match(begin)), None)
    if looks_like is None and _begins_as_sql(text, whole=whole):
        return
    raise PermanentError(
        f"The bytes are {looks_like or 'text that is no SQL'}, not a PostgreSQL backup. There is nothing "
        "to restore.",
        where,
        rule="not-a-backup",
    )


def _begins_as_sql(text: str, *, whole: bool) -> bool:
    """Say whether the first word behind comments is a statement's; a whole text's must end, too."""
    lexer = Lexer((text.encode("utf-8", "surrogateescape"),))
    _pass_over_nothing(lexer)
    if lexer.at_end():
        return not whole
    rest = bytes(lexer.buffer[lexer.position :]).decode("utf-8", "surrogateescape")
    first = _FIRST_WORD.match(rest)
    return first is not None and (not whole or rest.startswith("\\") or ";" in rest)


def _pass_over_nothing(lexer: Lexer) -> None:
    """Move over white space, comments and statements of nothing: other programs leave `/*!40101 ... */;`."""
    while True:
        for _ in lexer.blanks():
            lexer.drop()
        if lexer.at_end() or lexer.buffer[lexer.position] != _SEMICOLON:
            return
        lexer.position += 1
