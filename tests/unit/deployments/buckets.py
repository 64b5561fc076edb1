"""Folders that look like buckets of backups: small scripts under the names that backup scripts give."""

from __future__ import annotations

import gzip
import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

NOW = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)
SCRIPT = b"""--
-- PostgreSQL database dump
--

-- Dumped from database version 17.11
-- Dumped by pg_dump version 17.11

SET statement_timeout = 0;
CREATE TABLE public.a (id integer);

--
-- PostgreSQL database dump complete
--

"""
GLOBALS = b"""--
-- PostgreSQL database cluster dump
--

SET default_transaction_read_only = off;

--
-- Roles
--

CREATE ROLE app;

--
-- PostgreSQL database cluster dump complete
--

"""


def put(root: Path, key: str, data: bytes = SCRIPT, at: datetime = NOW) -> Path:
    """Store *data* under *key*, written at *at*."""
    path = root / key
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(data) if key.endswith(".gz") else data)
    os.utime(path, (at.timestamp(), at.timestamp()))
    return path


def history(
    root: Path,
    key: Callable[[datetime], str],
    *,
    every: timedelta = timedelta(days=1),
    count: int = 14,
    data: bytes = SCRIPT,
) -> None:
    """Store *count* backups, the newest at `NOW`."""
    for i in range(count):
        at = NOW - i * every
        put(root, key(at), data, at)
