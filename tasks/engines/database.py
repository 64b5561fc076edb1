"""The database that a backup is restored into, created by us with its encoding and, if here, its locale.

A dump's own CREATE DATABASE is never run: where its locale is unknown it fails, and everything after it
lands in another database.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import psycopg
from psycopg import sql

from tasks.engines.context import Connection, Job
from tasks.engines.sql.tokens import string_of, tokens
from tasks.engines.stand_ins import note_collation, note_default
from tasks.model.errors import PermanentError
from tasks.model.findings import Finding
from tasks.model.rules import finding
from tasks.model.server_words import all_names, of_error

MAINTENANCE = frozenset({"postgres", "template0", "template1", ""})
FALLBACK_NAME = "restored"
_CLIENTS_ONLY = frozenset({"SJIS", "SHIFT_JIS_2004", "BIG5", "GBK", "GB18030", "UHC", "JOHAB"})
"""Encodings that dumps can be in and databases cannot."""
_C = frozenset({"c", "posix", "c.utf-8", "c.utf8"})
_COLLATE = re.compile(r'COLLATE\s+pg_catalog\.("(?:[^"]|"")+"|\w+)')
_ICU = re.compile(r"provider\s*=\s*'?icu", re.IGNORECASE)
_LACKING = """
SELECT n, EXISTS (SELECT FROM pg_collation c WHERE collname = n
                  AND collnamespace = 'pg_catalog'::regnamespace AND collencoding = -1)
FROM unnest(%(names)s::text[]) n WHERE NOT EXISTS (
    SELECT FROM pg_collation c JOIN pg_database d ON d.datname = current_database()
    WHERE collname = n AND collnamespace = 'pg_catalog'::regnamespace
        AND collencoding IN (-1, d.encoding) AND (collprovider <> 'i' OR %(icu)s))
"""
"""Collations that cannot be used here; whether they are listed nevertheless, as ICU's `unicode` always is."""


@dataclass(frozen=True, slots=True)
class DatabaseOptions:
    """What a backup says of its database.

    Attributes:
        encoding: such as UTF8; "" if unknown.
        collate, ctype: libc locales, "" if unknown.
        provider: `libc`, `icu`, `builtin`.
        provider_locale: of icu or builtin.
    """

    encoding: str = ""
    collate: str = ""
    ctype: str = ""
    provider: str = "libc"
    provider_locale: str = ""

    @property
    def stated(self) -> str:
        """The locale as a person would name it, "" where the backup does not say."""
        if self.provider != "libc":
            return f"{self.provider} {self.provider_locale or self.collate}"
        return self.collate if self.collate == self.ctype else f"{self.collate}/{self.ctype}"


def read_options(create_database: str, encoding: str = "") -> DatabaseOptions:
    """Return what a `CREATE DATABASE` statement says; *encoding* where it says none."""
    options: dict[str, str] = {}
    parts = list(tokens(create_database))
    for index, token in enumerate(parts[:-2]):
        if parts[index + 1] == "=":
            value = parts[index + 2]
            options[token.upper()] = string_of(value) if "'" in value else value
    locale = options.get("LOCALE", "")
    provider = options.get("LOCALE_PROVIDER", "libc").lower()
    return DatabaseOptions(
        encoding=options.get("ENCODING", encoding),
        collate=options.get("LC_COLLATE", locale),
        ctype=options.get("LC_CTYPE", locale),
        provider=provider,
        provider_locale=options.get("ICU_LOCALE") or options.get("BUILTIN_LOCALE") or locale,
    )


def database_name(wanted: str) -> str:
    """Return the name of the database to create: the backup's own, unless that is taken."""
    return FALLBACK_NAME if wanted in MAINTENANCE else wanted


def create_database(job: Job, name: str, options: DatabaseOptions) -> None:
    """Create the database *name* of *job*, anew, and make it the job's.

    Raises:
        PermanentError: `postgres-failed`: not even a plain one could be made.
    """
    started = time.monotonic()
    job.database = name
    if options.encoding.upper() in _CLIENTS_ONLY:
        options = replace(options, encoding="UTF8")
    with job.superuser("postgres") as session:
        session.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))
        arguments, exact = _create(session, job, name, options)
    last = ["--", name] if name.startswith("-") else [name]
    job.command(started, ["createdb", "-T", "template0", *arguments, *last])
    if not exact:
        note_default(job)
        job.findings.append(
            finding(
                "locale-differs",
                f"The database's locale ({options.stated}) is not on this host; it was restored under C. "
                f"Sort order "
                "and unique text indexes were not proven under the original locale.",
                where=name,
            )
        )
    if options.encoding == "SQL_ASCII":
        job.findings.append(
            finding(
                "encoding-unsafe",
                "The database's encoding is SQL_ASCII: nothing checks its bytes.",
                where=name,
            )
        )


def _create(session: Connection, job: Job, name: str, options: DatabaseOptions) -> tuple[list[str], bool]:
    trouble: psycopg.Error | None = None
    for clauses, arguments, exact in _choices(options, job.sandbox.postgres.major):
        statement = sql.SQL("CREATE DATABASE {} OWNER {} TEMPLATE template0 ENCODING {} {}").format(
            sql.Identifier(name),
            sql.Identifier(job.sandbox.owner),
            sql.Literal(options.encoding or "UTF8"),
            clauses,
        )
        try:
            session.execute(statement)
        except psycopg.Error as error:
            trouble = error
        else:
            return ["-E", options.encoding or "UTF8", *arguments], exact
    reason = "" if trouble is None else f": {of_error(trouble, all_names((name,)))}"
    raise PermanentError(
        f"The database could not be created{reason}. Nothing is said about the backup.",
        name,
        rule="postgres-failed",
    ) from trouble


def _choices(options: DatabaseOptions, major: int) -> Iterator[tuple[sql.Composable, list[str], bool]]:
    """Yield the locales to try, the original first: SQL, createdb's arguments, whether it is the original."""
    has_locale = bool(options.collate)
    if options.provider == "builtin" and options.provider_locale:
        clause = sql.SQL("LOCALE_PROVIDER builtin BUILTIN_LOCALE {} LC_COLLATE {} LC_CTYPE {}")
        locale = options.provider_locale
        arguments = ["--locale-provider=builtin", f"--builtin-locale={locale}"]
        yield clause.format(locale, "C", "C"), arguments, True
    elif options.provider == "icu" and options.provider_locale:
        icu = sql.SQL("LOCALE_PROVIDER icu ICU_LOCALE {} LC_COLLATE {} LC_CTYPE {}")
        locale = options.provider_locale
        arguments = ["--locale-provider=icu", f"--icu-locale={locale}"]
        yield icu.format(locale, options.collate or "C", options.ctype or "C"), arguments, True
        yield icu.format(locale, "C", "C"), arguments, True
    elif has_locale:
        yield _libc(options.collate, options.ctype, major), _locales(options.collate, options.ctype), True
    same = not has_locale or options.collate.lower() in _C
    exact = options.provider == "libc" and same
    if options.encoding in ("", "UTF8"):
        yield _libc("C.UTF-8", "C.UTF-8", major), ["--locale=C.UTF-8"], exact
    yield _libc("C", "C", major), ["--locale=C"], exact


def _libc(collate: str, ctype: str, major: int) -> sql.Composable:
    provider = "LOCALE_PROVIDER libc " if major >= 15 else ""  # noqa: PLR2004  the first that has providers
    return sql.SQL(provider + "LC_COLLATE {} LC_CTYPE {}").format(collate, ctype)


def _locales(collate: str, ctype: str) -> list[str]:
    if collate == ctype:
        return [f"--locale={collate}"]
    return [f"--lc-collate={collate}", f"--lc-ctype={ctype}"]


def collations_named(texts: Iterable[str]) -> frozenset[str]:
    """Return the collations of the system that definitions name."""
    names = (match for text in texts if "COLLATE pg_catalog." in text for match in _COLLATE.findall(text))
    return frozenset(name[1:-1].replace('""', '"') if name.startswith('"') else name for name in names)


def supply_collations(job: Job, names: Iterable[str], session: Connection) -> None:
    """Put C in the place of the system's collations that this host lacks, and say so."""
    if not (distinct_names := sorted(set(names))):
        return
    for name, is_listed in session.execute(
        _LACKING, {"names": distinct_names, "icu": has_icu(session)}
    ).fetchall():
        if is_listed:
            _become_c(session, name)
        else:
            session.execute(
                sql.SQL("CREATE COLLATION IF NOT EXISTS pg_catalog.{} (LOCALE = 'C')").format(
                    sql.Identifier(name)
                )
            )
        note_collation(job, "pg_catalog", name)
        job.findings.append(_substituted(name))


def _become_c(session: Connection, name: str) -> None:
    """Make a collation of the system's, which cannot be dropped, sort as C does."""
    session.execute("SET allow_system_table_mods = on")
    session.execute(
        "UPDATE pg_collation SET collprovider = 'c', collcollate = 'C', collctype = 'C'"
        " WHERE collname = %s AND collnamespace = 'pg_catalog'::regnamespace",
        (name,),
    )
    session.execute("RESET allow_system_table_mods")


def has_icu(session: Connection) -> bool:
    """Tell whether the server was built with ICU: from 16 on the row `unicode` is there without it too."""
    row = session.execute("SELECT FROM pg_collation WHERE collprovider = 'i' AND collname = 'und-x-icu'")
    return row.fetchone() is not None


def is_icu(definition: str) -> bool:
    """Tell whether a CREATE COLLATION needs ICU."""
    return _ICU.search(definition) is not None


def substitute_collation(job: Job, namespace: str, name: str, session: Connection) -> None:
    """Create the backup's own collation as C, where this host cannot have the original."""
    session.execute(
        sql.SQL("CREATE COLLATION IF NOT EXISTS {} (LOCALE = 'C')").format(sql.Identifier(namespace, name))
    )
    session.execute(
        sql.SQL("ALTER COLLATION {} OWNER TO {}").format(
            sql.Identifier(namespace, name), sql.Identifier(job.sandbox.owner)
        )
    )
    note_collation(job, namespace, name)
    job.findings.append(_substituted(f"{namespace}.{name}"))


def _substituted(name: str) -> Finding:
    return finding(
        "locale-differs",
        f"The collation {name} is not on this host; C stands in for it. What sorts or is unique by it was "
        f"not proven.",
        where=name,
    )
