"""What only a superuser may create comes back behind the wall, and gives nobody a superuser's rights."""

from __future__ import annotations

import difflib
import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tasks.engines.context import Job
from tasks.model.target import SandboxConfig
from tasks.sandbox import dsn
from tests.corpus.superuser import COMMON, ROLES
from tests.fix_postgres import Source
from tests.fix_restore import Outcome, Restore
from tests.integration.test_restore_application import schema_of
from tests.integration.test_restore_trust import EVIL, assert_no_power, assert_nothing_ran

_OF_14 = ("GRANT ALL ON SCHEMA public TO PUBLIC;", "REVOKE ALL ON SCHEMA public FROM PUBLIC;")
"""What pg_dump 14 says of a schema public that does not belong to a superuser."""


@pytest.fixture(scope="module")
def made(cluster: Callable[[int], Source]) -> Iterator[Callable[[int], Source]]:
    """Give a source whose database `made` holds everything that only a superuser creates."""
    built: list[Source] = []

    def build(major: int) -> Source:
        source = cluster(major)
        if source not in built:
            built.append(source)
            source.create_database("made")
            source.execute(ROLES)
            source.execute(COMMON, "made")
        return source

    yield build
    for source in built:
        source.execute("DROP DATABASE made WITH (FORCE)")
        source.execute("DROP ROLE maker, other")


def differences(source: Source, outcome: Outcome) -> list[str]:
    assert outcome.restored is not None
    box, bindir = outcome.sandbox, source.install.bindir
    before = sorted(schema_of(source.sandbox, bindir, source.dsn("made"), data=True))
    after = sorted(schema_of(box, bindir, dsn(box, outcome.restored.database), data=True))
    changes = [line[1:] for line in difflib.ndiff(before, after) if line[0] in "+-"]
    return [line for line in changes if line.strip() not in _OF_14]


@pytest.mark.parametrize(("major", "form"), [(14, "-Fc"), (16, "-Fp"), (17, "-Ft"), (18, "-Fc"), (18, "-Fp")])
def test_what_only_a_superuser_creates_comes_back_whole_behind_the_wall(
    made: Callable[[int], Source], restore_dump: Restore, tmp_path: Path, major: int, form: str
) -> None:
    source = made(major)
    outcome = restore_dump(major, source.dump("made", tmp_path / "made.dump", form), name="made")
    assert outcome.failures == set()
    assert outcome.rules == {"role-missing", "restored-by-superuser"}
    assert differences(source, outcome) == []
    (found,) = [found for found in outcome.findings if found.rule == "restored-by-superuser"]
    for name in (
        "OPERATOR CLASS public.ci_ops",
        "TYPE public.number",
        "ACCESS METHOD heap3",
        "CAST (bytea AS text)",
    ):
        assert name in found.names


@pytest.mark.parametrize("form", ["-Fc", "-Fp"])
def test_without_the_wall_none_of_it_is_made_and_the_drill_cannot_judge(
    made: Callable[[int], Source], restore_dump: Restore, tmp_path: Path, form: str
) -> None:
    dump = made(18).dump("made", tmp_path / "made.dump", form)
    outcome = restore_dump(18, dump, name="made", wall=False)
    assert "superuser-entry" in outcome.failures
    assert {found.klass.value for found in outcome.findings if found.severity.value == "failure"} == {"drill"}
    assert "restored-by-superuser" not in outcome.rules


HANDLER = (
    "CREATE FUNCTION public.handler() RETURNS language_handler LANGUAGE c"
    " AS '$libdir/plpgsql', 'plpgsql_call_handler';\n"
)


def ordered(name: str, method: str) -> str:
    """Return an operator class that PostgreSQL takes for its own types, whose functions are the dump's."""
    return (
        f"CREATE FUNCTION public.sorts({name}, {name}) RETURNS integer LANGUAGE plpgsql IMMUTABLE AS"
        " 'BEGIN PERFORM public.evil(); RETURN 0; END';\n"
        f"CREATE FUNCTION public.same({name}, {name}) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS"
        " 'BEGIN PERFORM public.evil(); RETURN true; END';\n"
        f"CREATE OPERATOR public.<# (LEFTARG = {name}, RIGHTARG = {name}, FUNCTION = public.same);\n"
        f"CREATE OPERATOR public.=# (LEFTARG = {name}, RIGHTARG = {name}, FUNCTION = public.same);\n"
        f"CREATE OPERATOR CLASS public.sorting DEFAULT FOR TYPE {name} USING {method} AS"
        f" OPERATOR 1 public.<#, OPERATOR 3 public.=#, FUNCTION 1 public.sorts({name}, {name});\n"
    )


SHAPES = (
    "CREATE TYPE public.shape;\n"
    "CREATE FUNCTION public.shape_in(cstring) RETURNS public.shape LANGUAGE internal IMMUTABLE STRICT"
    " AS 'xidin';\n"
    "CREATE FUNCTION public.shape_out(public.shape) RETURNS cstring LANGUAGE internal IMMUTABLE STRICT"
    " AS 'xidout';\n"
    "CREATE TYPE public.shape (INPUT = public.shape_in, OUTPUT = public.shape_out, INTERNALLENGTH = 4,"
    " PASSEDBYVALUE, ALIGNMENT = int4);\n" + ordered("public.shape", "btree")
)
ATTACKS = {
    "file-written-by-another-name": "CREATE FUNCTION public.export(oid, text) RETURNS integer"
    " LANGUAGE internal STRICT AS 'be_lo_export';\n",
    "file-read-by-another-name": "CREATE FUNCTION public.reads(text) RETURNS text"
    " LANGUAGE internal STRICT AS 'pg_read_file_all';\n",
    "other-types-than-the-function's": "CREATE FUNCTION public.confused(bigint) RETURNS text"
    " LANGUAGE internal STRICT AS 'textin';\n",
    "nulls-for-a-function-that-takes-none": "CREATE FUNCTION public.nulls(text) RETURNS integer"
    " LANGUAGE internal AS 'textlen';\n",
    "type-of-another-layout": "CREATE TYPE public.long;\n"
    "CREATE FUNCTION public.long_in(cstring) RETURNS public.long LANGUAGE internal STRICT AS 'int4in';\n"
    "CREATE FUNCTION public.long_out(public.long) RETURNS cstring LANGUAGE internal STRICT AS 'int4out';\n"
    "CREATE TYPE public.long (INPUT = public.long_in, OUTPUT = public.long_out, INTERNALLENGTH = 64);\n",
    "cast-that-the-catalogue-is-read-through": "CREATE FUNCTION public.cast_evil(regclass) RETURNS text"
    " LANGUAGE sql AS 'SELECT public.evil()::text';\n"
    "CREATE CAST (regclass AS text) WITH FUNCTION public.cast_evil(regclass) AS IMPLICIT;\n"
    "CREATE FUNCTION public.cast_evil(oid) RETURNS text LANGUAGE sql AS 'SELECT public.evil()::text';\n"
    "CREATE CAST (oid AS text) WITH FUNCTION public.cast_evil(oid) AS IMPLICIT;\n",
    "validator-of-a-language": HANDLER
    + "CREATE FUNCTION public.validates(oid) RETURNS void LANGUAGE plpgsql AS"
    " 'BEGIN PERFORM public.evil(); END';\n"
    "CREATE TRUSTED LANGUAGE evil HANDLER public.handler VALIDATOR public.validates;\n"
    "UPDATE pg_language SET lanvalidator = 0 WHERE lanname = 'evil';\n"
    "CREATE FUNCTION public.leaks() RETURNS integer LANGUAGE evil LEAKPROOF AS 'BEGIN RETURN 1; END';\n"
    "UPDATE pg_language SET lanvalidator = 'public.validates'::regproc WHERE lanname = 'evil';\n",
    "libraries-set-by-a-function": "CREATE FUNCTION public.sets() RETURNS integer LANGUAGE sql"
    " SET session_preload_libraries TO 'auto_explain' AS 'SELECT 1';\n",
    "order-of-a-type-that-statistics-are-gathered-of": ordered("pg_node_tree", "btree"),
    "order-of-a-type-that-another-stands-in-for": ordered("varchar", "btree"),
    "order-of-a-type-by-way-of-a-type-of-the-dump": SHAPES
    + "CREATE CAST (xid AS public.shape) WITHOUT FUNCTION AS IMPLICIT;\n",
    "first-value-of-an-aggregate": "CREATE AGGREGATE public.collects(text, text) (SFUNC = string_agg_transfn,"
    " STYPE = internal, FINALFUNC = string_agg_finalfn, INITCOND = 'x');\n",
}


@pytest.fixture
def evil(cluster: Callable[[int], Source]) -> Iterator[Callable[[str], Source]]:
    """Give a source whose database `evil` holds an attack, made by a superuser of its own."""
    source = cluster(18)

    def build(attack: str) -> Source:
        source.create_database("evil")
        with source.connect("evil") as session:
            session.execute("SET allow_system_table_mods = on")
            for statement in (EVIL + attack).split(";\n"):
                session.execute(statement.encode())
        return source

    yield build
    source.execute("DROP DATABASE evil WITH (FORCE)")


@pytest.mark.parametrize(("kind", "form"), list(zip(ATTACKS, itertools.cycle(("-Fc", "-Fp")), strict=False)))
def test_nothing_that_our_superuser_creates_is_a_way_to_his_rights(
    evil: Callable[[str], Source],
    restore_dump: Restore,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
    form: str,
) -> None:
    dump = evil(ATTACKS[kind]).dump("evil", tmp_path / "evil.dump", form)
    monkeypatch.setattr(Job, "is_walled", True)  # said to stand, and not there: a canary could sing
    outcome = restore_dump(18, dump, name="evil", wall=False)
    assert outcome.failures == {"superuser-entry"}
    assert_nothing_ran(outcome)
    assert_no_power(outcome)


SCRIPTS = {
    "system-function-replaced": "CREATE OR REPLACE FUNCTION pg_catalog.now() RETURNS timestamp with time zone"
    " LANGUAGE internal STABLE STRICT AS 'clock_timestamp';",
    "extension's-function-replaced": "CREATE EXTENSION citext SCHEMA public;"
    "CREATE OR REPLACE FUNCTION public.citext_cmp(public.citext, public.citext) RETURNS integer"
    " LANGUAGE internal IMMUTABLE STRICT LEAKPROOF AS 'bttextcmp';",
    "system-family-extended": 'CREATE FUNCTION public.cmp(text, "char") RETURNS integer LANGUAGE plpgsql'
    " AS 'BEGIN RETURN public.evil(); END';"
    " ALTER OPERATOR FAMILY pg_catalog.text_ops USING btree"
    ' ADD FUNCTION 1 (text, "char") public.cmp(text, "char");',
    "library-by-path": "CREATE FUNCTION public.f() RETURNS integer LANGUAGE c AS '/tmp/evil.so', 'f';",
    "library-outside": "CREATE FUNCTION public.f() RETURNS integer LANGUAGE c AS '$libdir/../evil', 'f';",
    "library-under-two-names": "CREATE FUNCTION public.f() RETURNS integer LANGUAGE c"
    " AS /* '$libdir/plpgsql', 'plpgsql_call_handler' */ '/tmp/evil.so', 'f';",
    "statement-in-a-statement": "CREATE CAST (text AS integer) WITHOUT FUNCTION /* */ AS IMPLICIT;",
}


REPLACED = {"system-function-replaced", "extension's-function-replaced"}
"""What the restoring role may not even say, so that the server itself refuses it."""


@pytest.mark.parametrize("kind", SCRIPTS)
def test_a_script_cannot_talk_our_superuser_into_more(
    restore_dump: Restore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    script = tmp_path / "evil.sql"
    script.write_text(EVIL + SCRIPTS[kind] + "\n")
    monkeypatch.setattr(Job, "is_walled", True)
    outcome = restore_dump(18, script, wall=False)
    assert outcome.failures == {"restore-error" if kind in REPLACED else "superuser-entry"}
    assert_nothing_ran(outcome)
    assert_no_power(outcome)
    with outcome.sandbox_session() as session:
        now = session.execute(
            "SELECT prosrc FROM pg_proc WHERE oid = 'pg_catalog.now()'::regprocedure"
        ).fetchone()
    assert now == ("now",)


@pytest.mark.parametrize("restore_as", ["owner", "superuser"])
@pytest.mark.parametrize("wall", [True, False])
def test_a_library_that_is_no_extensions_is_never_loaded_and_never_called_hostile(
    restore_dump: Restore, tmp_path: Path, restore_as: str, wall: bool
) -> None:
    script = tmp_path / "regress.sql"
    script.write_text(
        "CREATE TABLE public.t (id integer PRIMARY KEY); INSERT INTO public.t VALUES (1);\n"
        "CREATE FUNCTION public.interpt_pp(path, path) RETURNS point LANGUAGE c STRICT"
        " AS '$REGRESS/lib/regress.so';\n"
    )
    outcome = restore_dump(18, script, config=SandboxConfig(restore_as=restore_as), wall=wall)
    assert outcome.failures == {"superuser-entry"}
    assert "public.interpt_pp" in outcome.message("superuser-entry")
