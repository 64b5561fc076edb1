from __future__ import annotations

import pytest

from tasks.engines.line_ends import LineEnds
from tasks.engines.sql.splitter import Kind, scan
from tasks.model.findings import Finding

SCRIPT = """--
-- PostgreSQL database dump
--

SET client_encoding = 'UTF8';

--
-- Name: t; Type: TABLE; Schema: public; Owner: app
--

CREATE TABLE public.t (
    id integer,
    v text
);

{more}
--
-- PostgreSQL database dump complete
--
"""
COPY = "COPY public.t (id, v) FROM stdin;\n1\tline one\\nline two\n\\.\n"
INSERT = "INSERT INTO public.t VALUES (1, 'it''s line one\nline two');\n"
FUNCTION = "CREATE FUNCTION public.f() RETURNS int LANGUAGE plpgsql AS $$ begin\n return 1;\nend $$;\n"
COMMENT = "COMMENT ON TABLE public.t IS 'one\ntwo';\n"


def findings_of(script: str, written_by: str = "pg_dump") -> tuple[Finding, ...]:
    ends = LineEnds()
    for piece in scan([script.encode()]):
        if piece.kind is Kind.GAP:
            ends.gap(piece.data)
        elif piece.kind is Kind.STATEMENT:
            ends.statement(piece.data)
    return ends.findings("x.sql", written_by)


def crlf(script: str) -> str:
    return script.replace("\n", "\r\n")


@pytest.mark.parametrize("more", ["", COPY, INSERT, FUNCTION, COMMENT])
@pytest.mark.parametrize("written_by", ["pg_dump", ""])
def test_a_script_whose_lines_nobody_rewrote_yields_nothing(more: str, written_by: str) -> None:
    assert findings_of(SCRIPT.format(more=more), written_by) == ()


def test_values_that_hold_carriage_returns_at_the_source_are_no_sign() -> None:
    assert findings_of(SCRIPT.format(more=crlf(INSERT.rstrip("\n")) + "\n")) == ()


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (INSERT, "1 statements hold values with line breaks: those came back with carriage returns"),
        (INSERT * 3 + FUNCTION, "3 statements hold values"),
        (COPY + FUNCTION, "1 function bodies, comments or other definitions hold carriage returns"),
        (COMMENT, "1 function bodies, comments or other definitions"),
        (COPY, "No value holds a line break"),
    ],
)
def test_rewritten_line_ends_are_named_with_what_they_did_to_the_values(more: str, said: str) -> None:
    (found,) = findings_of(crlf(SCRIPT.format(more=more)))
    assert found.rule == "line-ends-rewritten"
    assert said in found.message


def test_a_script_by_hand_edited_on_windows_is_warned_of_only_where_values_changed() -> None:
    assert findings_of(crlf(SCRIPT.format(more=COPY + FUNCTION)), "") == ()
    (found,) = findings_of(crlf(SCRIPT.format(more=INSERT)), "")
    assert found.rule == "line-ends-rewritten"
