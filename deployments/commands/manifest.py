"""`restore-drill manifest -- pg_dump ...`: the dump and its exact inventory, in one snapshot of the source.

Decided here:
- The snapshot is exported by a connection of ours and given to pg_dump, so that inventory and dump see the
  very same rows, whatever is written meanwhile.
- The connection's parameters are read from pg_dump's own arguments; what they leave out libpq takes from the
  environment, as pg_dump does. Passwords come from there or a passfile: pg_dump takes none as an argument.
- The manifest is written last and whole: a dump that failed has none.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from tasks.checks.inventory import inventory_over
from tasks.checks.session import Connection, settle
from tasks.model.backup import MANIFEST_SUFFIX
from tasks.model.clock import iso, utc_now
from tasks.model.deadline import Deadline
from tasks.model.errors import ConfigInvalid
from tasks.model.inventory import Inventory
from tasks.model.server_words import of_error

SCHEMA = "restore-drill/manifest/v1"
NO_LIMIT_S = 7 * 86400.0
_VALUED = frozenset(
    {
        *("-f", "--file", "-F", "--format", "-j", "--jobs", "-Z", "--compress", "-E", "--encoding"),
        *("-n", "--schema", "-N", "--exclude-schema", "-t", "--table", "-T", "--exclude-table"),
        *("-e", "--extension", "--exclude-extension", "-S", "--superuser", "-d", "--dbname", "-h", "--host"),
        *("-p", "--port", "-U", "--username", "--role", "--lock-wait-timeout", "--exclude-table-data"),
        *("--extra-float-digits", "--include-foreign-data", "--rows-per-insert", "--section", "--snapshot"),
        *("--table-and-children", "--exclude-table-and-children", "--exclude-table-data-and-children"),
        *("--filter", "--sync-method", "--restrict-key"),
    }
)
_CONNECTION = {
    "-h": "host",
    "--host": "host",
    "-p": "port",
    "--port": "port",
    "-U": "user",
    "--username": "user",
}
_NARROWING = (
    *(
        "-n",
        "--schema",
        "-N",
        "--exclude-schema",
        "-t",
        "--table",
        "-T",
        "--exclude-table",
        "-e",
        "--extension",
    ),
    *("--exclude-table-data", "--section", "--filter", "-a", "--data-only", "-s", "--schema-only", "-B"),
    *("--no-blobs", "--no-large-objects", "--table-and-children", "--exclude-table-and-children"),
)


@dataclass(frozen=True, slots=True)
class Dump:
    """A pg_dump command line, read.

    Attributes:
        argv: as it was given.
        output: the file or folder that it writes.
        conninfo: how it connects, as libpq takes it.
        role: of `--role`.
        narrowed: options that leave something out on purpose.
    """

    argv: tuple[str, ...]
    output: Path
    conninfo: str
    role: str | None
    narrowed: tuple[str, ...]


def write_manifest(argv: Sequence[str]) -> int:
    """Run the pg_dump command *argv* in one snapshot with an inventory; return pg_dump's exit code.

    Raises:
        ConfigInvalid: no pg_dump command, no output file, or the source cannot be reached or read.
    """
    dump = read_command(argv)
    warn_of(dump)
    taken_at = utc_now()
    try:
        with snapshot(dump) as (name, connect):
            started = subprocess.Popen([*dump.argv, f"--snapshot={name}"])
            try:
                inventory = inventory_over(connect)
            except BaseException:
                started.terminate()
                started.wait()
                raise
            code = started.wait()
    except psycopg.Error as exc:
        raise ConfigInvalid(
            f"the source cannot be read: {of_error(exc)}",
            "manifest",
            "Use a role that may read every table, and the same connection options as for pg_dump.",
        ) from exc
    if code == 0:
        _write_document(dump, inventory, taken_at)
    return code


def read_command(argv: Sequence[str]) -> Dump:
    """Return what the pg_dump command *argv* says.

    Raises:
        ConfigInvalid: it is none, takes a snapshot of its own, or writes to standard output.
    """
    if not argv or Path(argv[0]).name not in {"pg_dump", "pg_dump.exe"}:
        raise ConfigInvalid(
            "a manifest is taken with a pg_dump command",
            "manifest",
            "Write: restore-drill manifest -- pg_dump -Fc -f FILE DATABASE.",
        )
    options, positional = parse_options(argv[1:])
    if "--snapshot" in options:
        raise ConfigInvalid(
            "--snapshot is chosen by the manifest command", "manifest", "Leave --snapshot out."
        )
    output = options.get("-f") or options.get("--file")
    if not output:
        raise ConfigInvalid(
            "pg_dump would write to standard output: there is no file for the manifest to lie beside",
            "manifest",
            "Give pg_dump an output with -f FILE.",
        )
    known = {_CONNECTION[option]: value for option, value in options.items() if option in _CONNECTION}
    database = options.get("-d") or options.get("--dbname") or (positional[0] if positional else "")
    narrowed = tuple(option for option in options if option in _NARROWING)
    return Dump(tuple(argv), Path(output), _conninfo(database, known), options.get("--role"), narrowed)


def parse_options(words: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    """Return options with their values ("" for a switch), and what is no option, as getopt reads *words*."""
    options: dict[str, str] = {}
    positional: list[str] = []
    left = list(words)
    while left:
        word = left.pop(0)
        if word == "--":
            return options, positional + left
        if word.startswith("--"):
            name, given, value = word.partition("=")
            options[name] = value if given else (left.pop(0) if name in _VALUED and left else "")
        elif word.startswith("-") and len(word) > 1:
            _short(word[1:], left, options)
        else:
            positional.append(word)
    return options, positional


def manifest_path(output: Path) -> Path:
    """Return where the manifest of *output* lies: beside it, its name with the suffix."""
    return output.with_name(output.name + MANIFEST_SUFFIX)


def warn_of(dump: Dump) -> None:
    """Say on standard error that *dump* leaves out what the manifest will hold."""
    if dump.narrowed:
        sys.stderr.write(
            f"manifest: {' '.join(dump.narrowed)} leaves out part of the database, and the manifest holds all"
            " of it: a drill of this dump will fail.\n"
        )


@contextmanager
def snapshot(dump: Dump) -> Iterator[tuple[str, _Imported]]:
    """Export a snapshot of the source; yield its name, and what opens connections that see it."""
    with _connect(dump) as holder:
        holder.execute("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        (name,) = holder.execute("SELECT pg_catalog.pg_export_snapshot()").fetchone() or ("",)
        yield name, _Imported(dump, name)
        holder.execute("COMMIT")


@dataclass(frozen=True, slots=True)
class _Imported:
    """Opens connections that see one exported snapshot."""

    dump: Dump
    name: str

    @contextmanager
    def __call__(self) -> Iterator[Connection]:
        with _connect(self.dump) as connection:
            connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            connection.execute(sql.SQL("SET TRANSACTION SNAPSHOT {}").format(sql.Literal(self.name)))
            yield connection
            connection.execute("COMMIT")


def _connect(dump: Dump) -> Connection:
    connection = psycopg.connect(dump.conninfo, autocommit=True, application_name="restore-drill manifest")
    settle(connection, Deadline.within(NO_LIMIT_S))
    connection.execute("SET row_security TO off")  # as pg_dump does: an error, never a part of the rows
    if dump.role:
        connection.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(dump.role)))
    return connection


def _conninfo(database: str, parameters: dict[str, str]) -> str:
    if "=" in database or database.startswith(("postgres://", "postgresql://")):
        return make_conninfo(database, **parameters)
    return make_conninfo(**parameters, **({"dbname": database} if database else {}))


def _short(letters: str, left: list[str], options: dict[str, str]) -> None:
    """Read one word of short options, such as `-Fc` or `-xOf FILE`."""
    while letters:
        name, letters = f"-{letters[0]}", letters[1:]
        if name in _VALUED:
            options[name] = letters or (left.pop(0) if left else "")
            return
        options[name] = ""


def _write_document(dump: Dump, inventory: Inventory, taken_at: datetime) -> None:
    uncounted = sorted(name for name, figures in inventory.tables.items() if figures.rows is None)
    if uncounted:
        raise ConfigInvalid(
            f"{len(uncounted)} tables could not be counted: their rows would not be proven",
            uncounted[0],
            "Use a role that may read every table.",
        )
    document = {"schema": SCHEMA, "taken_at": iso(taken_at), "inventory": inventory.as_dict()}
    path = manifest_path(dump.output)
    _write_whole(path, json.dumps(document, indent=1, sort_keys=True) + "\n")
    sys.stderr.write(f"manifest: {len(inventory.tables)} tables in {path}\n")


def _write_whole(path: Path, text: str) -> None:
    partial = path.with_name(path.name + ".partial")
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)
