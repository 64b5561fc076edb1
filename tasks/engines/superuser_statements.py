"""What only a superuser may create, created by him behind the second wall: one statement at a time.

Nothing that the dump defined is called by that. A statement is read strictly and sent alone; what it made is
looked up in the same transaction, and taken back unless it is of the kind that was meant, lies where the
restoring role may create, and names no function that could be a way in: casts between PostgreSQL's own
types, handlers and the like only with functions that PostgreSQL or an extension's script made. A function in
C, or an internal one, must be another name for one of those that anybody may call, for the same types or for
types of the dump that are laid out alike. Everything is given to the restoring role at once.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, Protocol

import psycopg
from psycopg.pq import ExecStatus

from tasks.engines.context import Connection, Job
from tasks.engines.definitions import (
    Softened,
    language_of,
    library_of,
    needs_superuser,
    routine_name,
    setting_name,
    soften,
    statements_of,
    strict,
    strings,
)
from tasks.engines.errors.causes import Omission
from tasks.engines.errors.failure import Failure, label
from tasks.engines.extensions import create_extensions
from tasks.engines.privileged import lent_settings
from tasks.engines.sql.tokens import quoted, tokens
from tasks.model.backup import TocEntry
from tasks.model.server_words import Refusal

_OBJECTS = (
    ("pg_proc", "pronamespace"), ("pg_type", "typnamespace"), ("pg_opclass", "opcnamespace"),
    ("pg_opfamily", "opfnamespace"), ("pg_cast", None), ("pg_am", None), ("pg_language", None),
    ("pg_transform", None), ("pg_ts_parser", "prsnamespace"), ("pg_ts_template", "tmplnamespace"),
)  # fmt: skip
"""The catalogues that a statement may add to, and where their objects' schemas stand."""
_MADE = " UNION ALL ".join(
    f"SELECT '{table}', t.oid::bigint, {place} FROM {table} t WHERE t.xmin = pg_current_xact_id()::xid"  # noqa: S608  names of ours
    for table, schema in _OBJECTS
    for place in (f"has_schema_privilege(%(owner)s, {schema}, 'CREATE')" if schema else "true",)
)
_MAKES = {
    "ACCESS METHOD": {"pg_am"},
    "AGGREGATE": {"pg_proc"},
    "CAST": {"pg_cast"},
    "FUNCTION": {"pg_proc"},
    "LANGUAGE": {"pg_language"},
    "OPERATOR CLASS": {"pg_opclass", "pg_opfamily"},
    "OPERATOR FAMILY": {"pg_opfamily"},
    "PROCEDURAL LANGUAGE": {"pg_language"},
    "PROCEDURE": {"pg_proc"},
    "SHELL TYPE": {"pg_type"},
    "TEXT SEARCH PARSER": {"pg_ts_parser"},
    "TEXT SEARCH TEMPLATE": {"pg_ts_template"},
    "TRANSFORM": {"pg_transform"},
    "TYPE": {"pg_type"},
}
_OWNED = {
    "pg_proc": "true",
    "pg_type": "typisdefined AND NOT EXISTS (SELECT FROM pg_type e WHERE e.typarray = t.oid)",
    "pg_opclass": "true",
    "pg_opfamily": "true",
    "pg_language": "true",
}
"""What changes hands, and which of it: array types follow their elements, and a type is defined by whom it
was announced."""
_USED = {
    "pg_am": "ARRAY[amhandler]",
    "pg_transform": "ARRAY[trffromsql, trftosql]",
    "pg_ts_parser": "ARRAY[prsstart, prstoken, prsend, prsheadline, prslextype]",
    "pg_ts_template": "ARRAY[tmplinit, tmpllexize]",
    "pg_language": "ARRAY[lanplcallfoid, laninline, lanvalidator]",
    "pg_type": "ARRAY[typinput, typoutput, typreceive, typsend, typmodin, typmodout, typanalyze,"
    " typsubscript]",
    "pg_cast": "CASE WHEN castsource < 16384 AND casttarget < 16384 THEN ARRAY[castfunc] ELSE '{}' END",
}
"""The functions that must be PostgreSQL's or an extension's own: PostgreSQL calls them unasked."""
_FOREIGN_FAMILIES = """
SELECT count(*) FROM (
    SELECT amopfamily AS family, amoplefttype AS l, amoprighttype AS r FROM pg_amop
        WHERE xmin = pg_current_xact_id()::xid
    UNION ALL SELECT amprocfamily, amproclefttype, amprocrighttype FROM pg_amproc
        WHERE xmin = pg_current_xact_id()::xid
) members JOIN pg_opfamily f ON f.oid = family
WHERE f.xmin <> pg_current_xact_id()::xid AND f.opfowner = 10 AND l < 16384 AND r < 16384
"""
"""Operators and functions for PostgreSQL's own types in a family that is not the dump's."""
_DEFAULT_ORDERS = """
SELECT (SELECT count(*) FROM pg_opclass WHERE xmin = pg_current_xact_id()::xid AND opcdefault
        AND opcintype < 16384 AND opcmethod IN (SELECT oid FROM pg_am WHERE amname IN ('btree', 'hash')))
    + (SELECT count(*) FROM pg_cast WHERE xmin = pg_current_xact_id()::xid AND castmethod = 'b'
        AND castcontext = 'i' AND castsource < 16384)
"""
"""What PostgreSQL would sort, compare and hash its own types by from then on, unasked: default classes of
operators, and casts by which a type of its own has the default class of the dump's type."""
_FUNCTION = """
SELECT l.lanname::text, p.prosrc, p.probin, p.proisstrict, p.proretset,
       p.proargtypes::oid[]::bigint[] || p.prorettype::bigint
FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang WHERE p.oid = %s AND p.prokind <> 'a'
"""
_SAME_CODE = """
SELECT p.oid::bigint, p.proisstrict, p.proretset, p.proargtypes::oid[]::bigint[] || p.prorettype::bigint,
       p.proacl IS NULL OR EXISTS (SELECT FROM aclexplode(p.proacl) WHERE grantee = 0)
FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang
WHERE l.lanname = %s AND p.prosrc = %s AND p.probin IS NOT DISTINCT FROM %s
"""
_LAYOUTS = """
SELECT oid::bigint, typlen, typbyval, typtype = 'p', typisdefined FROM pg_type WHERE oid = ANY (%s::oid[])
"""
_NAMED_NEWEST = """
SELECT oid::bigint FROM pg_proc WHERE proname = %s AND oid >= 16384 ORDER BY age(xmin) LIMIT 1
"""
_WIDER_LANGUAGE = """
SELECT NOT EXISTS (
    SELECT FROM pg_language o JOIN pg_proc oh ON oh.oid = o.lanplcallfoid
    WHERE o.oid <> l.oid AND o.lanowner = 10 AND o.lanpltrusted >= l.lanpltrusted
        AND oh.prosrc = h.prosrc AND oh.probin IS NOT DISTINCT FROM h.probin
) FROM pg_language l JOIN pg_proc h ON h.oid = l.lanplcallfoid WHERE l.oid = %s
"""
_SUPPORT = """
SELECT p.oid::bigint FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
WHERE p.proname = %s AND n.nspname = %s AND p.pronargs = 1 AND p.proargtypes[0] = 'internal'::regtype
"""
_PROC, _TYPE = 1255, 1247
"""The oids of pg_proc and pg_type themselves."""
_LANGUAGES = frozenset({"LANGUAGE", "PROCEDURAL LANGUAGE"})
_ROUTINES = frozenset({"FUNCTION", "PROCEDURE"})
_BY_LIBRARY = frozenset({"c", "internal"})
_SHELLS = """
SELECT quote_ident(n.nspname) || '.' || quote_ident(t.typname) FROM pg_type t
JOIN pg_namespace n ON n.oid = t.typnamespace WHERE NOT t.typisdefined AND t.typowner = 10 AND t.oid >= 16384
"""
_SETTINGS = "SELECT name FROM pg_settings WHERE context IN ('superuser', 'superuser-backend')"
_NEVER_SET = frozenset(
    {"allow_system_table_mods", "dynamic_library_path", "extension_control_path", "jit_provider",
     "local_preload_libraries", "role", "session_authorization", "session_preload_libraries"}
)  # fmt: skip
_FIRST_NORMAL = 16384


class OwnerSession(Protocol):
    """The restoring role's way to the server."""

    def run(self, entry: TocEntry, text: str) -> Failure | None:
        """Run one statement of *entry*; what was said against it, or None."""
        ...

    def search_path(self, entry: TocEntry) -> str:
        """Return the search_path that the definition of *entry* is to be read under."""
        ...


class _Refused(Exception):  # noqa: N818  what happened
    """The statement is not one that our superuser runs."""


def libraries_here(session: Connection) -> frozenset[str]:
    """Return the libraries whose functions are there before anything of the dump is."""
    rows = session.execute("SELECT DISTINCT probin FROM pg_proc WHERE probin IS NOT NULL")
    return frozenset(name for (name,) in rows)


def loads(definition: str, libraries: frozenset[str]) -> bool:
    """Tell whether creating a function loads a library that is none of *libraries*."""
    if language_of(definition) != "c":
        return False
    library = library_of(definition)
    return library is None or library[0] not in libraries


@dataclass(slots=True)
class Privileged:
    """Creates, for one restore, what only a superuser may.

    Attributes:
        session: of our superuser, whose search_path is pg_catalog alone.
        owner: of the restoring role.
        vetted: functions of the dump that are other names of PostgreSQL's or an extension's own.
        layouts: how types of the dump must be laid out, for those functions were made for such.
    """

    job: Job
    session: Connection
    owner: OwnerSession
    vetted: set[int] = field(default_factory=set)
    layouts: dict[int, tuple[int, bool]] = field(default_factory=dict)
    _settings: frozenset[str] | None = None

    @property
    def settings(self) -> frozenset[str]:
        """The parameters that only a superuser may set, and that the restoring role has not been lent."""
        if self._settings is None:
            names = frozenset(name for (name,) in self.session.execute(_SETTINGS))
            self._settings = names - lent_settings(self.job)
        return self._settings

    def wants(self, desc: str, statement: str) -> bool:
        """Tell whether *statement*, of an entry of kind *desc*, is to be made here."""
        return needs_superuser(desc, statement, self.settings)

    def create(self, entry: TocEntry, definition: str) -> bool:
        """Create what *entry* defines; False where something was refused or failed, which the job is told."""
        try:
            for statement in statements_of(definition):
                failure = self._statement(entry, statement)
                if failure is not None:
                    self.job.failures.append(failure)
                    return False
        except _Refused:
            self.job.omissions.append(Omission(entry, vital=True))
            return False
        self.job.by_superuser.append(label(entry))
        return True

    def _statement(self, entry: TocEntry, statement: str) -> Failure | None:
        softened = soften(statement, self.settings) if entry.desc in _ROUTINES else None
        if softened is not None and language_of(statement) not in _BY_LIBRARY:
            return self._soften(entry, statement, softened)
        if not statement.upper().startswith(("CREATE", "ALTER OPERATOR FAMILY")):
            return self._as_owner(entry, statement)
        if entry.desc in _LANGUAGES and "HANDLER" not in {part.upper() for part in tokens(statement)}:
            create_extensions(self.job, self.session, [replace(entry, desc="EXTENSION", defn="")])
            return None
        text = strict(statement)
        if text is None or not self._may_load(statement) or _initialises(entry, text):
            raise _Refused
        try:
            with self.session.transaction():
                self._send(text, self.owner.search_path(entry))
                self._accept(entry)
        except psycopg.Error as error:
            if self.session.broken:
                raise
            return Failure.of(entry, Refusal.of(error))
        return None

    def _as_owner(self, entry: TocEntry, statement: str) -> Failure | None:
        return self.owner.run(entry, statement)

    def _send(self, text: str, path: str) -> None:
        """Send one statement, which the extended protocol takes one of only."""
        self.session.execute("SELECT set_config('search_path', %s, true)", (path,))
        result = self.session.pgconn.exec_params(text.encode(), [])
        if result.status != ExecStatus.COMMAND_OK:
            raise psycopg.errors.error_from_result(result)
        self.session.execute("SET LOCAL search_path TO pg_catalog")

    def _may_load(self, statement: str) -> bool:
        """Tell whether a function in C is one of an extension's library: creating it loads the library."""
        if language_of(statement) != "c":
            return True
        library = library_of(statement)
        if library is None:
            return False
        rows = self.session.execute(_SAME_CODE, ("c", library[1], library[0])).fetchall()
        return any((_PROC, row[0]) in self.job.members for row in rows)

    def finish(self) -> None:
        """Give the types that were announced and never defined to the restoring role, too."""
        owner = quoted(self.job.sandbox.owner)
        for (name,) in self.session.execute(_SHELLS).fetchall():
            self.session.execute(f"ALTER TYPE {name} OWNER TO {owner}".encode())

    # -- what a statement made

    def _accept(self, entry: TocEntry) -> None:
        """Give what was made in this transaction to the restoring role, or refuse all of it."""
        rows = self.session.execute(_MADE, {"owner": self.job.sandbox.owner}).fetchall()
        allowed = _MAKES.get(entry.desc, set())
        if any(table not in allowed or not may_create for table, _, may_create in rows):
            raise _Refused
        objects = [(str(table), int(oid)) for table, oid, _ in rows]
        for table, oid in objects:
            if table == "pg_proc":
                self._accept_function(oid)
            if table in _USED:
                self._accept_functions_of(table, oid)
        if self._one(_FOREIGN_FAMILIES, ())[0] or self._one(_DEFAULT_ORDERS, ())[0]:
            raise _Refused
        for table, oid in objects:
            self._give(table, oid)
        self.vetted |= {oid for table, oid in objects if table == "pg_proc"}

    def _accept_function(self, oid: int) -> None:
        """Refuse a function that is not just another name for one that anybody may call."""
        row = self.session.execute(_FUNCTION, (oid,)).fetchone()
        if row is None:
            return  # an aggregate
        language, symbol, library, strictly, is_set, types = row
        same = self.session.execute(_SAME_CODE, (language, symbol, library)).fetchall()
        known_functions = [other for other in same if self._is_known(other[0])]
        fits = (
            self._are_laid_out(types, other_types)
            for _, other_strictly, other_set, other_types, _ in known_functions
            if (strictly >= other_strictly or len(types) == 1) and is_set == other_set
        )
        if language not in _BY_LIBRARY or not all(other[4] for other in known_functions) or not any(fits):
            raise _Refused

    def _are_laid_out(self, types: list[int], known_types: list[int]) -> bool:
        """Tell whether *types* are *known_types*, or the dump's in their places that are laid out alike."""
        if len(types) != len(known_types):
            return False
        rows = self.session.execute(_LAYOUTS, ([*types, *known_types],)).fetchall()
        layouts = {row[0]: _Layout(*row[1:]) for row in rows}
        new: dict[int, tuple[int, bool]] = {}
        for own, other in zip(types, known_types, strict=True):
            if own == other:
                continue
            layout = (layouts[other].length, layouts[other].by_value)
            if own < _FIRST_NORMAL or (_TYPE, own) in self.job.members or layouts[other].is_pseudo:
                return False
            if layouts[own].is_defined and (layouts[own].length, layouts[own].by_value) != layout:
                return False
            if {**self.layouts, **new}.setdefault(own, layout) != layout:
                return False
            new[own] = layout
        self.layouts |= new
        return True

    def _accept_functions_of(self, table: str, oid: int) -> None:
        """Refuse what would have functions called that the dump defined, or a type laid out otherwise."""
        query = f"SELECT coalesce(array_agg(f::oid::bigint), '{{}}') FROM {table} t, unnest({_USED[table]}) f"  # noqa: S608
        (used,) = self._one(query + " WHERE t.oid = %s AND f <> 0", (oid,))
        if not all(self._is_known(function) or function in self.vetted for function in used):
            raise _Refused
        if table == "pg_language":
            self._accept_language(oid)
        if table == "pg_type" and oid in self.layouts:
            row = self._one("SELECT typisdefined, typlen, typbyval FROM pg_type WHERE oid = %s", (oid,))
            if row[0] and row[1:] != self.layouts[oid]:
                raise _Refused

    def _accept_language(self, oid: int) -> None:
        """Refuse a language that lets more be done than the one whose handler it uses."""
        if self._one(_WIDER_LANGUAGE, (oid,))[0]:
            raise _Refused

    def _is_known(self, function: int) -> bool:
        return function < _FIRST_NORMAL or (_PROC, function) in self.job.members

    def _give(self, table: str, oid: int) -> None:
        if table not in _OWNED:
            return
        query = f"SELECT i.type, i.identity FROM {table} t, pg_identify_object(t.tableoid, t.oid, 0) i"  # noqa: S608
        row = self.session.execute(
            f"{query} WHERE t.oid = %s AND ({_OWNED[table]})".encode(), (oid,)
        ).fetchone()
        if row is not None:
            owner = quoted(self.job.sandbox.owner)
            self.session.execute(f"ALTER {row[0]} {row[1]} OWNER TO {owner}".encode())

    # -- attributes of functions

    def _soften(self, entry: TocEntry, statement: str, softened: Softened) -> Failure | None:
        failure = self._as_owner(entry, softened.text)
        if failure is not None:
            return failure
        if not _NEVER_SET.isdisjoint(setting.name[0].lower() for setting in softened.settings):
            raise _Refused
        row = self.session.execute(_NAMED_NEWEST, (routine_name(statement),)).fetchone()
        if row is None:
            raise _Refused
        kind, identity = self._one(
            "SELECT i.type, i.identity FROM pg_identify_object(%s, %s, 0) i", (_PROC, row[0])
        )
        try:
            for attribute in self._attributes(softened):
                self.session.execute(f"ALTER {kind} {identity} {attribute}".encode())
        except psycopg.Error as error:
            if self.session.broken:
                raise
            return Failure.of(entry, Refusal.of(error))
        return None

    def _attributes(self, softened: Softened) -> Iterable[str]:
        if softened.leakproof:
            yield "LEAKPROOF"
        if softened.support:
            yield f"SUPPORT {self._support(softened.support)}"
        for setting in softened.settings:
            yield f"SET {setting_name(setting)} TO {', '.join(strings(setting.values))}"

    def _support(self, name: tuple[str, ...]) -> str:
        schema = name[-2] if len(name) > 1 else "pg_catalog"
        row = self.session.execute(_SUPPORT, (name[-1], schema)).fetchone()
        if row is None or not (self._is_known(row[0]) or row[0] in self.vetted):
            raise _Refused
        return f"{quoted(schema)}.{quoted(name[-1])}"

    def _one(self, query: str, arguments: tuple[object, ...]) -> tuple[Any, ...]:
        row = self.session.execute(query.encode(), arguments).fetchone()
        if row is None:
            raise _Refused
        return row


class _Layout(NamedTuple):
    length: int
    by_value: bool
    is_pseudo: bool
    is_defined: bool


def _initialises(entry: TocEntry, text: str) -> bool:
    """Tell whether creating an aggregate would read a first value, by the input function of its type."""
    words = {part.upper() for part in tokens(text)}
    return entry.desc == "AGGREGATE" and not words.isdisjoint({"INITCOND", "MINITCOND"})
