"""Foreign text in markdown: it stays text, on its line and in its cell, whatever it holds.

Prefect's UI draws CommonMark with GitHub's tables and links. Whatever could begin markup is escaped, also a
bare URL, which would become a link; what does not show is written out (see `printable`).
"""

from __future__ import annotations

import re
from urllib.parse import quote

from tasks.model.printable import printable

CELL = 80
"""Characters of a table's cell: Prefect clips longer ones."""
_ENTITIES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", "`": "'"})
_MARKUP = re.compile(r"[\\*\[\]|~@]|_(?![A-Za-z0-9])|(?<![A-Za-z0-9])_|:(?=//)|(?<=www)\.", re.IGNORECASE)
_LINE_START = re.compile(r"#{1,6}(?=\s|$)|[-+](?=\s|$)|[=-]+(?=\s*$)|\d+(?=[.)](?:\s|$))")
_IN_URLS = ":/?#@!$&*+,;=%~"
_BACKTICKS = re.compile("`+")


def text(value: str, longest: int = 2000) -> str:
    """Return *value* as text of a paragraph, list or heading."""
    shown = _inline(value, longest)
    start = _LINE_START.match(shown)
    if start is None:
        return shown
    digits = start.end() if start.group()[0].isdigit() else 0
    return f"{shown[:digits]}\\{shown[digits:]}"


def cell(value: str) -> str:
    """Return *value* as a cell of a table."""
    return _inline(value, CELL) or " "


def _inline(value: str, longest: int) -> str:
    return _MARKUP.sub(r"\\\g<0>", printable(value, longest).translate(_ENTITIES))


def code(value: str | None) -> str:
    """Return *value* as a code span; a backtick in it becomes a quote."""
    if not value:
        return "none"
    shown = printable(value).replace("`", "'").strip(" ")
    return f"`{shown or repr(value)}`"


def link(words: str, url: str) -> str:
    """Return a link to *url*."""
    return f"[{text(words)}]({quote(url, safe=_IN_URLS)})"


def fenced(body: str, language: str) -> str:
    """Return *body*, whose line ends are meant, as a block that nothing in it can end."""
    longest = max((len(run) for run in _BACKTICKS.findall(body)), default=0)
    fence = "`" * max(3, longest + 1)
    lines = [printable(line, 20_000) for line in body.split("\n")]
    return "\n".join((f"{fence}{language}", *lines, fence))
