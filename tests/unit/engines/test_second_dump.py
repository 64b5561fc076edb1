"""Two dumps of one database in one script are noticed; dumps that complete each other are not."""

from __future__ import annotations

from tasks.engines.second_dump import SecondDump
from tasks.model.findings import Severity
from tests.unit.engines.errors.test_root_causes import OTHER, ROWS, TABLE, VIEW

HEADER = b"--\n-- PostgreSQL database dump\n--\n"


def test_a_table_announced_by_two_dumps_is_the_second() -> None:
    dump = SecondDump()
    dump.header(HEADER)
    dump.entries([TABLE, ROWS], 10)
    dump.header(HEADER)
    dump.entries([OTHER], 500)
    dump.entries([TABLE], 510)
    dump.entries([ROWS], 900)
    assert dump.line == 510
    (lost,) = dump.findings("x.sql", is_lost=True)
    assert (lost.rule, lost.severity, lost.where) == ("archive-doubled", Severity.FAILURE, "x.sql")
    assert "TABLE public.orders is announced again at line 510" in lost.message
    (newer,) = dump.findings("x.sql", is_lost=False)
    assert newer.severity is Severity.WARNING


def test_one_dump_may_say_the_same_twice() -> None:
    dump = SecondDump()
    dump.header(HEADER.replace(b"\n", b"\r\n"))
    for line in (1, 2):
        dump.entries([TABLE, VIEW], line)
    assert dump.findings("x.sql", is_lost=True) == ()


def test_schema_and_then_data_complete_each_other() -> None:
    dump = SecondDump()
    for entries in ([TABLE, VIEW], [ROWS], [VIEW]):
        dump.header(HEADER)
        dump.entries(entries, 5)
    assert dump.line is None


def test_another_database_begins_anew() -> None:
    dump = SecondDump()
    dump.header(HEADER)
    dump.entries([TABLE], 1)
    dump.starts_again()
    dump.header(HEADER)
    dump.entries([TABLE], 100)
    assert dump.line is None
