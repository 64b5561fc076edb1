"""What an entry of a script is called: its comment says it in one line, its statement says it whole.

pg_dump writes a blank for each line end of a name in its comments, and before 9.6 it named keys, triggers and
rules without their table. The statements below the comment hold the names as they are.
"""

from __future__ import annotations

from dataclasses import replace

from tasks.engines.sql.classifier import describe, sequences_set
from tasks.engines.sql.tokens import name_of, tokens
from tasks.model.backup import TocEntry

_OF_TABLES = frozenset(
    {"DEFAULT", "CONSTRAINT", "CHECK CONSTRAINT", "FK CONSTRAINT", "TRIGGER", "RULE", "POLICY"}
)
"""Entries whose tags name their table first."""
_ABOUT = frozenset({"ACL", "DEFAULT ACL", "COMMENT", "SECURITY LABEL", "BLOB", "BLOB METADATA"})
"""Entries whose tags are no names of their own."""


def in_one_line(name: str) -> str:
    """Return *name* as pg_dump's comments have it."""
    return name.replace("\n", " ").replace("\r", " ")


def may_be_incomplete(entry: TocEntry) -> bool:
    """Tell whether the comment of *entry* may lack what its statement says."""
    if entry.desc in _ABOUT:
        return False
    return entry.desc in _OF_TABLES or " " in entry.tag or " " in entry.namespace


def named_by(entry: TocEntry, statement: str) -> TocEntry | None:
    """Return *entry* with the names that *statement* has; None where those are not its own."""
    if entry.desc == "SEQUENCE SET":
        names = [(sequence.namespace, sequence.tag) for sequence in sequences_set(statement)]
        namespace, tag = names[0] if names else ("", "")
    else:
        desc, namespace, tag = describe(statement.encode("utf-8", "surrogateescape"))
        tag = _of_table(entry, desc, tag) if entry.desc in _OF_TABLES else _with_rest(entry, tag)
    if not tag or not _is_same(entry, tag):
        return None
    is_there = namespace and in_one_line(namespace) == in_one_line(entry.namespace)
    return replace(entry, tag=tag, namespace=namespace if is_there else entry.namespace)


def owned_by(entry: TocEntry, statement: str) -> TocEntry:
    """Return *entry* with the owner that an `ALTER ... OWNER TO` below its comment names."""
    names = [part for part in tokens(statement) if part != ";"]
    owner = name_of(names[-1]) if names else ""
    return replace(entry, owner=owner) if in_one_line(owner) == entry.owner else entry


def _is_same(entry: TocEntry, tag: str) -> bool:
    """Tell whether the comment's tag is *tag* in one line, or that without its table."""
    line, comment = in_one_line(tag), in_one_line(entry.tag)
    return line == comment or (entry.desc in _OF_TABLES and line.endswith(f" {comment}"))


def _of_table(entry: TocEntry, desc: str, tag: str) -> str:
    """Return `table name` of what belongs to a table; "" where the statement is another's."""
    if desc == entry.desc.removeprefix("CHECK "):
        return tag  # the statement names both
    if desc != "ALTER TABLE":
        return ""
    begins = f"{in_one_line(tag)} "
    return tag + entry.tag[len(tag) :] if in_one_line(entry.tag).startswith(begins) else f"{tag} {entry.tag}"


def _with_rest(entry: TocEntry, tag: str) -> str:
    """Return *tag* with what the comment has behind it: a function's arguments."""
    begins = f"{in_one_line(tag)}("
    return tag + entry.tag[len(tag) :] if tag and in_one_line(entry.tag).startswith(begins) else tag
