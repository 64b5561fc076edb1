"""Data Docs in the report site: a folder beside a drill's page, drawn on request from the stored results."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from expectations.data_docs import draw_page
from tasks.evidence.document import Evidence
from tasks.evidence.report.site import Site

_UNSAFE = re.compile(r"[^\w.-]+")
_log = logging.getLogger(__name__)


def write_data_docs(
    site: Site, folder: str, stem: str, document: Evidence, suites: Mapping[str, Mapping[str, Any]]
) -> list[tuple[str, str]]:
    """Write a page for each table of each suite; return their names and addresses beside the drill's page.

    Args:
        folder: of the drill's page within the site.
        stem: the beginning of the drill's files.
        suites: file name to the results that it holds.

    Raises:
        DrillError: rule `evidence-unwritable`.
    """
    pages = list(_pages(stem, suites))
    drawn = []
    for address, label, stored, table in pages:
        try:
            text = draw_page(
                stored["documents"][table],
                table=table,
                run_name=stem,
                run_time=document["started_at"],
                back=f"../{stem}.html",
                others=[(name, at.partition("/")[2]) for at, name, _, _ in pages],
                words=partial(_words, stored, table),
            )
        except (ValueError, KeyError, TypeError, AttributeError) as exc:
            _log.warning("%s has no Data Docs: %s", address, exc.__class__.__name__)
            continue
        site.write(f"{folder}/{address}", text)
        drawn.append((label, address))
    return drawn


def _words(stored: Mapping[str, Any], table: str, configuration: Mapping[str, Any]) -> str:
    """Return what our result says of the expectation that GX's document has as *configuration*."""
    for result in stored.get("results", ()):
        if (result["table"], result["type"], result["kwargs"]) == (
            table,
            configuration["type"],
            configuration["kwargs"],
        ):
            return str(result["expected"])
    return "as the suite says"


def _pages(
    stem: str, suites: Mapping[str, Mapping[str, Any]]
) -> Iterator[tuple[str, str, Mapping[str, Any], str]]:
    """Yield address, label, stored results and table of each page; names of tables may be anything."""
    for at, stored in enumerate(suites.values()):
        for place, table in enumerate(stored.get("documents") or {}):
            name = _UNSAFE.sub("-", table).strip("-.") or "table"
            label = table if len(suites) == 1 else f"{stored.get('suite')}: {table}"
            yield f"{stem}_docs/{at}-{place}-{name}.html", label, stored, table
