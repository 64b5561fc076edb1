"""`restore-drill recover`: the backup restored for good, by the very path that is drilled.

Exit codes: 0 recovered, 1 recovered with failures that are named (or nothing could be brought back), 2 the
recovery itself could not be carried out.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

from deployments.commands.can_i_recover import lines_of, look_up, moment_of
from deployments.commands.run import at_work
from deployments.failures import exit_code_of, findings_of
from deployments.terminal import echo
from tasks.config import choose_selection, read_target
from tasks.model.canonical_json import to_json
from tasks.model.clock import utc_now
from tasks.model.errors import ConfigInvalid, DrillError
from tasks.model.units import format_duration
from tasks.sandbox.paths import DRILL_DIR_VARIABLE

_WORK = ".recovery-under-way"
_START_S = 600


def recover_database(
    fleet: Path, database: str, to: str, into: Path, *, port: int | None, as_json: bool
) -> int:
    """Restore *database* into the folder *into* and leave a cluster there; return the exit code.

    Args:
        to: the moment to bring back, or a selection as `--select` takes it; empty takes the newest backup.
        port: start the recovered server on this port; None leaves it stopped.

    Raises:
        ConfigInvalid: the fleet file, the time or the folder cannot be used; nothing was done.
        DrillError: the recovery could not be carried out.
    """
    target = read_target(str(fleet), database)
    now = utc_now()
    moment = moment_of(to, target, now)
    select = f"at:{moment.isoformat()}" if to else "newest"
    choose_selection(target, select)
    folder = _free_folder(into)
    for line in lines_of(look_up(target, moment, now), fleet):
        echo(line, err=as_json)
    with _working_in(folder), at_work([database], as_json=as_json):
        from flows.recover import recover  # noqa: PLC0415  imports Prefect

        try:
            state = recover(str(fleet), database, select, str(folder), return_state=True)
            document = cast("dict[str, Any]", state.result())
        except DrillError as error:
            for finding in findings_of(error):
                echo(f"{finding.severity.value} {finding.rule}: {finding.message}", err=True)
                echo(f"  {finding.hint}", err=True)
            return exit_code_of(error)
    _tell(document, as_json=as_json)
    if port is not None:
        _start(document, port, as_json=as_json)
    return 0 if document["whole"] else 1


def _free_folder(into: Path) -> Path:
    """Return the folder, made if it is not there; only an empty one will do."""
    folder = into.expanduser().absolute()
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise ConfigInvalid(
                "the folder is not empty",
                str(folder),
                "Name a folder that is free: nothing there is touched.",
            )
    except OSError as error:
        raise ConfigInvalid(f"the folder cannot be used: {error.strerror}", str(folder)) from error
    return folder


@contextmanager
def _working_in(folder: Path) -> Iterator[None]:
    """Let the restore work inside of *folder*, so that the cluster needs no second copy on another disk."""
    work = folder / _WORK
    before = os.environ.get(DRILL_DIR_VARIABLE)
    os.environ[DRILL_DIR_VARIABLE] = str(work)
    try:
        yield
    finally:
        if before is None:
            del os.environ[DRILL_DIR_VARIABLE]
        else:
            os.environ[DRILL_DIR_VARIABLE] = before
        shutil.rmtree(work, ignore_errors=True)


def _tell(document: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        sys.stdout.write(to_json(document))
    took = sum(document["phases_s"].values())
    echo(
        f"recovered in {format_duration(took)}: {document['uri']} of {document['at']}, "
        f"database {document['in_database']}",
        err=as_json,
    )
    for finding in document["findings"]:
        echo(f"  {finding['severity']} {finding['rule']}: {finding['message']}", err=as_json)
    echo(f"cluster of PostgreSQL {document['postgres_version']}, stopped: {document['data']}", err=as_json)
    echo("what remains:", err=as_json)
    for step in document["remains"]:
        echo(f"  - {step}", err=as_json)
    echo(f"start it: {shlex.join(_start_command(document, 5432))}", err=as_json)


def _start_command(document: dict[str, Any], port: int) -> list[str]:
    data_dir = Path(document["data"])
    log = data_dir.parent / "server.log"
    options = f"-p {port} -k {shlex.quote(str(data_dir.parent))}"
    return [f"{document['bindir']}/pg_ctl", "-D", str(data_dir), "-l", str(log), "-o", options, "-w", "start"]


def _start(document: dict[str, Any], port: int, *, as_json: bool) -> None:
    """Start the recovered server as its owner; it is nobody's sandbox any more and outlives this command."""
    data_dir = Path(document["data"])
    identity: dict[str, Any] = {}
    if os.geteuid() == 0:
        status = data_dir.stat()
        identity = {"user": status.st_uid, "group": status.st_gid, "extra_groups": []}
    process = subprocess.run(
        _start_command(document, port),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={"PATH": os.defpath, "LC_ALL": "C"},
        cwd=data_dir,
        timeout=_START_S,
        check=False,
        **identity,
    )
    where = f"port {port}, socket in {data_dir.parent}"
    echo(
        f"the server runs: {where}"
        if process.returncode == 0
        else f"the server did not start: see {data_dir.parent / 'server.log'}",
        err=as_json or process.returncode != 0,
    )
