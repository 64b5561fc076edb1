"""Which database of a script with several is restored, and what a function in C loads."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tasks.engines.context import Job
from tasks.engines.script import choose_database
from tasks.engines.superuser_statements import loads
from tasks.model.backup import ArchiveHead, Format, LocalBackup
from tasks.model.deadline import Deadline
from tasks.model.errors import PermanentError
from tests.fix_checks import NOWHERE, target_of
from tests.unit.evidence import samples


def script(*databases: str) -> LocalBackup:
    backup = samples.verified().backup
    assert isinstance(backup, LocalBackup)
    return replace(backup, path=Path("all.sql"), head=ArchiveHead(Format.CLUSTER, databases=databases))


def job(database: str | None = None) -> Job:
    target = target_of(backup={"at": "/nowhere/%Y.sql", "database": database})
    return Job(NOWHERE, target, Deadline.within(60), print)


@pytest.mark.parametrize(
    ("databases", "asked_for", "choice", "others"),
    [
        ((), None, None, ()),
        (("crm",), None, "crm", ()),
        (("postgres", "crm"), None, "crm", ()),
        (("crm", "shop", "template1"), None, "shop", ("crm",)),
        (("crm", "shop"), "crm", "crm", ("shop",)),
        (("postgres",), None, "postgres", ()),
        (("template1",), None, "template1", ()),
        (("postgres", "crm"), "postgres", "postgres", ("crm",)),
    ],
)
def test_the_database_is_the_one_asked_for_the_targets_own_or_the_only_one(
    databases: tuple[str, ...], asked_for: str | None, choice: str | None, others: tuple[str, ...]
) -> None:
    restore = job(asked_for)
    assert choose_database(script(*databases), restore) == choice
    assert restore.other_databases == others


@pytest.mark.parametrize(
    ("databases", "asked_for", "rule"),
    [
        (("crm", "wiki"), None, "database-choice-ambiguous"),
        (("crm", "shop"), "orders", "database-not-in-dump"),
    ],
)
def test_where_it_cannot_be_known_or_is_not_there_it_is_not_guessed(
    databases: tuple[str, ...], asked_for: str | None, rule: str
) -> None:
    with pytest.raises(PermanentError, match="The dump holds") as failure:
        choose_database(script(*databases), job(asked_for))
    assert (failure.value.rule, failure.value.where) == (rule, "all.sql")


FUNCTION = "CREATE FUNCTION public.f(integer) RETURNS integer LANGUAGE {} AS {};"


@pytest.mark.parametrize(
    ("language", "code", "loaded"),
    [
        ("c", "'$libdir/citext', 'citextin'", False),
        ("C", "'/tmp/evil', 'f'", True),
        ("c", "$$evil$$", True),
        ("sql", "'SELECT 1'", False),
        ("internal", "'int4in'", False),
    ],
)
def test_a_function_loads_a_library_unless_it_is_there_already(
    language: str, code: str, loaded: bool
) -> None:
    assert loads(FUNCTION.format(language, code), frozenset({"$libdir/citext"})) is loaded
