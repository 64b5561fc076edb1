"""The data team's tutorial: every command that docs/expectations.md shows is run, in order, on demo data."""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from deployments.commands.demo import MARK, write_fleet_of_files
from deployments.samples.history import last_night, make_history
from tasks.model.clock import utc_now
from tests.fix_drill import REPOSITORY, Fleet, Here

PAGE = REPOSITORY / "docs" / "expectations.md"
DEMO = "restore-drill demo"
_BLOCKS = re.compile(
    r"^```sh\n((?:(?!```)[^\n]*\n)*)```|^((?: {4}restore-drill [^\n]*\n(?: {8}[^\n]*\n)*)+)", re.MULTILINE
)
_EXIT = re.compile(r"#\s*exit (\d+)")


@dataclass(frozen=True)
class Command:
    """One command of the page and the exit code that the page promises."""

    text: str
    exit_code: int


def commands(page: str) -> list[Command]:
    """Return the commands of the page's code blocks, in order; a backslash at the end continues a line."""
    found = []
    for match in _BLOCKS.finditer(page):
        block = (match[1] or match[2]).replace("\\\n", " ")
        for line in filter(None, map(str.strip, block.splitlines())):
            promised = _EXIT.search(line)
            found.append(Command(line.split("    #")[0].strip(), int(promised[1]) if promised else 0))
    return found


def test_commands_are_read_out_of_both_kinds_of_blocks_with_their_exit_codes() -> None:
    page = "a\n```sh\nls\nfalse    # exit 1\n```\n`b`\n```yaml\nc: d\n```\n"
    page += "\n    restore-drill x \\\n        -y\n\nend\n"
    assert [(one.text.split(), one.exit_code) for one in commands(page)] == [
        (["ls"], 0),
        (["false"], 1),
        (["restore-drill", "x", "-y"], 0),
    ]


@pytest.mark.timeout(400)
def test_every_command_of_the_tutorial_does_what_it_says(
    here: Here, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shown = commands(PAGE.read_text(encoding="utf-8"))
    assert len(shown) > 10
    assert shown[0].text == DEMO
    build_demo(tmp_path / "demo-output")
    for command in shown[1:]:
        run(here, command, tmp_path)
    assert (tmp_path / "report" / "index.html").is_file()
    assert "gate: fail" in (tmp_path / "demo-output" / "orders_suite.yaml").read_text()


def build_demo(out: Path) -> None:
    """Make what the demo leaves to work on; tests/e2e/test_demo.py runs all of it."""
    out.mkdir()
    (out / MARK).touch()
    make_history(out / "backups", last_night(utc_now()))
    write_fleet_of_files(out)


def run(here: Here, command: Command, folder: Path) -> None:
    if command.text.startswith("restore-drill "):
        ran = here(*shlex.split(command.text)[1:])
        assert ran.exit_code == command.exit_code, f"{command.text}\n{ran}"
        return
    done = subprocess.run(["sh", "-c", command.text], cwd=folder, capture_output=True, check=False)  # noqa: S607
    assert done.returncode == command.exit_code, f"{command.text}\n{done.stderr.decode()}"


def test_the_site_with_data_docs_asks_for_nothing_and_every_link_leads_somewhere(
    here: Here, fleet: Fleet, canary_dump: Path, tmp_path: Path
) -> None:
    fleet.add("orders", canary_dump, expect={"suite": "orders.yaml"})
    (fleet.folder / "orders.yaml").write_text(SUITE)
    for _ in range(2):
        assert here("run", fleet.path).exit_code == 1
    out = tmp_path / "site"
    assert here("report", fleet.evidence, "--out", out, "--data-docs").exit_code == 0
    pages = sorted(out.rglob("*.html"))
    assert len([page for page in pages if page.parent.name.endswith("_docs")]) == 4
    for page in pages:
        text = page.read_text(encoding="utf-8")
        assert CANARY not in text, page
        for address in re.findall(r"(?:href|src)=\"([^\"#]+)", text):
            assert "://" not in address
            assert (page.parent / address).exists(), f"{page}: {address}"
    newest = [page for page in pages if page.parent.name == "orders"][-1].read_text()
    assert "Data Docs" in newest
    assert "NULLs in public.orders.note" in newest
    assert "Age of the newest public.orders.placed_at" in newest


CANARY = "canary-5512"
SUITE = """
suite: orders
gate: fail
tables:
  public.orders:
    - {type: expect_column_values_to_not_be_null, kwargs: {column: note, mostly: 0.4}}
    - {type: expect_column_max_to_be_between, kwargs: {column: placed_at, min_value: {as_of: -48h}}}
    - {type: expect_column_values_to_match_regex, kwargs: {column: note, regex: "^x"}}
  public.customers:
    - {type: expect_column_value_lengths_to_be_between, kwargs: {column: name, max_value: 90}}
sensitive: [public.customers.name]
"""


@pytest.fixture(scope="session")
def canary_dump(orders_of: Callable[[str], Path]) -> Path:
    """The healthy dump, with a word in its rows that must not come out, and NULLs."""
    return orders_of(
        "ALTER TABLE public.orders ADD note text; "
        f"UPDATE public.orders SET note = '{CANARY}' WHERE id % 2 = 0; "
        f"UPDATE public.customers SET name = '{CANARY}' WHERE id = 7"
    )
