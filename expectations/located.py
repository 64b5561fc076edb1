"""YAML and JSON with the line of every value, so that an error can point at it.

Decision: a key written twice is an error. YAML would keep the last one silently, and with it drop a table's
expectations.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

import yaml

Path_ = tuple[str | int, ...]


@dataclass(slots=True)
class Located:
    """A parsed file: its data, and the line of each path in it, from 1."""

    data: object
    lines: dict[Path_, int] = field(default_factory=dict)

    def line(self, path: Path_) -> int | None:
        """Return the line of *path*, or of the nearest thing around it."""
        for end in range(len(path), -1, -1):
            if path[:end] in self.lines:
                return self.lines[path[:end]]
        return None


class Unreadable(Exception):  # noqa: N818
    """Not YAML or JSON, or a key stands twice. Arguments: what, line or None."""

    @property
    def what(self) -> str:
        """What is wrong."""
        return str(self.args[0])

    @property
    def line(self) -> int | None:
        """Where, from 1."""
        line: int | None = self.args[1]
        return line


def read_yaml(text: str) -> Located:
    """Parse YAML.

    Raises:
        Unreadable: a syntax error or a key written twice.
    """
    lines: dict[Path_, int] = {}
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        if node is None:
            return Located(None)
        _locate(node, (), lines)
        return Located(yaml.safe_load(text), lines)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        raise Unreadable(error.problem or "not valid YAML", mark.line + 1 if mark else None) from error
    except (yaml.YAMLError, ValueError) as error:  # an unprintable character, a date such as 2026-02-30
        raise Unreadable(f"not valid YAML: {type(error).__name__}", None) from error


def read_json(text: str) -> Located:
    """Parse JSON, a native GX suite; lines come from reading it as YAML, of which it is nearly a part.

    Raises:
        Unreadable: a syntax error or a key written twice.
    """
    try:
        data = json.loads(text)
    except json.JSONDecodeError as error:
        raise Unreadable(f"not valid JSON: {error.msg}", error.lineno) from error
    lines: dict[Path_, int] = {}
    try:
        node = yaml.compose(text.replace("\t", " "), Loader=yaml.SafeLoader)
    except yaml.YAMLError:  # JSON that YAML 1.1 cannot read: the data is good, only the lines are missing
        return Located(data)
    if node is not None:
        _locate(node, (), lines)
    return Located(data, lines)


def _locate(node: yaml.Node, path: Path_, lines: dict[Path_, int]) -> None:
    lines.setdefault(path, node.start_mark.line + 1)
    if isinstance(node, yaml.MappingNode):
        _locate_mapping(node, path, lines)
    elif isinstance(node, yaml.SequenceNode):
        for index, child in enumerate(node.value):
            _locate(child, (*path, index), lines)


def _locate_mapping(node: yaml.MappingNode, path: Path_, lines: dict[Path_, int]) -> None:
    seen: dict[str, int] = {}
    for key, child in node.value:
        name, line = str(key.value), key.start_mark.line + 1
        if name in seen and name != "<<":
            raise Unreadable(f'"{name}" stands twice, first in line {seen[name]}', line)
        seen[name] = line
        lines[(*path, name)] = line
        _locate(child, (*path, name), lines)


def as_mapping(value: object) -> Mapping[str, object] | None:
    """Return *value* if it is a mapping with strings as keys."""
    if isinstance(value, dict) and all(isinstance(key, str) for key in value):
        return value
    return None
