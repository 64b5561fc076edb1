"""The store of a drill's backups, opened in its process."""

from __future__ import annotations

from dataclasses import dataclass

from tasks.drill.held import Held
from tasks.model.findings import Finding
from tasks.stores import Store


@dataclass(frozen=True, slots=True)
class ReachedStore:
    """A store that has been opened.

    Attributes:
        identity: the ARN of whoever reads it, where the store knows one.
        findings: what is to be said of the access itself.
    """

    store: Held[Store]
    identity: str | None
    findings: tuple[Finding, ...]
