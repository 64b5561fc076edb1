"""Reading YAML so that every value knows its line, and nothing is guessed or dropped.

YAML 1.1, which PyYAML reads, turns `off` into false, `1:30` into 90 and `010` into 8, and keeps the last of
two equal keys. Here only `null`, decimal numbers and text exist (no key of ours is a truth value), and a key
that stands twice is refused.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path as FilePath
from typing import Any

import yaml

from tasks.model.errors import ConfigInvalid

KeyPath = tuple[str | int, ...]
"""Where a value stands in a document: `("databases", 2, "rpo")`."""

MAX_VALUES = 500_000
"""Aliases can make a small file expand without end; no fleet is larger than this."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with a document.

    Attributes:
        path: the value concerned; () for the document as a whole.
        message: fact and remedy, one sentence; holds no secret.
        line: from 1; None to look *path* up.
    """

    path: KeyPath
    message: str
    line: int | None = None


@dataclass(frozen=True, slots=True)
class Document:
    """A YAML document: plain data, the line of every value, and the hash of the file's bytes."""

    path: FilePath
    data: Any
    lines: dict[KeyPath, int]
    sha256: str

    def line(self, path: KeyPath) -> int:
        """Return the line of *path*, or of the nearest thing around it that the file holds."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)


class _Loader(yaml.SafeLoader):
    """Three kinds of plain values, so that what is written is what is read."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012  PyYAML's own shape


_NUMBERS = list("-+0123456789.")
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:null", re.compile(r"(?:~|null|Null|NULL|)\Z"), ["~", "n", "N", ""]
)
_Loader.add_implicit_resolver("tag:yaml.org,2002:int", re.compile(r"[-+]?(?:0|[1-9][0-9]*)\Z"), _NUMBERS)
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"[-+]?(?:0|[1-9][0-9]*)\.[0-9]+\Z"), _NUMBERS
)
_Loader.add_implicit_resolver("tag:yaml.org,2002:merge", re.compile(r"<<\Z"), ["<"])


def read_yaml(path: FilePath, shown: str | None = None) -> Document:
    """Return the one document of the file *path*.

    Args:
        shown: how messages call the file; the path itself when None.

    Raises:
        ConfigInvalid: it cannot be read, is no YAML, is empty, or holds a key twice.
    """
    shown = shown or str(path)
    raw = _read(path, shown)
    try:
        root, data = _parsed(raw.decode("utf-8-sig"), shown)
    except yaml.MarkedYAMLError as exc:
        raise invalid(shown, [_syntax(exc)]) from exc
    except yaml.reader.ReaderError as exc:
        line = raw.decode("utf-8-sig")[: exc.position].count("\n") + 1
        problem = (
            f"not YAML: the character with code {exc.character} may not stand in a text file; take it out"
        )
        raise invalid(shown, [Problem((), problem, line)]) from exc
    except RecursionError as exc:
        raise invalid(
            shown, [Problem((), "values are nested too deeply; no fleet file needs that", 1)]
        ) from exc
    lines: dict[KeyPath, int] = {}
    _note_lines(root, (), lines)
    return Document(path, data, lines, hashlib.sha256(raw).hexdigest())


def invalid(shown: str, problems: list[Problem], document: Document | None = None) -> ConfigInvalid:
    """Return the error that lists *problems*, one a line: file, line, path, fact and remedy."""
    rows = []
    for problem in problems:
        line = problem.line or (document.line(problem.path) if document else 1)
        where = f" {render(problem.path)}:" if problem.path else ""
        rows.append((line, f"{shown}:{line}:{where} {problem.message}"))
    return ConfigInvalid("\n".join(text for _, text in sorted(dict.fromkeys(rows), key=lambda row: row[0])))


def render(path: KeyPath) -> str:
    """Return *path* as people write it: `databases[2].backup.at`."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def _read(path: FilePath, shown: str) -> bytes:
    try:
        raw = path.read_bytes()
        raw.decode("utf-8-sig")
    except FileNotFoundError as exc:
        raise ConfigInvalid(
            f"{shown}: there is no such file",
            hint="Name the fleet file; `restore-drill init URI` writes one.",
        ) from exc
    except IsADirectoryError as exc:
        raise ConfigInvalid(f"{shown}: this is a folder; name the YAML file in it") from exc
    except UnicodeDecodeError as exc:
        raise ConfigInvalid(f"{shown}: the file is not UTF-8 text (byte {exc.start})") from exc
    except OSError as exc:
        raise ConfigInvalid(f"{shown}: the file cannot be read: {exc.strerror}") from exc
    return raw


def _parsed(text: str, shown: str) -> tuple[yaml.Node, Any]:
    """Return the document as nodes, which know their lines, and as plain data."""
    loader = _Loader(text)
    try:
        root = loader.get_single_node()
        if root is None:
            raise invalid(shown, [Problem((), "the file is empty", 1)])
        if problems := _repeated_keys(root):
            raise invalid(shown, problems)
        return root, loader.construct_document(root)
    finally:
        loader.dispose()


def _repeated_keys(root: yaml.Node) -> list[Problem]:
    """Return what construction would drop or never end on: repeated keys, odd keys, endless aliases."""
    problems: list[Problem] = []
    left = MAX_VALUES
    stack: list[tuple[yaml.Node, KeyPath, frozenset[int]]] = [(root, (), frozenset())]
    while stack:
        node, path, above = stack.pop()
        left -= 1
        if id(node) in above or left < 0:
            what = "an alias contains itself" if id(node) in above else f"more than {MAX_VALUES} values"
            return [Problem(path, f"{what}; write the values out", _line(node))]
        inside = above | {id(node)}
        if isinstance(node, yaml.SequenceNode):
            stack += [(item, (*path, i), inside) for i, item in enumerate(node.value)]
        if isinstance(node, yaml.MappingNode):
            problems += _odd_keys(node, path)
            stack += [(value, (*path, str(key.value)), inside) for key, value in node.value]
    return problems


def _odd_keys(node: yaml.MappingNode, path: KeyPath) -> list[Problem]:
    problems: list[Problem] = []
    first: dict[str, int] = {}
    for key, _ in node.value:
        line = _line(key)
        if key.tag == "tag:yaml.org,2002:merge":
            continue
        if key.tag != "tag:yaml.org,2002:str":
            problems.append(Problem(path, f"the key {_key_text(key)} is not text; write it in quotes", line))
        elif key.value in first:
            problems.append(
                Problem(
                    (*path, key.value), f"this key already stands in line {first[key.value]}; keep one", line
                )
            )
        else:
            first[key.value] = line
    return problems


def _key_text(key: yaml.Node) -> str:
    return str(key.value) if isinstance(key, yaml.ScalarNode) else "(a list or mapping)"


def _note_lines(node: yaml.Node, path: KeyPath, lines: dict[KeyPath, int]) -> None:
    lines.setdefault(path, _line(node))
    if isinstance(node, yaml.SequenceNode):
        for i, item in enumerate(node.value):
            lines[(*path, i)] = _line(item)
            _note_lines(item, (*path, i), lines)
    if isinstance(node, yaml.MappingNode):  # merge keys are flattened by now, the mapping's own pairs last
        for key, value in node.value:
            lines[(*path, key.value)] = _line(key)
            _note_lines(value, (*path, key.value), lines)


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1


def _syntax(exc: yaml.MarkedYAMLError) -> Problem:
    mark = exc.problem_mark or exc.context_mark
    problem = exc.problem or "not YAML"
    if "'\\t'" in problem:
        problem = "a tab stands where YAML wants spaces; indent with spaces"
    elif "could not determine a constructor" in problem:
        problem = "a YAML tag (!...) is not understood; write plain values"
    context = f" ({exc.context})" if exc.context and problem == exc.problem else ""
    return Problem((), f"not YAML: {problem}{context}", None if mark is None else mark.line + 1)
