"""A freshly made cluster of each PostgreSQL, kept in the cache: copying it is cheaper than initdb.

Kept only where no sandbox can tamper with it: taken before anything of a backup has run, open to the drill's
own user alone, and hidden from sandboxes by their mount namespace. Losing it costs half a second.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import shutil
import tempfile
from pathlib import Path

from tasks.model.sandbox import PostgresInstall
from tasks.sandbox.paths import make_folder, postgres_dir

TEMPLATE_SUPERUSER = "drill_template"
_log = logging.getLogger(__name__)


def copy_template(install: PostgresInstall, data_dir: Path, ids: tuple[int, int] | None) -> bool:
    """Fill the empty *data_dir* with the kept cluster of *install*; say whether there was one.

    Args:
        install: whose cluster.
        data_dir: empty, owned by the sandbox's user.
        ids: uid and gid of that user; None for the caller himself.

    Raises:
        OSError: it could not be written, as on a full disk.
    """
    place = _place(install)
    if not _is_ours(place):
        return False
    try:
        _copy(place / "data", data_dir, ids)
    except FileNotFoundError:  # another drill has replaced or removed it in the very moment
        return False
    return True


def keep_template(install: PostgresInstall, data_dir: Path) -> None:
    """Keep *data_dir*, made by initdb and never started, for the next one; that it cannot be is no error."""
    place = _place(install)
    try:
        make_folder(place.parent, 0o755)
        draft = Path(tempfile.mkdtemp(prefix=".", dir=place.parent))
        try:
            (draft / "data").mkdir(0o700)
            _copy(data_dir, draft / "data", None)
            draft.rename(place)
        except OSError:
            shutil.rmtree(draft, ignore_errors=True)
            raise
    except OSError as error:
        _log.debug("no template kept in %s: %s", place, error.strerror)


def _place(install: PostgresInstall) -> Path:
    """Return the folder for *install*: another build at the same place is another cluster."""
    status = (install.bindir / "postgres").stat()
    identity = f"{install.bindir}|{install.version}|{status.st_mtime_ns}|{status.st_size}|{os.geteuid()}"
    return postgres_dir() / "templates" / hashlib.sha256(identity.encode()).hexdigest()[:16]


def _is_ours(place: Path) -> bool:
    with contextlib.suppress(OSError):
        status = place.lstat()
        return status.st_uid == os.geteuid() and status.st_mode & 0o077 == 0 and (place / "data").is_dir()
    return False


def _copy(source: Path, target: Path, ids: tuple[int, int] | None) -> None:
    for folder, names, files in os.walk(source):
        copied = target / Path(folder).relative_to(source)
        for name in names:
            (copied / name).mkdir(0o700)
            if ids is not None:
                os.chown(copied / name, *ids)
        for name in files:
            _copy_file(f"{folder}/{name}", f"{copied}/{name}", ids)


def _copy_file(source: str, target: str, ids: tuple[int, int] | None) -> None:
    """Copy one file without the zeros at its end, which are most of a WAL segment and need no disk."""
    with open(source, "rb", buffering=0) as original:  # noqa: PTH123  a thousand files: paths and buffers cost
        content = original.read()
    handle = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with open(handle, "wb", buffering=0) as output:  # noqa: PTH123
        rest = memoryview(content)[: len(content.rstrip(b"\0"))]
        while rest:
            rest = rest[output.write(rest) :]
        os.ftruncate(handle, len(content))
        if ids is not None:
            os.fchown(handle, *ids)
