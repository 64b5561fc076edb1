"""What the docs say of the command line: every command and every option that they name is there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer.main

from deployments.cli import app
from tests.unit.test_house import ROOT, tracked

_INLINE = re.compile(r"`(restore-drill[^`]*)`")
_CODE = re.compile(r"^```sh\n((?:(?!```)[^\n]*\n)*)```|^( {4}.*)", re.MULTILINE)
_LINE = re.compile(r"^\s*(restore-drill (?:[^\n\\]|\\\n|\\.)*)", re.MULTILINE)
ENDS = {"|", "#", ";", ">", "&&", "--", "-&gt;"}


def known() -> dict[str, set[str]]:
    """Return every command, subcommands after a blank, with its options."""
    return dict(_walk(typer.main.get_command(app), ""))


def _walk(command: object, name: str) -> Iterator[tuple[str, set[str]]]:
    options = {option for one in getattr(command, "params", ()) for option in one.opts}
    yield name, options | {"--help", "-h"}
    for inner, one in getattr(command, "commands", {}).items():
        yield from _walk(one, f"{name} {inner}".strip())


def shown(text: str) -> Iterator[list[str]]:
    """Yield the words of each call of the command line that *text* shows, up to where it ends."""
    code = "\n".join(fenced or indented for fenced, indented in _CODE.findall(text))
    for found in (*_INLINE.findall(text), *_LINE.findall(code)):
        words = found.replace("\\\n", " ").partition("`")[0].split()[1:]
        ends = [at for at, word in enumerate(words) if word in ENDS or word.startswith("#")]
        yield words[: min(ends, default=len(words))]


def problems(words: list[str], commands: dict[str, set[str]]) -> list[str]:
    """Return what a call names that is not there."""
    if not words or words[0].startswith("-"):
        name, rest = "", words
    elif " ".join(words[:2]) in commands:
        name, rest = " ".join(words[:2]), words[2:]
    else:
        name, rest = words[0].rstrip(",.:"), words[1:]
    if any(f"{name} {part}" in commands for part in re.split(r"[/|]", rest[0] if rest else "")):
        return []
    if name not in commands:
        return [f"no command {name!r}"]
    options = [re.split(r"[=\]]", word.lstrip("["))[0] for word in rest if re.match(r"\[?--?[a-z]", word)]
    return [f"no option {one} of {name}" for one in options if one not in commands[name]]


@pytest.mark.parametrize(
    "page", tracked("README.md", "docs/*.md", "CHANGELOG.md"), ids=lambda page: page.name
)
def test_every_command_and_option_that_a_page_names_is_there(page: Path) -> None:
    commands = known()
    wrong = [
        (" ".join(words), problem)
        for words in shown(page.read_text(encoding="utf-8"))
        for problem in problems(words, commands)
    ]
    assert wrong == []


def test_a_wrong_command_and_a_wrong_option_are_found() -> None:
    text = "see `restore-drill runn x`\n\n    restore-drill run x --databse y\n"
    text += "\n`restore-drill suite try F --fresh`"
    found = [problem for words in shown(text) for problem in problems(words, known())]
    assert found == ["no command 'runn'", "no option --databse of run"]


def test_the_readme_names_the_page_of_every_group_of_users() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert {"docs/operations.md", "docs/expectations.md"} <= set(re.findall(r"docs/[a-z]+\.md", readme))
