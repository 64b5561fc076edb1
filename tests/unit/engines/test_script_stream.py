"""What comes out of a script, step by step, and which of psql's commands end the restore."""

from __future__ import annotations

import pytest

from tasks.engines.script_stream import ScriptStream, Step
from tasks.engines.sql.splitter import Kind, scan
from tasks.model.errors import StageFailed


def steps(script: str, lines_before: int = 0) -> list[Step]:
    return list(ScriptStream(scan([script.encode()]), lines_before))


def refusal(script: str) -> str:
    with pytest.raises(StageFailed) as stopped:
        steps(script)
    (finding,) = stopped.value.findings
    assert finding.rule == "hostile-content"
    return finding.message


def test_statements_and_rows_come_in_the_scripts_order() -> None:
    script = "SET a = 1;\nCOPY t FROM stdin;\n1\n2\n\\.\nSELECT 1;"
    assert [(step.kind, step.data) for step in steps(script) if step.kind is not Kind.GAP] == [
        (Kind.STATEMENT, b"SET a = 1;"),
        (Kind.STATEMENT, b"COPY t FROM stdin;"),
        (Kind.ROWS, b"1\n2\n"),
        (Kind.ROWS_END, b"\\.\n"),
        (Kind.STATEMENT, b"SELECT 1;"),
    ]


@pytest.mark.parametrize(
    "command", ["\\connect shop", "\\c shop;", "\\connect -reuse-previous=on \"dbname='shop'\""]
)
def test_a_change_of_database_is_a_step_of_its_own(command: str) -> None:
    (step,) = (step for step in steps(f"{command}\nSELECT 1;\n") if step.kind is Kind.META)
    assert step.database == "shop"


def test_an_encoding_set_by_psql_is_a_setting() -> None:
    (step,) = (step for step in steps("\\encoding LATIN1\n") if step.kind is not Kind.GAP)
    assert step == Step(Kind.STATEMENT, b"SET client_encoding = 'LATIN1';")


@pytest.mark.parametrize(
    "command", ["\\timing on", "\\pset pager off", "\\set ON_ERROR_STOP on", "\\echo hi", "\\."]
)
def test_what_brings_nothing_back_is_passed_over(command: str) -> None:
    assert {step.kind for step in steps(f"{command}\n-- end\n")} == {Kind.GAP}


def test_restrict_and_unrestrict_go_by_their_key() -> None:
    assert {step.kind for step in steps("\\restrict abc\n\\unrestrict abc\n-- end\n")} == {Kind.GAP}
    assert "\\unrestrict" in refusal("\\restrict abc\n\\unrestrict other\n")
    assert "\\unrestrict" in refusal("\\restrict abc\n\\unrestrict abc\n\\unrestrict abc\n")


@pytest.mark.parametrize(
    ("script", "named"),
    [
        ("SELECT 1;\n\\! id\n", "the psql command \\! at line 2"),
        ("\\i other.sql\n", "the psql command \\i at line 1"),
        ("\\copy t FROM 'file'\n", "\\copy"),
        ("\\set x `id`\n", "\\set"),
        ("\\nonsense\n", "a psql command at line 1"),
        ("SELECT 1\n\\gexec\n", "a psql command in the middle of a statement at line 1"),
        ("\\q\n-- fine\nSELECT 1;\n", "more behind the psql command that ends it, at line 3"),
    ],
)
def test_any_other_command_ends_the_restore_and_is_named(script: str, named: str) -> None:
    assert named in refusal(script)


def test_comments_may_follow_the_end() -> None:
    assert {step.kind for step in steps("\\q\n-- done\n")} == {Kind.GAP}


def test_lines_are_counted_from_the_files_start() -> None:
    stream = ScriptStream(scan([b"SET a = 1;\n\nSELECT\n1;\nSELECT 2;"]), lines_before=2)
    lines = [stream.line for step in stream if step.kind is Kind.STATEMENT]
    assert lines == [3, 5, 7]
    assert stream.cut("a statement", "shop.sql").message.startswith(
        "The script ends in the middle of a statement"
    )
    assert "begins at line 7" in stream.too_long("shop.sql").message
