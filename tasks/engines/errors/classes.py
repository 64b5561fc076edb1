"""What a single failure means, from its message and the kind of its entry: one table, read from the top."""

from __future__ import annotations

import re
from enum import Enum

from tasks.engines.errors.failure import Failure
from tasks.model.exhausted import DISK_FULL, OUT_OF_MEMORY


class Meaning(Enum):
    """What a failure shows; the value is the rule under which it is reported, if any."""

    HARMLESS = None
    ENVIRONMENT = "postgres-failed"
    ABORTED = ""  # the transaction had failed before
    HOSTILE = "hostile-content"
    ROLE = "role-missing"
    EXTENSION = "extension-missing"
    HOST = "host-feature-missing"
    FOREIGN = "foreign-data-unreached"
    POLICY = "not-restored-by-policy"
    MINOR = "restore-error-minor"
    FUNCTION = "function-breaks-restore"
    ENCODING = "invalid-encoding"
    DUPLICATES = "duplicate-keys"
    ORPHANS = "foreign-key-violated"
    ROWS = "rows-not-restored"
    ERROR = "restore-error"


DRILLS_OWN = frozenset({Meaning.POLICY, Meaning.EXTENSION, Meaning.HOST, Meaning.FOREIGN, Meaning.HARMLESS})
"""What this host or policy kept out: it says nothing about the backup, nor does what follows from it."""
MINOR_DESCS = frozenset(
    {
        "ACL", "DEFAULT ACL", "COMMENT", "SECURITY LABEL", "DATABASE", "DATABASE PROPERTIES",
        "PUBLICATION", "PUBLICATION TABLE", "PUBLICATION TABLES IN SCHEMA", "SUBSCRIPTION",
        "SUBSCRIPTION TABLE", "EVENT TRIGGER", "STATISTICS DATA", "USER MAPPING", "BLOB COMMENTS",
    }
)  # fmt: skip
"""Entries whose loss loses no row and no rule about rows."""
VITAL_DESCS = frozenset(
    {
        "TABLE", "TABLE DATA", "INDEX", "CONSTRAINT", "FK CONSTRAINT", "CHECK CONSTRAINT", "SEQUENCE",
        "SEQUENCE SET", "VIEW", "MATERIALIZED VIEW", "MATERIALIZED VIEW DATA", "TABLE ATTACH",
        "INDEX ATTACH", "BLOB", "BLOBS", "BLOB METADATA", "DEFAULT", "DOMAIN", "SCHEMA", "POLICY",
        "ROW SECURITY", "TRIGGER",
    }
)  # fmt: skip
"""Entries without which a database is not what it was: refused by policy, the drill cannot judge."""
EVALUATED_DESCS = frozenset(
    {
        "TABLE", "FOREIGN TABLE", "TABLE DATA", "TABLE ATTACH", "INDEX", "CONSTRAINT", "CHECK CONSTRAINT",
        "DEFAULT", "DOMAIN", "MATERIALIZED VIEW DATA", "STATISTICS",
    }
)  # fmt: skip
"""Entries during which code of the dump runs, or is put in the place of its call: a generated column's is."""


def _any(*patterns: str) -> re.Pattern[str]:
    return re.compile("|".join(patterns))


_HARMLESS = _any(
    r'unrecognized configuration parameter "(?:transaction_timeout|idle_session_timeout|lock_timeout'
    r"|row_security"
    r"|idle_in_transaction_session_timeout|default_table_access_method|default_toast_compression|xmloption"
    r"|default_with_oids|check_function_bodies|event_triggers|restrict_nonsystem_relation_kind)\"",
    r'(?:schema|language|extension) "[^"]*" already exists',
)
_ENVIRONMENT = _any(
    DISK_FULL,
    r"could not (?:extend|fsync|read) file",
    r"could not write (?:to|block)",
    OUT_OF_MEMORY,
    r"could not resize shared memory",
    r"terminating connection",
    r"is (?:starting up|shutting down)",
    r"in recovery mode",
    r"canceling statement due to (?:user request|statement timeout)",
)
_FILE_FUNCTIONS = (
    r"pg_read_file|pg_read_binary_file|pg_ls_dir|pg_stat_file|lo_import|lo_export|pg_file_\w+|dblink_connect_u"
    r"|pg_reload_conf|pg_terminate_backend|pg_rotate_logfile|pg_logfile_rotate"
)
_PROGRAM_OR_FILE = _any(
    r"(?:superuser|permission denied|must have|only roles).*\bCOPY to or from an external program",
    r"(?:superuser|permission denied|must have|only roles).*\bCOPY (?:to|from) a file",
    r"could not execute command",  # a superuser's restore, stopped by the second wall
)
_HOSTILE = _any(
    r"pg_execute_server_program|pg_read_server_files|pg_write_server_files",
    rf"permission denied for function (?:{_FILE_FUNCTIONS})\b",
    r"\bCOPY (?:TO |FROM )?is not allowed in a non-volatile function",  # there it only reaches out
    r"ALTER SYSTEM",
    r"absolute path not allowed",
    r"access to library",
    r"must be superuser to (?:use server-side|execute)",
    r"permission denied to (?:create|drop|alter) database",
    r"must be owner of database",
    r"permission denied to set session authorization",
    r"cannot drop the currently open database",
)
_ROLE = _any(r'role "[^"]*" does not exist')
_EXTENSION = _any(
    r'extension "[^"]*" is not available',
    r"could not open extension control file",
    r'could not access file "\$libdir',
    r"could not load library",
)
_HOST = _any(
    r"ICU is not supported",
    r"could not create locale",
    r"invalid locale name",
    r"empty range bound specified for partition",  # which text sorts first is the locale's
    r'collation "[^"]*" (?:for encoding "[^"]*" )?does not exist',
    r"could not open (?:dictionary|affix|stop-word|synonym|thesaurus) file",
    r"compression method .* not supported",
    r"unsupported XML feature",
    r"nondeterministic collations not supported",
)
_FOREIGN = _any(
    r"could not connect to server",
    r"user mapping not found",
    r"could not establish connection",
    r"password (?:or GSSAPI delegated credentials )?(?:is )?required",
)
_POLICY = _any(
    r"permission denied",
    r"[Mm]ust be superuser",
    r"must be owner",
    r"must be member",
    r"must be able to SET ROLE",
    r"[Oo]nly superuser",
    r"only roles with",
    r'language "[^"]*" does not exist',
    r"aggregate transition data type cannot be internal",  # of anybody but a superuser
)
_NOT_FOUND = _any(r"does not exist", r"is not unique", r"could not determine", r"has no field", r"undefined")
_ENCODING = _any(r"invalid byte sequence for encoding", r"has no equivalent in encoding", r"invalid UTF-?8")
_DUPLICATES = _any(r"could not create unique index", r"duplicate key value violates")
_ORPHANS = _any(r"violates foreign key constraint")


def meaning_of(failure: Failure) -> Meaning:
    """Return what *failure* shows, dependence on earlier failures left aside."""
    message, desc = failure.refusal.plain, "" if failure.entry is None else failure.entry.desc
    if _HARMLESS.search(message):
        return Meaning.HARMLESS
    if "current transaction is aborted" in message:
        return Meaning.ABORTED
    if _ENVIRONMENT.search(message):
        return Meaning.ENVIRONMENT
    if _PROGRAM_OR_FILE.search(message):  # whatever kind of entry a dump says that it is
        return Meaning.HOSTILE
    if failure.by_locale:
        return Meaning.HOST
    return _minor(message) if desc in MINOR_DESCS else _of_content(failure, message, desc)


def _minor(message: str) -> Meaning:
    if _ROLE.search(message):
        return Meaning.ROLE
    return Meaning.POLICY if _POLICY.search(message) else Meaning.MINOR


def _of_content(failure: Failure, message: str, desc: str) -> Meaning:
    for pattern, meaning in (
        (_HOSTILE, Meaning.HOSTILE),
        (_EXTENSION, Meaning.EXTENSION),
        (_HOST, Meaning.HOST),
    ):
        if pattern.search(message):
            return meaning
    if _ROLE.search(message):
        return Meaning.ROLE
    if _FOREIGN.search(message):
        return Meaning.FOREIGN if desc == "MATERIALIZED VIEW DATA" else Meaning.HOST
    if _POLICY.search(message):
        return Meaning.POLICY
    return _of_data(failure, message, desc)


def _of_data(failure: Failure, message: str, desc: str) -> Meaning:
    if failure.functions and desc in EVALUATED_DESCS and _NOT_FOUND.search(message):
        return Meaning.FUNCTION
    for pattern, meaning in (
        (_ENCODING, Meaning.ENCODING),
        (_DUPLICATES, Meaning.DUPLICATES),
        (_ORPHANS, Meaning.ORPHANS),
    ):
        if pattern.search(message):
            return meaning
    return Meaning.ROWS if desc == "TABLE DATA" else Meaning.ERROR
