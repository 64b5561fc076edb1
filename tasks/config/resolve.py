"""What a fleet file leaves relative or short, resolved: placeholders, patterns, selections, paths, suites."""

from __future__ import annotations

import copy
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import expectations
from tasks.config.cron import check_timezone
from tasks.config.pattern import check_pattern, fill
from tasks.config.schema import Population
from tasks.config.selecting import selection_from
from tasks.config.yaml_source import KeyPath, Problem

_SUITE_SUFFIXES = (".yaml", ".yml", ".json")
_LATER_KINDS = frozenset({"rds_snapshot"})
_KEY_FILES: tuple[KeyPath, ...] = (
    ("backup", "decrypt", "gpg", "key_file"),
    ("backup", "decrypt", "gpg", "home"),
    ("backup", "decrypt", "gpg", "passphrase_file"),
    ("backup", "decrypt", "age", "identity_file"),
    ("backup", "cipher", "passphrase_file"),
    ("backup", "tls", "ca_file"),
)


def resolved(database: dict[str, Any], fleet: str, base: Path, problems: list[Problem]) -> dict[str, Any]:
    """Return a database's merged keys, resolved; what cannot be goes to *problems* and is left as it stands.

    Args:
        base: the fleet file's folder, which relative paths start from.
    """
    database = copy.deepcopy(database)
    name = str(database.get("name"))
    steps: list[tuple[KeyPath, Callable[[Any], Any]]] = [
        (("backup", "kind"), _kind),
        (("backup", "timezone"), check_timezone),
        (("backup", "at"), lambda text: _pattern(fill(text, name, fleet), base)),
        (("backup", "globals"), lambda text: _pattern(fill(text, name, fleet), base)),
        (("backup", "wal"), lambda text: _place(fill(text, name, fleet), base)),
        (("backup", "stanza"), lambda text: fill(text, name, fleet)),
        (("backup", "tool"), lambda text: _tool(text, base)),
        (("backup", "select"), lambda value: selection_from(value, _timezone(database))),
        *_expectations(("expect",), name, fleet, base),
        *((path, lambda text: _below(base, text)) for path in _KEY_FILES),
    ]
    for inside in _databases_inside(database):
        steps += _expectations(("expect", "databases", inside), inside, fleet, base)
    for path, step in steps:
        _apply(database, path, step, problems)
    return database


def _expectations(
    above: KeyPath, name: str, fleet: str, base: Path
) -> list[tuple[KeyPath, Callable[[Any], Any]]]:
    """Return what is resolved of the expectations at *above*, of the database *name*."""
    return [
        ((*above, "suite"), lambda text: find_suite(fill(text, name, fleet), base)),
        ((*above, "drift", "baseline", "seed"), lambda text: _file(fill(text, name, fleet), base)),
    ]


def _databases_inside(database: dict[str, Any]) -> list[str]:
    """Return the names of the databases of a cluster that something is expected of."""
    expect = database.get("expect")
    inside = expect.get("databases") if isinstance(expect, dict) else None
    return [str(name) for name in inside] if isinstance(inside, dict) else []


def evidence(text: str, base: Path, problems: list[Problem]) -> str:
    """Return where evidence goes: an `s3://` URI without a slash at the end, or an absolute path."""
    scheme, separator, rest = text.partition("://")
    if separator and scheme == "s3" and rest.strip("/"):
        return text.rstrip("/")
    if separator and scheme == "file":
        return os.path.normpath(unquote(rest))
    if separator or not text.strip():
        problems.append(
            Problem(("evidence",), f'"{text}" is no place for evidence; write s3://bucket/prefix or a folder')
        )
    return str(_below(base, text))


def population(written: Population, base: Path) -> Population:
    """Return where the databases are told of, with paths from *base* on."""
    return Population(
        file=None if written.file is None else _below(base, str(written.file)),
        prefixes=tuple(f"{_place(prefix, base).rstrip('/')}/" for prefix in written.prefixes),
    )


def find_suite(text: str, base: Path) -> Path:
    """Return the suite's file: a path from *base* on, or a bare name in an `expectations/suites` folder.

    Raises:
        ValueError: there is no such file; the message says where it was looked for.
    """
    if "/" in text or text.endswith(_SUITE_SUFFIXES):
        return _file(text, base)
    folders = [parent / "expectations" / "suites" for parent in (base, *base.parents)]
    folders.append(Path(expectations.__file__).parent / "suites")
    for folder in folders:
        for suffix in _SUITE_SUFFIXES:
            if (folder / f"{text}{suffix}").is_file():
                return folder / f"{text}{suffix}"
    raise ValueError(
        f'there is no suite "{text}": expectations/suites/{text}.yaml is neither beside the fleet file, '
        "nor in a folder above it, nor among the installed ones; write its path, or null for none"
    )


def _apply(
    database: dict[str, Any], path: KeyPath, step: Callable[[Any], Any], problems: list[Problem]
) -> None:
    holder: Any = database
    for part in path[:-1]:
        holder = holder.get(part) if isinstance(holder, dict) else None
    key = path[-1]
    if not isinstance(holder, dict) or holder.get(key) is None:
        return
    if not isinstance(holder[key], str) and key != "select":
        return  # the schema says what is wrong with it
    try:
        holder[key] = step(holder[key])
    except ValueError as exc:
        problems.append(Problem(path, str(exc)))
        del holder[key]
        if key == "at":
            holder[key] = "unusable"


def _kind(text: str) -> str:
    if text in _LATER_KINDS:
        raise ValueError(
            f'"{text}" comes later, this version drills dumps, base backups, pgBackRest, Barman and '
            "WAL-G; write dump, basebackup, pgbackrest, barman or walg, or take the database out"
        )
    return text


def _timezone(database: dict[str, Any]) -> str:
    return str(database["backup"].get("timezone") or "UTC")


def _pattern(text: str, base: Path) -> str:
    if "://" in text:
        check_pattern(text)
        return text
    absolute = os.path.normpath(base / Path(text).expanduser()) + ("/" if text.endswith("/") else "")
    check_pattern(absolute)
    return absolute


def _place(text: str, base: Path) -> str:
    """Return a folder or prefix: an `s3://` or `file://` URI, or an absolute path."""
    return text if "://" in text else str(_below(base, text))


def _tool(text: str, base: Path) -> str:
    """Return a program's path; `auto` stays what it is."""
    return text if text == "auto" else str(_below(base, text))


def _below(base: Path, text: str) -> Path:
    return Path(os.path.normpath(base / Path(text).expanduser()))


def _file(text: str, base: Path) -> Path:
    path = _below(base, text)
    if not path.is_file():
        raise ValueError(f'"{text}" is no file: {path} is not there; paths are relative to the fleet file')
    return path
