"""From failures to findings: the cause first, followers counted."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tasks.engines.errors.causes import Omission
from tasks.engines.errors.classes import Meaning, meaning_of
from tasks.engines.errors.failure import Failure, label
from tasks.engines.errors.root_causes import NAMED, judge
from tasks.model.backup import Toc, TocEntry
from tasks.model.findings import Severity


def entry(number: int, desc: str, tag: str, *dependencies: int, namespace: str = "public") -> TocEntry:
    return TocEntry(number, desc, tag, namespace, "app", "none", dependencies=dependencies)


TABLE = entry(1, "TABLE", "orders")
ROWS = entry(2, "TABLE DATA", "orders", 1)
INDEX = entry(3, "INDEX", "orders_idx", 1)
VIEW = entry(4, "VIEW", "totals", 1)
GRANT = entry(5, "ACL", "TABLE orders", 1)
KEY = entry(6, "FK CONSTRAINT", "orders fk", 1, 7)
OTHER = entry(7, "TABLE", "customers")
FUNCTION = entry(8, "FUNCTION", "f(integer)")
LATER = entry(9, "VIEW", "later", 4)
TOC = Toc((TABLE, ROWS, INDEX, VIEW, GRANT, KEY, OTHER, FUNCTION, LATER))


@pytest.mark.parametrize(
    ("desc", "message", "meaning"),
    [
        ("", 'unrecognized configuration parameter "transaction_timeout"', Meaning.HARMLESS),
        ("", 'unrecognized configuration parameter "shop.tenant"', Meaning.ERROR),
        ("SCHEMA", 'schema "public" already exists', Meaning.HARMLESS),
        ("TABLE", 'relation "orders" already exists', Meaning.ERROR),
        ("TABLE DATA", 'could not extend file "base/1/2": No space left on device', Meaning.ENVIRONMENT),
        ("TABLE DATA", "permission denied to COPY to or from an external program", Meaning.HOSTILE),
        ("MATERIALIZED VIEW DATA", 'could not execute command "x": Cannot allocate memory', Meaning.HOSTILE),
        (
            "TABLE DATA",
            "must be superuser or a member of the pg_read_server_files role to COPY from a file",
            Meaning.HOSTILE,
        ),
        ("MATERIALIZED VIEW DATA", "permission denied for function pg_read_file", Meaning.HOSTILE),
        ("INDEX", "COPY is not allowed in a non-volatile function", Meaning.HOSTILE),
        ("ACL", "permission denied for function pg_read_file", Meaning.POLICY),
        ("ACL", 'role "ghost" does not exist', Meaning.ROLE),
        ("POLICY", 'role "ghost" does not exist', Meaning.ROLE),
        ("TABLE DATA", 'role "ghost" does not exist', Meaning.ROLE),
        ("COMMENT", "something new", Meaning.MINOR),
        ("EXTENSION", 'extension "hll" is not available', Meaning.EXTENSION),
        ("TABLE ATTACH", 'empty range bound specified for partition "p"', Meaning.HOST),
        ("COLLATION", "ICU is not supported in this build", Meaning.HOST),
        (
            "TEXT SEARCH DICTIONARY",
            'could not open dictionary file "/x/german.dict": No such file',
            Meaning.HOST,
        ),
        ("MATERIALIZED VIEW DATA", 'user mapping not found for "drill_owner"', Meaning.FOREIGN),
        ("MATERIALIZED VIEW DATA", 'could not connect to server "far"', Meaning.FOREIGN),
        ("AGGREGATE", "aggregate transition data type cannot be internal", Meaning.POLICY),
        ("OPERATOR CLASS", "must be superuser to create an operator class", Meaning.POLICY),
        ("CAST", "must be owner of type character varying or type integer", Meaning.POLICY),
        ("FUNCTION", 'language "plpython3u" does not exist', Meaning.POLICY),
        ("TABLE DATA", 'invalid byte sequence for encoding "UTF8": 0xe9', Meaning.ENCODING),
        ("CONSTRAINT", 'could not create unique index "k"', Meaning.DUPLICATES),
        ("TABLE DATA", 'duplicate key value violates unique constraint "k"', Meaning.DUPLICATES),
        (
            "FK CONSTRAINT",
            'insert or update on table "o" violates foreign key constraint "k"',
            Meaning.ORPHANS,
        ),
        ("TABLE DATA", "extra data after last expected column", Meaning.ROWS),
        ("TABLE", "syntax error", Meaning.ERROR),
    ],
)
def test_a_failure_means_what_its_message_and_kind_say(desc: str, message: str, meaning: Meaning) -> None:
    of = entry(1, desc, "x") if desc else None
    assert meaning_of(Failure(of, message)) is meaning


@pytest.mark.parametrize("desc", ["TABLE DATA", "INDEX", "CONSTRAINT", "MATERIALIZED VIEW DATA"])
def test_what_a_function_misses_while_it_runs_is_the_functions_fault(desc: str) -> None:
    failure = Failure(entry(1, desc, "x"), 'relation "t" does not exist', functions=("public.f",))
    assert meaning_of(failure) is Meaning.FUNCTION


def test_what_follows_from_a_lost_table_is_counted_in_its_finding() -> None:
    failures = [
        Failure(TABLE, "syntax error"),
        Failure(INDEX, 'relation "public.orders" does not exist'),
        Failure(VIEW, 'relation "public.orders" does not exist'),
        Failure(GRANT, 'relation "public.orders" does not exist'),
        Failure(LATER, 'relation "public.totals" does not exist'),
    ]
    (found,) = judge(failures, (), TOC).findings
    assert (found.rule, found.where) == ("restore-error", "TABLE public.orders")
    assert "4 entries" in found.message


def test_names_lead_to_the_cause_where_no_dependencies_are_known() -> None:
    bare = Toc(tuple(TocEntry(e.dump_id, e.desc, e.tag, e.namespace, "", "none") for e in TOC.entries))
    table, view = bare.entries[0], bare.entries[3]
    judged = judge(
        [Failure(table, "syntax error"), Failure(view, 'relation "public.orders" does not exist')], (), bare
    )
    assert len(judged.findings) == 1


def test_a_second_cause_keeps_its_own_finding() -> None:
    failures = [Failure(ROWS, "extra data"), Failure(FUNCTION, "syntax error")]
    assert [found.rule for found in judge(failures, (), TOC).findings] == [
        "rows-not-restored",
        "restore-error",
    ]


def test_many_causes_of_one_rule_are_named_and_counted() -> None:
    tables = tuple(entry(number, "TABLE", f"t{number}") for number in range(100, 150))
    judged = judge([Failure(table, "syntax error") for table in tables], (), Toc(tables))
    assert len(judged.findings) == NAMED + 1
    assert f"{50 - NAMED} more" in judged.findings[-1].message


def test_rows_that_fail_alike_are_one_failure() -> None:
    judged = judge([Failure(ROWS, "extra data") for _ in range(3)], (), TOC)
    assert len(judged.findings) == 1
    assert "3 times" in judged.findings[0].message


def test_what_policy_keeps_out_is_listed_and_no_failure() -> None:
    judged = judge([Failure(FUNCTION, "permission denied for language c")], [Omission(GRANT)], TOC)
    assert [found.rule for found in judged.findings] == ["not-restored-by-policy"]
    assert judged.findings[0].severity is Severity.WARNING
    assert judged.not_restored == ("ACL on TABLE public.orders", "FUNCTION public.f(integer)")


def test_what_policy_keeps_out_and_others_need_is_the_drills_failure() -> None:
    needing = entry(20, "VIEW", "needing", 8)
    toc = Toc((*TOC.entries, needing))
    failures = [
        Failure(FUNCTION, "permission denied for language c"),
        Failure(needing, "function public.f(integer) does not exist"),
    ]
    (found,) = judge(failures, (), toc).findings
    assert found.rule == "superuser-entry"
    assert "VIEW public.needing" in found.message


def test_a_grant_on_what_policy_keeps_out_is_nothing_that_matters() -> None:
    grant = entry(20, "ACL", "FUNCTION f(integer)", 8)
    toc = Toc((*TOC.entries, grant))
    failures = [
        Failure(FUNCTION, "permission denied for language c"),
        Failure(grant, "function public.f(integer) does not exist"),
    ]
    assert [found.rule for found in judge(failures, (), toc).findings] == ["not-restored-by-policy"]


def test_rows_that_policy_keeps_out_are_the_drills_failure() -> None:
    (found,) = judge([Failure(ROWS, "permission denied for schema ext")], (), TOC).findings
    assert found.rule == "superuser-entry"


ABSENT = replace(
    entry(30, "EXTENSION", "vault", namespace=""),
    defn="CREATE EXTENSION IF NOT EXISTS vault WITH SCHEMA keys;",
)


def test_an_extension_that_may_be_absent_excuses_what_is_its_own() -> None:
    rows = entry(31, "TABLE DATA", "secrets", 30, namespace="keys")
    label_of_it = entry(32, "COMMENT", "EXTENSION vault", 30, namespace="")
    failures = [
        Failure(rows, 'relation "keys.secrets" does not exist'),
        Failure(label_of_it, 'extension "vault" does not exist'),
    ]
    for dependent in (rows, replace(rows, dependencies=())):  # a script lists no needs
        toc = Toc((ABSENT, dependent, label_of_it))
        judged = judge(
            [replace(failures[0], entry=dependent), failures[1]], [Omission(ABSENT, Meaning.HARMLESS)], toc
        )
        (found,) = judged.findings
        assert (found.rule, found.severity) == ("extension-absent", Severity.WARNING)
        assert "TABLE DATA keys.secrets" in found.message
        assert judged.broken == {30, 31, 32}


def test_an_extension_that_may_be_absent_does_not_excuse_a_table_of_the_users() -> None:
    table, rows = entry(31, "TABLE", "documents", 30), entry(33, "TABLE DATA", "documents", 31)
    failures = [
        Failure(table, 'type "public.vector" does not exist'),
        Failure(rows, 'relation "public.documents" does not exist'),
    ]
    for needs in ((30,), ()):
        toc = Toc((ABSENT, replace(table, dependencies=needs), rows))
        judged = judge(
            [replace(failures[0], entry=toc.entries[1]), failures[1]],
            [Omission(ABSENT, Meaning.HARMLESS)],
            toc,
        )
        (found,) = judged.findings
        assert (found.rule, found.klass.value) == ("extension-missing", "drill")
        assert "TABLE public.documents, TABLE DATA public.documents" in found.message
        assert judged.broken == {30, 31, 33}


def test_what_the_backup_itself_defines_is_no_absent_extensions() -> None:
    kind, table = entry(31, "TYPE", "mood"), entry(32, "TABLE", "people")
    toc = Toc((ABSENT, kind, table))
    failures = [
        Failure(kind, "a syntax error"),
        Failure(table, 'type "public.mood" does not exist'),
    ]
    rules = [found.rule for found in judge(failures, [Omission(ABSENT, Meaning.HARMLESS)], toc).findings]
    assert rules == ["restore-error"]


@pytest.mark.parametrize("kind", [ROWS, INDEX, VIEW])
def test_a_role_that_rows_or_definitions_name_fails_the_way_back_and_is_not_told(kind: TocEntry) -> None:
    (found,) = judge([Failure(kind, 'role "jobs of Mr X" does not exist')], (), TOC).findings
    assert (found.rule, found.klass.value, found.severity) == ("role-missing", "path", Severity.FAILURE)
    assert "Mr X" not in found.message


def test_a_role_that_something_is_for_only_warns() -> None:
    grant = entry(40, "ACL", "TABLE orders")
    (found,) = judge([Failure(grant, 'role "ghost" does not exist')], (), TOC).findings
    assert (found.rule, found.severity) == ("role-missing", Severity.WARNING)


def test_a_failed_transaction_is_not_reported_beside_its_cause() -> None:
    failures = [
        Failure(TABLE, "syntax error"),
        Failure(FUNCTION, "current transaction is aborted, commands ignored"),
    ]
    assert len(judge(failures, (), TOC).findings) == 1


def test_hostile_content_is_named_even_where_it_follows_from_something() -> None:
    failures = [Failure(TABLE, "syntax error"), Failure(ROWS, "permission denied to COPY from a file")]
    assert "hostile-content" in {found.rule for found in judge(failures, (), TOC).findings}


@pytest.mark.parametrize(
    ("of", "text"),
    [
        (TABLE, "TABLE public.orders"),
        (GRANT, "ACL on TABLE public.orders"),
        (entry(1, "ACL", "SCHEMA shop", namespace=""), "ACL on SCHEMA shop"),
        (entry(1, "DEFAULT ACL", "DEFAULT PRIVILEGES FOR TABLES"), "DEFAULT PRIVILEGES FOR TABLES"),
        (entry(1, "USER MAPPING", "USER MAPPING a SERVER b", namespace=""), "USER MAPPING a SERVER b"),
    ],
)
def test_entries_are_named_as_a_person_would(of: TocEntry, text: str) -> None:
    assert label(of) == text


def test_an_operator_family_with_its_class_is_left_out_unless_an_index_needs_it() -> None:
    family, operators, index = (
        entry(1, "OPERATOR FAMILY", "ops"),
        entry(2, "OPERATOR CLASS", "ops", 1),
        entry(3, "INDEX", "by_ops", 2),
    )
    failures = [
        Failure(family, "must be superuser to create an operator family"),
        Failure(operators, "must be superuser to create an operator class"),
    ]
    judged = judge(failures, (), Toc((family, operators, index)))
    assert [found.rule for found in judged.findings] == ["not-restored-by-policy"]
    assert judged.not_restored == ("OPERATOR FAMILY public.ops", "OPERATOR CLASS public.ops")
    failures.append(Failure(index, 'operator class "public.ops" does not exist for access method "btree"'))
    assert "superuser-entry" in {
        found.rule for found in judge(failures, (), Toc((family, operators, index))).findings
    }


@pytest.mark.parametrize(
    ("lost", "failures"),
    [("CAST (text AS public.t)", 0), ("CAST (text AS public.other)", 1), ("CAST (integer AS text)", 1)],
)
def test_a_cast_whose_function_fits_by_a_cast_that_was_left_out_follows_from_that(
    lost: str, failures: int
) -> None:
    refused, cast = entry(30, "CAST", lost), entry(31, "CAST", "CAST (integer AS public.t)")
    words = "return data type of cast function must match or be binary-coercible to target data type"
    judged = judge([Failure(cast, words)], [Omission(refused, vital=True)], Toc((refused, cast)))
    assert [finding.rule for finding in judged.findings].count("restore-error") == failures
