"""What our code imports is declared, and what is declared is imported and says why it is there."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from tests.unit.test_house import OURS, ROOT, tracked

SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PROJECT = SETTINGS["project"]
NOT_OURS = {"fastapi"}
"""Declared for its bound alone: another package breaks with newer releases."""
PROVIDERS = metadata.packages_distributions()


def imports(file: Path) -> Iterator[tuple[str, bool]]:
    """Yield the third-party packages that *file* imports, and whether for its types alone."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    for_types = {
        id(node)
        for block in ast.walk(tree)
        if isinstance(block, ast.If) and ast.unparse(block.test) == "TYPE_CHECKING"
        for node in ast.walk(block)
    }
    for node in ast.walk(tree):
        for name in _modules(node):
            top = name.partition(".")[0]
            if top not in sys.stdlib_module_names and top not in {*OURS, "tests", "bench"}:
                yield top, id(node) in for_types


def _modules(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
        return [node.module]
    return []


def distributions(package: str) -> set[str]:
    """Return who provides a package; boto3's stubs bring a distribution for each service."""
    providers = ["boto3-stubs"] if package.startswith("mypy_boto3_") else PROVIDERS[package]
    return set(map(canonicalize_name, providers))


def declared(*extras: str) -> set[str]:
    lines = PROJECT["dependencies"] + [
        line for extra in extras for line in PROJECT["optional-dependencies"][extra]
    ]
    return {canonicalize_name(Requirement(line).name) for line in lines}


@pytest.mark.parametrize("package", OURS)
def test_what_the_product_imports_is_declared(package: str) -> None:
    for file in tracked(f"{package}/*.py"):
        for name, for_types in imports(file):
            allowed = declared("dev") if for_types else declared()
            assert distributions(name) & allowed, f"{file.relative_to(ROOT)} imports {name}"


def test_what_tests_and_benchmarks_import_is_declared() -> None:
    for file in tracked("tests/*.py", "bench/*.py"):
        for name, _ in imports(file):
            assert distributions(name) & declared("dev"), f"{file.relative_to(ROOT)} imports {name}"


def test_what_is_declared_is_imported() -> None:
    files = [file for package in OURS for file in tracked(f"{package}/*.py")]
    used = {owner for file in files for name, _ in imports(file) for owner in distributions(name)}
    assert declared() - used == NOT_OURS


def test_every_declared_package_says_why() -> None:
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    block = text[text.index("\ndependencies = [") :].partition("\n]")[0]
    lines = re.findall(r"^    \"[^\n]*", block, re.MULTILINE)
    assert len(lines) == len(PROJECT["dependencies"])
    assert [line for line in lines if not re.search(r"\",\s+# \w.{9,}", line)] == []


def pinned() -> dict[str, Version]:
    """Return what the lock installs on this Python and platform."""
    pins: dict[str, Version] = {}
    for line in (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines():
        if line[:1].isalnum():
            requirement = Requirement(line.removesuffix("\\"))
            if requirement.marker is None or requirement.marker.evaluate():
                (specifier,) = requirement.specifier
                pins[canonicalize_name(requirement.name)] = Version(specifier.version)
    return pins


def needs(requirement: Requirement) -> Iterator[Requirement]:
    """Yield what a distribution, with the extras that are asked of it, asks for here."""
    for line in metadata.requires(requirement.name) or ():
        need = Requirement(line)
        extras = ("", *sorted(requirement.extras))
        if need.marker is None or any(need.marker.evaluate({"extra": extra}) for extra in extras):
            yield need


def test_the_lock_is_whole_so_that_pip_need_resolve_nothing() -> None:
    """`make setup` falls back to pip with `--no-deps`: what is not pinned would not be there."""
    roots = [*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["dev"]]
    waiting = [
        requirement
        for requirement in map(Requirement, (*roots, *SETTINGS["build-system"]["requires"]))
        if requirement.marker is None or requirement.marker.evaluate()
    ]
    pins = pinned()
    looked_at: set[tuple[str, ...]] = set()
    while waiting:
        requirement = waiting.pop()
        name = canonicalize_name(requirement.name)
        if name == PROJECT["name"]:  # one of our own extras
            waiting += needs(requirement)
            continue
        assert name in pins, f"requirements.txt lacks {requirement}"
        assert requirement.specifier.contains(pins[name], prereleases=True), f"{requirement}: {pins[name]}"
        if (name, *sorted(requirement.extras)) not in looked_at:
            looked_at.add((name, *sorted(requirement.extras)))
            waiting += needs(requirement)
    assert len(looked_at) > len(roots)
