"""Tools that the tests run for real, fetched without root: `python -m tests.real_tools`.

Debian's packages are downloaded by apt from this machine's own sources, with the suite's name replaced, into
lists and a cache of our own, and unpacked. Nothing is installed, and nobody but the tests looks there. What
cannot be had is said loudly: its tests are skipped here, and a full run that skips them has failed.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tasks.sandbox.paths import make_folder, postgres_dir


class Tool(NamedTuple):
    """A package of one of Debian's suites, and how one sees that its program runs."""

    package: str
    suite: str
    program: str
    shows_version: str

    @property
    def name(self) -> str:
        """Of the folder that it is unpacked into."""
        return f"{self.package}-{self.suite}"


TOOLS = (
    Tool("pgbackrest", "bookworm", "usr/bin/pgbackrest", "version"),  # 2.45: PostgreSQL up to 15
    Tool("pgbackrest", "trixie", "usr/bin/pgbackrest", "version"),  # 2.55.1: up to 18
    Tool("prometheus", "bookworm", "usr/bin/promtool", "--version"),
)
ESSENTIAL = [pytest.mark.essential] if shutil.which("apt-get") else []
"""The mark of tests that run a fetched tool: where there is no apt they are skipped, and say so."""
_SUITE_OF = {14: "bookworm", 15: "bookworm", 16: "trixie", 17: "trixie", 18: "trixie"}
_FETCH_S = 300
_APT = Path("/etc/apt")
_LINE = re.compile(r"deb\s+(?P<options>\[[^\]]*\]\s+)?(?P<uri>\S+)\s+(?P<suite>\S+)\s+(?P<components>.+)")


def tools_dir() -> Path:
    """Return the folder of the fetched tools; it need not exist."""
    return postgres_dir().parent / "test-tools"


def pgbackrest_for(major: int) -> Path | None:
    """Return a pgBackRest that knows PostgreSQL *major*; None where it was not fetched."""
    return _program("pgbackrest", _SUITE_OF[major])


def promtool() -> Path | None:
    """Return Prometheus's own checker of rules and metrics; None where it was not fetched."""
    return _program("prometheus", "bookworm")


def _program(package: str, suite: str) -> Path | None:
    tool = next(tool for tool in TOOLS if (tool.package, tool.suite) == (package, suite))
    path = tools_dir() / tool.name / tool.program
    return path if path.is_file() else None


def fetch() -> list[str]:
    """Fetch what is not there yet; return what could not be had, and why."""
    return [trouble for tool in TOOLS if (trouble := _fetch_tool(tool)) is not None]


def _fetch_tool(tool: Tool) -> str | None:
    name = tool.name
    home = tools_dir() / name
    if home.is_dir():
        return None
    if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
        return f"{name}: this machine has no apt"
    try:
        make_folder(tools_dir(), 0o755)
        with tempfile.TemporaryDirectory(prefix=f".{name}-", dir=tools_dir()) as work:
            Path(work).chmod(0o755)  # apt reads it as another user
            _unpack(tool, Path(work))
            (Path(work) / "unpacked").rename(home)
    except (OSError, subprocess.SubprocessError, StopIteration) as error:
        said = getattr(error, "stderr", None) or b""
        return f"{name}: {error} {said.decode('utf-8', 'replace').strip()[-300:]}"
    return None


def _unpack(tool: Tool, work: Path) -> None:
    """Let apt download the package of *tool* into *work*, unpack it, and see whether it runs."""
    for folder in ("lists/partial", "cache/archives/partial", "sources"):
        (work / folder).mkdir(parents=True)
    (work / "sources" / "here.list").write_text("\n".join(sources_of(tool.suite, _codename())) + "\n")
    options = {
        "Dir::State::lists": work / "lists",
        "Dir::Cache": work / "cache",
        "Dir::Etc::sourcelist": "/dev/null",
        "Dir::Etc::sourceparts": work / "sources",
        "Acquire::Languages": "none",
        "APT::Sandbox::User": "",
    }
    apt = ["apt-get", "-q", *(f"-o{name}={value}" for name, value in options.items())]
    _run([*apt, "update"], work)
    _run([*apt, "download", tool.package], work)
    (work / "unpacked").mkdir()
    _run(["dpkg-deb", "-x", str(next(work.glob("*.deb"))), "unpacked"], work)
    (work / "unpacked").chmod(0o755)
    _run([str(work / "unpacked" / tool.program), tool.shows_version], work)


def sources_of(suite: str, own: str, apt: Path = _APT) -> list[str]:
    """Return the sources of *apt* that name the suite *own*, for *suite* in its place."""
    files = [apt / "sources.list", *sorted((apt / "sources.list.d").glob("*"))]
    return list(dict.fromkeys(line for file in files if file.is_file() for line in _lines(file, own, suite)))


def _lines(file: Path, own: str, suite: str) -> Iterator[str]:
    text = file.read_text(errors="replace")
    if file.suffix == ".sources":
        yield from _of_stanzas(text, own, suite)
        return
    for line in text.splitlines():
        match = _LINE.match(line.strip())
        if match and match["suite"] == own:
            yield f"deb {match['options'] or ''}{match['uri']} {suite} {match['components']}"


def _of_stanzas(text: str, own: str, suite: str) -> Iterator[str]:
    for stanza in re.split(r"\n\s*\n", text):
        fields = dict(re.findall(r"^(\w[\w-]*):[ \t]*(.*)$", stanza, re.MULTILINE))
        signed = fields.get("Signed-By", "")
        options = f"[signed-by={signed}] " if signed.startswith("/") else ""
        if own in fields.get("Suites", "").split() and "deb" in fields.get("Types", "").split():
            for uri in fields.get("URIs", "").split():
                yield f"deb {options}{uri} {suite} {fields.get('Components', 'main')}"


def _codename() -> str:
    text = Path("/etc/os-release").read_text() if Path("/etc/os-release").is_file() else ""
    match = re.search(r"^VERSION_CODENAME=\"?(\w+)", text, re.MULTILINE)
    return match[1] if match else ""


def _run(argv: list[str], cwd: Path) -> None:
    subprocess.run(argv, cwd=cwd, check=True, capture_output=True, timeout=_FETCH_S, stdin=subprocess.DEVNULL)


def main() -> int:
    """Fetch the tools and say what could not be had; the tests run without them, and say so too."""
    for trouble in fetch():
        print(f"\n*** NOT FETCHED, its tests are skipped: {trouble}\n", file=sys.stderr)  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
