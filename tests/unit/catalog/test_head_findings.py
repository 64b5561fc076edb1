from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tasks.catalog import preflight_findings, toc_shape, wanted_major
from tasks.catalog.extensions import DEFAULT_EXTENSIONS, is_allowed
from tasks.catalog.toc_shape import listed_relations
from tasks.model.backup import ArchiveHead, Format, Toc, TocEntry
from tasks.model.findings import Finding, FindingClass, Severity, Stage
from tasks.model.target import Extensions, Target
from tests.corpus import archives

NAME_AT = archives.MADE_AT.replace(tzinfo=UTC)
CONTRIB = frozenset({"plpgsql", "pg_trgm", "hstore"})


def target(**keys: Any) -> Target:
    backup = {"at": "s3://bk/x_%Y.dump", **keys.pop("backup", {})}
    return Target(fleet="shop", name="orders", backup=backup, evidence="/tmp/e", **keys)  # noqa: S108


def found(
    toc: Toc | None,
    *,
    form: Format = Format.CUSTOM,
    wrappers: tuple[str, ...] = (),
    at: datetime = NAME_AT,
    here: frozenset[str] | None = CONTRIB,
    **keys: Any,
) -> tuple[Finding, ...]:
    head = ArchiveHead(form, wrappers, toc)
    return preflight_findings(head, name_at=at, target=target(**keys), extensions_of=lambda _: here)


def rules(*arguments: Any, **keys: Any) -> list[str]:
    return [finding.rule for finding in found(*arguments, **keys)]


@pytest.mark.parametrize("form", [Format.CUSTOM, Format.DIRECTORY, Format.TAR])
def test_a_healthy_head_yields_nothing(form: Format) -> None:
    assert found(archives.toc(), form=form, backup={"database": "shop"}) == ()
    assert (
        found(archives.toc(), form=form, expect={"required_tables": ("shop.orders", "shop.Gift Cards")}) == ()
    )


def test_a_head_that_tells_nothing_yields_nothing() -> None:
    assert found(None) == ()
    assert found(Toc((), server_version="17.11"), form=Format.PLAIN) == ()


@pytest.mark.parametrize("form", [Format.BASEBACKUP, Format.PGBACKREST, Format.BARMAN, Format.WALG])
def test_a_physical_backup_is_recognised_and_not_called_broken(form: Format) -> None:
    (finding,) = found(None, form=form)
    assert (finding.rule, finding.klass) == ("format-unsupported", FindingClass.DRILL)


def test_an_encrypted_backup_without_a_key_fails_before_the_download() -> None:
    (finding,) = found(None, form=Format.UNKNOWN, wrappers=("gpg",))
    assert (finding.rule, finding.klass, finding.stage) == (
        "decryption-key-missing",
        FindingClass.PATH,
        Stage.PREFLIGHT,
    )


def test_an_encrypted_backup_with_a_key_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRILL_AGE", "AGE-SECRET-KEY-1")
    decrypt = {"age": {"identity_env": "DRILL_AGE"}}
    assert found(None, form=Format.UNKNOWN, wrappers=("age",), backup={"decrypt": decrypt}) == ()


def test_an_archive_that_the_configured_major_cannot_read_is_inconclusive() -> None:
    (finding,) = found(archives.toc(), sandbox={"postgres": 16})
    assert (finding.rule, finding.klass) == ("archive-version-unsupported", FindingClass.DRILL)
    assert "17" in finding.message
    assert found(archives.toc(), sandbox={"postgres": 17}) == ()
    assert found(archives.toc(), sandbox={"postgres": 18}) == ()


def test_a_plain_dump_of_a_newer_server_than_configured_is_inconclusive() -> None:
    toc = Toc((), server_version="18.1", dump_version="18.1")
    assert rules(toc, form=Format.PLAIN, sandbox={"postgres": 17}) == ["archive-version-unsupported"]


@pytest.mark.parametrize("hours", [-24 * 300, -14, 0, 12, 30, 36])
def test_an_archive_as_old_as_its_name_is_not_stale_in_any_time_zone(hours: int) -> None:
    assert found(archives.toc(), at=NAME_AT + timedelta(hours=hours)) == ()


@pytest.mark.parametrize("hours", [37, 24 * 9])
def test_an_old_archive_under_a_new_name_is_stale(hours: int) -> None:
    (finding,) = found(archives.toc(), at=NAME_AT + timedelta(hours=hours))
    assert (finding.rule, finding.klass) == ("archive-date-stale", FindingClass.STALE)
    assert "2026-05-04 03:00" in finding.message


def test_an_archive_of_another_database_is_found_where_one_is_named() -> None:
    assert rules(archives.toc(database="billing"), backup={"database": "shop"}) == [
        "archive-database-mismatch"
    ]
    assert rules(archives.toc(database="billing")) == [], "the target's own name promises nothing"


def test_the_first_database_of_a_script_says_nothing_of_those_that_follow() -> None:
    """Two `pg_dump -C` in one file: the head is read no further than it takes."""
    begun = archives.toc(database="billing")
    begun.archive_version = None
    assert rules(begun, backup={"database": "shop"}) == []


def test_an_extension_that_is_not_here_is_inconclusive_and_named() -> None:
    (finding,) = found(archives.toc(), here=frozenset({"plpgsql"}))
    assert (finding.rule, finding.where, finding.klass) == (
        "extension-missing",
        "pg_trgm",
        FindingClass.DRILL,
    )


def test_an_extension_of_a_managed_service_may_be_absent() -> None:
    extensions = {"absent_ok": ("pg_trgm",)}
    (finding,) = found(archives.toc(), here=frozenset(), sandbox={"extensions": extensions})
    assert (finding.rule, finding.severity) == ("extension-absent", Severity.INFO)
    assert found(archives.toc(), sandbox={"extensions": extensions}) == (), "it is here"


def test_an_extension_that_the_fleet_file_does_not_allow_is_named() -> None:
    assert rules(archives.toc(), sandbox={"extensions": {"allow": ("hstore",)}}) == ["extension-not-allowed"]
    assert rules(archives.toc(), sandbox={"extensions": {"allow": ("pg_trgm",)}}) == []


def test_without_an_installation_nothing_is_said_of_extensions() -> None:
    assert rules(archives.toc(), here=None) == []


def test_untrusted_languages_and_file_readers_are_not_allowed_by_default() -> None:
    for name in ("plpython3u", "plperlu", "pltclu", "plsh", "file_fdw", "adminpack", "jsonb_plpython3u"):
        assert not is_allowed(name, Extensions())
    for name in ("postgis", "vector", "timescaledb", "hstore", "uuid-ossp", "postgres_fdw"):
        assert is_allowed(name, Extensions())
    assert is_allowed("plpython3u", Extensions(allow=("plpython3u",)))
    assert is_allowed("hstore", Extensions(allow=("default", "plpython3u")))
    assert all(name == name.strip().lower() for name in DEFAULT_EXTENSIONS)


def test_required_roles_cannot_come_out_of_a_dump_without_globals() -> None:
    expect = {"required_roles": ("app",)}
    (finding,) = found(archives.toc(), expect=expect)
    assert (finding.rule, finding.where, finding.klass) == ("required-role-missing", "app", FindingClass.PATH)
    assert found(archives.toc(), expect=expect, backup={"globals": "s3://bk/g_%Y.sql"}) == ()
    assert found(None, form=Format.CLUSTER, expect=expect) == ()


def test_sql_ascii_is_a_warning() -> None:
    (finding,) = found(archives.toc(encoding="SQL_ASCII"))
    assert (finding.rule, finding.severity) == ("encoding-unsafe", Severity.WARNING)


def test_a_schema_without_data_is_found_before_the_download() -> None:
    assert rules(archives.toc(sections=("pre-data", "post-data"))) == ["schema-only"]


def test_data_without_a_schema_is_found_before_the_download() -> None:
    toc = archives.toc(sections=("data",))
    assert rules(toc, expect={"required_tables": ("shop.x",)}) == ["data-only"]


def test_a_required_table_that_is_not_listed_is_found_before_the_download() -> None:
    (finding,) = found(archives.toc(without=("orders",)), expect={"required_tables": ("shop.orders",)})
    assert (finding.rule, finding.where, finding.stage) == (
        "required-table-missing",
        "shop.orders",
        Stage.PREFLIGHT,
    )


def test_the_shape_of_an_archive_counts_what_it_lists() -> None:
    shape = toc_shape(archives.toc())
    assert shape is not None
    assert (shape.tables, shape.parents, shape.data, shape.large_objects, shape.post_data) == (2, 1, 2, 1, 2)
    assert (shape.schema_only, shape.data_only, shape.no_post_data) == (False, False, False)
    cut = toc_shape(archives.toc(sections=("none", "pre-data", "data")))
    assert cut is not None
    assert cut.no_post_data
    assert toc_shape(Toc(())) is None


def test_tables_of_an_extension_are_no_data_without_a_schema() -> None:
    rows = TocEntry(9, "TABLE DATA", "spatial_ref_sys", "public", "o", "data", has_data=True)
    extension = TocEntry(2, "EXTENSION", "postgis", "", "", "pre-data")
    shape = toc_shape(Toc((extension, rows), archive_version=(1, 16)))
    assert shape is not None
    assert not shape.data_only
    assert listed_relations(Toc((rows,))) == {"public.spatial_ref_sys"}


def test_a_database_of_partitioned_parents_alone_is_not_schema_only() -> None:
    parent = TocEntry(
        3, "TABLE", "p", "public", "o", "pre-data", "CREATE TABLE public.p (\n)\nPARTITION BY LIST (a);\n"
    )
    shape = toc_shape(Toc((parent,), archive_version=(1, 16)))
    assert shape is not None
    assert not shape.schema_only


def test_the_major_is_the_configured_one_else_that_of_the_newer_of_server_and_tools() -> None:
    assert wanted_major(archives.toc(), target(sandbox={"postgres": 18})) == 18
    assert wanted_major(Toc((), server_version="14.2", dump_version="16.1"), target()) == 16
    assert wanted_major(None, target()) is None
