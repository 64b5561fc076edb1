"""How a suite reaches the restored database: read-only, in UTC, with a limit on every statement.

Decision: the session's settings travel in the connection itself, above whatever the restored database or
its roles carry, so that a dump cannot loosen them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote, urlencode

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

_SETTINGS: Mapping[str, str] = {
    "default_transaction_read_only": "on",
    "TimeZone": "UTC",
    "DateStyle": "ISO",
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
        given = conninfo_to_dict(plain)
        return cls({key: str(given[key]) for key in _KEPT if given.get(key)})

    def connect(self, timeout_s: float) -> psycopg.Connection[tuple[object, ...]]:
        """Return a connection of our own, with *timeout_s* on each statement."""
        limit = {"statement_timeout": str(max(1, int(timeout_s * 1000)))}
        return psycopg.connect(
            make_conninfo(**self.values, options=_options(limit), connect_timeout=30), autocommit=True
        )

    def gx_url(self, schema: str | None = None) -> str:
        """Return the URL that GX takes: it insists on a host, so a socket's directory stands in the query.

        Args:
            schema: looked into first for names without one.
        """
        values = self.values
        user = quote(values.get("user", ""), safe="")
        secret = f":{quote(values['password'], safe='')}" if "password" in values else ""
        path = {} if schema is None else {"search_path": f"{_escaped(schema)},public"}
        query = {"options": _options(path)}
        if "host" in values:
            query["host"] = values["host"]
        if "port" in values:
            query["port"] = values["port"]
        name = quote(values.get("dbname", "postgres"), safe="")
        return f"postgresql+psycopg://{user}{secret}@localhost/{name}?{urlencode(query, quote_via=quote)}"


def _options(more: Mapping[str, str]) -> str:
    return " ".join(f"-c {key}={value}" for key, value in {**_SETTINGS, **more}.items())


def _escaped(schema: str) -> str:
    """Return *schema* quoted for SQL, and that for libpq's options, which end at a blank."""
    quoted = '"' + schema.replace('"', '""') + '"'
    return quoted.replace("\\", "\\\\").replace(" ", "\\ ")
