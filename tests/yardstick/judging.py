"""Where a drill and the yardstick disagree: the two lies that a verdict can tell."""

from __future__ import annotations

from tasks.model.findings import Verdict
from tests.yardstick.drilled import Drilled
from tests.yardstick.snapshot import differences
from tests.yardstick.truth import Truth


def disagreements(truth: Truth, drilled: Drilled) -> tuple[str, ...]:
    """Return what is wrong with the drill's verdict, () where it holds.

    A dump that a superuser's tool restores without an error is never `failed`, and one that it meets errors
    with not `verified`; a database that is not what the tool brings back is not `verified` without the
    difference being named in what was left out.
    """
    if not truth.errors and drilled.verdict is Verdict.FAILED:
        return ("a dump that restores without an error is failed",)
    if drilled.verdict is not Verdict.VERIFIED or drilled.snapshot is None:
        return ()
    if truth.errors:
        return (f"a dump that does not restore without an error is verified: {truth.errors[0]}",)
    listed = "\n".join((*drilled.not_restored, *(item.message for item in drilled.findings)))
    return tuple(
        difference
        for difference in differences(truth.snapshot, drilled.snapshot)
        if not _is_listed(difference, listed)
    )


def _is_listed(difference: str, listed: str) -> bool:
    name = difference.partition(":")[0].rpartition(" ")[2]
    return name in listed
