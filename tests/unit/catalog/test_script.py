from __future__ import annotations

import pytest

from tasks.catalog.script import HEAD_BYTES, connected_databases, end_findings, read_script_head, scan_script
from tasks.model.errors import PermanentError
from tests.corpus import archives


def findings(text: str, step: int = 1 << 20) -> list[str]:
    head = read_script_head(text[:HEAD_BYTES], whole=len(text) < HEAD_BYTES, where="x.sql")
    raw = text.encode()
    facts = scan_script(raw[at : at + step] for at in range(0, len(raw), step))
    return [found.rule for found in end_findings(head, facts, text[:HEAD_BYTES], "x.sql")]


HEALTHY = {
    "pg_dump": archives.script(),
    "pg_dump before \\restrict": archives.script(restrict=False),
    "pg_dump -C": archives.script(connect="shop"),
    "pg_dumpall": archives.cluster_script(),
    "globals": archives.globals_script(),
    "globals and dump": archives.globals_script() + archives.script(),
    "globals and older dump": archives.globals_script() + archives.script(restrict=False),
    "two dumps": archives.script() + archives.script(),
    "blank lines after": archives.script() + "\n\n  \n",
    "a comment after": archives.script() + "-- uploaded at 03:00\n",
    "no blank lines after": archives.script().rstrip("\n") + "\n",
    "no newline at the end": archives.script().rstrip("\n"),
    "verbose": archives.script().replace(
        "-- PostgreSQL database dump complete", "-- PostgreSQL database dump complete"
    ),
    "in a transaction": archives.script(restrict=False) + "COMMIT;\n",
    "Windows line ends": archives.script().replace("\n", "\r\n"),
}


@pytest.mark.parametrize("text", HEALTHY.values(), ids=HEALTHY.keys())
@pytest.mark.parametrize("step", [7, 1 << 20])
def test_a_whole_script_yields_nothing(text: str, step: int) -> None:
    assert findings(text, step) == []


def test_a_script_cut_anywhere_lacks_its_end_marker() -> None:
    for whole in (archives.script(), archives.script(restrict=False)):
        for at in range(120, len(whole.rstrip("\n")), 23):
            assert findings(whole[:at]) == ["end-marker-missing"], at


@pytest.mark.parametrize("lost", [3, 5, 60, 75])
def test_a_cut_inside_the_last_line_is_found(lost: int) -> None:
    assert findings(archives.script()[:-lost]) == ["end-marker-missing"]


def test_a_pg_dumpall_cut_between_two_databases_lacks_its_own_marker() -> None:
    whole = archives.cluster_script()
    at = whole.index('--\n-- Database "my shop" dump')
    assert findings(whole[:at]) == ["end-marker-missing"]


def test_rows_that_hold_the_marker_do_not_count() -> None:
    text = archives.script()
    at = text.index("200\n")
    rows = "-- PostgreSQL database dump complete\n"
    assert findings(text[:at] + rows) == ["end-marker-missing"]
    assert findings(text[:at] + rows + "1\n") == ["end-marker-missing"]
    assert findings(text[:at] + rows + text[at:]) == []


def test_a_script_by_hand_cannot_be_proven_and_only_warns() -> None:
    assert findings("CREATE TABLE t (id int);\nINSERT INTO t VALUES (1);\n") == ["end-marker-unknown"]


def test_a_dump_without_its_header_still_ends_with_its_marker() -> None:
    text = archives.script(restrict=False).replace("--\n-- PostgreSQL database dump\n--\n", "", 1)
    assert findings(text) == []


def test_the_databases_of_a_long_script_are_collected_over_the_borders_of_pieces() -> None:
    raw = archives.cluster_script().encode()
    for step in (64, 997, 1 << 20):
        facts = scan_script(raw[at : at + step] for at in range(0, len(raw), step))
        assert facts.databases == ("shop", "my shop")
        assert facts.size == len(raw)


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("shop", "shop"),
        ('"Shop ""1"""', 'Shop "1"'),
        ("-reuse-previous=on \"dbname='my shop'\"", "my shop"),
        ("-reuse-previous=on \"dbname='it\\\\'s'\"", "it\\"),
        ("shop app", "shop"),
    ],
)
def test_a_connect_line_names_its_database(line: str, name: str) -> None:
    assert connected_databases(f"\n\\connect {line}\n".encode()) == (name,)


def test_a_verbose_dump_says_when_it_was_made() -> None:
    text = archives.script().replace(
        "SET statement", "-- Started on 2026-05-04 03:02:01 CEST\n\nSET statement", 1
    )
    head = read_script_head(text, whole=True, where="x")
    assert head.toc is not None
    assert head.toc.made_at is not None
    assert head.toc.made_at.isoformat() == "2026-05-04T03:02:01"


def test_messages_of_the_tool_before_the_script_are_named() -> None:
    text = "pg_dump: warning: there are circular foreign-key constraints on this table:\n" + archives.script()
    with pytest.raises(PermanentError, match="messages of pg_dump itself") as raised:
        findings(text)
    assert raised.value.rule == "archive-corrupt"


def test_a_comment_before_the_script_is_no_message() -> None:
    assert findings("-- made by cron: pg_dump: nightly\n" + archives.script()) == []


def test_a_date_that_is_none_is_no_date() -> None:
    head = "-- Dumped from database version 17.1\n-- Started on 2026-19-45 99:99:99\nSELECT 1;\n"
    toc = read_script_head(head, whole=True, where="x").toc
    assert toc is not None
    assert toc.made_at is None


def test_more_databases_than_anybody_has_are_not_collected() -> None:
    with pytest.raises(PermanentError) as error:
        scan_script((f"\n\\connect d{number}\n".encode() for number in range(20_000)), "x")
    assert error.value.rule == "format-unsupported"
