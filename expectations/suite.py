"""The words of a suite: what is expected of which table, how much it matters, what makes it unusable.

Decision: kwargs stay as written, with relative times and parameters as objects, until a run binds them to
the moment that it is judged at. One loaded suite therefore serves every recovery point.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path


class Gate(StrEnum):
    """Whether a suite may fail a drill; drafted suites report until somebody has reviewed them."""

    FAIL = "fail"
    REPORT = "report"


class Severity(StrEnum):
    """How much one expectation matters; only a critical one fails a drill. The words are GX's."""

    CRITICAL = "critical"
    WARNING = "warning"
    INFO = "info"


_SEES_MORE = ("unexpected_rows_query", "other_table_name", "row_condition")


@dataclass(frozen=True, slots=True)
class RelativeTime:
    """A time counted from the moment of judgement: `{as_of: -26h}`.

    Attributes:
        offset_s: seconds added to `as_of`; negative lies before it.
        text: as it was written, for sentences.
    """

    offset_s: float
    text: str


@dataclass(frozen=True, slots=True)
class Parameter:
    """A figure from an earlier drill: `{param: last_rows, times: 0.9}`.

    Attributes:
        name: `last_rows`, `newest_row` (of the expectation's own column) or `last_verified_at`.
        times: factor on a number.
        plus: added to a number, or seconds added to a time.
        default: used while there is no earlier drill; None means that the expectation waits for one.
    """

    name: str
    times: float = 1.0
    plus: float = 0.0
    default: float | RelativeTime | None = None


@dataclass(frozen=True, slots=True)
class Expectation:
    """One thing that must hold.

    Attributes:
        table: `schema.name` as the catalogue has it, unquoted.
        type: GX's name in snake case, such as `expect_column_values_to_not_be_null`.
        kwargs: as written; may hold `RelativeTime` and `Parameter`.
        meta: everything in `meta`, with `why` and `owner` besides.
        sensitive: no value of it goes into a result, not even from the suite's own kwargs.
        line: in the suite's file, from 1.
        path: such as `tables.public.orders[2]`.
    """

    table: str
    type: str
    kwargs: Mapping[str, object]
    severity: Severity = Severity.CRITICAL
    meta: Mapping[str, object] = field(default_factory=dict)
    description: str | None = None
    sensitive: bool = False
    line: int | None = None
    path: str = ""

    @property
    def why(self) -> str | None:
        """Why it must hold, in the words of whoever wrote it."""
        return _text(self.meta.get("why"))

    @property
    def owner(self) -> str | None:
        """Whom to ask."""
        return _text(self.meta.get("owner"))

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that it names, in order."""
        names = [self.kwargs.get(key) for key in ("column", "column_A", "column_B")]
        column_list = self.kwargs.get("column_list")
        names += column_list if isinstance(column_list, list) else []
        return tuple(name for name in names if isinstance(name, str))

    @property
    def sees_more(self) -> bool:
        """Whether its SQL can look at other tables than its own."""
        return any(self.kwargs.get(key) is not None for key in _SEES_MORE)


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that makes a suite unusable.

    Attributes:
        path: where in the file, such as `tables.public.orders[2].kwargs.column`.
        value: what stands there, None where something is missing.
    """

    what: str
    remedy: str
    file: str
    line: int | None = None
    path: str = ""
    value: str | None = None

    def __str__(self) -> str:
        line = f":{self.line}" if self.line else ""
        path = f" {self.path}:" if self.path else ""
        return f"{self.file}{line}:{path} {self.what}; {self.remedy}"


@dataclass(frozen=True, slots=True)
class Suite:
    """What a data team expects of one database.

    Attributes:
        sha256: of the file, for the evidence.
        notes: what is read here in another way than elsewhere; the suite can be used all the same.
    """

    name: str
    gate: Gate
    expectations: tuple[Expectation, ...]
    path: Path | None = None
    sha256: str | None = None
    description: str | None = None
    owner: str | None = None
    sensitive: tuple[str, ...] = ()
    notes: tuple[Problem, ...] = ()

    @property
    def tables(self) -> tuple[str, ...]:
        """The tables that it names, in the order of the file."""
        return tuple(dict.fromkeys(expectation.table for expectation in self.expectations))


class SuiteInvalid(Exception):  # noqa: N818  what went wrong, in the field's words
    """A suite that cannot be used. Holds every problem found; its own attributes are the first one's."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__(problems)
        self.problems = problems

    @property
    def file(self) -> str:
        """The suite's file."""
        return self.problems[0].file

    @property
    def line(self) -> int | None:
        """The first problem's line, from 1."""
        return self.problems[0].line

    @property
    def path(self) -> str:
        """Where in the file, such as `tables.public.orders[2].kwargs`."""
        return self.problems[0].path

    @property
    def value(self) -> str | None:
        """What stands there."""
        return self.problems[0].value

    @property
    def remedy(self) -> str:
        """What to write instead."""
        return self.problems[0].remedy

    def __str__(self) -> str:
        return "\n".join(str(problem) for problem in self.problems)


def _text(value: object) -> str | None:
    return None if value is None else str(value)
