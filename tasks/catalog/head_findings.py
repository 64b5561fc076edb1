"""What the head of a backup says against its drill, before a byte of it is downloaded.

A drill that cannot succeed says so in seconds, not after an hour. Only what the head proves is said: what
it leaves open is for the restore and its checks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

from tasks.catalog.encryption import check_key
from tasks.catalog.extensions import is_allowed, required_extensions
from tasks.catalog.physical import TOOLS
from tasks.catalog.sniff import ENCRYPTIONS
from tasks.catalog.toc import minimum_tools
from tasks.catalog.toc_shape import listed_relations, toc_shape
from tasks.model.backup import ArchiveHead, Format, Toc
from tasks.model.errors import PermanentError
from tasks.model.findings import Finding, Severity, Stage
from tasks.model.rules import finding
from tasks.model.target import Target
from tasks.model.units import format_duration

STALE_AFTER = timedelta(hours=36)
"""By so much an archive may be older than its name says.

The header's time is the dumping host's own and names no zone: up to 14 hours may be that. The rest is the
dump's own duration, for the name may be given when it has ended.
"""

ExtensionsOf = Callable[[int], "frozenset[str] | None"]


def preflight_findings(
    head: ArchiveHead,
    *,
    name_at: datetime,
    target: Target,
    extensions_of: ExtensionsOf,
    dated_by: str = "name",
) -> tuple[Finding, ...]:
    """Return what *head* says against drilling the backup for *target*; empty where nothing does.

    Args:
        head: as `read_head` returns it.
        name_at: aware UTC; the recovery point that the key claims.
        target: what is to be drilled.
        extensions_of: the extensions that a major's installation has, None where there is no such
            installation.
        dated_by: `name` or `modified`: where *name_at* comes from.
    """
    if head.format in TOOLS:
        return (_physical(head.format),)
    archive_findings = (
        _archive(head.toc, name_at, dated_by, target, extensions_of) if head.toc is not None else ()
    )
    return (*_encryption(head, target), *_roles(head, target), *archive_findings)


def wanted_major(toc: Toc | None, target: Target) -> int | None:
    """Return the major whose tools and server the drill needs; None where neither fleet file nor head says.

    A dump by newer tools than its server needs the tools' major: older ones cannot read it.
    """
    if target.sandbox.postgres != "auto":
        return target.sandbox.postgres
    majors = () if toc is None else (toc.major, toc.dump_major)
    return max((major for major in majors if major is not None), default=None)


def _physical(layout: Format) -> Finding:
    return finding(
        "format-unsupported",
        f"This is a physical backup of {TOOLS[layout]}, not a dump. It may be good; this drill cannot "
        "restore it.",
    )


def _encryption(head: ArchiveHead, target: Target) -> Iterator[Finding]:
    for wrapper in head.wrappers:
        if wrapper in ENCRYPTIONS:
            try:
                check_key(wrapper, target.dump.decrypt, target.name)
            except PermanentError as error:
                yield error.finding(Stage.PREFLIGHT)


def _roles(head: ArchiveHead, target: Target) -> Iterator[Finding]:
    """A dump of one database never holds roles: without globals, required ones cannot come back."""
    if head.format in {Format.CLUSTER, Format.PLAIN, Format.UNKNOWN} or target.dump.globals is not None:
        return
    for role in target.expect.required_roles:
        yield finding(
            "required-role-missing",
            f"The role {role} is required, and a dump of one database holds no roles. After a recovery "
            "nobody "
            "could log in as it.",
            where=role,
            stage=Stage.PREFLIGHT,
        )


def _archive(
    toc: Toc, name_at: datetime, dated_by: str, target: Target, extensions_of: ExtensionsOf
) -> Iterator[Finding]:
    yield from _version(toc, target)
    yield from _date(toc, name_at, dated_by)
    yield from _database(toc, target)
    yield from _content(toc, target)
    yield from _extensions(toc, target, extensions_of)
    if toc.encoding == "SQL_ASCII":
        yield finding(
            "encoding-unsafe",
            "The dump's encoding is SQL_ASCII. Nothing has ever checked the bytes of its texts.",
            stage=Stage.PREFLIGHT,
        )


def _version(toc: Toc, target: Target) -> Iterator[Finding]:
    configured = target.sandbox.postgres
    if configured == "auto":
        return
    needed = max(minimum_tools(toc.archive_version or (0, 0)), toc.major or 0)
    if configured < needed:
        yield finding(
            "archive-version-unsupported",
            f"The dump needs PostgreSQL {needed} or newer and sandbox.postgres is {configured}. It says "
            "nothing "
            "about the backup.",
            hint=f"Set `sandbox.postgres` to auto, or to {toc.dump_major or needed}.",
        )


def _date(toc: Toc, name_at: datetime, dated_by: str) -> Iterator[Finding]:
    if toc.made_at is None:
        return
    lag = name_at - toc.made_at.replace(tzinfo=UTC)
    if lag <= STALE_AFTER:
        return
    claim = "its name says" if dated_by == "name" else "its LastModified says"
    yield finding(
        "archive-date-stale",
        f"The archive was made at {toc.made_at:%Y-%m-%d %H:%M} (its host's time), about "
        f"{format_duration(lag.total_seconds())} before {claim}. An old dump lies under a new name.",
    )


def _database(toc: Toc, target: Target) -> Iterator[Finding]:
    database = target.dump.database
    if toc.archive_version is None:
        return  # of a script only the first part was read: other databases may follow
    if database is not None and toc.database and toc.database != database:
        yield finding(
            "archive-database-mismatch",
            f"The archive is a dump of the database {toc.database}, not of {database}. What was asked for is "
            "not in "
            "it.",
            where=toc.database,
        )


def _content(toc: Toc, target: Target) -> Iterator[Finding]:
    shape = toc_shape(toc)
    if shape is None:
        return
    if shape.schema_only:
        yield finding(
            "schema-only",
            f"The archive lists {shape.tables} tables and no data for any of them. No row would come back.",
            stage=Stage.PREFLIGHT,
        )
    if shape.data_only:
        yield finding(
            "data-only",
            f"The archive lists the data of {shape.data} tables and no table. It cannot be restored by "
            "itself.",
            stage=Stage.PREFLIGHT,
        )
        return
    relations = listed_relations(toc)
    for table in target.expect.required_tables:
        if table not in relations:
            yield finding(
                "required-table-missing",
                f"The required table {table} is not among the archive's entries. It would not come back.",
                where=table,
                stage=Stage.PREFLIGHT,
            )


def _extensions(toc: Toc, target: Target, extensions_of: ExtensionsOf) -> Iterator[Finding]:
    major = wanted_major(toc, target)
    installed_extensions = extensions_of(major) if major is not None else None
    config = target.sandbox.extensions
    for name in required_extensions(toc):
        if installed_extensions is not None and name not in installed_extensions:
            yield _absent(name, major) if name in config.absent_ok else _missing(name, major)
        elif not is_allowed(name, config) and name not in config.absent_ok:
            yield finding(
                "extension-not-allowed",
                f"The backup needs the extension {name}, which the fleet file does not allow. A superuser "
                "would have to create it.",
                where=name,
            )


def _missing(name: str, major: int | None) -> Finding:
    return finding(
        "extension-missing",
        f"The backup needs the extension {name}, which PostgreSQL {major} on this worker does not have. "
        "The backup may be good.",
        where=name,
    )


def _absent(name: str, major: int | None) -> Finding:
    return finding(
        "extension-absent",
        f"The extension {name} is left out as configured: PostgreSQL {major} on this worker does not have "
        "it.",
        where=name,
        severity=Severity.INFO,
    )
