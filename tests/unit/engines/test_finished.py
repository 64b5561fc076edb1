"""Which tables nothing more will happen to, by what an archive lists behind their rows."""

from __future__ import annotations

from tasks.engines.finished import behind_rows, finished
from tasks.engines.objects_present import DatabaseObject
from tasks.model.backup import Toc, TocEntry


def entry(dump_id: int, desc: str, tag: str, *needs: int, section: str = "post-data") -> TocEntry:
    return TocEntry(dump_id, desc, tag, "public", "app", section, dependencies=needs)


ENTRIES = (
    entry(1, "TABLE", "orders", section="pre-data"),
    entry(2, "TABLE", "customers", section="pre-data"),
    entry(3, "TABLE", "notes", section="pre-data"),
    entry(4, "VIEW", "recent", 1, section="pre-data"),
    entry(5, "TABLE DATA", "orders", 1, section="data"),
    entry(6, "CONSTRAINT", "customers customers_pkey", 2),
    entry(7, "INDEX", "orders_at", 1),
    entry(8, "FK CONSTRAINT", "orders orders_customer_fkey", 1, 6),
    entry(9, "MATERIALIZED VIEW DATA", "sums", 3),
)
ORDERS, CUSTOMERS = ("public", "orders"), ("public", "customers")


def there(*entries: TocEntry) -> list[DatabaseObject]:
    return [DatabaseObject(one.desc, one.namespace, one.tag, None, None) for one in entries]


def toc(version: str = "17.0") -> Toc:
    return Toc(ENTRIES, dump_version=version)


def test_what_is_made_behind_the_rows_counts_for_every_table_that_it_needs() -> None:
    assert behind_rows(toc(), ENTRIES) == {ORDERS: {7, 8}, CUSTOMERS: {6, 8}}


def test_a_table_is_finished_with_its_last_key_and_not_before() -> None:
    behind = behind_rows(toc(), ENTRIES)
    assert finished(toc(), behind, there(*ENTRIES)) == [CUSTOMERS, ORDERS]
    assert finished(toc(), behind, there(*ENTRIES[:6], *ENTRIES[7:])) == [CUSTOMERS]
    assert finished(toc(), behind, there(*ENTRIES[:7])) == []


def test_old_dumps_that_do_not_say_whose_key_it_is_tell_nothing() -> None:
    assert behind_rows(toc("9.5.3"), ENTRIES) == {}


def test_what_the_tool_is_not_given_is_not_waited_for() -> None:
    assert behind_rows(toc(), [one for one in ENTRIES if one.dump_id != 7]) == {
        ORDERS: {8},
        CUSTOMERS: {6, 8},
    }
