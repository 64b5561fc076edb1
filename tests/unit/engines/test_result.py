"""What a restore comes to, beyond what the tools say."""

from __future__ import annotations

from tasks.engines.completeness import missing
from tasks.engines.errors.causes import Omission
from tasks.engines.errors.failure import Failure
from tasks.engines.errors.pg_restore_stderr import Transcript
from tasks.engines.errors.root_causes import judge
from tasks.engines.objects_present import DatabaseObject
from tasks.engines.result import incomplete, lost_silently, uncounted
from tasks.engines.vetting import reaches_out
from tasks.model.backup import Toc, TocEntry
from tests.unit.engines.errors.test_root_causes import INDEX, LATER, TABLE, TOC, VIEW, entry


def thing(of: TocEntry) -> DatabaseObject:
    return DatabaseObject(of.desc, of.namespace, of.tag, None, None)


def test_what_is_listed_and_there_is_not_missing() -> None:
    assert missing(TOC, [thing(one) for one in TOC.entries]) == []


def test_what_is_listed_and_not_there_is_missing() -> None:
    assert missing(TOC, [thing(one) for one in TOC.entries if one is not INDEX]) == [INDEX]


def test_rows_grants_and_comments_are_no_objects() -> None:
    toc = Toc((entry(1, "TABLE DATA", "t"), entry(2, "ACL", "TABLE t"), entry(3, "COMMENT", "TABLE t")))
    assert missing(toc, []) == []


def test_every_database_has_a_public_schema_and_its_language() -> None:
    toc = Toc((entry(1, "SCHEMA", "public", namespace=""), entry(2, "EXTENSION", "plpgsql", namespace="")))
    assert missing(toc, []) == []


def test_names_are_compared_as_comments_and_quoting_options_write_them() -> None:
    toc = Toc((entry(1, "TABLE", "two lines"), entry(2, "FUNCTION", 'f("public"."t")')))
    there = [
        DatabaseObject("TABLE", "public", "two\nlines", None, None),
        DatabaseObject("FUNCTION", "public", "f(public.t)", None, None),
    ]
    assert missing(toc, there) == []


def test_what_lacks_and_nobody_spoke_of_is_a_failure() -> None:
    silent = lost_silently([TABLE, INDEX], judge([], [], TOC))
    (found,) = incomplete(silent, TOC)
    assert (found.rule, found.where) == ("restore-incomplete", "TABLE public.orders")
    assert f"2 of {len(TOC.entries)}" in found.message


def test_what_lacks_and_was_spoken_of_is_not_said_again() -> None:
    judged = judge([Failure(VIEW, "syntax error")], [Omission(INDEX)], TOC)
    assert lost_silently([VIEW, LATER, INDEX], judged) == []
    assert incomplete([], TOC) == []


class _Job:
    """As much of a job as counting needs."""

    def __init__(self, jobs: int) -> None:
        self.jobs = jobs


def test_errors_that_were_counted_and_not_understood_are_a_failure() -> None:
    said = Transcript((Failure(INDEX, 'schema "public" already exists'),), reported=2)
    judged = judge(said.failures, (), TOC)
    (found,) = uncounted(_Job(1), said, judged)  # type: ignore[arg-type]
    assert found.rule == "restore-error"
    assert uncounted(_Job(2), said, judged) == []  # type: ignore[arg-type]  # workers count some twice


def test_errors_that_were_all_understood_are_none_of_their_own() -> None:
    said = Transcript((Failure(INDEX, 'schema "public" already exists'),), reported=1)
    assert uncounted(_Job(1), said, judge(said.failures, (), TOC)) == []  # type: ignore[arg-type]


def test_text_that_reaches_out_is_known() -> None:
    assert reaches_out("BEGIN EXECUTE 'COPY t FROM PROGRAM ''ls'''; END")
    assert not reaches_out("CREATE FUNCTION f() LANGUAGE c AS '$libdir/pgcrypto'")
    assert not reaches_out("CREATE TABLE copy_program (lo integer)")
