"""What of a copy's own configuration would run, reach out or keep it from starting: taken away, and named.

The server reads postgresql.auto.conf after our own settings and obeys signal files, so both go before it
starts; postgresql.conf, pg_hba.conf and pg_ident.conf it never sees. What is named is a setting's name and
never its value: a connection string or an archive command can hold a password.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

from tasks.model.sandbox import Sandbox
from tasks.physical.control import ControlFile
from tasks.sandbox.isolation import ids
from tasks.sandbox.removal import read_regular, remove_tree

AUTO_CONF = "postgresql.auto.conf"
CONF = "postgresql.conf"
ASIDE = "copy-settings"
"""The folder that the copy's own settings are put aside in."""
_LARGEST_CONF_BYTES = 4 << 20
_MOST_NAMES = 200
_SETTING = re.compile(r"\s*(?P<name>[A-Za-z_][\w.$]{0,127})\s*(?:=|\s)")
_SIGNALS = ("standby.signal", "recovery.signal", "promote", "fallback_promote", "recovery.conf")
_LEFTOVERS = ("postmaster.pid", "postmaster.opts", "tablespace_map")
_DANGEROUS = re.compile(
    r"include(_dir|_if_exists)?|(shared|session|local)_preload_libraries|archive_\w+|restore_command"
    r"|recovery_\w+|primary_\w+|dynamic_library_path|ssl\w*|shared_buffers|huge_pages|listen_addresses"
    r"|(hba|ident|config)_file|data_directory|external_pid_file|unix_socket_directories|log_directory"
    r"|logging_collector|cron\..*|jit_provider|krb_server_keyfile|extension_control_path",
    re.IGNORECASE,
)
"""Settings that start something, reach somewhere, or ask for what is not here. Others change nothing."""
LEAST_PREPARED = 1000
_MIN_WAL_MB, _MAX_WAL_MB = 80, 1024
"""What PostgreSQL keeps and allows of WAL where nothing is said."""


def neutralise(sandbox: Sandbox) -> tuple[str, ...]:
    """Take away what of the copy's configuration a server would obey; return the names of all of it.

    Raises:
        OSError: something of it does not go.
    """
    data_dir = sandbox.workspace.data_dir
    names = [f"{CONF}: {name}" for name in _settings_in(data_dir / CONF) if _DANGEROUS.fullmatch(name)]
    names += [f"{AUTO_CONF}: {name}" for name in _settings_in(data_dir / AUTO_CONF)]
    names += [name for name in _SIGNALS if (data_dir / name).exists()]
    _put_aside(sandbox)
    for name in (*_SIGNALS, *_LEFTOVERS):
        _remove(data_dir / name)
    names += list(_without_slots(data_dir / "pg_replslot"))
    write_owned(sandbox, data_dir / AUTO_CONF, "")
    return tuple(names[:_MOST_NAMES])


def own_settings(control: ControlFile, memory: str = "128MB") -> dict[str, str]:
    """Return the settings under which a copy starts, whatever its own were.

    Without hot standby, recovery asks for no more connections, workers or locks than we have: a copy whose
    source raised them after the backup would pause for ever. Prepared transactions alone must be enough.

    Args:
        control: of the copy.
        memory: shared_buffers.
    """
    return {
        "hot_standby": "off",
        "shared_buffers": memory,
        "max_prepared_transactions": str(max(LEAST_PREPARED, control.max_prepared_transactions)),
        "local_preload_libraries": "",
        "dynamic_library_path": "$libdir",
        "archive_command": "",
        "archive_cleanup_command": "",
        "recovery_end_command": "",
        "primary_conninfo": "",
        "primary_slot_name": "",
        "default_transaction_read_only": "off",
        "lc_messages": "C",
        "log_min_messages": "log",
        "external_pid_file": "",
        **_wal_settings(control.segment_bytes),
    }


def _wal_settings(segment_bytes: int) -> dict[str, str]:
    """Return what segments of another size than usual need: a server wants room for two at the least."""
    least_mb = 2 * segment_bytes >> 20
    settings = {"min_wal_size": least_mb} if least_mb > _MIN_WAL_MB else {}
    if least_mb > _MAX_WAL_MB:
        settings["max_wal_size"] = least_mb
    return {name: f"{size_mb}MB" for name, size_mb in settings.items()}


def own_settings_of_major(major: int) -> dict[str, str]:
    """Return the settings that only *major* and later ones know."""
    since = {
        15: {"archive_library": ""},
        17: {"event_triggers": "off", "summarize_wal": "off", "sync_replication_slots": "off"},
        18: {"extension_control_path": "$system"},
    }
    return {name: value for first, names in since.items() if major >= first for name, value in names.items()}


def _settings_in(path: Path) -> Iterator[str]:
    """Yield the names that a configuration file sets, as far as it can be read as one."""
    try:
        text = read_regular(path, _LARGEST_CONF_BYTES).decode("utf-8", "replace")
    except OSError:
        return
    seen: set[str] = set()
    for line in text.splitlines():
        match = _SETTING.match(line)
        name = match["name"].lower() if match else ""
        if match and name not in seen:
            seen.add(name)
            yield name


def _put_aside(sandbox: Sandbox) -> None:
    """Keep the copy's own settings out of the server's reach, for whoever looks at a kept sandbox."""
    folder = sandbox.workspace.root / ASIDE
    folder.mkdir(mode=0o700, exist_ok=True)
    for name in (AUTO_CONF, CONF):
        path = sandbox.workspace.data_dir / name
        if path.is_file() and not path.is_symlink():
            shutil.move(path, folder / name)
        else:
            _remove(path)


def _without_slots(folder: Path) -> Iterator[str]:
    """Remove replication slots: ours has no WAL for anybody, and a logical one keeps it from starting."""
    if folder.is_dir() and not folder.is_symlink():
        for slot in sorted(folder.iterdir()):
            _remove(slot)
            yield "a replication slot"


def _remove(path: Path) -> None:
    if path.is_symlink() or path.exists():
        remove_tree(path)


def write_owned(sandbox: Sandbox, path: Path, text: str) -> None:
    """Make the file *path* as the server's user would."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(handle, "w") as file:
        file.write(text)
        owner = ids(sandbox.workspace.os_user)
        if owner is not None:
            os.fchown(file.fileno(), *owner)
