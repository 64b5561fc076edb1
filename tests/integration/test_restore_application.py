"""A real application's database, made by a superuser, comes back whole through a role that is none."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tasks.model.sandbox import Sandbox
from tasks.sandbox import dsn
from tests.corpus.application import OWNER, READER, ROLES, SECRET, application_sql
from tests.fix_postgres import Source
from tests.fix_restore import Outcome, Restore

MAJORS = (14, 17, 18)
_NOISE = re.compile(r"^(?:\\(?:un)?restrict .*|-- .*|--|)$")
"""Comments and the key that pg_dump draws anew each time."""
_OURS = re.compile(r"\b(?:drill_owner|drill_[0-9a-f]+)\b|^ALTER (?:PUBLICATION|EVENT TRIGGER) ")
"""The sandbox's own roles, and owners that only superusers can be."""


@pytest.fixture(scope="module")
def application(cluster: Callable[[int], Source]) -> Iterator[Callable[[int], Source]]:
    """Give a source cluster that holds the application as database `shop`."""
    built: set[int] = set()

    def build(major: int) -> Source:
        source = cluster(major)
        if major not in built:
            built.add(major)
            source.create_database("shop")
            source.execute(ROLES)
            source.execute(application_sql(major), "shop")
        return source

    yield build
    for major in built:
        source = cluster(major)
        source.execute("DROP DATABASE shop")
        source.execute(f'DROP ROLE {OWNER}, {READER}, "Odd Role"')


def schema_of(sandbox: Sandbox, install: Path, connection: str, *, data: bool = False) -> list[str]:
    """Return what pg_dump says of a database, without what may differ."""
    argv = [str(install / "pg_dump"), *(["--inserts"] if data else ["-s"]), "-d", connection]
    text = subprocess.run(
        argv, check=True, capture_output=True, text=True, env={"LC_ALL": "C"}, timeout=60
    ).stdout
    text = text.replace('TO "Odd Role", shop_reader USING', 'TO shop_reader, "Odd Role" USING')  # by oid
    return [line for line in text.splitlines() if not _NOISE.match(line) and not _OURS.search(line)]


def expected_schema(source: Source, *, data: bool = False) -> list[str]:
    """Return the original's lines, less what a drill leaves out on purpose."""
    text = "\n".join(schema_of(source.sandbox, source.install.bindir, source.dsn("shop"), data=data))
    text = re.sub(r"CREATE USER MAPPING .*?\);\n", "", text, flags=re.DOTALL)
    return text.splitlines()


def restored_schema(outcome: Outcome, *, data: bool = False) -> list[str]:
    box, restored = outcome.sandbox, outcome.restored
    assert restored is not None
    return schema_of(box, box.postgres.bindir, dsn(box, restored.database), data=data)


OPTIONS = {
    "custom": ("-Fc",),
    "directory": ("-Fd", "-j2"),
    "tar": ("-Ft",),
    "plain": (),
    "plain-inserts-created-and-cleaned": ("-C", "-c", "--if-exists", "--inserts"),
    "session-authorization": ("--use-set-session-authorization",),
}


@pytest.mark.parametrize(
    ("form", "major"), [*((form, major) for form in OPTIONS for major in (14, 18)), ("custom", 17)]
)
def test_an_application_made_by_a_superuser_comes_back_whole(
    application: Callable[[int], Source], restore_dump: Restore, tmp_path: Path, form: str, major: int
) -> None:
    source = application(major)
    dump = source.dump("shop", tmp_path / "shop.dump", *OPTIONS[form])
    outcome = restore_dump(major, dump)
    assert outcome.failures == set()
    assert outcome.rules == {"role-missing", "not-restored-by-policy", "restored-by-superuser"}
    assert outcome.restored is not None
    assert outcome.restored.not_restored == (f"USER MAPPING {OWNER} SERVER elsewhere",)
    before, after = expected_schema(source, data=True), restored_schema(outcome, data=True)
    assert set(before) ^ set(after) == set()
    assert sorted(before) == sorted(after)


@pytest.mark.parametrize("major", MAJORS)
def test_a_cluster_dump_brings_its_roles_and_the_database_of_the_target(
    application: Callable[[int], Source], restore_dump: Restore, tmp_path: Path, major: int
) -> None:
    source = application(major)
    outcome = restore_dump(major, source.dump_all(tmp_path / "all.sql", "shop"))
    assert outcome.failures == set()
    assert outcome.restored is not None
    assert {OWNER, READER, "Odd Role"} <= set(outcome.restored.roles)
    assert outcome.restored.database == "shop"
    assert "role-missing" not in outcome.rules


@pytest.mark.parametrize("major", [14, 18])
def test_a_globals_file_brings_roles_and_memberships_and_no_password(
    application: Callable[[int], Source], restore_dump: Restore, tmp_path: Path, major: int
) -> None:
    source = application(major)
    roles = source.dump_globals(tmp_path / "globals.sql")
    dump = source.dump("shop", tmp_path / "shop.dump", "-Fc")
    outcome = restore_dump(major, dump, globals_path=roles)
    assert outcome.restored is not None
    assert {OWNER, READER, "Odd Role"} <= set(outcome.restored.roles)
    assert "role-missing" not in outcome.rules
    with outcome.sandbox_session() as session:
        verifiers = session.execute("SELECT count(*) FROM pg_authid WHERE rolpassword IS NOT NULL").fetchone()
        member = session.execute(f"SELECT pg_has_role('Odd Role', '{READER}', 'MEMBER')").fetchone()
        power = session.execute(
            "SELECT count(*) FROM pg_roles WHERE rolname IN ('shop_owner', 'Odd Role')"
            " AND (rolsuper OR rolcanlogin"
            " OR rolcreatedb OR rolcreaterole)"
        ).fetchone()
    assert (verifiers, member, power) == ((0,), (True,), (0,))
    assert SECRET not in repr(outcome.findings)
