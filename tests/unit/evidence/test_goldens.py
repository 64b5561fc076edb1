from __future__ import annotations

from tests.unit.evidence.goldens import FOLDER, goldens

REMEDY = "look at the difference, then run: python -m tests.unit.evidence.goldens"


def test_evidence_markdown_and_pages_look_as_recorded() -> None:
    made = goldens()
    assert {path.name for path in FOLDER.iterdir()} == set(made), REMEDY
    for name, content in made.items():
        assert (FOLDER / name).read_text(encoding="utf-8") == content, f"{name}: {REMEDY}"
