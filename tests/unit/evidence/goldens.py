"""The pictures of record: what evidence, markdown and pages of the sample drills look like.

A change is made by a command and reviewed as a diff: `python -m tests.unit.evidence.goldens`.
"""

from __future__ import annotations

import json
import re
import tempfile
from pathlib import Path

from tasks.evidence.document import build_evidence
from tasks.evidence.markdown import markdown
from tasks.evidence.report import render_report
from tasks.evidence.sentence import sentence
from tasks.evidence.store import write_evidence
from tasks.model.target import StoreConfig
from tests.unit.evidence import samples

FOLDER = Path(__file__).parents[2] / "goldens" / "evidence"
_PAGES = ("verified", "shrunk", "hostile")


def goldens() -> dict[str, str]:
    """Return file name to content, as the code makes it now."""
    documents = {kind: build_evidence(make()) for kind, make in samples.ALL.items()}
    made = {f"{kind}.json": _pretty(document) for kind, document in documents.items()}
    made |= {f"{kind}.md": markdown(document) for kind, document in documents.items()}
    made["sentences.txt"] = "".join(f"{sentence(document)}\n" for document in documents.values())
    return made | _pages()


def main() -> None:
    """Write them all."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    made = goldens()
    for path in FOLDER.iterdir():
        if path.name not in made:
            path.unlink()
    for name, content in made.items():
        (FOLDER / name).write_text(content, encoding="utf-8")


def _pages() -> dict[str, str]:
    with tempfile.TemporaryDirectory() as folder:
        for make in samples.ALL.values():
            facts = make()
            write_evidence(
                build_evidence(facts), f"{folder}/e", StoreConfig(), suite_results=facts.suite_results
            )
        site = render_report([f"{folder}/e"], Path(folder) / "site").parent
        pages = {"fleet.html": _body(site / "index.html")}
        for kind in _PAGES:
            (path,) = (site / "shop" / samples.ALL[kind]().target.name).glob("*.html")
            pages[f"{kind}.html"] = _body(path)
        return pages


def _pretty(document: dict[str, object]) -> str:
    return json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def _body(page: Path) -> str:
    """The body alone: the style is no picture, and a version is no change."""
    text = page.read_text(encoding="utf-8")
    body = text[text.index("<body>") :]
    return re.sub(r"alone by restore-drill [\d.]*\d", "alone by restore-drill", body)


if __name__ == "__main__":
    main()
