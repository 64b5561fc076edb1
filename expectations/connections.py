"""How a suite reaches the restored database: read-only, in UTC, with a limit on every statement.

Decisions: the session's settings travel in the connection itself, above whatever the restored database or
its roles carry, so that a dump cannot loosen them. Names resolve in pg_catalog alone: an operator or a
function that a dump brought would else answer in PostgreSQL's place. What a function that a view calls could
change in the session is put back before each statement.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote, urlencode

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

_RESTORED: Mapping[str, str] = {
    "search_path": "pg_catalog",
    "row_security": "off",  # rows that a policy would hide are an error, never a smaller table
    "standard_conforming_strings": "on",
    "transform_null_equals": "off",
    "client_encoding": "UTF8",  # a database in SQL_ASCII would answer in bytes
    "TimeZone": "UTC",
    "DateStyle": "ISO",
}
"""Settings that change what a statement means."""
_SETTINGS: Mapping[str, str] = {
    **_RESTORED,
    "default_transaction_read_only": "on",
    "jit": "off",  # 20 short expressions compile for longer than they run
    "client_min_messages": "error",
}
_KEPT = ("host", "port", "user", "password", "dbname")


@dataclass(frozen=True, slots=True)
class Database:
    """Where the restored database answers; made from what libpq understands.

    Attributes:
        values: host, port, user, dbname and perhaps password.
    """

    values: Mapping[str, str]

    @classmethod
    def at(cls, url: str) -> Database:
        """Read libpq's `host=... dbname=...`, or a `postgresql://` or `postgresql+psycopg://` URL."""
        scheme, mark, rest = url.partition("://")
        plain = f"postgresql://{rest}" if mark and scheme.startswith("postgresql+") else url
        parameters = conninfo_to_dict(plain)
        return cls({key: str(parameters[key]) for key in _KEPT if parameters.get(key)})

    def connect(self, timeout_s: float) -> psycopg.Connection[tuple[object, ...]]:
        """Return a connection of our own, with *timeout_s* on each statement."""
        limit = {"statement_timeout": _statement_ms(timeout_s)}
        return psycopg.connect(
            make_conninfo(**self.values, options=_options(limit), connect_timeout=30), autocommit=True
        )

    def gx_url(self) -> str:
        """Return the URL that GX takes: it insists on a host, so a socket's directory stands in the query."""
        values = self.values
        user = quote(values.get("user", ""), safe="")
        secret = f":{quote(values['password'], safe='')}" if "password" in values else ""
        query = {"options": _options({})}
        if "host" in values:
            query["host"] = values["host"]
        if "port" in values:
            query["port"] = values["port"]
        name = quote(values.get("dbname", "postgres"), safe="")
        return f"postgresql+psycopg://{user}{secret}@localhost/{name}?{urlencode(query, quote_via=quote)}"


def settled(left_s: float) -> str:
    """Return the statement that goes before another: *left_s* to its limit, what it means as it was."""
    settings = {**_RESTORED, "statement_timeout": _statement_ms(left_s)}
    calls = (f"pg_catalog.set_config('{name}', '{value}', false)" for name, value in settings.items())
    return f"SELECT {', '.join(calls)}"


def _options(more: Mapping[str, str]) -> str:
    return " ".join(f"-c {key}={value}" for key, value in {**_SETTINGS, **more}.items())


def _statement_ms(seconds: float) -> str:
    """Return *seconds* as a statement_timeout: milliseconds in 31 bits, and 0 is no limit."""
    return str(max(1, int(min(seconds * 1000, 2**31 - 1))))
