"""For damage that no check saw: the expectation that would have caught it, proven on both databases.

Decision: an expectation is offered only after it has passed on the healthy database and failed on the damaged
one. What a draft of the suite would hold comes first, since it is how people will meet it; then what fits the
kind of damage and is drawn more closely. A sensitive column gets counts, lengths and shapes, never a value.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from expectations.draft import Draft, draft_expectations
from expectations.draft_file import entry_lines
from expectations.loader import parse_suite
from expectations.profile import Profile, TableProfile, profile_database
from expectations.remedy_kinds import closer
from expectations.results import Outcome
from expectations.runner import run_suite
from expectations.suite import Suite
from expectations.yaml_text import flow

Parameters = Mapping[str, Mapping[str, object]]
_QUERY = "unexpected_rows_expectation"


@dataclass(slots=True)
class Remedies:
    """Finds remedies on one healthy database; safe to share between threads.

    Attributes:
        healthy: URL of the undamaged database.
        as_of: aware; the moment that is judged.
        parameters: figures of earlier drills by table, as a suite gets them.
        sensitive: patterns of the target's own suite.
        deadline_s: for each run.
    """

    healthy: str
    as_of: datetime
    parameters: Parameters
    sensitive: Sequence[str] = ()
    deadline_s: float = 120.0
    _profile: Profile | None = None
    _drafts: dict[str, list[Draft]] = field(default_factory=dict)
    _guard: threading.Lock = field(default_factory=threading.Lock)

    def find(self, kind: str, table: str, column: str | None, damaged: str) -> str | None:
        """Return the expectation, as YAML to paste, that tells *damaged* (a URL) from the healthy database.

        Args:
            kind: of the damage.
            table: `schema.name`.
            column: that was damaged, if it was one.
            damaged: URL of the damaged database.
        """
        profile = self._profiled().tables.get(table)
        if profile is None or profile.unread is not None:
            return None
        drafted = sorted(self._drafted(table), key=lambda draft: _nearness(draft, column))
        remedy = self._first(drafted, damaged)
        if remedy is None:
            near = _each_once(closer(kind, profile, column, self.as_of))
            remedy = self._first(self._passing(near, self.healthy), damaged)
        return None if remedy is None else as_yaml(remedy)

    def _profiled(self) -> Profile:
        with self._guard:
            if self._profile is None:
                self._profile = profile_database(
                    self.healthy, as_of=self.as_of, sensitive=self.sensitive, deadline_s=self.deadline_s
                )
            return self._profile

    def _drafted(self, table: str) -> list[Draft]:
        """Return what a draft holds for *table* and the healthy database passes."""
        profile = self._profiled()
        with self._guard:
            if table not in self._drafts:
                tables: dict[str, TableProfile] = {table: profile.tables[table]}
                drafts = draft_expectations([Profile(profile.as_of, tables)])
                self._drafts[table] = self._passing(drafts, self.healthy)
            return self._drafts[table]

    def _first(self, drafts: Sequence[Draft], damaged: str) -> Draft | None:
        """Return the first of *drafts* that fails in the damaged database."""
        outcomes = self._run(drafts, damaged)
        return next(
            (draft for draft, outcome in zip(drafts, outcomes, strict=True) if outcome is Outcome.FAILED),
            None,
        )

    def _passing(self, drafts: Sequence[Draft], url: str) -> list[Draft]:
        outcomes = self._run(drafts, url)
        return [draft for draft, outcome in zip(drafts, outcomes, strict=True) if outcome is Outcome.PASSED]

    def _run(self, drafts: Sequence[Draft], url: str) -> list[Outcome]:
        if not drafts:
            return []
        ran = run_suite(
            _suite(drafts),
            url,
            as_of=self.as_of,
            parameters=self.parameters,
            deadline_s=self.deadline_s,
            parallel=1,
        )
        return [result.outcome for result in ran.results]


def as_yaml(draft: Draft) -> str:
    """Return *draft* as it is pasted into a suite: below its table, with its reason."""
    entry: dict[str, object] = {"type": draft.type, "kwargs": dict(draft.kwargs), "meta": {"why": draft.why}}
    return "\n".join([f"{flow(draft.table)}:", *entry_lines(entry, 2)])


def _each_once(drafts: Iterable[Draft]) -> list[Draft]:
    return list({(draft.type, flow(dict(draft.kwargs))): draft for draft in drafts}.values())


def _suite(drafts: Sequence[Draft]) -> Suite:
    """Return *drafts* of one table as a suite in their order, read as a file would be."""
    entries = [{"type": draft.type, "kwargs": dict(draft.kwargs)} for draft in drafts]
    text = flow({"suite": "remedies", "tables": {drafts[0].table: entries}})
    return parse_suite(text, Path("remedies.yaml"))


def _nearness(draft: Draft, column: str | None) -> tuple[int, bool, int]:
    """Return a sort key: about the column first, about the table next, the plainest of each before others."""
    columns = _columns(draft.kwargs)
    place = 0 if column is not None and column in columns else 1 if not columns else 2
    return place, draft.type == _QUERY, len(draft.kwargs)


def _columns(kwargs: Mapping[str, object]) -> tuple[str, ...]:
    named: list[object] = [kwargs.get(key) for key in ("column", "column_A", "column_B")]
    column_list = kwargs.get("column_list")
    named += (
        list(column_list) if isinstance(column_list, Iterable) and not isinstance(column_list, str) else []
    )
    return tuple(str(name) for name in named if name is not None)
