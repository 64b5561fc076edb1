"""What pg_controldata says of a copy, read before any server sees it.

A torn control file gives absurd parameters and errors that name other causes; its checksum names the true
one. The words are those of the build's own tool, of the copy's own major.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from tasks.model.errors import PermanentError
from tasks.model.sandbox import Sandbox
from tasks.sandbox.runner import run_tool
from tasks.wal.names import parse_lsn

BLOCK_BYTES = 8192
"""Of a page, in every build that this drill has."""
_DEADLINE_S = 60.0
_LINE = re.compile(r"(?P<name>[A-Za-z][^:]*):(?P<value>.*)")
_DAMAGED = re.compile(
    r"calculated CRC checksum does not match|could not read file|invalid WAL segment size"
    r"|byte ordering mismatch",
    re.IGNORECASE,
)
_IN_NUMBERS = {
    "system_identifier": "Database system identifier",
    "control_version": "pg_control version number",
    "timeline": "Latest checkpoint's TimeLineID",
    "block_bytes": "Database block size",
    "segment_bytes": "Bytes per WAL segment",
    "checksum_version": "Data page checksum version",
    "max_prepared_transactions": "max_prepared_xacts setting",
}


@dataclass(frozen=True, slots=True)
class ControlFile:
    """The facts of a cluster.

    Attributes:
        state: such as `in production`, which a base backup's is.
        checkpoint_lsn: of the latest checkpoint.
        segment_bytes: of one WAL file.
        checksum_version: 0 where pages carry no checksums.
        max_prepared_transactions: of the server that was copied.
    """

    system_identifier: int
    control_version: int
    state: str
    checkpoint_lsn: int
    timeline: int
    block_bytes: int
    segment_bytes: int
    checksum_version: int
    max_prepared_transactions: int


def read_control(sandbox: Sandbox) -> ControlFile:
    """Run pg_controldata on the sandbox's data folder.

    Raises:
        PermanentError: `control-file-corrupt`, `architecture-differs`, `postgres-failed`.
    """
    pieces: list[bytes] = []
    argv = ["pg_controldata", "-D", str(sandbox.workspace.data_dir)]
    result = run_tool(sandbox, argv, env={}, deadline_s=_DEADLINE_S, on_stdout=pieces.append)
    text = b"".join(pieces).decode("utf-8", "replace")
    control = parse_control(text, result.stderr_lines, result.exit_code)
    if control.block_bytes != BLOCK_BYTES:
        raise PermanentError(
            f"The copy's pages have {control.block_bytes} bytes, those of this PostgreSQL {BLOCK_BYTES}. "
            "Only a PostgreSQL built like the source's can start it.",
            rule="architecture-differs",
        )
    return control


def parse_control(text: str, stderr_lines: Sequence[str], exit_code: int) -> ControlFile:
    """Return what the output *text* of pg_controldata says.

    Raises:
        PermanentError: `control-file-corrupt`.
    """
    lines = map(_LINE.fullmatch, text.splitlines())
    values = {line["name"]: line["value"].strip() for line in lines if line}
    numbers = {field: values.get(name, "") for field, name in _IN_NUMBERS.items()}
    damaged = exit_code != 0 or any(map(_DAMAGED.search, (*stderr_lines, *text.splitlines())))
    if damaged or not all(number.isdecimal() for number in numbers.values()):
        raise _corrupt()
    try:
        checkpoint_lsn = parse_lsn(values.get("Latest checkpoint location", ""))
    except ValueError as error:
        raise _corrupt() from error
    return ControlFile(
        state=values.get("Database cluster state", ""),
        checkpoint_lsn=checkpoint_lsn,
        **{field: int(number) for field, number in numbers.items()},
    )


def _corrupt() -> PermanentError:
    return PermanentError(
        "The copy's control file (global/pg_control) does not match its own checksum. "
        "A server cannot start on it, or starts with parameters that nobody set.",
        where="global/pg_control",
        rule="control-file-corrupt",
    )
