"""Everything of the backup that was not restored, each with what depends on it: left out means listed.

A restore into a database of ours leaves out what is about the database itself, and what would be about
something that was left out before. Nobody fails at that, so nobody would say so.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from tasks.engines.errors.causes import Cause, Omission, dependents
from tasks.engines.errors.classes import Meaning
from tasks.engines.errors.failure import label
from tasks.engines.kept_out import rule_of
from tasks.model.backup import Toc, TocEntry
from tasks.model.restored import LeftOut

_ABOUT = frozenset({"ACL", "COMMENT", "SECURITY LABEL"})
_NOT_THERE = ("DATABASE ", "SUBSCRIPTION ")
"""What entries are about that is not made in a sandbox: the database is ours, and nobody subscribes."""


def never_tried(toc: Toc, omissions: Iterable[Omission]) -> list[Omission]:
    """Return what a restore passes over without a word, and that *omissions* do not list yet."""
    listed_ids = {omission.entry.dump_id for omission in omissions}
    return [
        Omission(entry) for entry in toc.entries if _is_passed_over(entry) and entry.dump_id not in listed_ids
    ]


def _is_passed_over(entry: TocEntry) -> bool:
    about = entry.desc in _ABOUT and entry.tag.startswith(_NOT_THERE)
    return about or entry.desc == "DATABASE PROPERTIES"


def left_out(causes: Iterable[Cause], toc: Toc, silent: Iterable[TocEntry]) -> tuple[LeftOut, ...]:
    """Return what did not come back, in the order in which causes are told.

    Args:
        causes: of what failed and of what was not tried.
        toc: tells what depends on what.
        silent: what is missing without anybody having said so.
    """
    needs = dependents(toc)
    return (*_of_causes(causes, needs), *(_of_entry(entry, "restore-incomplete", needs) for entry in silent))


def _of_causes(causes: Iterable[Cause], needs: Mapping[int, list[TocEntry]]) -> Iterator[LeftOut]:
    for cause in causes:
        if cause.entry is not None and cause.meaning is not Meaning.ABORTED:
            yield _of_entry(cause.entry, rule_of(cause), needs, cause.followers)


def _of_entry(
    entry: TocEntry, rule: str, needs: Mapping[int, list[TocEntry]], lost: Iterable[TocEntry] = ()
) -> LeftOut:
    names = tuple(map(label, lost))
    needed_by = (label(other) for other in needs.get(entry.dump_id, ()))
    return LeftOut(label(entry), rule, names, tuple(name for name in needed_by if name not in names))
