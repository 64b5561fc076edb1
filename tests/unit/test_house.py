"""The house itself: names that clash with nobody, texts without a machine's own paths, docs that lead on."""

from __future__ import annotations

import re
import subprocess
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tasks.model.rules import RULES

ROOT = Path(__file__).resolve().parents[2]
OURS = ("deployments", "flows", "tasks", "expectations")


def tracked(*patterns: str) -> list[Path]:
    listed = subprocess.run(
        ["git", "-C", str(ROOT), "ls-files", *patterns],  # noqa: S607  git is where the user has it
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode != 0:
        pytest.skip("not a git checkout")
    return [ROOT / name for name in listed.stdout.split("\n") if name and (ROOT / name).is_file()]


@pytest.mark.parametrize("name", OURS)
def test_no_other_distribution_provides_our_import_names(name: str) -> None:
    owners = set(metadata.packages_distributions().get(name, []))
    assert owners <= {"restore-drill"}


def test_the_pins_name_no_index_host() -> None:
    for pins in tracked("requirements*.txt"):
        text = pins.read_text()
        assert "--hash=sha256:" in text
        assert "://" not in text
        assert "index" not in text.split("==")[0]


def test_no_committed_text_holds_a_path_of_one_machine() -> None:
    forbidden = re.compile("/" + r"work/(?:main|shared)|/ro" + r"ot/\.pyenv")
    for file in tracked("*.py", "*.md", "*.toml", "*.yaml", "*.txt", "Makefile", ".ci/run"):
        found = forbidden.search(file.read_text(encoding="utf-8"))
        assert found is None, f"{file.relative_to(ROOT)}: {found}"


def test_no_pattern_repeats_a_group_possessively() -> None:
    """Python 3.11.0 to 3.11.4, Debian 12's among them, match these wrongly: a scan went round for ever."""
    possessive = re.compile(r"\)[*+?]\+|\(\?" + ">")
    for file in tracked("tasks/*.py", "expectations/*.py", "deployments/*.py", "flows/*.py"):
        found = possessive.search(file.read_text(encoding="utf-8"))
        assert found is None, f"{file.relative_to(ROOT)}: {found}"


def test_every_rule_that_the_code_names_is_documented_and_every_documented_one_is_used() -> None:
    sources = [
        file for file in tracked("tasks/*.py", "deployments/*.py", "flows/*.py") if "rules" not in file.parts
    ]
    text = "\n".join(file.read_text(encoding="utf-8") for file in sources)
    named = set(re.findall(r"""(?:\brule=|\bfinding\(\s*)"([a-z-]+)\"""", text))
    assert named <= set(RULES)
    assert {rule for rule in RULES if f'"{rule}"' not in text} == set()


def test_every_relative_link_in_the_docs_leads_to_a_file() -> None:
    for page in tracked("*.md"):
        for target in re.findall(r"\]\((?!https?://|#)([^)#]+)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.relative_to(ROOT)} leads to {target}"


def test_every_command_that_the_docs_show_exists() -> None:
    from deployments.cli import app  # noqa: PLC0415

    known = {
        command.name or (command.callback.__name__ if command.callback else "")
        for command in app.registered_commands
    }
    known |= {group.name or "" for group in app.registered_groups}
    for page in tracked("README.md", "docs/*.md"):
        text = page.read_text(encoding="utf-8")
        code = [
            *re.findall(r"```sh\n(.*?)```", text, re.DOTALL),
            *re.findall(r"^    .+$", text, re.MULTILINE),
        ]
        shown = re.findall(r"^\s*restore-drill ([a-z-]+)", "\n".join(code), re.MULTILINE)
        assert set(shown) <= known, f"{page.name}: {set(shown) - known}"


def test_every_make_target_that_the_readme_shows_exists() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"make ([a-z]+)", (ROOT / "README.md").read_text())) - {"and"} <= targets


def test_the_pins_hold_what_the_project_allows() -> None:
    """`make lock` starts from pyproject.toml: what is pinned, and what runs here, is within its bounds."""
    pinned = dict(
        re.findall(
            r"^([a-z0-9-]+)==(\S+)(?= (?:;|\\))", (ROOT / "requirements.txt").read_text(), re.MULTILINE
        )
    )
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for requirement in map(Requirement, project["dependencies"]):
        name = canonicalize_name(requirement.name)
        assert requirement.specifier.contains(pinned[name]), f"{requirement} and the pin {pinned[name]}"
        assert requirement.specifier.contains(metadata.version(name)), f"{requirement} is not what runs here"


def test_prefect_s_scheduler_is_held_to_the_sqlalchemy_that_it_works_with() -> None:
    """From 2.1 on its bulk deletes fail in every loop, and no scheduled run is ever made."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    (bound,) = (r for r in map(Requirement, project["dependencies"]) if r.name == "sqlalchemy")
    assert not bound.specifier.contains("2.1.0")
    assert bound.specifier.contains("2.0.40")
