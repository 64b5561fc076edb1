"""How fast scripts are cut into statements and archives' contents are read: before the server sees a byte."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from tasks.catalog.lexer import PIECE_BYTES
from tasks.engines.sql.splitter import scan

_ROW = b"(1, 'Smith', 'somewhere over the rainbow', '2026-01-02 03:04:05+00', 12.50, NULL)"
_BODY = b"  x := 'abc' || y; -- a comment\n  IF a THEN b(1); END IF;\n"
_ATOMIC = (
    b"CREATE FUNCTION f(a int) RETURNS int BEGIN ATOMIC SELECT CASE WHEN a > 1 THEN 2 ELSE 3 END; END;\n"
)
_SCRIPTS: dict[str, Callable[[int], bytes]] = {
    "an INSERT for each row": lambda size: _times(b"INSERT INTO t VALUES " + _ROW + b";\n", size),
    "one INSERT of all rows": lambda size: b"INSERT INTO t VALUES " + _times(_ROW + b",", size) + b"(1);",
    "doubled quotes": lambda size: b"SELECT " + _times(b"'O''Brien','it''s',", size) + b"1;",
    "E'' strings": lambda size: b"SELECT " + _times(b"E'a\\nb c',", size // 4) + b"1;",
    "one bytea literal": lambda size: b"SELECT '\\x" + _times(b"ab", size) + b"';",
    "rows of COPY": lambda size: b"COPY t FROM stdin;\n" + _times(b"1\tabc def\t\\N\n", size) + b"\\.\n",
    "a function's body": lambda size: b"DO $$ BEGIN\n" + _times(_BODY, size) + b"END $$;",
    "tables of 1,600 columns": lambda size: _times(
        b"CREATE TABLE t (" + b",\n".join(b"c%d integer NOT NULL" % at for at in range(1600)) + b");\n", size
    ),
    "functions with SQL bodies": lambda size: _times(_ATOMIC, size // 8),
}


def measure(folder: Path, options: argparse.Namespace) -> None:  # noqa: ARG001  every part's
    """Print MB a second of CPU time for each kind of script, the best of the rounds."""
    size = min(options.mib, 20) << 20
    for name, make in _SCRIPTS.items():
        script = make(size)
        best = min(_scanned_s(script) for _ in range(options.rounds))
        print(f"{name}: {len(script) / 1e6 / best:.0f} MB/s", flush=True)


def _scanned_s(script: bytes) -> float:
    began = time.process_time()
    if sum(len(piece.data) for piece in scan(_chunks(script))) != len(script):
        raise RuntimeError("bytes were lost")
    return time.process_time() - began


def _chunks(script: bytes) -> Iterator[bytes]:
    return (script[at : at + PIECE_BYTES] for at in range(0, len(script), PIECE_BYTES))


def _times(unit: bytes, size: int) -> bytes:
    return unit * max(1, size // len(unit))
