"""Comments on what only a superuser owns, or makes after the data: read, written anew, run at the end."""

from __future__ import annotations

from tasks.engines.acl import argument_text
from tasks.engines.context import Connection, Job
from tasks.engines.errors.causes import Omission
from tasks.engines.errors.classes import Meaning, meaning_of
from tasks.engines.errors.failure import Failure
from tasks.engines.privileged import run_batches
from tasks.engines.sql.tokens import is_name, name_of, qualified_names, quoted, string_of, tokens
from tasks.model.backup import TocEntry

_IN_SCHEMAS = ("TEXT SEARCH PARSER", "TEXT SEARCH TEMPLATE", "TYPE")
"""Kinds that only a superuser owns, or the superuser until all is there: types that were only announced."""
_NAMED = (
    "ACCESS METHOD", "EVENT TRIGGER", "EXTENSION", "FOREIGN DATA WRAPPER", "LANGUAGE", "PROCEDURAL LANGUAGE",
    "PUBLICATION",
)  # fmt: skip
_LONGEST = 3
_BATCH = 100
LATE = (*(f"{kind} " for kind in _NAMED), "CAST ", "TRANSFORM ")
"""How the tags of such comments begin."""
_AGAIN = tuple(f"{kind} " for kind in _IN_SCHEMAS)
"""Those that are tried at their place first."""


def comment_late(job: Job, session: Connection) -> None:
    """Comment on what our superuser owns or has just made; list comments of unknown shape."""
    statements = _refused(job)
    for entry in job.toc.of("COMMENT"):
        if entry.tag.startswith(LATE) and entry.defn:
            text = read_comment(entry.defn)
            if text is None:
                job.omissions.append(Omission(entry))
            else:
                statements[text] = entry
    for text, refusal in run_batches(session, list(statements), _BATCH):
        job.failures.append(Failure.of(statements[text], refusal))


def _refused(job: Job) -> dict[str, TocEntry]:
    """Take the comments that the restoring role was refused out of the failures, to be made again."""
    statements: dict[str, TocEntry] = {}
    for failure in list(job.failures):
        entry = failure.entry
        if entry is None or entry.desc != "COMMENT" or not entry.tag.startswith(_AGAIN):
            continue
        text = read_comment(entry.defn)
        if text is not None and meaning_of(failure) is Meaning.POLICY:
            statements[text] = entry
            job.failures.remove(failure)
    return statements


def read_comment(statement: str) -> str | None:
    """Return a `COMMENT ON kind name IS 'text'`, written anew; None for other kinds and other shapes."""
    parts = [part for part in tokens(statement) if part != ";"]
    upper = [part.upper() for part in parts]
    if upper[:2] != ["COMMENT", "ON"] or upper[-2:-1] != ["IS"]:
        return None
    text = _literal(parts[-1])
    target = _target(parts[2:-2], upper[2:-2])
    return None if text is None or target is None else f"COMMENT ON {target} IS {text}"


def _literal(token: str) -> str | None:
    if token.upper() == "NULL":
        return "NULL"
    if not token.startswith("'") or "\\" in token:
        return None
    return "'" + string_of(token).replace("'", "''") + "'"


def _target(parts: list[str], upper: list[str]) -> str | None:
    if upper[:1] == ["CAST"] and parts[1:2] == ["("] and parts[-1] == ")":
        types = argument_text(parts[2:-1])
        return None if types is None else f"CAST ({types})"
    if upper[:2] == ["TRANSFORM", "FOR"] and upper[-2:-1] == ["LANGUAGE"] and is_name(parts[-1]):
        type_name = argument_text(parts[2:-2])
        return (
            None if type_name is None else f"TRANSFORM FOR {type_name} LANGUAGE {quoted(name_of(parts[-1]))}"
        )
    for size in range(_LONGEST, 0, -1):
        kind = " ".join(upper[:size])
        name = qualified_names(parts[size:])
        if kind in _IN_SCHEMAS and len(name) == 2 and len(parts) == size + 3:  # noqa: PLR2004  schema . name
            return f"{kind} {quoted(name[0])}.{quoted(name[1])}"
        if kind in _NAMED and len(parts) == size + 1 and is_name(parts[-1]):
            return f"{kind} {quoted(name_of(parts[-1]))}"
    return None
