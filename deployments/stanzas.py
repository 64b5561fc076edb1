"""pgBackRest's repositories as `init` finds them: an entry for each stanza, without asking the tool."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from deployments.fleet_text import DraftDatabase
from tasks.model.errors import DrillError
from tasks.model.printable import printable
from tasks.stores.base import Store

_LABEL = re.compile(r"/(?P<full>\d{8}-\d{6})F(?:_(?P<later>\d{8}-\d{6})[DI])?/$")
_ENCRYPTED = b"Salted__"
_WHICH_DATABASE = "# database: NAME    # which of the cluster's is verified, where there are several"
_WHICH_KEY = "# cipher: {passphrase_env: NAME}    # encrypted: name the variable with the passphrase"
_LONGEST_NAME = 63


def stanzas(store: Store, folder: str) -> tuple[DraftDatabase, ...]:
    """Return an entry for each stanza of the repository in *folder*.

    Raises:
        DrillError: it cannot be listed.
    """
    return tuple(_draft(store, folder, stanza) for stanza in store.folders(f"{folder}backup/"))


def _draft(store: Store, folder: str, stanza: str) -> DraftDatabase:
    name = stanza.rstrip("/").rpartition("/")[2]
    matches = [match for uri in store.folders(stanza) if (match := _LABEL.search(uri)) is not None]
    # Labels are in the local time of who made them: the catalogue tells it when a drill asks.
    times = sorted(match["later"] or match["full"] for match in matches)
    encrypted, trouble = _looked_at(store, f"{stanza}backup.info")
    about = f"pgBackRest, {len(times)} seen" + (", encrypted" if encrypted else "")
    return DraftDatabase(
        name=_as_name(name),
        at=folder,
        kind="pgbackrest",
        keys=(("stanza", name),),
        notes=(_WHICH_DATABASE, *((_WHICH_KEY,) if encrypted else ())),
        rpo_note="judged by the WAL: write what was promised",
        about=about,
        newest_at=_moment(times[-1]) if times else None,
        trouble=trouble,
    )


def _looked_at(store: Store, uri: str) -> tuple[bool, str]:
    """Say whether the catalogue is encrypted, and why it cannot be read; "" if it can."""
    try:
        return store.source(store.head(uri)).read(0, len(_ENCRYPTED)) == _ENCRYPTED, ""
    except DrillError as error:
        return False, error.what


def _moment(text: str) -> datetime | None:
    try:
        return datetime.strptime(text, "%Y%m%d-%H%M%S").replace(tzinfo=UTC)
    except ValueError:
        return None


def _as_name(stanza: str) -> str:
    words = re.sub(r"[^A-Za-z0-9._-]+", "-", stanza)[:_LONGEST_NAME].strip("._-")
    return printable(words) or "cluster"
