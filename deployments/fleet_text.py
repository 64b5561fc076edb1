"""A first fleet file as a person would write it: what is shared stands once, a guess bears a comment."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from expectations.yaml_text import flow
from tasks.model.printable import printable
from tasks.model.target import StoreConfig

_DECRYPT = {
    "age": "# decrypt: {age: {identity_file: KEY-FILE}}    # encrypted: name the key",
    "gpg": "# decrypt: {gpg: {key_file: KEY-FILE}}    # encrypted: name the key",
}


@dataclass(frozen=True)
class DraftDatabase:
    """One database as a first look shows it.

    Attributes:
        at: the pattern, `{database}` where the name stands.
        inside: the name inside a dump of several databases; "" for the only one.
        globals_at: pattern of the file with the roles; "" for none.
        rpo_s, window_s: suggestions, seconds.
        about: format, version, count and cadence, one line.
        encryption: `gpg`, `age`, `openssl` or "".
        newest_at: recovery point of the newest, aware UTC.
        trouble: why the newest cannot be read; "" if it can.
        kind: of the backup; "" for a dump.
        keys: further keys of `backup`, as they are written.
        notes: comments below `backup`, as they are written.
        rpo_note: why there is no suggestion of an RPO.
    """

    name: str
    at: str
    inside: str = ""
    timezone: str = "UTC"
    globals_at: str = ""
    rpo_s: float | None = None
    window_s: float = 30 * 86400.0
    about: str = ""
    encryption: str = ""
    newest_at: datetime | None = None
    trouble: str = ""
    kind: str = ""
    keys: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()
    rpo_note: str = ""


def fleet_text(fleet: str, drafts: list[DraftDatabase], store: StoreConfig, left: tuple[str, ...]) -> str:
    """Return the fleet file's text; the keys are those of docs/configuration.md."""
    shared = _shared(drafts)
    lines = [
        "# Written by `restore-drill init`. Every key: docs/configuration.md",
        "version: 1",
        f"fleet: {flow(fleet)}",
        "evidence: evidence    # a folder beside this file, or s3://bucket/prefix",
        *_store(store),
        '# schedule: {cron: "0 3 * * *", timezone: UTC}    # then: restore-drill deploy THIS-FILE',
        *_defaults(shared),
        "databases:",
    ]
    for draft in drafts:
        lines += _database(draft, shared)
    if left:
        lines += ["", "# Not understood, and left out:", *(f"#   {_comment(line)}" for line in left)]
    return "\n".join(lines) + "\n"


@dataclass(frozen=True)
class _Shared:
    at: str | None
    rpo: str | None
    globals_at: str


def _shared(drafts: list[DraftDatabase]) -> _Shared:
    """What most databases have in common, and so stands in `defaults`."""
    at = _most(draft.at for draft in drafts if "{database}" in draft.at)
    rpo = _most((duration(draft.rpo_s) for draft in drafts if draft.rpo_s), at_least=1)
    dumps_only = not any(draft.kind for draft in drafts)  # other kinds have no globals
    return _Shared(at, rpo, (_most(draft.globals_at for draft in drafts) or "") if dumps_only else "")


def _most(values: Iterable[str], at_least: int = 2) -> str | None:
    counted = Counter(values).most_common(1)
    return counted[0][0] if counted and counted[0][1] >= at_least else None


def _store(store: StoreConfig) -> Iterator[str]:
    settings = store.model_dump(exclude_defaults=True, exclude_none=True)
    if settings:
        yield "store:"
        yield from (f"  {key}: {flow(value)}" for key, value in settings.items())
    if not store.role_arn:
        yield "# store: {role_arn: arn:aws:iam::...}    # the role that a real recovery would use"


def _defaults(shared: _Shared) -> Iterator[str]:
    yield "defaults:"
    if shared.rpo:
        yield f"  rpo: {shared.rpo}    # what the backups' own rhythm allows; write what was promised"
    yield "  # rto: {objective: 1h, overhead: 15m}"
    if shared.at or shared.globals_at:
        yield "  backup:"
    if shared.at:
        yield f"    at: {flow(shared.at)}"
    if shared.globals_at:
        yield f"    globals: {flow(shared.globals_at)}"
    if not (shared.rpo or shared.at or shared.globals_at):
        yield "  deadline: 4h"


def _database(draft: DraftDatabase, shared: _Shared) -> Iterator[str]:
    yield f"  - name: {flow(draft.name)}    # {_comment(draft.about)}"
    if draft.trouble:
        yield f"    # the newest cannot be read: {_comment(draft.trouble)}"
    rpo = duration(draft.rpo_s) if draft.rpo_s else None
    if rpo != shared.rpo:
        note = draft.rpo_note or "too few backups to tell their rhythm"
        yield f"    rpo: {rpo}" if rpo else f"    rpo: null    # {note}"
    backup = list(_backup(draft, shared))
    if backup:
        yield "    backup:"
        yield from (f"      {line}" for line in backup)


def _backup(draft: DraftDatabase, shared: _Shared) -> Iterator[str]:
    if draft.kind:
        yield f"kind: {draft.kind}"
    if draft.at != shared.at:
        yield f"at: {flow(draft.at)}"
    yield from (f"{key}: {flow(value)}" for key, value in draft.keys)
    yield from draft.notes
    if draft.timezone != "UTC":
        yield f"timezone: {draft.timezone}    # names look like this local time; write your zone's name"
    if draft.inside:
        yield f"database: {flow(draft.inside)}"
    if draft.globals_at != shared.globals_at:
        yield f"globals: {flow(draft.globals_at)}" if draft.globals_at else "globals: null"
    if duration(draft.window_s) != "30d":
        yield f"window: {duration(draft.window_s)}"
    if draft.encryption:
        yield _DECRYPT.get(draft.encryption, f"# encrypted with {draft.encryption}, which no key here opens")


def duration(seconds: float) -> str:
    """Return seconds as a fleet file writes them: `26h`, `30d`, `70m`."""
    for unit, length in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds >= length and seconds % length == 0:
            return f"{seconds / length:g}{unit}"
    return f"{seconds:g}s"


def _comment(text: str) -> str:
    return printable(" ".join(text.split()))
