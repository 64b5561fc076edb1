"""From evidence to a static site: `index.html` for the fleets, a page per drill, the evidence beside it.

Each page carries its own style and nothing else: no script, no font, no request (a content security policy
holds it to that). It opens from a file, a bucket or a mail attachment. The templates escape every name.
"""

from __future__ import annotations

import base64
import hashlib
import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias

from jinja2 import Environment, PackageLoader, StrictUndefined, UndefinedError

from expectations.json_text import JsonInvalid, read_object
from tasks.evidence.document import Evidence
from tasks.evidence.history import read_acceptance
from tasks.evidence.host_facts import tool_versions
from tasks.evidence.report.data_docs import write_data_docs
from tasks.evidence.report.drill_page import drill_context
from tasks.evidence.report.plots import bar, meter
from tasks.evidence.report.selftest_page import Mark, mark_of, selftest_context
from tasks.evidence.report.site import Site
from tasks.evidence.report.summary import Summary, database_row, summarise, worst_first
from tasks.evidence.report.words import FILTERS
from tasks.evidence.selftest import newest_selftests, read_selftest
from tasks.evidence.shape import ShapeError
from tasks.evidence.store import EvidenceName, list_evidence, parse_name, read_evidence
from tasks.evidence.stored import SUITE
from tasks.model.canonical_json import to_json
from tasks.model.errors import DrillError
from tasks.model.printable import printable
from tasks.model.target import StoreConfig
from tasks.stores.blobs import read_blob

DRILLS_SHOWN = 30
"""Pages per database: older evidence stays where it is."""
HISTORY_SHOWN = 14
_CHARS_SHOWN = 20_000
_TEMPLATES = "tasks.evidence.report"
_UNREADABLE = (ValueError, KeyError, TypeError, AttributeError, UndefinedError)
"""What a document of another make may raise while it is taken apart."""

Stored: TypeAlias = tuple[Evidence, dict[str, Any]]
"""A drill's document, and its suites' results by file."""
SelfTest: TypeAlias = tuple[Mark, dict[str, Any]]
"""What the fleet's page says of a self test, and the variables of its section."""

_log = logging.getLogger(__name__)


def render_report(
    locations: Sequence[str],
    out: Path,
    *,
    store: StoreConfig | None = None,
    only_fleet: str | None = None,
    data_docs: bool = False,
) -> Path:
    """Render everything below *locations* into the folder *out*; return its index.html.

    Pages that are there and up to date are left alone.

    Args:
        locations: where evidence lies, as fleet files name it.
        out: made if it is not there.
        store: how the locations are reached.
        only_fleet: look for new evidence of this fleet only; others are shown as they were last seen.
        data_docs: also draw Great Expectations' own pages of each drill's results; that takes seconds.

    Raises:
        DrillError: evidence cannot be listed, or *out* cannot be written.
    """
    site = Site(str(out), StoreConfig(), data_docs=data_docs)
    _render(site, locations, store or StoreConfig(), only_fleet)
    return Path(site.index)


def publish(location: str, store: StoreConfig, only_fleet: str | None = None) -> Path | None:
    """Render the site into `report/` beside the evidence; return its index.html if that is a local file.

    Raises:
        DrillError: as `render_report`.
    """
    at = f"{location.rstrip('/')}/report"
    site = Site(at, store)
    _render(site, [location], store, only_fleet)
    return (
        None
        if "://" in at and not at.startswith("file://")
        else Path(at.removeprefix("file://")) / "index.html"
    )


# --- gathering


def _render(site: Site, locations: Sequence[str], store: StoreConfig, only_fleet: str | None) -> None:
    names = [name for at in locations for name in list_evidence(at, store, only_fleet)]
    drills: dict[tuple[str, str], list[EvidenceName]] = defaultdict(list)
    for name in names:
        if name.kind == "evidence":
            drills[name.fleet, name.database].append(name)
    accepted: dict[str, list[EvidenceName]] = defaultdict(list)
    for name in names:
        if name.kind == "accept":
            accepted[name.stem].append(name)
    summaries = {
        uri: summary
        for uri, summary in site.summaries.items()
        if _fleet_of(uri) not in {f for f, _ in drills}
    }
    tests = _selftests(locations, store, only_fleet)
    for key, evidence_names in drills.items():
        names_of = sorted(evidence_names, key=lambda name: name.stem)
        summaries |= _render_database(site, names_of, accepted, store, tests.get(key))
    site.summaries = summaries
    marks = {f"{fleet}/{name}": mark for (fleet, name), (mark, _) in tests.items()}
    looked = {fleet for fleet, _ in drills}
    site.selftests = {k: mark for k, mark in site.selftests.items() if k.split("/")[0] not in looked} | marks
    site.write("index.html", _fleet_page(summaries, site.selftests))
    site.save({f"{_page(uri)}" for uri in summaries})


def _selftests(
    locations: Sequence[str], store: StoreConfig, only_fleet: str | None
) -> dict[tuple[str, str], SelfTest]:
    """Return the newest self test of each database; what cannot be read is left out."""
    uri_maps = [newest_selftests(at, store, only_fleet) for at in locations]
    newest = {key: uri for uris in uri_maps for key, uri in uris.items()}
    shown = {}
    for key, uri in newest.items():
        try:
            test = read_selftest(uri, store)
            if test is not None:
                shown[key] = (mark_of(test, uri), selftest_context(test))
        except _UNREADABLE as exc:
            _log.warning("%s is not shown: %s", uri, exc.__class__.__name__)
    return shown


def _render_database(
    site: Site,
    names: Sequence[EvidenceName],
    accepted: Mapping[str, list[EvidenceName]],
    store: StoreConfig,
    test: SelfTest | None,
) -> dict[str, Summary]:
    """Render the newest pages of one database; return its summaries by URI, oldest first.

    The newest page shows the self test: what the drill is worth now, not what it was.
    """
    read: dict[str, Stored] = {}
    summaries = _summaries(site, names, store, read)
    shown = [name for name in names if name.uri in summaries][-DRILLS_SHOWN:]
    for at, name in enumerate(shown):
        earlier = shown[max(0, at - HISTORY_SHOWN + 1) : at + 1]
        page = _DrillPage(
            name,
            [summaries[earlier_name.uri] for earlier_name in earlier],
            accepted.get(name.stem, []),
            store,
        )
        page.selftest = test if name is shown[-1] else None
        page.render(site, read)
    return summaries


def _summaries(
    site: Site, names: Sequence[EvidenceName], store: StoreConfig, read: dict[str, Stored]
) -> dict[str, Summary]:
    """Summarise the newest drills, and further back until one was verified."""
    summaries: dict[str, Summary] = {}
    for name in reversed(names):
        if len(summaries) >= DRILLS_SHOWN and any(
            known_summary.verdict == "verified" for known_summary in summaries.values()
        ):
            break
        summary = site.summaries.get(name.uri) or _summary(name, store, read)
        if summary is not None:
            summaries[name.uri] = summary
    return dict(reversed(summaries.items()))


def _summary(name: EvidenceName, store: StoreConfig, read: dict[str, Stored]) -> Summary | None:
    try:
        document = read_evidence(name.uri, store)
        suites = _suites(name, document, store)
        summary = summarise(name.stem, document, suites.values())
    except (*_UNREADABLE, DrillError) as exc:
        _log.warning("%s is not shown: %s", name.uri, _why(exc))
        return None
    read[name.uri] = (document, suites)
    return summary


# --- pages


class _DrillPage:
    """The page of one drill, with what lies beside its evidence."""

    def __init__(
        self,
        name: EvidenceName,
        history: Sequence[Summary],
        accepted: Sequence[EvidenceName],
        store: StoreConfig,
    ) -> None:
        self._name = name
        self._history = history
        self._accepted = accepted
        self._store = store
        self.selftest: SelfTest | None = None

    def render(self, site: Site, read: Mapping[str, Stored]) -> None:
        """Write the page and copies of what it links, unless they are there."""
        path = _page(self._name.uri)
        folder = path.rsplit("/", 1)[0]
        digest = self._digest(data_docs=site.data_docs)
        if site.is_current(path, digest):
            return
        try:
            document, suites = read.get(self._name.uri) or self._read()
            docs = write_data_docs(site, folder, self._name.stem, document, suites) if site.data_docs else []
            text = self._text(document, suites, docs, digest)
        except (*_UNREADABLE, DrillError) as exc:
            _log.warning("%s has no page: %s", self._name.uri, _why(exc))
            return
        site.write(f"{folder}/{self._name.stem}.json", to_json(document))
        for file, results in suites.items():
            site.write(f"{folder}/{file}", to_json(results))
        site.write(path, text, digest)

    def _read(self) -> Stored:
        document = read_evidence(self._name.uri, self._store)
        return document, _suites(self._name, document, self._store)

    def _digest(self, *, data_docs: bool) -> str:
        parts = [_templates_digest(), self._name.uri, *(["data docs"] if data_docs else [])]
        parts += [drill.stem for drill in self._history] + [name.uri for name in self._accepted]
        parts += [] if self.selftest is None else [self.selftest[0].uri]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()

    def _text(
        self, document: Evidence, suites: Mapping[str, Any], docs: Sequence[tuple[str, str]], digest: str
    ) -> str:
        records = [record for name in self._accepted if (record := _acceptance(name, self._store))]
        context = drill_context(
            document, self._name.stem, history=self._history, acceptances=records, suites=suites
        )
        context["selftest"] = None if self.selftest is None else self.selftest[1]
        context["data_docs"] = docs
        context["evidence_sha256"] = hashlib.sha256(to_json(document).encode()).hexdigest()
        return draw("drill.html.j2", context, digest)


def _why(exc: Exception) -> str:
    """Return what is wrong with a document, without anything of its content."""
    return str(exc) if isinstance(exc, (ShapeError, JsonInvalid, DrillError)) else exc.__class__.__name__


def _acceptance(name: EvidenceName, store: StoreConfig) -> dict[str, Any] | None:
    try:
        return read_acceptance(name, store)
    except (ValueError, DrillError) as exc:
        _log.warning("%s is not shown: %s", name.uri, exc)
        return None


def _suites(name: EvidenceName, document: Evidence, store: StoreConfig) -> dict[str, Any]:
    """Return a drill's suites' results that can be read: a page without them is better than none."""
    suites: dict[str, Any] = {}
    folder = name.uri.rsplit("/", 1)[0]
    for entry in document["suites"]:
        uri = f"{folder}/{entry['file']}"
        if not _is_of(uri, name):  # whatever a document says: nothing else is read, copied or linked
            _log.warning("%s names results that are not its own", name.uri)
            continue
        try:
            results = read_object(read_blob(store, uri))
            SUITE(results)
        except (ValueError, DrillError) as exc:
            _log.warning("%s is not shown: %s", uri, exc)
        else:
            suites[entry["file"]] = results
    return suites


def _is_of(uri: str, name: EvidenceName) -> bool:
    """Tell whether *uri* is, by its name, a suite's results beside the evidence *name*."""
    parsed_name = parse_name(uri)
    folder = name.uri.rsplit("/", 1)[0]
    beside = uri.rsplit("/", 1)[0] == folder
    return (
        parsed_name is not None and beside and parsed_name.kind == "suite" and parsed_name.stem == name.stem
    )


def _fleet_page(summaries: Mapping[str, Summary], marks: Mapping[str, Mark]) -> str:
    fleets: dict[str, dict[str, list[Summary]]] = defaultdict(lambda: defaultdict(list))
    for uri, summary in summaries.items():
        name = parse_name(uri)
        if name is not None:
            fleets[name.fleet][name.database].append(summary)
    shown = [_fleet(name, databases, marks) for name, databases in sorted(fleets.items())]
    return draw("fleet.html.j2", {"fleets": shown}, "")


def _fleet(name: str, databases: Mapping[str, list[Summary]], marks: Mapping[str, Mark]) -> dict[str, Any]:
    rows = worst_first(
        [
            database_row(database, sorted(drills, key=lambda drill: drill.stem, reverse=True))
            for database, drills in databases.items()
        ]
    )
    tests = {row.name: marks[at] for row in rows if (at := f"{name}/{row.name}") in marks}
    return {
        "name": name,
        "rows": rows,
        "counts": _counts([row.current.verdict for row in rows]) + _unable(tests.values()),
        "selftests": tests,
        "newest_at": max(row.drills[0].started_at for row in rows),
    }


def _counts(verdicts: Sequence[str]) -> str:
    phrases = [
        f"{verdicts.count(word)} {word}"
        for word in ("failed", "inconclusive", "verified")
        if word in verdicts
    ]
    return f"{len(verdicts)} database{'s' if len(verdicts) != 1 else ''}: {', '.join(phrases)}"


def _unable(tests: Iterable[Mark]) -> str:
    """Return how many drills cannot fail, where any cannot."""
    count = sum(mark.state == "failed" for mark in tests)
    return f"; {count} drill{'s' if count != 1 else ''} cannot fail" if count else ""


def draw(template: str, context: Mapping[str, Any], digest: str) -> str:
    """Return the page that *template* makes of *context*; *digest* is of the evidence that it shows."""
    return _environment().get_template(template).render(context, digest=digest)


@cache
def _environment() -> Environment:
    drawing = Environment(
        loader=PackageLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    css = _file("style.css").decode()
    drawing.filters |= FILTERS
    drawing.globals |= {
        "css": _Css(css),
        "css_hash": base64.b64encode(hashlib.sha256(css.encode()).digest()).decode(),
        "bar": bar,
        "meter": meter,
        "tool": f"restore-drill {tool_versions().get('restore_drill', '')}".strip(),
    }
    return drawing


def _shown(value: object) -> object:
    """Return what a template puts out: foreign text as `printable` has it, our own markup as it is."""
    return (
        printable(value, _CHARS_SHOWN) if isinstance(value, str) and not hasattr(value, "__html__") else value
    )


class _Css(str):
    """Our own style sheet goes into the page as it is."""

    __slots__ = ()

    def __html__(self) -> str:
        return str(self)


@cache
def _templates_digest() -> str:
    names = sorted(path.name for path in _folder().iterdir())
    return hashlib.sha256(b"".join(_file(name) for name in names)).hexdigest()


def _file(name: str) -> bytes:
    return (_folder() / name).read_bytes()


def _folder() -> Path:
    return Path(__file__).parent / "templates"


def _page(uri: str) -> str:
    name = parse_name(uri)
    if name is None:
        raise ValueError(f"{uri} is no evidence")
    return f"{name.fleet}/{name.database}/{name.stem}.html"


def _fleet_of(uri: str) -> str | None:
    name = parse_name(uri)
    return None if name is None else name.fleet
