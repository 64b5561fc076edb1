"""In which order a tool that takes entries in bulk and we, who take some one by one, build a database.

An operator class is needed by an index, a type by a table: what we make stands between entries that are the
tool's. As few runs of the tool as that needs, and everything that nothing of ours waits for in the last one,
where it may run parallel jobs.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field

from tasks.model.backup import TocEntry


@dataclass(slots=True)
class Wave:
    """A run of the tool, and what we make behind it, both in archive order."""

    tools: list[TocEntry] = field(default_factory=list)
    ours: list[TocEntry] = field(default_factory=list)


def waves(entries: Sequence[TocEntry], ours: Collection[int]) -> list[Wave]:
    """Return the runs that restore *entries*.

    Args:
        entries: in archive order, in which everything stands behind what it needs.
        ours: the dump ids of those that we make.
    """
    stages = _stages(entries, ours)
    needed = _needed(entries, ours)
    waves_by_stage: dict[int, Wave] = {}
    last = Wave()
    for entry in entries:
        if entry.dump_id in ours:
            waves_by_stage.setdefault(stages[entry.dump_id], Wave()).ours.append(entry)
        elif entry.dump_id in needed:
            waves_by_stage.setdefault(stages[entry.dump_id], Wave()).tools.append(entry)
        else:
            last.tools.append(entry)
    return [*(waves_by_stage[stage] for stage in sorted(waves_by_stage)), last]


def _stages(entries: Sequence[TocEntry], ours: Collection[int]) -> dict[int, int]:
    """Return for each entry how often the tool's work and ours take turns before it can be made."""
    stages: dict[int, int] = {}
    schemas = _schemas(entries)
    for entry in entries:
        is_ours = entry.dump_id in ours
        stages[entry.dump_id] = max(
            (
                stages[number] + (number in ours and not is_ours)
                for number in _needs(entry, schemas)
                if number in stages
            ),
            default=0,
        )
    return stages


def _needed(entries: Sequence[TocEntry], ours: Collection[int]) -> set[int]:
    """Return the entries that anything of ours needs, directly or not."""
    schemas = _schemas(entries)
    needed: set[int] = set()
    for entry in reversed(entries):
        if entry.dump_id in ours or entry.dump_id in needed:
            needed.update(_needs(entry, schemas))
    return needed


def _schemas(entries: Iterable[TocEntry]) -> dict[str, int]:
    return {entry.tag: entry.dump_id for entry in entries if entry.desc == "SCHEMA"}


def _needs(entry: TocEntry, schemas: dict[str, int]) -> Iterable[int]:
    yield from entry.dependencies
    if entry.namespace in schemas:
        yield schemas[entry.namespace]
