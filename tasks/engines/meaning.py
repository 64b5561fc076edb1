"""What a single failure means, from its message and the kind of its entry: one table, read from the top."""

from __future__ import annotations

import re
from enum import Enum

from tasks.engines.failure import Failure


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


MINOR_DESCS = frozenset(
    {
        "ACL", "DEFAULT ACL", "COMMENT", "SECURITY LABEL", "DATABASE", "DATABASE PROPERTIES", "PUBLICATION",
        "PUBLICATION TABLE", "PUBLICATION TABLES IN SCHEMA", "SUBSCRIPTION", "SUBSCRIPTION TABLE", "EVENT TRIGGER",
        "STATISTICS DATA", "USER MAPPING", "BLOB COMMENTS",
    }
)  # fmt: skip
"""Entries whose loss loses no row and no rule about rows."""
VITAL_DESCS = frozenset(
    {
        "TABLE", "TABLE DATA", "INDEX", "CONSTRAINT", "FK CONSTRAINT", "CHECK CONSTRAINT", "SEQUENCE", "SEQUENCE SET",
        "VIEW", "MATERIALIZED VIEW", "MATERIALIZED VIEW DATA", "TABLE ATTACH", "INDEX ATTACH", "BLOB", "BLOBS",
        "BLOB METADATA", "DEFAULT", "DOMAIN", "SCHEMA", "POLICY", "ROW SECURITY", "TRIGGER",
    }
)  # fmt: skip
"""Entries without which a database is not what it was: refused by policy, the drill cannot judge."""
_NEWER_SETTINGS = (
    "transaction_timeout|idle_session_timeout|idle_in_transaction_session_timeout|lock_timeout|row_security"
    "|default_table_access_method|default_toast_compression|default_with_oids|check_function_bodies|xmloption"
    "|event_triggers|restrict_nonsystem_relation_kind|client_connection_check_interval"
)
_DENIED = (
    r"permission denied|must be superuser|must be owner|must be member|must be able to SET ROLE|only superuser"
    r"|Must be superuser|must have|language \"[^\"]*\" does not exist|password is required|password or GSSAPI"
    r"|only roles with"
)
_FILE_FUNCTIONS = (
    r"pg_read_file|pg_read_binary_file|pg_ls_dir|pg_stat_file|lo_import|lo_export|pg_file_\w+|pg_execute_server_program"
    r"|pg_current_logfile|dblink_connect_u|pg_reload_conf|pg_terminate_backend|pg_rotate_logfile|pg_logfile_rotate"
)
_TABLE: tuple[tuple[re.Pattern[str], Meaning], ...] = tuple(
    (re.compile(pattern), meaning)
    for pattern, meaning in (
        (rf'unrecognized configuration parameter "(?:{_NEWER_SETTINGS})"', Meaning.HARMLESS),
        (r'parameter "default_with_oids"|tables declared WITH OIDS', Meaning.HARMLESS),
        (r'schema "[^"]*" already exists', Meaning.HARMLESS),
        (r'(?:language|extension) "[^"]*" already exists', Meaning.HARMLESS),
        (r"current transaction is aborted", Meaning.ABORTED),
        (
            r"No space left on device|could not extend file|could not write (?:to|block)|Disk quota exceeded|out of memory"
            r"|out of shared memory|could not resize shared memory|terminating connection|is (?:starting up|shutting down)"
            r"|in recovery mode|canceling statement due to (?:user request|statement timeout)|invalid memory alloc"
            r"|could not (?:open|create|fsync|read) file",
            Meaning.ENVIRONMENT,
        ),
        (
            r"(?:superuser|permission denied|must have|only roles).*\bCOPY (?:to or from an external program|(?:to|from) a file)"
            r"|pg_execute_server_program|pg_read_server_files|pg_write_server_files"
            rf"|permission denied for function (?:{_FILE_FUNCTIONS})"
            r"|ALTER SYSTEM|absolute path not allowed|access to library|must be superuser to (?:use server-side|execute)"
            r"|permission denied to (?:create|drop|alter) database|must be owner of database"
            r"|permission denied to set session authorization|cannot drop the currently open database",
            Meaning.HOSTILE,
        ),
        (r'role "[^"]*" does not exist', Meaning.ROLE),
        (r'extension "[^"]*" is not available|could not open extension control file', Meaning.EXTENSION),
        (r"could not access file \"\$libdir|could not load library", Meaning.EXTENSION),
        (
            r"ICU is not supported|could not create locale|collation \"[^\"]*\" for encoding|collation \"[^\"]*\" does not exist"
            r"|could not open (?:dictionary|affix|stop-word|synonym|thesaurus) file|could not open thesaurus"
            r"|compression method .* not supported|unsupported XML feature|encoding conversion .* does not exist"
            r"|nondeterministic collations not supported|invalid locale name",
            Meaning.HOST,
        ),
        (
            r"could not connect to server|user mapping not found|could not establish connection"
            r"|password (?:or GSSAPI delegated credentials )?(?:is )?required",
            Meaning.FOREIGN,
        ),
    )
)
_KINDS: tuple[tuple[re.Pattern[str], Meaning], ...] = tuple(
    (re.compile(pattern), meaning)
    for pattern, meaning in (
        (
            r"invalid byte sequence for encoding|has no equivalent in encoding|invalid UTF-?8",
            Meaning.ENCODING,
        ),
        (r"could not create unique index|duplicate key value violates", Meaning.DUPLICATES),
        (r"violates foreign key constraint", Meaning.ORPHANS),
    )
)
_NOT_FOUND = re.compile(r"does not exist|is not unique|could not determine|has no field|undefined")
_POLICY = re.compile(_DENIED)
EVALUATED_DESCS = frozenset(
    {
        "TABLE DATA",
        "INDEX",
        "CONSTRAINT",
        "CHECK CONSTRAINT",
        "MATERIALIZED VIEW DATA",
        "TABLE ATTACH",
        "DOMAIN",
        "",
    }
)
"""Entries during which code of the dump runs."""


def meaning_of(failure: Failure) -> Meaning:
    """Return what *failure* shows, dependence on earlier failures left aside."""
    desc = "" if failure.entry is None else failure.entry.desc
    for pattern, meaning in _TABLE:
        if pattern.search(failure.message):
            return _foreign(meaning, desc)
    if desc in MINOR_DESCS:
        return Meaning.MINOR
    if _POLICY.search(failure.message):
        return Meaning.POLICY
    if failure.functions and _NOT_FOUND.search(failure.message) and desc in EVALUATED_DESCS:
        return Meaning.FUNCTION
    for pattern, meaning in _KINDS:
        if pattern.search(failure.message):
            return meaning
    return Meaning.ROWS if desc == "TABLE DATA" else Meaning.ERROR


def _foreign(meaning: Meaning, desc: str) -> Meaning:
    """Tell a materialised view that would leave the sandbox from other connections that fail."""
    if meaning is Meaning.FOREIGN and desc != "MATERIALIZED VIEW DATA":
        return Meaning.HOST
    if meaning is Meaning.ROLE and desc in ("TABLE", "TABLE DATA"):
        return Meaning.ERROR
    return meaning
