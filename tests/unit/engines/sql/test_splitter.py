"""Where statements end."""

from __future__ import annotations

import time

import pytest

from tasks.engines.sql.splitter import Kind, Piece, is_copy_in, is_server_file, scan


def statements(text: str) -> list[str]:
    return [piece.data.decode() for piece in scan([text.encode()]) if piece.kind is Kind.STATEMENT]


def kinds(text: str) -> list[Kind]:
    return [piece.kind for piece in scan([text.encode()])]


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT 1;",
        "SELECT 'a;b';",
        "SELECT 'it''s; fine';",
        'SELECT 1 AS "a;""b";',
        r"SELECT E'it\'s; \\';",
        "SELECT E'a' \n 'b\\';c';",
        "SELECT e'''\\';x';",
        "SELECT $$;$$, $a$ $$ ; $b$ $a$;",
        "SELECT $1, a$b$c FROM t;",
        "SELECT 1 /* ; /* ; */ ; */ + 2;",
        "SELECT 1 -- ;\n + 2;",
        "SELECT 5-3, -1, 4/2, '-', '/*';",
        "SELECT type'x;y', the'a\\';",
        "SELECT U&'d\\0061t;', B'01', X'1F', N';';",
        "CREATE RULE r AS ON DELETE TO t DO (SELECT 1; SELECT 2);",
        "CREATE FUNCTION f() RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT 1; SELECT 2; END;",
        "CREATE OR REPLACE PROCEDURE f() BEGIN ATOMIC SELECT CASE WHEN true THEN 1 END; END;",
        "create function f() returns int language sql as 'select 1; select 2';",
        'CREATE TABLE begin ("end;" int DEFAULT (1));',
        "CREATE VIEW v AS SELECT CASE WHEN 1 = 1 THEN 'a;' END;",
        "DO $do$ BEGIN PERFORM 1; END $do$;",
        "INSERT INTO t VALUES ('ü;', '€'), (';', NULL);",
    ],
)
def test_a_statement_ends_at_its_own_semicolon(statement: str) -> None:
    assert statements(f"{statement}\n-- after;\nSELECT 'next';") == [statement, "SELECT 'next';"]


def test_the_last_statement_may_lack_its_semicolon() -> None:
    assert statements("SELECT 1;\nSELECT 2") == ["SELECT 1;", "SELECT 2"]


def test_strings_hold_backslashes_where_the_script_says_so() -> None:
    text = r"SELECT 'a\'; SET standard_conforming_strings = off; SELECT 'b\';'; SELECT 2;"
    assert statements(text)[2:] == [r"SELECT 'b\';';", "SELECT 2;"]


@pytest.mark.parametrize("end", ["\\.\n", "\\.\r\n", "\\."])
def test_rows_end_at_their_own_line(end: str) -> None:
    text = f"COPY t (a) FROM stdin;\n1;'\n\\\\.\nx\\.\n\\.y\n{end}"
    assert [(piece.kind, piece.data) for piece in scan([text.encode()])][2:] == [
        (Kind.ROWS, b"1;'\n\\\\.\nx\\.\n\\.y\n"),
        (Kind.ROWS_END, end.encode()),
    ]


def test_a_copy_without_rows_is_followed_by_statements() -> None:
    text = "COPY t FROM stdin;\n\\.\nSELECT 1;"
    assert kinds(text) == [Kind.STATEMENT, Kind.GAP, Kind.ROWS_END, Kind.STATEMENT]


@pytest.mark.parametrize(
    "text",
    [
        "COPY t FROM stdin;\n1\n2\n",
        "SELECT 'never closed; ",
        'SELECT "never closed; ',
        "SELECT $x$ never closed $$;",
        "SELECT 1 /* never closed ;",
        "/* never closed ;",
        "SELECT E'never closed\\';",
    ],
)
def test_a_script_that_is_cut_says_so(text: str) -> None:
    assert kinds(text)[-1] is Kind.CUT


@pytest.mark.parametrize(
    "command", ["\\! ls\n", "\\connect x\n", "\\restrict abc\n", "SELECT 1 \\g |ls\n", "\\."]
)
def test_a_backslash_outside_quotes_is_a_command(command: str) -> None:
    pieces = list(scan([command.encode()]))
    assert pieces == [Piece(Kind.META, command.encode())]


def test_a_byte_order_mark_is_no_statement() -> None:
    assert kinds("\ufeffSELECT 1;") == [Kind.GAP, Kind.STATEMENT]


@pytest.mark.parametrize(
    ("statement", "rows"),
    [
        (b"COPY public.t (a, b) FROM stdin;", True),
        (b'copy "a--b"."c""d;" ("e(f", "g)") from STDIN with (format csv, header);', True),
        (b"COPY t /* from x */ -- to y\n FROM stdin;", True),
        (b"COPY (SELECT 1 FROM stdin) TO stdout;", False),
        (b"COPY t FROM '/etc/passwd';", False),
        (b"COPY t FROM PROGRAM 'stdin';", False),
        (b"SELECT 'COPY t FROM stdin';", False),
    ],
)
def test_rows_follow_a_copy_from_stdin_only(statement: bytes, rows: bool) -> None:
    assert is_copy_in(statement) is rows


@pytest.mark.parametrize(
    ("statement", "reaches"),
    [
        (b"COPY t FROM PROGRAM 'ls';", True),
        (b"COPY t /* x */ TO '/tmp/x';", True),
        (b"COPY (SELECT 1) TO PROGRAM $$ls$$;", True),
        (b"COPY t FROM E'/etc/passwd';", True),
        (b"COPY t FROM stdin WITH (NULL 'x');", False),
        (b'COPY "to program" FROM stdin;', False),
    ],
)
def test_a_copy_of_the_servers_files_and_programs_is_known(statement: bytes, reaches: bool) -> None:
    assert is_server_file(statement) is reaches


@pytest.mark.parametrize(
    "unit",
    [b"SELECT '" + b"a\\x" * 400_000 + b"';\n", b"SELECT E'" + b"a\\'x" * 300_000 + b"';\n",
     b"INSERT INTO t VALUES " + b"(1,'abc''x',-4),\n" * 80_000 + b"(1,'',2);\n",
     b"/*" + b"* /" * 400_000 + b"*/;",
     b"CREATE FUNCTION f() AS $a$" + b"$$;x" * 300_000 + b"$a$;"],
)  # fmt: skip
def test_the_time_for_a_long_statement_grows_with_its_length_only(unit: bytes) -> None:
    def seconds(size: int) -> float:
        chunks = [unit[at : at + size] for at in range(0, len(unit), size)]
        began = time.process_time()
        assert sum(len(piece.data) for piece in scan(chunks)) == len(unit)
        return time.process_time() - began

    seconds(1 << 20)
    assert seconds(4096) < 2.0


def test_rows_pass_faster_than_a_server_takes_them() -> None:
    chunk = b"1\tabc def\t2020-01-01\\N\tfoo\n" * 40_000
    chunks = [b"COPY t FROM stdin;\n", *[chunk] * 60, b"\\.\n"]
    began = time.process_time()
    total = sum(len(piece.data) for piece in scan(chunks))
    assert total / (time.process_time() - began) > 200e6
