"""`restore-drill init URI`: look at a bucket, write a fleet file, say what was not understood."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import datetime
from os.path import commonpath
from pathlib import Path

from deployments.exploring import Explored, Sorted, explore, sort_names
from deployments.fleet_text import DraftDatabase, fleet_text
from deployments.layouts import DUMP_SUFFIXES, Family, families, name_in, round_up_rpo_s
from deployments.repositories import repositories
from deployments.rotations import numbered, one_for_each
from tasks.catalog.head import read_head
from tasks.catalog.sniff import ENCRYPTIONS, OPENSSL
from tasks.config import load_fleet
from tasks.model.backup import ArchiveHead, Format
from tasks.model.bounded_list import listing
from tasks.model.clock import utc_now
from tasks.model.errors import ConfigInvalid, DrillError
from tasks.model.printable import printable
from tasks.model.target import StoreConfig
from tasks.model.units import format_duration
from tasks.stores.base import Store
from tasks.stores.open import open_store
from tasks.stores.uris import normalised

MAX_HEADS = 60
"""So many backups are opened at their beginning; a fleet is larger, a first look is not."""
_OLDER = 3
_SHOWN = 12
_GLOBALS = re.compile(r"(?i)(?:^|[^a-z])(?:globals?|roles)(?:[^a-z]|$)")
_UNTOLD_S, _FARTHEST_S, _DAY_S = 600.0, 14 * 3600.0, 86400.0
_SAME_NIGHT_S = 3 * 3600.0
_NO_BACKUP = frozenset({"not-a-backup", "format-unsupported"})


@dataclass(frozen=True)
class InitReport:
    """What a first look round a store gave.

    Attributes:
        lines: for the reader, in order.
        fleet_path: the file that was written; `check` and `run` take it.
        not_understood: what was left out, one line each with its reason.
    """

    lines: tuple[str, ...]
    fleet_path: Path
    not_understood: tuple[str, ...]


@dataclass(frozen=True)
class _Kind:
    """A family of keys, and what the beginning of one of its backups tells."""

    family: Family
    head: ArchiveHead
    trouble: str = ""

    @property
    def is_globals(self) -> bool:
        """Whether this is what `pg_dumpall --globals-only` writes."""
        script = self.head.format in {Format.CLUSTER, Format.PLAIN}
        named = _GLOBALS.search(self.family.at.rstrip("/").rsplit("/", 1)[-1])
        return script and bool(named) and not self.head.databases

    @property
    def database(self) -> str:
        """The name inside the dump; "" where it does not tell."""
        return self.head.toc.database if self.head.toc else ""


def initialise(
    uri: str, out: Path, *, store: StoreConfig | None = None, force: bool = False, now: datetime | None = None
) -> InitReport:
    """Look round below *uri* and write the fleet file *out*.

    Args:
        uri: `s3://bucket[/prefix]`, `file://` or a folder.
        out: the fleet file; what is there is replaced only with *force*.
        store: how the bucket is reached; written into the file.
        now: against which the newest backup's age is told; the worker's clock when None.

    Raises:
        ConfigInvalid: *out* exists, or nothing was found that could be drilled; nothing is written.
        PermanentError, TransientError: the store cannot be listed.
    """
    if out.exists() and not force:
        raise ConfigInvalid(
            f"{out} is there already; nothing was written.", hint="Name another file, or add --force."
        )
    config, now = store or StoreConfig(), now or utc_now()
    root = normalised(uri).rstrip("/") + "/"
    opened = open_store(config, f"{root}*")
    explored = explore(opened, root)
    names = sort_names(explored, root)
    unreadable = [uri for uri in (*names.backups, *names.bases, *names.wal) if printable(uri) != uri]
    names.bases = [uri for uri in names.bases if printable(uri) == uri]
    names.wal = {uri for uri in names.wal if printable(uri) == uri}
    names.backups = [uri for uri in names.backups if printable(uri) == uri]
    kinds, unread = _kinds(opened, names, explored)
    physical = repositories(opened, names, explored)
    drafts = _named_apart([*_drafts(kinds, explored), *physical.drafts])
    unread += [f"{printable(uri)}: its name holds what does not show, or is no text" for uri in unreadable]
    left = [*physical.left, *_left_over(names, explored), *unread, *_unused_globals(kinds, drafts)]
    if not drafts:
        raise ConfigInvalid(
            _nothing(uri, explored, left), hint="Name the folder or prefix that the backups lie in."
        )
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(fleet_text(_fleet_name(uri), drafts, config, tuple(left)), encoding="utf-8")
    load_fleet(out)
    return InitReport(tuple(_lines(uri, out, drafts, left, now)), out, tuple(left))


def _kinds(store: Store, names: Sorted, explored: Explored) -> tuple[list[_Kind], list[str]]:
    """Return the families whose backups can be read, and what is to be said of the others."""
    kinds: list[_Kind] = []
    left: list[str] = []
    rotated = one_for_each(numbered(families(names.backups), explored.modified_at))
    rotated_families = rotated.families
    for family in rotated_families[:MAX_HEADS]:
        left += [f"{uri}: its name holds no time that is one" for uri in family.astray[:_SHOWN]]
        if re.search(r"[{}]", family.at):
            left.append(f"{family.newest}: a name with braces cannot be written as a pattern")
            continue
        kind = _opened(store, family)
        if isinstance(kind, str):
            left.append(kind)
        else:
            kinds.append(kind)
    left += [
        f"{family.at}: not looked at, there are more than {MAX_HEADS} kinds"
        for family in rotated_families[MAX_HEADS:]
    ]
    left += [
        f"{listing(copies, 3, place='')}: other backups of what {at} makes, which is drilled"
        for at, copies in rotated.copies.items()
    ]
    return kinds, left


def _opened(store: Store, family: Family) -> _Kind | str:
    """Return the family with the head of its newest readable backup, or why it is none."""
    troubles: list[DrillError] = []
    for uri in reversed(family.keys[-_OLDER:]):
        try:
            head = _head(store, uri)
        except DrillError as exc:
            troubles.append(exc)
            continue
        return _Kind(family, head, _told(family.newest, troubles))
    broken = all(trouble.rule not in _NO_BACKUP for trouble in troubles)
    if broken and (DUMP_SUFFIXES.search(family.newest) or family.newest.endswith("/")):
        return _Kind(family, ArchiveHead(Format.UNKNOWN), _told(family.newest, troubles))
    return _told(family.newest, troubles)


def _told(uri: str, troubles: list[DrillError]) -> str:
    return f"{uri}: {troubles[0].what}" if troubles else ""


def _head(store: Store, uri: str) -> ArchiveHead:
    if not uri.endswith("/"):
        return read_head(store.source(store.head(uri)), uri)
    members = {obj.uri.removeprefix(uri): store.source(obj) for obj in store.list(uri)}
    return read_head(members, uri)


def _drafts(kinds: list[_Kind], explored: Explored) -> list[DraftDatabase]:
    """Return the databases of dumps in a first fleet."""
    globals_kinds = [kind for kind in kinds if kind.is_globals]
    drafts: list[DraftDatabase] = []
    for kind in kinds:
        if kind.is_globals:
            continue
        databases = kind.head.databases if len(kind.head.databases) > 1 else ("",)
        drafts += [_draft(kind, database, explored, globals_kinds) for database in databases]
    return drafts


def _draft(kind: _Kind, database: str, explored: Explored, globals_kinds: list[_Kind]) -> DraftDatabase:
    family = kind.family
    inside = database or kind.database
    words = _words(inside)
    name = words if words and _stands_in(words, family.at) else name_in(family.at) or words or "cluster"
    if database:
        name = _words(database)
    name = _words(name) or "database"
    return DraftDatabase(
        name=name,
        at=re.sub(rf"(?<![A-Za-z0-9]){re.escape(name)}(?![A-Za-z0-9])", "{database}", family.at),
        inside=inside if database and inside != name else "",
        timezone=_timezone(family, explored),
        globals_at=_globals_for(family, globals_kinds),
        rpo_s=round_up_rpo_s(family.cadence_s) if family.cadence_s else None,
        window_s=max(30 * _DAY_S, 3 * family.cadence_s) if family.cadence_s else 30 * _DAY_S,
        about=_about(kind),
        encryption=next((wrapper for wrapper in kind.head.wrappers if wrapper in ENCRYPTIONS), ""),
        newest_at=family.times[-1] if family.times else None,
        trouble=kind.trouble,
    )


def _words(text: str) -> str:
    """Return *text* as a name that a fleet file takes."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip("._-")[:63].strip("._-")


def _stands_in(word: str, at: str) -> bool:
    return bool(re.search(rf"(?<![A-Za-z0-9]){re.escape(word)}(?![A-Za-z0-9])", at))


def _about(kind: _Kind) -> str:
    """Return one line on what the backups are."""
    head = kind.head
    parts = [" in ".join((head.format.value, *reversed(head.wrappers)))]
    if head.toc and head.toc.server_version:
        parts.append(f"PostgreSQL {head.toc.server_version}")
    parts.append(f"{len(kind.family.keys)} seen")
    if kind.family.cadence_s:
        parts.append(f"one every {format_duration(kind.family.cadence_s)}")
    elif not kind.family.times:
        parts.append("no time in the name: the time of upload counts")
    return ", ".join(parts)


def _timezone(family: Family, explored: Explored) -> str:
    """Return the zone that the names are written in, as far as the time of upload tells.

    A name can be older than its upload, never much younger: one ahead is a local time east of Greenwich.
    """
    if not family.times or re.search(r"%[SMH]Z|%z|%s", family.at) or "%H" not in family.at:
        return "UTC"
    ahead = [
        (at - modified).total_seconds()
        for at, uri in zip(family.times, family.keys, strict=True)
        if (modified := explored.modified_at(uri))
    ]
    hours = round(min(ahead) / 3600 + 0.25) if ahead else 0
    if ahead and min(ahead) > _UNTOLD_S and max(ahead) < _FARTHEST_S and hours:
        return f"Etc/GMT-{hours}"  # POSIX counts the other way: east of Greenwich is minus
    return "UTC"


def _globals_for(family: Family, globals_kinds: list[_Kind]) -> str:
    """Return the pattern of the roles files made along with *family*; "" if none or several may be."""
    near = [kind.family.at for kind in globals_kinds if _same_night(family, kind.family)]
    shared = [len(commonpath([family.at, at])) for at in near]
    return near[shared.index(max(shared))] if near and shared.count(max(shared)) == 1 else ""


def _same_night(family: Family, other: Family) -> bool:
    if not family.times:
        return False
    return any(abs((at - family.times[-1]).total_seconds()) <= _SAME_NIGHT_S for at in other.times)


def _named_apart(drafts: list[DraftDatabase]) -> list[DraftDatabase]:
    """Return *drafts* with names of their own: folders that tell them apart before it, or a number behind."""
    names_taken: set[str] = set()
    named: list[DraftDatabase] = []
    for draft in drafts:
        alike = [_folders(other.at) for other in drafts if other.name == draft.name]
        apart = [folder for folder in _folders(draft.at) if not all(folder in other for other in alike)]
        name, number = _words("-".join((*apart[-2:], draft.name))) or draft.name, 2
        while name in names_taken:
            name, number = f"{draft.name}-{number}", number + 1
        names_taken.add(name)
        at = draft.at if name == draft.name else draft.at.replace("{database}", draft.name)
        named.append(replace(draft, name=name, at=at))
    return named


def _folders(at: str) -> list[str]:
    return [
        part for part in at.partition("://")[2].split("/")[1:-1] if part and not re.search(r"[%*{]", part)
    ]


def _left_over(names: Sorted, explored: Explored) -> list[str]:
    left: list[str] = []
    if names.partial:
        left.append(f"{names.partial[0]}: not finished ({len(names.partial)} such)")
    cut = [folder for folder in explored.cut if folder not in names.wal]
    left += [f"{folder}: only its first keys were read, there are many" for folder in cut[:_SHOWN]]
    if explored.unseen:
        left.append(
            f"{explored.unseen[0]} and {len(explored.unseen) - 1} more folders: too many, not looked into"
        )
    return left


def _unused_globals(kinds: list[_Kind], drafts: list[DraftDatabase]) -> list[str]:
    used = {draft.globals_at for draft in drafts}
    return [
        f"{kind.family.at}: roles, and whose they are could not be told; name them as backup.globals"
        for kind in kinds
        if kind.is_globals and kind.family.at not in used
    ]


def _nothing(uri: str, explored: Explored, left: list[str]) -> str:
    sentence = (
        f"{len(explored.objects)} objects were looked at" if explored.objects else "nothing is stored there"
    )
    return "\n".join(
        [f"No backup that can be drilled was found below {uri}: {sentence}; nothing was written.", *left]
    )


def _fleet_name(uri: str) -> str:
    bucket = normalised(uri).rstrip("/").partition("://")[2]
    first = bucket.split("/", 1)[0] if uri.startswith("s3://") else bucket.rsplit("/", 1)[-1]
    return re.sub(r"[^a-z0-9]+", "-", first.lower()).strip("-")[:63].strip("-") or "fleet"


def _lines(uri: str, out: Path, drafts: list[DraftDatabase], left: list[str], now: datetime) -> list[str]:
    """Return what the reader is told: what was found, what was not understood, what to do next."""
    databases = "database" if len(drafts) == 1 else "databases"
    lines = [f"Found {len(drafts)} {databases} below {uri}:"]
    for draft in drafts:
        age = (
            f", the newest {format_duration((now - draft.newest_at).total_seconds())} old"
            if draft.newest_at
            else ""
        )
        lines.append(f"  {draft.name}: {draft.about}{age}")
        if draft.trouble:
            lines.append(f"    the newest cannot be read: {draft.trouble}")
        if draft.encryption == OPENSSL:
            lines.append("    encrypted with openssl, which the drill cannot open: encrypt with gpg or age")
        elif draft.encryption:
            lines.append(f"    encrypted with {draft.encryption}: name its key under backup.decrypt")
        if draft.timezone != "UTC":
            lines.append(f"    names look like local time: {draft.timezone}; write your zone's name")
    if left:
        lines += ["Not understood, and left out:", *(f"  {line}" for line in left[:_SHOWN])]
        if len(left) > _SHOWN:
            lines.append(f"  and {len(left) - _SHOWN} more; the file lists them all")
    return [*lines, f"Written: {out}", f"Next: restore-drill check {out}"]
