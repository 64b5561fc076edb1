"""Comments that our superuser makes: read strictly, written anew."""

from __future__ import annotations

import pytest

from tasks.engines.comments import read_comment


@pytest.mark.parametrize(
    ("statement", "written"),
    [
        ("COMMENT ON TYPE shop.undefined IS 'later'", """COMMENT ON TYPE "shop"."undefined" IS 'later'"""),
        (
            "COMMENT ON TEXT SEARCH PARSER \"s h\".p IS 'it''s';",
            """COMMENT ON TEXT SEARCH PARSER "s h"."p" IS 'it''s'""",
        ),
        ("COMMENT ON EVENT TRIGGER watch IS NULL", 'COMMENT ON EVENT TRIGGER "watch" IS NULL'),
        ("COMMENT ON CAST (shop.a AS integer) IS 'c'", "COMMENT ON CAST (shop . a AS integer) IS 'c'"),
    ],
)
def test_a_comment_is_written_anew(statement: str, written: str) -> None:
    assert read_comment(statement) == written


@pytest.mark.parametrize(
    "statement",
    [
        "COMMENT ON TYPE undefined IS 'where is it?'",
        "COMMENT ON TABLE shop.orders IS 'its owner says that'",
        r"COMMENT ON TYPE shop.undefined IS E'\x'",
        "COMMENT ON TYPE shop.undefined IS 'a'; DROP TABLE shop.orders",
        "COMMENT ON CAST (shop.a AS integer) IS 'c' || 'd'",
    ],
)
def test_what_is_no_such_comment_is_not_made(statement: str) -> None:
    assert read_comment(statement) is None
