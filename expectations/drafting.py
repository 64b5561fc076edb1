"""Drafting a suite from restored backups: draft from profiles, prove it on the newest, propose a file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from expectations.draft import Draft, draft_expectations
from expectations.draft_file import Proposal, propose
from expectations.loader import load_suite, parse_suite
from expectations.profile import Profile
from expectations.results import ExpectationResult, Outcome

_HOLDS = (Outcome.PASSED, Outcome.NO_HISTORY)


@dataclass(frozen=True, slots=True)
class Drafted:
    """A draft, and what was left out of it.

    Attributes:
        dropped: expectations that the very backup they were drawn from does not meet.
        unread: tables without figures, with the reason.
    """

    proposal: Proposal
    drafts: tuple[Draft, ...]
    dropped: tuple[ExpectationResult, ...]
    unread: tuple[tuple[str, str], ...]


def draft_suite(
    name: str,
    profiles: Sequence[Profile],
    *,
    url: str | None = None,
    path: Path | None = None,
    deadline_s: float = 3600.0,
) -> Drafted:
    """Return a suite's file drafted from *profiles* of one database.

    Args:
        name: of the suite.
        profiles: at least one; several give bands that follow how the data moves.
        url: the restored database behind the newest profile: the draft is run there, and what does not
            hold is dropped.
        path: the suite's file; if it exists, what people wrote in it is kept.
        deadline_s: for running the draft.

    Raises:
        SuiteInvalid: the existing suite cannot be read.
        ValueError: no table has anything to expect, or the existing suite is not written in blocks.
    """
    newest = max(profiles, key=lambda profile: profile.as_of)
    drafts = draft_expectations(profiles)
    if not drafts:
        raise ValueError("no table of the database could be profiled: nothing to expect")
    dropped: tuple[ExpectationResult, ...] = ()
    if url is not None:
        drafts, dropped = prove(drafts, url, as_of=newest.as_of, deadline_s=deadline_s)
    existing = None
    if path is not None and path.exists():
        load_suite(path)  # refuses what could not be kept faithfully
        existing = path.read_text(encoding="utf-8")
    proposal = propose(name, drafts, [profile.as_of for profile in profiles], existing)
    unread = tuple((table.facts.name, table.unread) for table in newest.tables.values() if table.unread)
    return Drafted(proposal, tuple(drafts), dropped, unread)


def prove(
    drafts: Sequence[Draft], url: str, *, as_of: datetime, deadline_s: float = 3600.0
) -> tuple[list[Draft], tuple[ExpectationResult, ...]]:
    """Run *drafts* on the database they came from; return those that hold, and the results of the others."""
    from expectations.runner import run_suite  # noqa: PLC0415  imports GX when used

    text = propose("draft", drafts, [as_of]).text
    suite = parse_suite(text, Path("draft.yaml"))
    results = run_suite(suite, url, as_of=as_of, deadline_s=deadline_s).results
    # The file groups by table what comes grouped by table: both are in the same order.
    proven_drafts = [draft for draft, result in zip(drafts, results, strict=True) if result.outcome in _HOLDS]
    return proven_drafts, tuple(result for result in results if result.outcome not in _HOLDS)
