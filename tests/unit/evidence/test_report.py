from __future__ import annotations

import base64
import hashlib
import json
import re
from dataclasses import replace
from datetime import timedelta
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tasks.evidence.document import build_evidence
from tasks.evidence.report import publish, render_report
from tasks.evidence.report.plots import meter, phase_bars, sparkline
from tasks.evidence.report.render import DRILLS_SHOWN
from tasks.evidence.report.summary import Summary, database_row, summarise
from tasks.evidence.report.words import duration, prose
from tasks.evidence.store import write_acceptance, write_evidence
from tasks.model.canonical_json import to_json
from tasks.model.drill import Drill
from tasks.model.findings import Severity
from tasks.model.rules import finding
from tasks.model.target import Selection, StoreConfig
from tests.unit.evidence import samples

STORE = StoreConfig()
DAY = timedelta(days=1)


class Page(HTMLParser):
    """Tags, attributes and text of a page, as a browser would take it apart."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self.source = path.read_text()
        self.feed(self.source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.text += data

    @property
    def links(self) -> list[str]:
        return [value or "" for name, value in self.attributes if name in {"href", "src", "action"}]


def write(facts: Drill, folder: Path) -> str:
    return write_evidence(build_evidence(facts), str(folder), STORE, suite_results=facts.suite_results)


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A report of every kind of drill."""
    for make in samples.ALL.values():
        write(make(), tmp_path / "evidence")
    return render_report([str(tmp_path / "evidence")], tmp_path / "site").parent


def drill_page(site: Path, database: str) -> Page:
    (path,) = (site / "shop" / database).glob("*.html")
    return Page(path)


def flat(text: str) -> str:
    return " ".join(text.split())


def test_the_fleet_page_lists_every_database_worst_first(site: Path) -> None:
    names = re.findall(r'class="name" href="shop/([a-z]+)/', (site / "index.html").read_text())
    assert names == ["customers", "evil", "inventory", "ledger", "payments", "orders"]


def test_the_fleet_page_says_verdict_cause_and_figures(site: Path) -> None:
    text = flat(Page(site / "index.html").text)
    assert "6 databases: 4 failed, 1 inconclusive, 1 verified" in text
    assert "The store did not answer within 20 s, three times." in text
    assert "≥ 15 min 41 s of 1 h" in text
    assert "7.2 d of 26 h missed" in text


@pytest.mark.parametrize(
    ("database", "said"),
    [
        ("orders", "1.1 GiB restored in 41 s"),
        ("orders", "Everything that the drill made was destroyed at 2026-11-22 07:00:49 UTC"),
        ("orders", "pg_restore --dbname=orders --jobs=2"),
        ("orders", "an order without a customer cannot be shipped"),
        ("orders", "a partial upload: its name ends in .partial"),
        ("orders", "arn:aws:sts::123456789012:assumed-role/recovery/drill"),
        ("customers", "The newest backup known to come back is that of 2026-11-21 03:00 UTC"),
        ("customers", "None: nothing was recovered."),
        ("inventory", "worst -33 %"),
        ("payments", "No sandbox was made, so there was nothing to tear down."),
        ("payments", "Anything about a backup: none was taken."),
    ],
)
def test_a_drills_page_tells(site: Path, database: str, said: str) -> None:
    assert said in flat(drill_page(site, database).text)


def test_a_drills_page_says_first_that_isolation_was_off(tmp_path: Path) -> None:
    facts = samples.verified()
    told = "Isolation was off: code of this dump ran with the worker's own rights. What it did is not known."
    write(replace(facts, findings=(*facts.findings, finding("isolation-off", told))), tmp_path / "evidence")
    page = drill_page(render_report([str(tmp_path / "evidence")], tmp_path / "site").parent, "orders")
    assert told in flat(page.text).partition("Recovery point")[0]


@pytest.mark.parametrize("database", ["customers", "evil", "inventory", "ledger", "payments", "orders"])
def test_no_page_asks_for_anything_outside_itself(site: Path, database: str) -> None:
    for page in (drill_page(site, database), Page(site / "index.html")):
        assert not {"script", "link", "img", "iframe", "object", "base", "form"} & set(page.tags)
        assert not [name for name, _ in page.attributes if name.startswith("on") or name == "style"]
        assert not [link for link in page.links if re.match(r"[a-z]+:|//", link)]
        assert not re.findall(r"@import|url\(", page.source)


def test_hostile_names_are_text_and_nothing_else(site: Path) -> None:
    page = drill_page(site, "evil")
    assert "<script>alert(1)</script>" in page.text
    assert {"b", "img", "script"}.isdisjoint(page.tags)


def test_the_style_is_the_one_that_the_policy_allows(site: Path) -> None:
    source = drill_page(site, "orders").source
    (style,) = re.findall(r"<style>(.*?)</style>", source, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"default-src 'none'; style-src 'sha256-{digest}'" in source
    for need in ("prefers-color-scheme: dark", "@media print", "max-width"):
        assert need in style


def test_every_link_leads_to_a_file_of_the_site(site: Path) -> None:
    for path in site.rglob("*.html"):
        for link in Page(path).links:
            assert link.startswith("#") or (path.parent / link).resolve().is_file(), (path, link)


def test_the_raw_evidence_lies_beside_its_page_and_its_hash_is_right(site: Path) -> None:
    page = drill_page(site, "orders")
    raw = (site / "shop" / "orders" / "20261122T070000Z_d1f0a7c2.json").read_bytes()
    assert raw.decode() == to_json(build_evidence(samples.verified()))
    assert hashlib.sha256(raw).hexdigest() in page.text


def test_a_second_run_writes_only_what_is_new(tmp_path: Path) -> None:
    evidence, out = tmp_path / "evidence", tmp_path / "site"
    write(samples.verified(samples.NOW - DAY, drill_id="d1"), evidence)
    render_report([str(evidence)], out)
    (old,) = out.rglob("*_d1.html")
    old.write_text("untouched")
    write(samples.verified(), evidence)
    index = render_report([str(evidence)], out)
    assert old.read_text() == "untouched"
    assert len(list(out.rglob("*.html"))) == 3
    assert "_d1.html" in index.read_text()


def test_an_acceptance_renders_its_page_again(tmp_path: Path) -> None:
    evidence, out = tmp_path / "evidence", tmp_path / "site"
    uri = write(samples.shrunk(), evidence)
    render_report([str(evidence)], out)
    write_acceptance(
        uri, STORE, rule="rows-dropped", where="public.orders", why="purge", who="amy", now=samples.NOW
    )
    render_report([str(evidence)], out)
    assert "Accepted afterwards by amy on 2026-11-22 07:00 UTC" in flat(drill_page(out, "inventory").text)


def test_pages_are_capped_and_the_last_verified_drill_is_found_beyond(tmp_path: Path) -> None:
    evidence = tmp_path / "evidence"
    write(samples.verified(samples.NOW - 50 * DAY, drill_id="good"), evidence)
    for back in range(DRILLS_SHOWN + 2):
        write(replace(samples.truncated(samples.NOW - back * DAY, "orders"), drill_id=f"d{back}"), evidence)
    index = render_report([str(evidence)], tmp_path / "site")
    pages = list((tmp_path / "site").rglob("shop/orders/*.html"))
    assert len(pages) == DRILLS_SHOWN
    assert "2026-10-03" in Page(index).text


def test_damaged_evidence_is_left_out_and_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    evidence = tmp_path / "evidence"
    good = Path(write(samples.verified(), evidence))
    document = json.loads(good.read_text())
    spoiled = {"a": {"findings": None}, "b": {"objectives": {}}, "c": {"host": []}}
    for name, changed in spoiled.items():
        good.with_name(f"20261121T070000Z_{name}.json").write_text(json.dumps(document | changed))
    good.with_name("20261121T070000Z_cut.json").write_text("{")
    render_report([str(evidence)], tmp_path / "site")
    assert len(list((tmp_path / "site").rglob("shop/orders/*.html"))) == 1
    assert "is not shown" in caplog.text
    assert "findings is not a list" in caplog.text


def test_unreadable_suite_results_leave_the_rest_of_the_page(tmp_path: Path) -> None:
    uri = Path(write(samples.verified(), tmp_path / "evidence"))
    uri.with_name(uri.stem + "_suite-orders.json").write_text("{")
    render_report([str(tmp_path / "evidence")], tmp_path / "site")
    text = drill_page(tmp_path / "site", "orders").text
    assert "Expectations of" not in text
    assert "suite.orders: public.orders" in text


def test_a_failed_expectation_on_a_complete_restore_points_to_production(tmp_path: Path) -> None:
    results = samples.suite_results()
    results["results"][0] |= {"outcome": "failed", "observed": "12 of 1,204,882 null"}
    results["results"][1] |= {"outcome": "errored", "observed": None, "message": "the column is not there"}
    found = samples.finding("expectation-failed", "customer_id is null in 12 rows.", where="public.orders")
    write(replace(samples.verified(), findings=(found,), suite_results={"orders": results}), tmp_path / "e")
    render_report([str(tmp_path / "e")], tmp_path / "site")
    text = flat(drill_page(tmp_path / "site", "orders").text)
    assert "production may hold the same" in text
    assert "Of 2 expectations 1 do not hold, 1 could not be evaluated" in text
    assert "the column is not there" in text


def test_an_empty_location_still_gives_a_page(tmp_path: Path) -> None:
    index = render_report([str(tmp_path / "none")], tmp_path / "site")
    assert "No drills yet" in index.read_text()


def test_one_fleet_can_be_refreshed_and_the_others_stay(tmp_path: Path) -> None:
    evidence = tmp_path / "evidence"
    other = samples.target("books", fleet="office")
    write(replace(samples.verified(), target=other), evidence)
    write(samples.verified(), evidence)
    index = publish(str(evidence), STORE)
    write(samples.shrunk(), evidence)
    assert publish(str(evidence), STORE, "shop") == index == evidence / "report" / "index.html"
    text = index.read_text()
    assert text.index(">office<") < text.index(">shop<")
    assert "shop/inventory/" in text


def test_a_damaged_memory_costs_time_only(tmp_path: Path) -> None:
    write(samples.verified(), tmp_path / "evidence")
    out = tmp_path / "site"
    render_report([str(tmp_path / "evidence")], out)
    for content in ("{", "[]", '{"version": 0}', '{"version": 1, "summaries": {"x": {}}, "pages": {}}'):
        (out / "site.json").write_text(content)
        assert "shop/orders/" in render_report([str(tmp_path / "evidence")], out).read_text()


# --- which drill speaks


def summary(facts: Drill, stem: str = "x") -> Summary:
    return summarise(stem, build_evidence(facts))


def random_draw(facts: Drill) -> Drill:
    return replace(facts, selection=Selection(kind="random"))


def test_a_lucky_draw_does_not_hide_a_failed_newest() -> None:
    row = database_row("orders", [summary(random_draw(samples.verified())), summary(samples.truncated())])
    assert row.current.verdict == "failed"


def test_a_failed_draw_is_not_hidden_by_a_verified_newest() -> None:
    row = database_row("orders", [summary(random_draw(samples.shrunk())), summary(samples.verified())])
    assert row.current.verdict == "failed"


def test_what_a_walk_back_found_does_not_hide_that_the_newest_failed() -> None:
    newest = replace(samples.truncated(), selection=Selection(walk_back=3))
    older = replace(samples.verified(), selection=Selection(kind="key", key="s3://b/older.dump"))
    assert database_row("orders", [summary(older), summary(newest)]).current.verdict == "failed"


def test_the_newest_recoverable_is_forgotten_once_its_backup_fails() -> None:
    good, older = samples.verified(), samples.verified(samples.NOW - DAY)
    failed_now = with_failure(random_draw(good))
    row = database_row("orders", [summary(failed_now), summary(good), summary(older)])
    assert row.recoverable_at == "2026-11-21T03:00:00Z"


def test_an_inconclusive_drill_does_not_refute_an_earlier_one() -> None:
    good = samples.verified()
    again = replace(good, findings=(samples.finding("disk-full", "x"),))
    assert database_row("orders", [summary(again), summary(good)]).recoverable_at == "2026-11-22T03:00:00Z"


def test_what_a_walk_back_found_counts() -> None:
    row = database_row("customers", [summary(samples.truncated())])
    assert row.recoverable_at == "2026-11-21T03:00:00Z"
    assert row.last_verified is None


def with_failure(facts: Drill) -> Drill:
    return samples.with_severity(replace(facts, findings=facts.findings[:1]), Severity.FAILURE)


# --- drawings and words


def test_phases_are_drawn_to_scale_one_after_another() -> None:
    bars = phase_bars({"restore": 6.0, "fetch": 3.0, "discover": 1.0})
    assert [(bar.name, bar.start, bar.width) for bar in bars] == [
        ("discover", 0, 10),
        ("fetch", 10, 30),
        ("restore", 40, 60),
    ]
    assert [bar.counts for bar in bars] == [False, True, True]


def test_a_phase_that_took_no_time_stays_inside_the_drawing() -> None:
    for phases in ({"restore": 1.0, "teardown": 0.0}, {"restore": 0.0}):
        assert all(bar.width > 0 and bar.start + bar.width <= 100 for bar in phase_bars(phases))


def test_a_meter_shows_whether_the_limit_was_kept() -> None:
    assert 'class="over"' in meter(2.0, 1.0)
    assert 'class="within"' in meter(1.0, 2.0)
    assert meter(None, 1.0) == meter(1.0, None) == ""


def test_a_sparkline_keeps_inside_its_frame_and_escapes_its_label() -> None:
    drawn = sparkline([0, None, 5, 5], [True, True, False, True], 'rows of "<b>"')
    points = re.search(r'points="([^"]+)"', drawn)
    assert points is not None
    ys = [float(pair.split(",")[1]) for pair in points[1].split()]
    assert len(ys) == 3
    assert all(0 <= y <= 36 for y in ys)
    assert "&lt;b&gt;" in drawn
    assert drawn.count('class="bad"') == 1


def test_nothing_to_draw_draws_nothing() -> None:
    assert sparkline([None, None], [True, True], "x") == ""


def test_prose_sets_code_and_signs_and_escapes_the_rest() -> None:
    assert prose("set `a<b` to <= 3 & go") == "set <code>a&lt;b</code> to ≤ 3 &amp; go"
    assert prose("an odd ` stays") == "an odd ` stays"
    assert prose("`<b>") == "`&lt;b&gt;"


def test_what_cannot_be_felt_is_not_zero() -> None:
    assert duration(0.01) == "< 0.1 s"
    assert duration(None) == "\N{EN DASH}"


HOSTILE = (
    '"><script>alert(1)</script><img src=x onerror=alert(2)>\x1b]0;P\x07\u202e\n# H [x](javascript:alert(3))'
)
KEPT = {"schema", "verdict", "severity", "class", "stage", "outcome", "at", "as_of", "drill_id", "file"}


def spoiled(value: object, key: str = "") -> object:
    """Return a document with foreign text wherever one can stand, as who may write evidence could put it."""
    if isinstance(value, dict):
        free = HOSTILE if key in ("tables", "settings", "labels") else ""
        return {name + free: spoiled(inner, name) for name, inner in value.items()}
    if isinstance(value, list):
        return [spoiled(inner, key) for inner in value]
    return HOSTILE if isinstance(value, str) and key not in KEPT and not key.endswith("_at") else value


def test_an_old_document_that_somebody_rewrote_stays_text(tmp_path: Path) -> None:
    uri = write(samples.shrunk(), tmp_path / "evidence")
    before = drill_page(render_report([str(tmp_path / "evidence")], tmp_path / "plain").parent, "inventory")
    for path in (tmp_path / "evidence").rglob("*.json"):
        path.write_text(json.dumps(spoiled(json.loads(path.read_text()))))
    assert HOSTILE in json.loads(Path(uri).read_text())["findings"][0]["message"]
    site = render_report([str(tmp_path / "evidence")], tmp_path / "site").parent
    for page in (drill_page(site, "inventory"), Page(site / "index.html")):
        assert not {"script", "link", "img", "iframe", "object", "base", "form"} & set(page.tags)
        assert not [name for name, _ in page.attributes if name.startswith("on") or name == "style"]
        assert not [link for link in page.links if re.match(r"[a-z]+:|//", link)]
        assert "<script>alert(1)</script>" in page.text
        assert not set("\x1b\x07\u202e") & set(page.source)
    assert set(drill_page(site, "inventory").tags) <= set(before.tags) | {"code", "h2", "h3"}


@pytest.mark.parametrize(
    "file", ["javascript:alert(1)", "../../../secret.json", "//evil.example/x.json", "site.json"]
)
def test_results_that_are_not_a_drill_s_own_are_neither_read_nor_copied(tmp_path: Path, file: str) -> None:
    uri = write(samples.shrunk(), tmp_path / "evidence")
    document = json.loads(Path(uri).read_text())
    document["suites"].append({**document["suites"][0], "file": file})
    Path(uri).write_text(json.dumps(document))
    for folder in (tmp_path, Path(uri).parent):
        (folder / "secret.json").write_text('{"results": [{"table": "planted", "outcome": "passed"}]}')
        (folder / "site.json").write_text('{"results": [{"table": "planted", "outcome": "passed"}]}')
    before = sorted(path for path in tmp_path.rglob("*") if path.is_file())
    site = render_report([str(tmp_path / "evidence")], tmp_path / "site").parent
    texts = [path.read_text() for path in site.rglob("*") if path.is_file()]
    assert not any("planted" in text or f'href="{file}"' in text for text in texts)
    after = sorted(path for path in tmp_path.rglob("*") if path.is_file() and site not in path.parents)
    assert after == before


def test_names_that_a_sentence_leaves_out_are_folded_below_it(tmp_path: Path) -> None:
    names = tuple(f"shop.view_{number}" for number in range(40))
    lost = finding("object-lost-minor", "40 views are gone.", where="views", names=names)
    write(replace(samples.verified(), findings=(lost,)), tmp_path / "e")
    page = drill_page(render_report([str(tmp_path / "e")], tmp_path / "site").parent, "orders")
    assert "All 40" in flat(page.text)
    assert all(name in page.text for name in names)
