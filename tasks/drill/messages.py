"""What a flow and the process of its drill say to each other."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tasks.drill.progress import Progress
from tasks.model.errors import DrillError
from tasks.model.sandbox import PostgresInstall

Extensions = Mapping[PostgresInstall, frozenset[str]]


@dataclass(frozen=True, slots=True)
class Hello:
    """First, from the flow: what the process is to be like.

    Attributes:
        name: what `ps` shows.
        environ, cwd: the flow's own, as they are now.
        levels: of the loggers whose lines the flow wants.
        limit_bytes: how large a message may be.
        extensions: what earlier drills found of each PostgreSQL.
    """

    name: str
    environ: Mapping[str, str]
    cwd: str
    levels: Mapping[str, int]
    limit_bytes: int
    extensions: Extensions


@dataclass(frozen=True, slots=True)
class Ready:
    """Its answer."""

    pid: int


@dataclass(frozen=True, slots=True)
class Call:
    """From the flow: what to do next."""

    work: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Done:
    """The answer to a call: what it returned, and what this drill found of each PostgreSQL meanwhile."""

    value: Any
    extensions: Extensions


@dataclass(frozen=True, slots=True)
class Raised:
    """The answer to a call: why it came to nothing."""

    error: DrillError


@dataclass(frozen=True, slots=True)
class Logged:
    """Meanwhile: a log line, as the fields of its record."""

    fields: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Told:
    """Meanwhile: what the drill is at."""

    progress: Progress
