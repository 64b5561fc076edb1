from __future__ import annotations

import pytest

from expectations.faults import exception_texts, explain
from expectations.results import Cause


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ('(psycopg.errors.UndefinedColumn) column "x" does not exist', Cause.COLUMN_MISSING),
        ("(psycopg.errors.UndefinedFunction) operator does not exist: integer ~ text", Cause.WRONG_TYPE),
        ('(psycopg.errors.SyntaxError) syntax error at or near "FORM"', Cause.BAD_QUERY),
        ("(psycopg.errors.QueryCanceled) canceling statement due to statement timeout", Cause.DEADLINE),
        ("(psycopg.errors.ReadOnlySqlTransaction) cannot execute DELETE", Cause.DENIED),
        ("(psycopg.OperationalError) server closed the connection unexpectedly", Cause.CONNECTION),
        ("(psycopg.errors.CharacterNotInRepertoire) invalid byte sequence", Cause.DATA),
        ("(psycopg.errors.TooManyColumns) whatever", Cause.OTHER),
        ("DeadlinePassed: ", Cause.DEADLINE),
        ('Error: The column "x" in BatchData does not exist.', Cause.COLUMN_MISSING),
        ("No provider found for column_values.increasing", Cause.UNSUPPORTED),
        ("ColumnValuesBetween metrics cannot be computed on column of type TEXT.", Cause.WRONG_TYPE),
        ("something nobody has seen", Cause.OTHER),
    ],
)
def test_trouble_is_told_apart(text: str, cause: Cause) -> None:
    assert explain([text], [])[0] is cause


def test_no_row_survives_in_a_message() -> None:
    text = (
        '(psycopg.errors.InvalidTextRepresentation) invalid input syntax for type integer: "4111-1111"\n'
        "DETAIL:  Key (email)=(ann@example.com) exists.\n[SQL: SELECT 'ann@example.com']"
    )
    _, message = explain([text], ["email"])
    assert "4111" not in message
    assert "ann@" not in message


def test_a_hostile_function_cannot_put_a_row_into_a_message() -> None:
    _, message = explain(["(psycopg.errors.RaiseException) ann@example.com is here"], ["here"])
    assert message == "a function in the database raised an error"


def test_words_of_the_suite_are_repeated() -> None:
    _, message = explain(['(psycopg.errors.SyntaxError) syntax error at or near "FORM"'], ["FORM"])
    assert message == "its SQL has a syntax error (FORM)"


def test_both_shapes_of_gx_are_read() -> None:
    flat = {"raised_exception": True, "exception_message": "a", "exception_traceback": "t"}
    assert exception_texts(flat) == ["a"]
    assert exception_texts({"MetricConfigurationID(x)": flat, "MetricConfigurationID(y)": flat}) == ["a", "a"]
    assert exception_texts({**flat, "raised_exception": False}) == []
    assert exception_texts(None) == []
