"""What pg_restore says, as recorded from each major."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

import pytest

from tasks.engines.errors.classes import Meaning
from tasks.engines.errors.failure import label
from tasks.engines.errors.pg_restore_stderr import Transcript, read_transcript
from tasks.engines.errors.root_causes import judge
from tasks.model.backup import Toc, TocEntry
from tasks.model.findings import Severity
from tests.corpus.transcripts import MAJORS, read_lines, read_toc
from tests.growth import assert_linear

TABLES = Toc(
    (
        TocEntry(
            1,
            "TABLE",
            "orders",
            "public",
            "app",
            "pre-data",
            "CREATE TABLE public.orders (\n    id integer\n);\n",
        ),
        TocEntry(
            2,
            "TABLE",
            "orders",
            "other",
            "app",
            "pre-data",
            "CREATE TABLE other.orders (\n    id integer\n);\n",
        ),
        TocEntry(
            3,
            "CONSTRAINT",
            "orders a",
            "public",
            "app",
            "post-data",
            "ALTER TABLE public.orders\n    ADD a;\n",
        ),
        TocEntry(
            4,
            "CONSTRAINT",
            "orders b",
            "public",
            "app",
            "post-data",
            "ALTER TABLE public.orders\n    ADD b;\n",
        ),
        TocEntry(5, "TABLE DATA", "orders", "public", "app", "data"),
    )
)


@pytest.mark.parametrize("major", MAJORS)
def test_every_error_of_an_entry_is_understood(major: int) -> None:
    lines = read_lines(major)
    said = read_transcript(lines, read_toc(major))
    assert said.reported == len(said.failures)
    assert (said.tool, said.server) == ((), ())
    named = {label(failure.entry) for failure in said.failures if failure.entry is not None}
    assert {
        "TABLE DATA public.checked",
        "CONSTRAINT public.customers customers_pkey",
        "FK CONSTRAINT public.orders orders_customer_fkey",
        "FUNCTION public.backend()",
        "VIEW public.backends",
        "MATERIALIZED VIEW DATA public.files",
        "EVENT TRIGGER e",
        "PUBLICATION p",
        "EXTENSION postgres_fdw",
    } <= named


@pytest.mark.parametrize("major", MAJORS)
def test_a_dump_that_is_wrong_in_many_ways_is_judged_alike_by_every_major(major: int) -> None:
    said = read_transcript(read_lines(major), read_toc(major))
    judged = judge(said.failures, (), read_toc(major))
    failures = {found.rule: found.message for found in judged.findings if found.severity is Severity.FAILURE}
    assert set(failures) == {
        "hostile-content",
        "superuser-entry",
        "function-breaks-restore",
        "duplicate-keys",
    }
    assert "public.known" in failures["function-breaks-restore"]
    assert "public.checked" in failures["function-breaks-restore"]
    assert "FK CONSTRAINT public.orders orders_customer_fkey" in failures["duplicate-keys"]
    assert "VIEW public.backends" in failures["superuser-entry"]
    assert {"PUBLICATION p", "EVENT TRIGGER e", "EXTENSION postgres_fdw"} <= set(judged.not_restored)


@pytest.mark.parametrize("major", MAJORS)
def test_no_value_and_no_command_is_kept(major: int) -> None:
    said = read_transcript(read_lines(major), read_toc(major))
    assert "secret-row-value" not in repr(said)
    assert "Command was" not in repr(said)
    assert all("ALTER TABLE ONLY" not in failure.message for failure in said.failures)


def test_the_command_decides_which_entry_an_error_is_of() -> None:
    lines = [
        "pg_restore: error: could not execute query: ERROR:  syntax",
        "Command was: CREATE TABLE other.orders (",
        "    id integer",
        ");",
        "",
        "pg_restore: error: could not execute query: ERROR:  syntax",
        "Command was: ALTER TABLE public.orders",
        "    ADD b;",
    ]
    said = read_transcript(lines, TABLES)
    assert [failure.entry.dump_id for failure in said.failures if failure.entry is not None] == [2, 4]


def test_where_lines_of_workers_interleave_the_command_still_decides() -> None:
    lines = [
        "pg_restore: from TOC entry 3; 0 0 CONSTRAINT orders a app",
        "pg_restore: from TOC entry 4; 0 0 CONSTRAINT orders b app",
        "pg_restore: error: could not execute query: ERROR:  syntax",
        "Command was: ALTER TABLE public.orders",
        "    ADD a;",
    ]
    (failure,) = read_transcript(lines, TABLES).failures
    assert failure.entry is not None
    assert failure.entry.dump_id == 3


def test_rows_that_failed_are_of_the_table_that_is_named() -> None:
    lines = [
        'pg_restore: error: COPY failed for table "orders": ERROR:  missing data for column "id"',
        'CONTEXT: COPY orders, line 7: "secret"',
    ]
    (failure,) = read_transcript(lines, TABLES).failures
    assert (failure.entry, failure.line) == (TABLES.entries[4], 7)


@pytest.mark.parametrize(
    "line",
    [
        "pg_restore: error: could not read from input file: end of file",
        'pg_restore: error: could not open input file "x/12.dat.gz": No such file or directory',
        "pg_restore: error: found unexpected block ID (0) when reading data -- expected 12",
        "pg_restore: error: could not uncompress data: (null)",
    ],
)
def test_errors_of_the_tool_itself_are_kept_apart(line: str) -> None:
    said = read_transcript([line], TABLES)
    assert (len(said.tool), said.failures, said.server) == (1, (), ())


@pytest.mark.parametrize(
    "line",
    [
        "pg_restore: error: could not execute query: server closed the connection unexpectedly",
        "pg_restore: error: error returned by PQputCopyData: no connection to the server",
        'pg_restore: error: connection to server on socket "/x/.s.PGSQL.5432" failed: FATAL:  shutting down',
    ],
)
def test_a_server_that_went_away_is_no_error_of_the_archive(line: str) -> None:
    said = read_transcript([line], TABLES)
    assert (len(said.server), said.failures, said.tool) == (1, (), ())


def test_the_meaning_of_an_unknown_table_is_an_error() -> None:
    line = "pg_restore: error: could not execute query: ERROR:  something new"
    said = read_transcript([line, "Command was: CREATE TABLE public.orders ("], TABLES)
    (cause,) = judge(said.failures, (), TABLES).causes
    assert cause.meaning is Meaning.ERROR


def test_an_error_among_thousands_that_begin_alike_finds_its_own_entry() -> None:
    entries = tuple(
        TocEntry(
            number,
            "CONSTRAINT",
            f"t c{number}",
            "public",
            "",
            "post-data",
            f"ALTER TABLE t\n    ADD c{number};\n",
        )
        for number in range(1, 40_001)
    )
    toc = Toc(entries)

    def read(errors: int) -> Transcript:
        lines = []
        for number in range(40_000, 40_000 - errors, -1):
            lines += ["pg_restore: error: could not execute query: ERROR:  out of luck"]
            lines += ["Command was: ALTER TABLE t", f"    ADD c{number};", ""]
        return read_transcript(lines, toc)

    assert [failure.entry for failure in read(3).failures] == [entries[-1], entries[-2], entries[-3]]
    assert_linear(read, 2000)


def test_a_count_of_thousands_of_digits_is_no_count() -> None:
    line = f"pg_restore: warning: errors ignored on restore: {'9' * 5000}"
    assert read_transcript([line, f"pg_restore: from TOC entry {'9' * 5000}; x"], Toc(())).reported is None


def test_a_copy_that_never_began_is_its_tables_though_no_table_is_listed() -> None:
    rows = TocEntry(
        7,
        "TABLE DATA",
        "secrets",
        "vault",
        "",
        "data",
        copy_stmt="COPY vault.secrets (id, secret) FROM stdin;\n",
    )
    lines = (
        'pg_restore: error: could not execute query: ERROR:  relation "vault.secrets" does not exist',
        "Command was: COPY vault.secrets (id, secret) FROM stdin;",
    )
    (failure,) = read_transcript(lines, Toc((rows,))).failures
    assert failure.entry is rows


def shuffles(one: list[str], other: list[str]) -> Iterator[str]:
    """Yield what one reads where two processes write their pieces into one pipe, in every order."""
    for places in combinations(range(len(one) + len(other)), len(one)):
        ours, theirs = iter(one), iter(other)
        yield "".join(next(ours if at in places else theirs) for at in range(len(one) + len(other)))


def pieces(column: str) -> list[str]:
    """Return an error as a worker of pg_restore writes it: its beginning in pieces, the rest at once."""
    words = f'could not execute query: ERROR:  column "{column}" of relation "orders" does not exist\n'
    return [
        "pg_restore:",
        " ",
        "error: ",
        f"{words}Command was: ALTER TABLE public.orders\n    ADD {column};\n\n\n",
    ]


def test_no_error_of_two_workers_is_lost_however_their_writes_mix() -> None:
    for text in shuffles(pieces("a"), pieces("b")):
        failures = read_transcript(text.split("\n"), TABLES).failures
        seen = sorted((item.entry.tag if item.entry else "", item.words[:10]) for item in failures)
        assert seen == [("orders a", 'column "a"'), ("orders b", 'column "b"')], text


def test_an_error_beside_the_rows_of_another_is_told_from_it() -> None:
    copy = 'COPY failed for table "orders": ERROR:  invalid input\nCONTEXT:  COPY orders, line 7, column id\n'
    for text in shuffles(["pg_restore:", " ", "error: ", copy], pieces("b")):
        failures = read_transcript(text.split("\n"), TABLES).failures
        seen = sorted((item.entry.tag if item.entry else "", item.line) for item in failures)
        assert seen == [("orders", 7), ("orders b", None)], text
