"""Profiling a restored database and proposing a suite: for the data team to read, correct and gate with."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from expectations.drafting import Drafted, draft_suite
from expectations.profile import Profile, profile_database
from expectations.suite import SuiteInvalid
from tasks.drill.step import step
from tasks.model.deadline import Deadline
from tasks.model.errors import ConfigInvalid
from tasks.model.restored import Restored
from tasks.model.sandbox import Sandbox
from tasks.sandbox import dsn, url


@step("profile")
def profile_restored(sandbox: Sandbox, restored: Restored, as_of: datetime, deadline: Deadline) -> Profile:
    """Read every table of the restored database into figures, as the reading role."""
    place = dsn(sandbox, restored.database, sandbox.reader)
    return profile_database(place, as_of=as_of, deadline_s=deadline.check())


@step("propose suite")
def propose_suite(
    sandbox: Sandbox, restored: Restored, profiles: list[Profile], out: Path, deadline: Deadline
) -> Drafted:
    """Draft a suite from *profiles*, run it on the database of the newest, keep what people wrote in *out*.

    Raises:
        ConfigInvalid: the suite that is there cannot be read or kept.
    """
    place = url(sandbox, restored.database, sandbox.reader)
    try:
        return draft_suite(out.stem, profiles, url=place, path=out, deadline_s=deadline.check())
    except (SuiteInvalid, ValueError) as error:
        raise ConfigInvalid(str(error), str(out)) from error


def write_suite(drafted: Drafted, out: Path) -> None:
    """Write the proposed file whole or not at all."""
    out.parent.mkdir(parents=True, exist_ok=True)
    fresh = out.with_name(f".{out.name}.new")
    fresh.write_text(drafted.proposal.text, encoding="utf-8")
    fresh.replace(out)


def show_proposal(drafted: Drafted, out: str) -> str:
    """Return what was drafted, in a sentence."""
    proposal = drafted.proposal
    parts = [
        f"{len(proposal.added)} added",
        f"{len(proposal.changed)} changed",
        f"{len(proposal.removed)} removed",
    ]
    parts += [f"{len(proposal.kept)} of people kept"] if proposal.kept else []
    parts += [f"{len(drafted.unread)} tables could not be read"] if drafted.unread else []
    return f"{out}: {', '.join(parts)}; it reports and fails nothing until `gate: fail` is written"
