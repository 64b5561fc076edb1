"""Why an expectation could not be judged, in our words.

Decision: no sentence of PostgreSQL's or GX's is kept. They quote rows and SQL, and a hostile function can
put a row into any of them. What is kept is PostgreSQL's error class, and quoted names that the suite itself
holds.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from expectations.results import Cause

_CLASS = re.compile(r"\(psycopg(?:\.errors)?\.(\w+)\)")
_QUOTED = re.compile(r'"([^"\n]{1,100})"')
_POSTGRES: Mapping[str, tuple[Cause, str]] = {
    "UndefinedColumn": (Cause.COLUMN_MISSING, "a column that it names is not there"),
    "UndefinedTable": (Cause.BAD_QUERY, "it names a table that is not there"),
    "UndefinedFunction": (Cause.WRONG_TYPE, "the column's type knows no such operation"),
    "DatatypeMismatch": (
        Cause.WRONG_TYPE,
        "the column's type does not fit the values that it is compared with",
    ),
    "InvalidTextRepresentation": (Cause.WRONG_TYPE, "a value cannot be read as the column's type"),
    "InvalidDatetimeFormat": (Cause.WRONG_TYPE, "a value cannot be read as a time"),
    "NumericValueOutOfRange": (Cause.DATA, "a number is out of its type's range"),
    "DataError": (Cause.DATA, "a value, such as the time infinity, lies beyond what can be compared"),
    "DivisionByZero": (Cause.DATA, "a division by zero"),
    "UndefinedObject": (Cause.BAD_QUERY, "it names a type or a collation that is not there"),
    "SyntaxError": (Cause.BAD_QUERY, "its SQL has a syntax error"),
    "GroupingError": (Cause.BAD_QUERY, "its SQL groups wrongly"),
    "AmbiguousColumn": (Cause.BAD_QUERY, "its SQL names a column that is ambiguous"),
    "InvalidRegularExpression": (Cause.BAD_QUERY, "its regular expression is not PostgreSQL's"),
    "ReadOnlySqlTransaction": (Cause.DENIED, "its SQL writes; suites read only"),
    "InsufficientPrivilege": (Cause.DENIED, "the reading role may not do that"),
    "QueryCanceled": (Cause.DEADLINE, "the deadline passed"),
    "CharacterNotInRepertoire": (Cause.DATA, "the column holds bytes that are not valid in its encoding"),
    "UntranslatableCharacter": (Cause.DATA, "the column holds characters that cannot be converted"),
    "DataCorrupted": (Cause.DATA, "the table's pages are damaged"),
    "RaiseException": (Cause.DATA, "a function in the database raised an error"),
    "OperationalError": (Cause.CONNECTION, "the sandbox's server went away"),
    "AdminShutdown": (Cause.CONNECTION, "the sandbox's server was shut down"),
    "InterfaceError": (Cause.CONNECTION, "the connection was lost"),
}
# What the suite's own SQL named without its schema is one of these.
_UNQUALIFIED: Mapping[str, str] = {
    "UndefinedTable": "its SQL names a table that is not there",
    "UndefinedObject": "its SQL names a type or a collation that is not there",
    "UndefinedFunction": "its SQL calls a function or an operator that is not there for these types",
}
_QUALIFY = (
    "suites look in pg_catalog alone, so that no operator of the dump judges it: write what is your own with "
    "its schema, public.NAME, an operator as OPERATOR(public.=)"
)
_READ_CHARS = 20_000
_GX: tuple[tuple[re.Pattern[str], Cause, str], ...] = (
    (re.compile(r"DeadlinePassed"), Cause.DEADLINE, "the deadline passed"),
    (
        re.compile(r"column .* (does not exist|not found)", re.IGNORECASE | re.DOTALL),
        Cause.COLUMN_MISSING,
        "a column that it names is not there",
    ),
    (
        re.compile(r"No provider found"),
        Cause.UNSUPPORTED,
        "Great Expectations cannot judge it in PostgreSQL",
    ),
    (
        re.compile(
            r"cannot be computed on column of type|not supported between instances|cannot be compared"
        ),
        Cause.WRONG_TYPE,
        "the column's type does not fit the values that it is compared with",
    ),
    (
        re.compile(r"placeholder"),
        Cause.BAD_QUERY,
        "its query holds a placeholder that is not {batch}; write braces twice",
    ),
    (
        re.compile(r"row_condition|condition", re.IGNORECASE),
        Cause.BAD_QUERY,
        "its row_condition is not understood",
    ),
)


def explain(texts: Iterable[str], known: Iterable[str], *, own_sql: bool = False) -> tuple[Cause, str]:
    """Return why an expectation errored, from the exceptions' *texts*.

    Args:
        texts: exception messages as GX gives them; they may hold rows.
        known: words that the suite or the catalogue holds; only these are repeated.
        own_sql: the suite itself holds SQL, a query or a condition.
    """
    whole = "\n".join(texts)[:_READ_CHARS]
    cause, sentence = _classify(whole)
    remedy = ""
    unqualified = _UNQUALIFIED.get(_postgres_class(whole) or "") if own_sql else None
    if unqualified is not None:
        cause, sentence, remedy = Cause.BAD_QUERY, unqualified, f"; {_QUALIFY}"
    names = _known_names(whole, known)
    return cause, f"{sentence} ({', '.join(names)}){remedy}" if names else f"{sentence}{remedy}"


def exception_texts(info: object) -> list[str]:
    """Return the messages in GX's `exception_info`: flat for one exception, keyed by metric for several."""
    if not isinstance(info, Mapping):
        return []
    if "raised_exception" in info:
        message = info.get("exception_message")
        return [str(message)] if info["raised_exception"] else []
    return [text for part in info.values() for text in exception_texts(part)]


def _classify(text: str) -> tuple[Cause, str]:
    name = _postgres_class(text)
    if name is not None:
        return _POSTGRES.get(name, (Cause.OTHER, f"PostgreSQL refused its query with {name}"))
    for pattern, cause, sentence in _GX:
        if pattern.search(text):
            return cause, sentence
    return Cause.OTHER, "Great Expectations could not judge it"


def _postgres_class(text: str) -> str | None:
    match = _CLASS.search(text)
    return None if match is None else match[1]


def _known_names(text: str, words: Iterable[str]) -> list[str]:
    """Return quoted words of *text* that stand in the suite or the catalogue already."""
    allowed = set(words)
    names = [name for name in _QUOTED.findall(text) if name in allowed]
    return list(dict.fromkeys(names))[:3]
