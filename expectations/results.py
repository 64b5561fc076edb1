"""What a run of a suite gives back: a result for each expectation, and GX's documents without values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from expectations.suite import Gate, Severity


class Outcome(StrEnum):
    """What became of one expectation. `failed` is a fact about the data, `errored` is not."""

    PASSED = "passed"
    FAILED = "failed"
    ERRORED = "errored"
    TABLE_MISSING = "table_missing"
    NO_HISTORY = "no_history"


class Cause(StrEnum):
    """Why an expectation errored."""

    COLUMN_MISSING = "column_missing"
    WRONG_TYPE = "wrong_type"
    BAD_QUERY = "bad_query"
    DEADLINE = "deadline"
    DENIED = "denied"
    CONNECTION = "connection"
    UNSUPPORTED = "unsupported"
    DATA = "data"
    NO_FIGURE = "no_figure"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class ExpectationResult:
    """One expectation, judged. Holds no value of a row.

    Attributes:
        kwargs: JSON-able, as they were bound; the values of sensitive columns are masked.
        expected: in plain words.
        observed: a count, a share, an aggregate, or the relation of a single value to its bounds.
        cause, message: why it errored, and a sentence on it; None otherwise.
        seconds: wall time of the expectation alone; None where GX answered several with one query.
        line: in the suite's file.
    """

    table: str
    type: str
    kwargs: Mapping[str, object]
    severity: Severity
    outcome: Outcome
    expected: str
    observed: str | int | float | None = None
    element_count: int | None = None
    unexpected_count: int | None = None
    unexpected_percent: float | None = None
    why: str | None = None
    owner: str | None = None
    cause: Cause | None = None
    message: str | None = None
    seconds: float | None = None
    line: int | None = None

    @property
    def name(self) -> str:
        """Which expectation, short: `public.orders.customer_id values_to_not_be_null`."""
        named = [self.kwargs.get(key) for key in ("column", "column_A", "column_B")]
        column_list = self.kwargs.get("column_list")
        named += column_list if isinstance(column_list, list) else []
        columns = ",".join(str(name) for name in named if name is not None)
        short = self.type.removeprefix("expect_").removeprefix("column_")
        return f"{self.table}.{columns} {short}" if columns else f"{self.table} {short}"

    def as_dict(self) -> dict[str, object]:
        """Return the result as the evidence keeps it, JSON-able."""
        return {
            "name": self.name,
            "table": self.table,
            "type": self.type,
            "kwargs": dict(self.kwargs),
            "severity": self.severity.value,
            "outcome": self.outcome.value,
            "expected": self.expected,
            "observed": self.observed,
            "element_count": self.element_count,
            "unexpected_count": self.unexpected_count,
            "unexpected_percent": self.unexpected_percent,
            "why": self.why,
            "owner": self.owner,
            "cause": None if self.cause is None else self.cause.value,
            "message": self.message,
            "seconds": None if self.seconds is None else round(self.seconds, 3),
        }


@dataclass(frozen=True, slots=True)
class SuiteResult:
    """A suite, judged.

    Attributes:
        results: in the order of the suite's file.
        documents: GX's own result documents by table, JSON-able, without values.
        table_seconds: wall time by table.
        gx_version: which Great Expectations judged.
        newest: of the columns whose newest row is compared with an earlier drill's, by table; None where no
            row has a time.
    """

    suite: str
    gate: Gate
    results: tuple[ExpectationResult, ...]
    documents: Mapping[str, dict[str, object]]
    seconds: float
    table_seconds: Mapping[str, float]
    gx_version: str
    newest: Mapping[str, Mapping[str, datetime | None]] = field(default_factory=dict)

    def count(self, outcome: Outcome) -> int:
        """Return how many expectations came out so."""
        return sum(1 for result in self.results if result.outcome is outcome)

    def as_dict(self) -> dict[str, object]:
        """Return everything as the evidence's own file for this suite holds it, JSON-able."""
        return {
            "suite": self.suite,
            "gate": self.gate.value,
            "seconds": round(self.seconds, 3),
            "gx_version": self.gx_version,
            "results": [result.as_dict() for result in self.results],
            "table_seconds": {table: round(seconds, 3) for table, seconds in self.table_seconds.items()},
            "documents": dict(self.documents),
        }
