"""What a drill leaves to whoever had it run: its verdict, and where its evidence lies.

That is all that goes from a drill to its fleet and to the command line; drills may run on several hosts.
"""

from __future__ import annotations

from dataclasses import dataclass

from tasks.model.findings import Verdict


@dataclass(frozen=True, slots=True)
class Recorded:
    """One drill that is over.

    Attributes:
        message: the verdict with its cause, as a run's state says it.
        place: URI of the evidence; the path of a copy on the worker where it could not be written, and ""
            where not even that could be kept.
    """

    fleet: str
    database: str
    drill_id: str
    verdict: Verdict
    message: str
    place: str
