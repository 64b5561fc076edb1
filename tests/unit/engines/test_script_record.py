"""What stands in a script's record, and what the restore is given of it."""

from __future__ import annotations

from typing import cast

import pytest

from tasks.engines.context import Job
from tasks.engines.errors.failure import Failure
from tasks.engines.script_record import ScriptRecord
from tasks.engines.sql.classifier import Action
from tasks.model.backup import Toc
from tasks.model.deadline import Deadline
from tasks.model.sandbox import Sandbox
from tasks.model.target import DumpBackup, Target

TABLE = b"\n--\n-- Name: orders; Type: TABLE; Schema: shop; Owner: app\n--\n\n"
DATA = b"\n--\n-- Data for Name: orders; Type: TABLE DATA; Schema: shop; Owner: app\n--\n\n"
SEQUENCE = b"\n--\n-- Name: orders_id_seq; Type: SEQUENCE SET; Schema: shop; Owner: app\n--\n\n"
HEADER = b"--\n-- PostgreSQL database dump\n--\n"


def handed_over(record: ScriptRecord) -> Job:
    target = Target(fleet="test", name="shop", backup=DumpBackup(at="unused"), evidence="unused")
    job = Job(
        cast("Sandbox", None), target, Deadline.within(60), lambda _: None, Toc((), server_version="17.1")
    )
    record.hand_over(job)
    return job


def of_dump() -> ScriptRecord:
    return ScriptRecord(is_by_hand=False)


def by_hand() -> ScriptRecord:
    return ScriptRecord(is_by_hand=True)


def test_entries_are_those_of_the_comments_with_their_owners() -> None:
    record = of_dump()
    assert record.comments(TABLE, 5, restored=True) == {"app"}
    (entry,) = handed_over(record).toc.entries
    assert (entry.desc, entry.namespace, entry.tag, entry.owner) == ("TABLE", "shop", "orders", "app")
    assert handed_over(record).referred == {"app"}


def test_comments_of_another_database_announce_nothing() -> None:
    record = of_dump()
    assert record.comments(TABLE, 5, restored=False) == frozenset()
    assert handed_over(record).toc.entries == ()


def test_what_the_dump_said_of_its_server_stays() -> None:
    assert handed_over(of_dump()).toc.server_version == "17.1"


def test_a_refused_statement_is_its_entrys() -> None:
    record = of_dump()
    record.comments(TABLE, 5, restored=True)
    record.refused(b"CREATE TABLE shop.orders (id nonsense);", Action.RUN, Failure(None, "no such type"))
    (failure,) = handed_over(record).failures
    assert failure.entry is not None
    assert (failure.entry.desc, failure.entry.tag) == ("TABLE", "orders")


def test_a_refused_statement_without_a_comment_is_named_by_its_words() -> None:
    record = by_hand()
    record.refused(b"CREATE TABLE shop.orders (id nonsense);", Action.RUN, Failure(None, "no such type"))
    (failure,) = handed_over(record).failures
    assert failure.entry is not None
    assert (failure.entry.desc, failure.entry.namespace, failure.entry.tag) == ("TABLE", "shop", "orders")


def test_the_same_refusal_of_many_rows_is_counted() -> None:
    record = by_hand()
    for row in range(5):
        statement = f"INSERT INTO shop.orders VALUES ({row});".encode()
        record.refused(statement, Action.RUN, Failure(None, 'relation "shop.orders" does not exist'))
    (failure,) = handed_over(record).failures
    assert (failure.count, failure.about) == (5, ("shop.orders",))


def test_a_setting_that_is_refused_is_of_no_entry() -> None:
    record = of_dump()
    record.comments(TABLE, 5, restored=True)
    record.refused(b"SET nonsense = 1;", Action.SETTING, Failure(None, "unrecognized parameter"))
    assert [failure.entry for failure in handed_over(record).failures] == [None]


def test_dropping_what_is_not_there_is_no_refusal() -> None:
    record = by_hand()
    absent = Failure(None, 'table "orders" does not exist', sqlstate="42P01")
    record.refused(b"DROP TABLE orders;", Action.DROP, absent)
    assert handed_over(record).failures == []
    record.refused(b"INSERT INTO orders VALUES (1);", Action.RUN, absent)
    assert len(handed_over(record).failures) == 1


def test_an_error_at_the_end_of_rows_is_of_their_copy() -> None:
    record = of_dump()
    record.comments(DATA, 9, restored=True)
    record.copying(b"COPY shop.orders (id) FROM stdin;")
    record.rows_end(Failure(None, "invalid input syntax", line=7))
    (failure,) = handed_over(record).failures
    assert failure.entry is not None
    assert (failure.entry.desc, failure.about, failure.line) == ("TABLE DATA", ("shop.orders",), 7)
    assert record.entry is None


def test_values_of_sequences_are_kept_for_the_checks() -> None:
    statement = b"SELECT pg_catalog.setval('shop.orders_id_seq', 42, true);"
    dumped, written = of_dump(), by_hand()
    dumped.comments(SEQUENCE, 9, restored=True)
    for record in (dumped, written):
        record.note(statement)
        (entry,) = handed_over(record).toc.entries
        assert (entry.desc, entry.tag, entry.defn) == ("SEQUENCE SET", "orders_id_seq", statement.decode())


def test_grants_wait_and_name_their_roles() -> None:
    record = by_hand()
    record.grant(b"GRANT SELECT ON shop.orders TO reports;")
    job = handed_over(record)
    assert [(entry.desc, entry.defn) for entry in job.toc.entries] == [
        ("ACL", "GRANT SELECT ON shop.orders TO reports;")
    ]
    assert job.referred == {"reports"}


def test_a_grantor_counts_inside_grants_only() -> None:
    record = of_dump()
    record.grantor(b"SET SESSION AUTHORIZATION app;")
    assert handed_over(record).toc.entries == ()
    record.comments(b"\n-- Name: TABLE orders; Type: ACL; Schema: shop; Owner: app\n", 3, restored=True)
    record.grantor(b"SET SESSION AUTHORIZATION app;")
    (entry,) = handed_over(record).toc.entries
    assert entry.defn == "SET SESSION AUTHORIZATION app;"


def test_owners_of_a_script_by_hand_are_its_statements() -> None:
    record = by_hand()
    record.owner(b"ALTER TABLE shop.orders OWNER TO app;")
    record.owner(b"ALTER LARGE OBJECT 7 OWNER TO app;")
    job = handed_over(record)
    assert [(entry.desc, entry.tag, entry.owner) for entry in job.owned] == [("TABLE", "orders", "app")]
    assert len(job.owner_changes) + len(job.omissions) == 1
    assert job.referred == {"app"}


def test_what_is_left_out_is_listed() -> None:
    record = by_hand()
    record.leave_out(b"CREATE SUBSCRIPTION s CONNECTION 'host=x' PUBLICATION p;")
    (omission,) = handed_over(record).omissions
    assert omission.entry is not None
    assert (omission.entry.desc, omission.entry.tag, omission.vital) == ("SUBSCRIPTION", "s", False)


def test_text_is_read_in_the_scripts_encoding() -> None:
    record = by_hand()
    record.setting(b"SET client_encoding = 'LATIN1';")
    assert record.text(b"GRANT SELECT ON t TO j\xf6rg;") == "GRANT SELECT ON t TO jörg;"


def test_a_second_dump_is_told_from_two_that_complete_each_other() -> None:
    doubled, completed = of_dump(), of_dump()
    for record, second in ((doubled, TABLE), (completed, DATA)):
        record.comments(HEADER + TABLE, 1, restored=True)
        record.comments(HEADER + second, 90, restored=True)
    refused = Failure(None, 'relation "orders" already exists', sqlstate="42P07")
    doubled.refused(b"CREATE TABLE shop.orders (id int);", Action.RUN, refused)
    (finding,) = doubled.findings("shop.sql", "pg_dump", is_remade=True)
    assert (finding.rule, "line 90" in finding.message) == ("archive-doubled", True)
    assert completed.findings("shop.sql", "pg_dump", is_remade=True) == ()


def test_starting_again_forgets_the_other_database() -> None:
    record = of_dump()
    record.comments(TABLE, 1, restored=True)
    record.refused(b"CREATE TABLE shop.orders (id int);", Action.RUN, Failure(None, "no"))
    record.leave_out(b"CREATE SUBSCRIPTION s CONNECTION 'host=x' PUBLICATION p;")
    record.start_again()
    job = handed_over(record)
    assert (job.toc.entries, job.failures, job.omissions, record.entry) == ((), [], [], None)


def test_a_cut_is_inside_the_rows_under_way() -> None:
    record = of_dump()
    assert record.place == "a statement"
    record.comments(DATA, 1, restored=True)
    assert record.place == "the rows of TABLE DATA shop.orders"


@pytest.mark.parametrize(
    ("kind", "statement", "tag"),
    [
        ("CONSTRAINT", "ALTER TABLE ONLY orders ADD CONSTRAINT pk PRIMARY KEY (id);", "orders pk"),
        (
            "FK CONSTRAINT",
            "ALTER TABLE orders ADD CONSTRAINT pk FOREIGN KEY (a) REFERENCES b(c);",
            "orders pk",
        ),
        ("DEFAULT", "ALTER TABLE ONLY orders ALTER COLUMN pk SET DEFAULT 1;", "orders pk"),
        ("TRIGGER", "CREATE TRIGGER pk BEFORE UPDATE ON orders EXECUTE PROCEDURE f();", "orders pk"),
        ("RULE", "CREATE RULE pk AS ON DELETE TO orders DO INSTEAD NOTHING;", "orders pk"),
        ("INDEX", "CREATE INDEX pk ON orders USING btree (id);", "pk"),
    ],
)
@pytest.mark.parametrize("named", [True, False])
def test_tags_name_their_table_as_pg_dump_has_done_since_9_6(
    kind: str, statement: str, tag: str, named: bool
) -> None:
    record = of_dump()
    comment = f"\n-- Name: {tag if named else 'pk'}; Type: {kind}; Schema: shop; Owner: app\n"
    record.comments(comment.encode(), 1, restored=True)
    record.name(statement.encode())
    record.name(b"ALTER TABLE ONLY orders CLUSTER ON pk;")
    assert [entry.tag for entry in handed_over(record).toc.entries] == [tag]
