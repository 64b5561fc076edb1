"""Great Expectations' own Data Docs pages, drawn from stored results, and made to work without the internet.

Decisions: GX's page renderer is asked straight, without a data context or a store. Its page asks nine hosts
for scripts, styles, fonts and a logo, and shows no pass or fail without them; of it only the content is kept,
with a small style of ours that draws the marks, and a policy that forbids every request. What a sensitive
column has masked GX cannot render; there our own words stand in its place.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Mapping, Sequence
from html.parser import HTMLParser
from typing import Any

from expectations.engine import warm_up

_VOID = frozenset(
    ("area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "wbr")
)
_DROPPED = frozenset(
    (
        "script",
        "style",
        "link",
        "meta",
        "img",
        "iframe",
        "noscript",
        "input",
        "button",
        "form",
        "footer",
        "head",
    )
)
_DROPPED_CLASSES = (
    frozenset(("navbar-expand-md",)),
    frozenset(("card", "mb-3")),
)  # the logo's bar, the filter
_KEPT_ATTRIBUTES = frozenset(("class", "id", "href", "colspan", "rowspan", "scope", "aria-hidden", "hidden"))
_PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>{title}</title><style>{style}</style></head><body>
<header><a href="{back}">Back to the drill</a>{links}</header>
{content}
</body></html>
"""
_STYLE = """
:root{color-scheme:light dark;--line:#8886;--pass:#17803d;--fail:#c2251f;--error:#a15c00}
body{font:15px/1.5 system-ui,sans-serif;margin:0 auto;max-width:72rem;padding:1rem}
header{display:flex;flex-wrap:wrap;gap:1rem;border-bottom:1px solid var(--line);padding-bottom:.5rem}
h1,h2,h3,h4,h5,h6{margin:1rem 0 .3rem}h5{font-size:1.1rem}
table{border-collapse:collapse;width:100%}td,th{border-bottom:1px solid var(--line);padding:.35rem .6rem;
text-align:left;vertical-align:top;overflow-wrap:anywhere}th{white-space:nowrap}ul.nav{list-style:none;padding:0;columns:14rem}
.badge{background:#8883;border-radius:.25rem;padding:0 .3rem}
.fas{font-style:normal;font-weight:700;white-space:nowrap}
.fa-check-circle{color:var(--pass)}.fa-check-circle::before{content:"\\2713\\a0 Pass"}
.fa-times{color:var(--fail)}.fa-times::before{content:"\\2717\\a0 Fail"}
.fa-exclamation-triangle{color:var(--error)}.fa-exclamation-triangle::before{content:"! Could not run"}
"""
# Private characters, which no page means anything by, while GX has the text.
_STAND_INS = {ord("<"): "\ue000", ord(">"): "\ue001", ord("&"): "\ue002"}
_MARKUP = {0xE000: "&lt;", 0xE001: "&gt;", 0xE002: "&amp;"}
_NO_TRACEBACK = "It is not kept: it may quote a row."
_BLANK_LINES = re.compile(r"\n\s*\n+")


def draw_page(
    document: Mapping[str, Any],
    *,
    table: str,
    run_name: str,
    run_time: str,
    back: str,
    others: Sequence[tuple[str, str]] = (),
    words: Callable[[Mapping[str, Any]], str],
) -> str:
    """Return GX's page of one table's stored results, self-contained: no script, no request.

    Args:
        document: GX's validation result as the drill stored it.
        table: `schema.name`.
        run_name: of the drill.
        run_time: ISO.
        back: where the drill's page is, relative.
        others: name and relative address of the other pages.
        words: says an expectation, given as its type and kwargs, in our words.

    Raises:
        ValueError, KeyError, TypeError: the document has another shape.
    """
    raw = _rendered(document, table, run_name, run_time, words)
    keeper = _Keeper()
    keeper.feed(raw)
    links = "".join(f'<a href="{html.escape(at)}">{html.escape(name)}</a>' for name, at in others)
    return _PAGE.format(
        title=html.escape(f"{table}: {document.get('suite_name')}"),
        style=_STYLE,
        back=html.escape(back),
        links=links,
        content=_BLANK_LINES.sub("\n", keeper.text).translate(_MARKUP),
    )


def _rendered(
    document: Mapping[str, Any],
    table: str,
    run_name: str,
    run_time: str,
    words: Callable[[Mapping[str, Any]], str],
) -> str:
    warm_up()
    from great_expectations.core.expectation_validation_result import (  # noqa: PLC0415
        ExpectationSuiteValidationResult,
        ExpectationValidationResult,
    )
    from great_expectations.render.renderer.page_renderer import ValidationResultsPageRenderer  # noqa: PLC0415
    from great_expectations.render.view import DefaultJinjaPageView  # noqa: PLC0415

    results = [
        ExpectationValidationResult(
            success=result["success"],
            expectation_config=_configuration(result["expectation_config"], words),
            result={key: _escaped(value) for key, value in result["result"].items()},
            meta=result["meta"],
            exception_info={**result["exception_info"], "exception_traceback": _NO_TRACEBACK},
        )
        for result in document["results"]
    ]
    whole = ExpectationSuiteValidationResult(
        success=document["success"],
        results=results,
        suite_name=document["suite_name"],
        statistics=document["statistics"],
        meta={
            "great_expectations_version": document["meta"]["great_expectations_version"],
            "run_id": {"run_name": run_name, "run_time": run_time},
            "batch_spec": {"data_asset_name": table},
        },
    )
    return str(DefaultJinjaPageView().render(ValidationResultsPageRenderer().render(whole)))


def _configuration(entry: Mapping[str, Any], words: Callable[[Mapping[str, Any]], str]) -> Any:  # noqa: ANN401  GX's
    """Return GX's configuration; where its model refuses it, one that says *words*."""
    from great_expectations.expectations.expectation_configuration import (  # noqa: PLC0415
        ExpectationConfiguration,
    )

    kwargs = {key: _escaped(value) for key, value in entry["kwargs"].items()}
    configuration = ExpectationConfiguration(type=entry["type"], kwargs=kwargs, meta=entry["meta"])
    try:
        configuration.to_domain_obj()
    except Exception:  # noqa: BLE001  masked bounds, or a type that this GX no longer knows
        return ExpectationConfiguration(
            type="unexpected_rows_expectation",
            kwargs={"unexpected_rows_query": "SELECT 1 FROM {batch}"},
            meta=entry["meta"],
            description=words(entry).translate(_STAND_INS),
        )
    return configuration


def _escaped(value: object) -> object:
    """Return *value* with stand-ins for markup: GX puts names into its page as they are."""
    if isinstance(value, str):
        return value.translate(_STAND_INS)
    return [_escaped(part) for part in value] if isinstance(value, list) else value


class _Keeper(HTMLParser):
    """Keeps a page's content: no script, style, image or form, and no link but within the page."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=False)
        self._parts: list[str] = []
        self._depth = 0  # of the dropped element that we are in; 0 is none

    @property
    def text(self) -> str:
        """What was kept."""
        return "".join(self._parts)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep or drop an element."""
        if self._depth:
            self._depth += tag not in _VOID
        elif _is_dropped(tag, attrs):
            self._depth = int(tag not in _VOID)
        elif tag not in {"html", "body"}:
            self._parts.append(f"<{tag}{_attributes(attrs)}>")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep or drop an element that is its own end."""
        if not self._depth and not _is_dropped(tag, attrs):
            self._parts.append(f"<{tag}{_attributes(attrs)}>" + ("" if tag in _VOID else f"</{tag}>"))

    def handle_endtag(self, tag: str) -> None:
        """End what was begun."""
        if self._depth:
            self._depth -= tag not in _VOID
        elif tag not in _VOID and tag not in {"html", "body"}:
            self._parts.append(f"</{tag}>")

    def handle_data(self, data: str) -> None:
        """Keep text."""
        self._keep(html.escape(data, quote=False))

    def handle_entityref(self, name: str) -> None:
        """Keep `&lt;` as it is written."""
        self._keep(f"&{name};")

    def handle_charref(self, name: str) -> None:
        """Keep `&#39;` as it is written."""
        self._keep(f"&#{name};")

    def _keep(self, text: str) -> None:
        if not self._depth:
            self._parts.append(text)


def _is_dropped(tag: str, attrs: Sequence[tuple[str, str | None]]) -> bool:
    classes = set((dict(attrs).get("class") or "").split())
    return tag in _DROPPED or any(chosen <= classes for chosen in _DROPPED_CLASSES)


def _attributes(attrs: Sequence[tuple[str, str | None]]) -> str:
    kept_attributes = [
        (name, value or "")
        for name, value in attrs
        if name in _KEPT_ATTRIBUTES and (name != "href" or (value or "").startswith("#"))
    ]
    return "".join(f' {name}="{html.escape(value)}"' for name, value in kept_attributes)
