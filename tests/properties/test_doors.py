"""A name or message that others wrote stays what it is at every door: terminal, artifacts, states, report."""

from __future__ import annotations

import ast
import io
import json
import re
import unicodedata
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from rich.console import Console

from deployments.live import describe
from deployments.terminal import say
from tasks.drill.progress import Progress
from tasks.evidence.document import build_evidence
from tasks.evidence.markdown import check_rows, markdown
from tasks.evidence.report.drill_page import drill_context
from tasks.evidence.report.render import draw
from tasks.evidence.report.summary import summarise
from tasks.evidence.sentence import sentence, state_message
from tasks.model.canonical_json import to_json
from tasks.model.errors import PermanentError
from tasks.model.findings import Check, Outcome, Stage
from tasks.model.rules import finding
from tests.unit.evidence import samples

PIECES = [
    "\n", "\r\n", "\x1b[31m", "\x1b]0;PWNED\x07", "\x9b2J", "\u202e", "\u200b", "\u2028", "\ud800", "\x00",
    "`", "```", "| x |", "|", "# H", "\n\n# INJ\n\n", "![b](http://127.0.0.1/b.png)", "[x](javascript:x)",
    "<script>alert(1)</script>", "<img src=x onerror=alert(2)>", '"><b>', "&lt;", "http://evil.example/x",
    "www.evil.example", "a@evil.example", "***", "__", "~~", "- ", "1. ", "---", "\\", "[bold red]", "'",
    "{{ 7*7 }}", "orders", " ", "é", "\u6f22",
]  # fmt: skip
NAMES = st.lists(st.sampled_from(PIECES), min_size=1, max_size=6).map("".join)
DEPLOYMENTS = Path(__file__).parents[2] / "deployments"


def hostile(name: str) -> dict[str, object]:
    """Return the evidence of a failed drill in which *name* stands wherever a name or message can stand."""
    facts = samples.shrunk()
    where = finding("rows-dropped", f"{name} holds 2 rows. {name}", where=name, hint=name)
    check = Check(name, Stage.VERIFY, Outcome.FAILED, observed=name, expected=name, why=name)
    assert facts.restored is not None
    assert facts.inventory is not None
    assert facts.point is not None
    commands = tuple(replace(one, command=f"pg_restore -d '{name}'") for one in facts.restored.commands)
    tables = dict(facts.inventory.tables) | {name: next(iter(facts.inventory.tables.values()))}
    made = replace(
        facts,
        findings=(where, *facts.findings),
        checks=(check, *facts.checks),
        restored=replace(facts.restored, commands=commands),
        inventory=replace(facts.inventory, tables=tables),
        point=replace(facts.point, uri=f"s3://b/{name}"),
        left_behind=(name,),
    )
    return dict(build_evidence(made))


def shows_on_lines(text: str) -> bool:
    return all(letter in "\n " or unicodedata.category(letter)[0] not in "CZ" for letter in text)


class Tags(HTMLParser):
    """What a browser makes of a text: elements, and what stands in attributes that lead or run."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.led: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.led += [value or "" for name, value in attrs if name in {"href", "src"} or name.startswith("on")]


def drawn(text: str) -> Tags:
    """Draw markdown as Prefect's UI does: CommonMark with tables and links, HTML left as it is."""
    drawing = MarkdownIt("commonmark", {"html": True, "linkify": False}).enable(["table", "strikethrough"])
    return Tags(drawing.render(text))


@given(NAMES)
@settings(max_examples=150, deadline=None)
@example("x\n\n![b](http://127.0.0.1:55310/b.png)\n\n# INJ\n")
def test_an_artifact_holds_our_markup_and_nothing_else(name: str) -> None:
    evidence, plain = markdown(hostile(f"{name}\x7f")), markdown(hostile("\x7forders"))
    assert shows_on_lines(evidence)
    theirs, ours = drawn(evidence), drawn(plain)
    assert theirs.led == ours.led == []
    assert theirs.tags == ours.tags
    prose = "".join(evidence.split("## The commands")[0].split("`")[::2])
    assert not re.search(r"(?<!\\)(?:https?:(?=//e)|www\.e)", prose)


@given(NAMES)
@settings(max_examples=100, deadline=None)
def test_states_rows_and_lines_are_one_line_of_what_shows(name: str) -> None:
    evidence = hostile(name)
    cells = [cell for row in check_rows(evidence) for cell in row.values()]
    error = PermanentError(f"{name} failed", name)
    progress = describe(Progress("orders", Stage.RESTORE, "news", f"restoring {name}"))
    for text in (
        sentence(evidence),
        state_message(evidence),
        progress,
        str(error).split("\nHINT")[0],
        *cells,
    ):
        assert "\n" not in text
        assert shows_on_lines(text)


@given(NAMES)
@settings(max_examples=100, deadline=None)
def test_a_terminal_gets_no_control_and_no_markup(name: str) -> None:
    out = io.StringIO()
    say(
        Console(file=out, force_terminal=True, color_system=None, width=200),
        f"a {name.replace(chr(10), '')} b",
    )
    said = re.sub(r"\x1b\[0?m", "", out.getvalue())
    assert shows_on_lines(said)
    assert ("[bold red]" in said) == ("[bold red]" in name)


@given(NAMES)
@settings(max_examples=100, deadline=None)
def test_evidence_gives_the_name_back_and_shows_on_a_terminal(name: str) -> None:
    evidence = hostile(name)
    text = to_json(evidence)
    assert shows_on_lines(text.removesuffix("\n"))
    assert "\n" not in text.removesuffix("\n")
    assert json.loads(text)["inventory"] == evidence["inventory"]


@given(NAMES)
@settings(max_examples=60, deadline=None)
def test_a_page_holds_our_elements_and_nothing_else(name: str) -> None:
    theirs, ours = (
        page(f"{name}\x7f"),
        page("\x7forders"),
    )  # a backtick makes code of what stands behind it, no more
    assert shows_on_lines(theirs.text.replace("\u00a0", " "))
    assert [tag for tag in theirs.tags if tag != "code"] == [tag for tag in ours.tags if tag != "code"]
    assert theirs.led == ours.led


class _Page(Tags):
    text = ""

    def handle_data(self, data: str) -> None:
        self.text += data


def page(name: str) -> _Page:
    evidence = hostile(name)
    context = drill_context(
        evidence, "20261122T000000Z_x", history=[summarise("x", evidence)], acceptances=(), suites={}
    )
    drawing = draw("drill.html.j2", context | {"selftest": None, "data_docs": [], "evidence_sha256": ""}, "")
    return _Page(drawing)


@pytest.mark.parametrize("file", sorted(DEPLOYMENTS.glob("*.py")), ids=lambda file: file.name)
def test_commands_print_through_the_one_door(file: Path) -> None:
    if file.name == "terminal.py":
        return
    tree = ast.parse(file.read_text())
    calls = [ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)]
    assert not {"typer.echo", "typer.secho", "Text"} & set(calls)
    printed = [
        node.args[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "console.print" and node.args
    ]
    foreign = [ast.unparse(one) for one in printed if isinstance(one, ast.JoinedStr)]
    assert file.name == "demo.py" or not foreign
