from __future__ import annotations

import json
from pathlib import Path

from expectations import vocabulary


def test_the_vocabulary_is_the_installed_gx() -> None:
    """`python -m expectations.vocabulary` writes it anew."""
    written = json.loads(Path(vocabulary.__file__).with_name("vocabulary.json").read_text())
    assert written == vocabulary.describe_installed()


def test_what_is_unsupported_exists_in_gx() -> None:
    assert set(vocabulary.UNSUPPORTED) <= set(vocabulary.expectation_types())


def test_class_names_become_types() -> None:
    assert vocabulary.snake_case("ExpectColumnPairValuesAToBeGreaterThanB") in vocabulary.expectation_types()
    assert vocabulary.snake_case("expect_column_to_exist") == "expect_column_to_exist"
