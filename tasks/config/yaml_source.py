"""A fleet file's YAML, and the error that says where it is wrong: file, line, path, fact and remedy.

`expectations.yaml_text` reads it, as it reads suites: YAML 1.2, and nothing is guessed or dropped.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path as FilePath
from typing import Any

from expectations import yaml_text
from expectations.yaml_text import KeyPath, Unreadable, decode, read_bytes, render
from tasks.model.errors import ConfigInvalid

__all__ = ["Document", "KeyPath", "Problem", "invalid", "read_yaml", "render"]


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
    """A YAML document: plain data, where each value stands, and the hash of the file's bytes."""

    path: FilePath
    data: Any
    text: yaml_text.Document
    sha256: str

    def line(self, path: KeyPath) -> int:
        """Return the line of *path*, or of the nearest thing around it that the file holds."""
        return self.text.line(path)


def read_yaml(path: FilePath, shown: str | None = None) -> Document:
    """Return the one document of the file *path*.

    Args:
        shown: how messages call the file; the path itself when None.

    Raises:
        ConfigInvalid: it cannot be read, is no YAML, is empty, or holds a key twice.
    """
    shown = shown or str(path)
    try:
        content = read_bytes(path)
        document = yaml_text.read_yaml(decode(content))
    except FileNotFoundError as exc:
        raise ConfigInvalid(
            f"{shown}: there is no such file",
            hint="Name the fleet file; `restore-drill init URI` writes one.",
        ) from exc
    except OSError as exc:
        raise ConfigInvalid(f"{shown}: the file cannot be read: {exc.strerror}") from exc
    except Unreadable as exc:
        problems = [Problem(trouble.path, trouble.message, trouble.line) for trouble in exc.troubles]
        raise invalid(shown, problems) from exc
    if document.data is None:
        raise invalid(shown, [Problem((), "the file is empty", 1)])
    return Document(path, document.data, document, hashlib.sha256(content).hexdigest())


def invalid(shown: str, problems: list[Problem], document: Document | None = None) -> ConfigInvalid:
    """Return the error that lists *problems*, one a line: file, line, path, fact and remedy."""
    rows = []
    for problem in problems:
        line = problem.line or (document.line(problem.path) if document else 1)
        where = f" {render(problem.path)}:" if problem.path else ""
        rows.append((line, f"{shown}:{line}:{where} {problem.message}"))
    return ConfigInvalid("\n".join(text for _, text in sorted(dict.fromkeys(rows), key=lambda row: row[0])))
