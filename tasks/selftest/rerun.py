"""A suite on a copy that differs from the database it ran on before in a few tables only.

Decided here which results may be kept: those of an expectation whose table is an ordinary one that did not
change, and which looks at nothing else. Free SQL, conditions written in SQL, other tables and views can see
the whole database, so they are judged again.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from expectations.results import SuiteResult
from expectations.runner import run_suite
from expectations.suite import Expectation, Suite


@dataclass(frozen=True, slots=True)
class Rerun:
    """Runs a suite again where it can come out otherwise; called like `run_suite`.

    Attributes:
        before: how it came out on the database that was copied, with the same moment and parameters.
        plain: names of the ordinary tables.
        touched: those that differ in the copy.
    """

    before: SuiteResult
    plain: Collection[str]
    touched: Collection[str]

    def __call__(
        self,
        suite: Suite,
        url: str,
        *,
        as_of: datetime,
        parameters: Mapping[str, Mapping[str, object]] | None = None,
        deadline_s: float = 3600.0,
    ) -> SuiteResult:
        """Return the results of all of *suite*, those that cannot differ taken over."""
        again = [at for at, expectation in enumerate(suite.expectations) if self.may_differ(expectation)]
        if not again:
            return self.before
        part = replace(suite, expectations=tuple(suite.expectations[at] for at in again))
        ran = run_suite(part, url, as_of=as_of, parameters=parameters, deadline_s=deadline_s)
        merged = list(self.before.results)
        for at, result in zip(again, ran.results, strict=True):
            merged[at] = result
        return replace(self.before, results=tuple(merged), documents={}, seconds=ran.seconds)

    def may_differ(self, expectation: Expectation) -> bool:
        """Say whether the outcome of *expectation* can depend on what changed."""
        if expectation.table in self.touched or expectation.table not in self.plain:
            return True
        return expectation.sees_more
