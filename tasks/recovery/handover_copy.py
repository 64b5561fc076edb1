"""From a recovered physical copy to a cluster of one's own: what `recover` does at its end for these kinds.

Decisions:
- The drill's own roles go, in single-user mode: nobody of the copy has to be asked for that. Roles, passwords
  and grants are as the backup holds them.
- The copy's own settings do not come back by themselves: they may archive into production's repository,
  subscribe to production, or run programs. They lie beside the data folder, to be read line by line. The
  settings in their place let the server start, archive nothing and subscribe to nothing.
- Tablespaces lie beside the data folder too, linked from there.
- What a recovery cannot bring back or had to switch off inside of the databases is told as steps that remain.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import psycopg

from tasks.model.bounded_list import listing
from tasks.model.deadline import Deadline
from tasks.model.errors import DrillError
from tasks.model.recovered import HandedOver
from tasks.model.restored import Restored
from tasks.model.sandbox import Sandbox
from tasks.physical.control import ControlFile, read_control
from tasks.physical.extract import link_spaces, spaces_folder, unlink_spaces
from tasks.physical.locales import Locales
from tasks.physical.neutralise import ASIDE, AUTO_CONF, CONF
from tasks.physical.start import connect_any, drop_roles, settings_of, stop_cleanly
from tasks.recovery.handover import NAMED, failed, give_away, sync, write_access

SPACES = "tablespaces"
_IDENT = "pg_ident.conf"
_HBA = "pg_hba.conf"
_SUPERUSER = "SELECT rolname FROM pg_roles WHERE oid = 10"
_SUBSCRIPTIONS = "SELECT subname FROM pg_subscription WHERE subenabled ORDER BY subname"
_PREPARED = "SELECT gid FROM pg_prepared_xacts ORDER BY prepared"
_INSIDE = ("database ", "all databases")
"""How what was switched off inside of the databases begins; all else lies in files."""
_SETTINGS = """\
# Written by the recovery. The settings that the backup brought lie in {aside}:
# read them line by line before you take any over. They may archive into production's repository, subscribe
# to production, preload libraries or run programs.
listen_addresses = 'localhost'
wal_level = replica
archive_mode = off                       # before it is on: an archive of this cluster's own
max_logical_replication_workers = 0      # before it is more: see which subscriptions the copy has
max_prepared_transactions = {prepared}
"""


def hand_over_copy(sandbox: Sandbox, restored: Restored, into: Path, deadline: Deadline) -> HandedOver:
    """Make the recovered copy *into*/data, stopped, with the roles that it brought and no other.

    Args:
        into: an empty folder on the sandbox's own file system.

    Raises:
        PermanentError: `postgres-failed` or what a stop comes to: the cluster could not be handed over, and
            nothing of it is left there.
    """
    workspace = sandbox.workspace
    try:
        with connect_any(sandbox) as session:
            superuser = str((session.execute(_SUPERUSER).fetchone() or ("postgres",))[0])
            subscriptions = [str(name) for (name,) in session.execute(_SUBSCRIPTIONS)]
            in_doubt = [str(name) for (name,) in session.execute(_PREPARED)]
    except psycopg.Error as error:
        raise failed(f"The copy could not be asked: SQLSTATE {error.sqlstate}.", into) from error
    stop_cleanly(sandbox)
    control = read_control(sandbox)
    _drop_our_roles(sandbox, control, deadline)
    try:
        _settle_files(sandbox, into, control)
        sync(sandbox, deadline)
        owner = give_away(workspace.data_dir, into)
    except OSError as error:
        _remove(into)
        raise failed(f"The cluster could not be moved: {error.strerror}.", into) from error
    except DrillError:
        _remove(into)
        raise
    remains = (
        *_files_steps(into, restored),
        *_inside_steps(restored, subscriptions, in_doubt),
        *_last_steps(restored, control),
    )
    postgres = sandbox.postgres
    return HandedOver(into / "data", postgres.bindir, postgres.version, owner, superuser, remains)


def _drop_our_roles(sandbox: Sandbox, control: ControlFile, deadline: Deadline) -> None:
    prepared = {"max_prepared_transactions": _prepared_of(control)}
    drop_roles(sandbox, settings_of(sandbox, control, prepared), Locales(sandbox.workspace), deadline)


def _prepared_of(control: ControlFile) -> str:
    return str(max(1, control.max_prepared_transactions))


def _settle_files(sandbox: Sandbox, into: Path, control: ControlFile) -> None:
    """Put the copy's settings and tablespaces beside the data folder, and settings of ours into it."""
    data, aside = sandbox.workspace.data_dir, into / ASIDE
    aside.mkdir(mode=0o700)
    kept = sandbox.workspace.root / ASIDE
    for path in (kept / CONF, kept / AUTO_CONF, data / _HBA, data / _IDENT):
        if path.is_file() and not path.is_symlink():
            shutil.move(path, aside / path.name)
    for name in (CONF, _HBA, _IDENT):
        (data / name).unlink(missing_ok=True)
    text = _SETTINGS.format(aside=aside, prepared=_prepared_of(control))
    for name, content in {CONF: text, _IDENT: ""}.items():
        (data / name).write_text(content)
        (data / name).chmod(0o600)
    write_access(data)
    spaces = spaces_folder(sandbox.workspace)
    if spaces.is_dir() and any(spaces.iterdir()):
        spaces.rename(into / SPACES)
        unlink_spaces(data)
        link_spaces(data, into / SPACES)


def _files_steps(into: Path, restored: Restored) -> Iterator[str]:
    """Yield where the copy's settings are, and which of them would act."""
    aside, spaces = into / ASIDE, into / SPACES
    there = listing([path.name for path in sorted(aside.iterdir())], place="")
    if there:
        yield f"read the settings that the backup brought ({there} in {aside}) and take over what you need"
    acting = [name for name in restored.neutralised if not name.startswith(_INSIDE)]
    if acting:
        yield f"of those, these act, reach out or ask for what is not here: {listing(acting, NAMED)}"
    if spaces.is_dir():
        yield f"the tablespaces lie in {spaces}: to move one, stop the server and link it anew in pg_tblspc"


def _inside_steps(restored: Restored, subscriptions: list[str], in_doubt: list[str]) -> Iterator[str]:
    """Yield what is to be looked at inside of the databases."""
    removed = [name for name in restored.neutralised if name.startswith(_INSIDE)]
    if removed:
        yield f"these settings of roles and databases were removed; set them again: {listing(removed, NAMED)}"
    if subscriptions:
        yield (
            "drop or disable the subscriptions before max_logical_replication_workers is raised: they reach "
            f"production: {listing(subscriptions, NAMED)}"
        )
    if in_doubt:
        yield f"decide on the prepared transactions (COMMIT or ROLLBACK PREPARED): {listing(in_doubt, NAMED)}"


def _last_steps(restored: Restored, control: ControlFile) -> Iterator[str]:
    timeline = ((restored.recovery or {}).get("reached") or {}).get("timeline")
    if not control.checksum_version:
        yield "page checksums are off: pg_checksums --enable while the server is stopped"
    branch = "" if timeline is None else f"; this cluster is on timeline {timeline}"
    yield f"set archiving to a place of this cluster's own, then replication and resources{branch}"
    yield "say who may connect in pg_hba.conf"
    yield "take a base backup at once"


def _remove(into: Path) -> None:
    """Remove what was handed over so far: half a cluster looks like one."""
    for name in ("data", SPACES, ASIDE):
        shutil.rmtree(into / name, ignore_errors=True)
