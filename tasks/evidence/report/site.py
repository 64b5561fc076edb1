"""The site on disk or in a bucket, and what it remembers, so that a run renders only what is new.

`site.json` keeps a summary of each drill that was read and what each page was rendered from. Losing it costs
time, nothing else.
"""

from __future__ import annotations

import logging

from expectations.json_text import read_object
from tasks.evidence.report.selftest_page import Mark
from tasks.evidence.report.summary import VERSION, Summary
from tasks.evidence.shape import mapping, record, text
from tasks.evidence.stored import MARK, SUMMARY
from tasks.model.canonical_json import to_json
from tasks.model.errors import DrillError
from tasks.model.target import StoreConfig
from tasks.stores.blobs import BlobMissing, read_blob, write_blob

STATE = "site.json"
_STATE = record({"summaries": mapping(SUMMARY), "pages": mapping(text), "selftests": mapping(MARK)})
_TYPES = {"html": "text/html; charset=utf-8", "json": "application/json"}

_log = logging.getLogger(__name__)


class Site:
    """A place that pages are written to.

    Attributes:
        at: a folder or `s3://` prefix, without `/` at its end.
        data_docs: whether Great Expectations' pages are drawn too.
        summaries: evidence URI to summary, of every drill that a page may show.
        selftests: `fleet/database` to what the newest self test of it says.
    """

    def __init__(self, at: str, store: StoreConfig, *, data_docs: bool = False) -> None:
        self.at = at.rstrip("/")
        self.data_docs = data_docs
        self._store = store
        self.summaries: dict[str, Summary] = {}
        self.selftests: dict[str, Mark] = {}
        self._pages: dict[str, str] = {}
        self._load()

    @property
    def index(self) -> str:
        """Where the first page lies."""
        return f"{self.at}/index.html"

    def is_current(self, path: str, digest: str) -> bool:
        """Return whether the page *path* was rendered from what *digest* stands for."""
        return self._pages.get(path) == digest

    def write(self, path: str, content: str | bytes, digest: str | None = None) -> None:
        """Write one file of the site, whole or not at all.

        Raises:
            DrillError: rule `evidence-unwritable`.
        """
        data = content.encode() if isinstance(content, str) else content
        write_blob(self._store, f"{self.at}/{path}", data, _TYPES.get(path.rsplit(".", 1)[-1]))
        if digest is not None:
            self._pages[path] = digest

    def save(self, pages: set[str]) -> None:
        """Keep what the next run can use; *pages* are those that still count.

        Raises:
            DrillError: rule `evidence-unwritable`.
        """
        self._pages = {path: digest for path, digest in self._pages.items() if path in pages}
        state = {
            "version": VERSION,
            "summaries": {uri: summary.as_dict() for uri, summary in self.summaries.items()},
            "pages": self._pages,
            "selftests": {name: mark.as_dict() for name, mark in self.selftests.items()},
        }
        self.write(STATE, to_json(state))

    def _load(self) -> None:
        try:
            state = read_object(read_blob(self._store, f"{self.at}/{STATE}"))
            if state.get("version") == VERSION:
                _STATE(state)
                self.summaries = {uri: Summary(**fields) for uri, fields in state["summaries"].items()}
                self._pages = dict(state["pages"])
                self.selftests = {name: Mark(**fields) for name, fields in state["selftests"].items()}
        except BlobMissing:
            return
        except (DrillError, ValueError, TypeError) as exc:
            _log.warning("%s/%s is not used: %s", self.at, STATE, exc.__class__.__name__)
            self.summaries, self._pages, self.selftests = {}, {}, {}
