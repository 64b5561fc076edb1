"""Self test, second family: damaged copies of the backup, each taken through a whole drill of its own.

Decided here: the copies are served from a folder of the self test, one after the other under the same name
and time, to a target that differs from the user's in where its backups lie and in nothing that judges them.
A stored checksum is left out: the damage is taken to have come before it was made. An undamaged copy goes
first, and one that pg_dump made anew; what they already fail of is not held against the mutants.
"""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import psycopg

from tasks.discover import find_recovery_points
from tasks.drill.held import Held
from tasks.drill.ledger import Ledger
from tasks.drill.options import DrillOptions
from tasks.drill.progress import Progress, tell
from tasks.drill.step import step
from tasks.evidence import to_json
from tasks.model.backup import dump_point
from tasks.model.clock import stamp, utc_now
from tasks.model.drill import Drill
from tasks.model.errors import DrillError
from tasks.model.findings import Stage, Verdict
from tasks.model.sandbox import Sandbox
from tasks.model.selftest import Family, Fate, Judged, Mutant
from tasks.model.target import Selection, StoreConfig, Target
from tasks.mutants.byte_damage import Spoilt, spoils
from tasks.mutants.damage import Void
from tasks.mutants.judging import Said, fate_of
from tasks.mutants.operators import candidates
from tasks.mutants.redump import SUFFIX, Redump, dump_again, make_other, redumps
from tasks.mutants.sampling import Slot, choose
from tasks.plan import begin
from tasks.selftest.restored import Ground, Wish, mutant_of, said_by, without_candidates
from tasks.stores import Store, fetch_backup
from tasks.stores.fetch import local_name
from tasks.stores.uris import is_s3

MANIFEST_SUFFIX = ".inventory.json"
_ENDINGS = re.compile(r"(\.[A-Za-z0-9]{1,8}){0,3}$")
_HOUR_S = 3600.0
_BACKUP_SHARE = 0.25
QUICK_BACKUPS = 2
_STORES_PLACE = 2  # what concerns the store, and no byte of the backup, comes after the first two

WholeDrill = Callable[[Ledger], None]
"""Takes a ledger through a whole drill; what it shows, also why it ended, is in the ledger."""
Make = Callable[[Path], None]


@dataclass(frozen=True, slots=True)
class Planned:
    """A damage to the backup that can be done.

    Attributes:
        make: writes the damaged backup to a path; None for a denied key, which damages no byte.
        anew: pg_dump made it, so that it is held against a healthy one that pg_dump made.
    """

    mutant: Mutant
    make: Make | None
    anew: bool = False


@dataclass(frozen=True, slots=True)
class Bench:
    """Where damaged backups are made and drilled.

    Attributes:
        folder: of ours, removed with the sandbox.
        store: that the user's backups lie in.
        drill: the whole drill.
        healthy: what a drill says of an undamaged copy, and (True) of one that pg_dump made anew.
    """

    ground: Ground
    folder: Path
    store: Held[Store]
    drill: WholeDrill
    healthy: dict[bool, Said] = field(default_factory=dict)

    @property
    def base(self) -> Drill:
        """The drill of the healthy backup."""
        return self.ground.fresh.drill

    @property
    def original(self) -> Path:
        """The backup as it was stored."""
        return self.base.own_workspace.backup_dir / local_name(self.base.chosen_point.label)


@dataclass(frozen=True, slots=True)
class Plan:
    """What will be damaged; how stays in the drill's process.

    Attributes:
        mutants, copies: of the restored data, and of the backup, as the matrix names them.
        impossible: what the backup and the database offer no place for.
    """

    slots: Held[Sequence[Slot]]
    bench: Held[Bench]
    planned: Held[Sequence[Planned]]
    mutants: Sequence[Mutant]
    copies: Sequence[Mutant]
    impossible: list[Judged]


@step("plan the damage")
def plan_damage(ground: Held[Ground], store: Held[Store], wish: Wish, drill: WholeDrill) -> Plan:
    """Choose what is damaged, by the seed; *drill* takes a damaged backup through a whole drill."""
    folder = ground.value.fresh.drill.own_workspace.root / "damaged"
    bench = Bench(ground.value, folder, store, drill)
    found = candidates(ground.value.schema, wish.seed)
    planned, left = plan_backups(bench, wish.seed)
    planned = planned[: share_of(wish.mutants, quick=wish.quick)]
    slots = choose(found, wish.mutants - len(planned), wish.seed, quick=wish.quick)
    impossible = [] if wish.quick else [*without_candidates(found), *left]
    mutants, copies = [mutant_of(slot[0]) for slot in slots], [one.mutant for one in planned]
    return Plan(Held(slots), Held(bench), Held(planned), mutants, copies, impossible)


def plan_backups(bench: Bench, seed: int) -> tuple[list[Planned], list[Judged]]:
    """Return what can be done to the backup, what matters most first, and what cannot, with the reason."""
    planned: list[Planned] = []
    left: list[Judged] = []
    spoilt = list(spoils(bench.original, bench.base.proven_backup, seed))
    anew = list(redumps(bench.ground.schema))
    for one in _in_turn(anew, spoilt):
        if one.reason:
            left.append(Judged(one.mutant, Fate.NOT_APPLICABLE, why=one.reason))
        elif isinstance(one, Redump):
            planned.append(Planned(one.mutant, _redumped(bench, one), anew=True))
        elif one.make is not None:
            planned.append(Planned(one.mutant, _copied(bench, one)))
    for found in (_older(bench), _denied(bench)):
        if isinstance(found, Judged):
            left.append(found)
        else:
            planned.insert(min(len(planned), _STORES_PLACE), found)
    return planned, left


def share_of(mutants: int, *, quick: bool) -> int:
    """Return how many of all mutants damage the backup: each costs a whole drill."""
    return QUICK_BACKUPS if quick else max(1, round(mutants * _BACKUP_SHARE))


@step("damage the backup")
def judge_backup(bench: Held[Bench], planned: Held[Sequence[Planned]], at: int) -> list[Judged]:
    """Take the one of *planned* at *at* through a drill."""
    judged = _judge(bench.value, planned.value[at], bench.value.healthy)
    text = f"mutant {at + 1} of {len(planned.value)} of the backup: {judged.mutant.kind} {judged.fate.value}"
    tell(Progress(bench.value.base.target.name, Stage.VALIDATE, "news", text))
    return [judged]


def _judge(bench: Bench, one: Planned, healthy: dict[bool, Said]) -> Judged:
    started = time.monotonic()
    try:
        if one.make is None:
            found = _fate(one, _drilled_as_stranger(bench), Said(Verdict.VERIFIED, (), ()))
        else:
            if one.anew not in healthy:
                healthy[one.anew] = _drilled(bench, _healthy(bench, anew=one.anew), anew=one.anew)
                started = time.monotonic()
            found = _held_against(bench, one, healthy[one.anew])
    except Void as void:
        found = Judged(one.mutant, Fate.NOT_APPLICABLE, why=str(void))
    except (DrillError, OSError, psycopg.Error) as error:
        what = error.what if isinstance(error, DrillError) else type(error).__name__
        found = Judged(one.mutant, Fate.ERRORED, why=f"it could not be made: {what}")
    return replace(found, seconds=time.monotonic() - started)


def _held_against(bench: Bench, one: Planned, healthy: Said) -> Judged:
    if healthy.verdict is not Verdict.VERIFIED:
        named = next((found.rule for found in healthy.findings), "no finding")
        copy = "backup made anew by pg_dump" if one.anew else "copy of the backup"
        why = f"not even an undamaged {copy} is verified ({named}), so that nothing could be held against it"
        return Judged(one.mutant, Fate.NOT_APPLICABLE, why=why)
    make = one.make
    if make is None:
        raise ValueError("a mutant without a backup has nothing to be drilled")
    return _fate(one, _drilled(bench, make, anew=one.anew), healthy)


def _fate(one: Planned, said: Said, healthy: Said) -> Judged:
    fate, by, why = fate_of(said, healthy)
    return Judged(one.mutant, fate, None, by, why or _advice(one.mutant, fate))


def _advice(mutant: Mutant, fate: Fate) -> str | None:
    """Return what a survivor's owner can do about it."""
    if fate in (Fate.CAUGHT, Fate.ERRORED):
        return None
    return next((text for kind, text in _ADVICE.items() if mutant.kind.startswith(kind)), None)


_ADVICE = {
    "flipped-byte": "This format has no checksum of its own: store one beside the backup and set"
    " backup.checksum: required.",
    "older-backup": "Name a table that is written to all day under expect.freshness.",
    "table-data-missing": "Name the table under expect.required_tables, or give it an expectation"
    " expect_table_row_count_to_be_between with min_value: 1.",
    "schema-only": "Name the tables that matter under expect.required_tables.",
    "wrong-database": "Name the tables that matter under expect.required_tables.",
}


# --- drilling


def _drilled(bench: Bench, make: Make, *, anew: bool) -> Said:
    """Serve what *make* writes as the newest backup, and drill it."""
    shelf = bench.folder / "shelf"
    shutil.rmtree(shelf, ignore_errors=True)
    shelf.mkdir(parents=True)
    target = _target(bench, shelf, anew=anew)
    at = bench.base.chosen_point.at
    place = shelf / Path(at.strftime(target.backup.at)).name
    make(place)
    manifest = bench.base.manifest
    if manifest is not None:
        place.with_name(place.name + MANIFEST_SUFFIX).write_text(to_json(manifest))
    if target.backup.globals is not None:
        (given,) = _globals(bench)
        shutil.copyfile(given, shelf / Path(at.strftime(target.backup.globals)).name)
    try:
        return _said(bench, target)
    finally:
        shutil.rmtree(shelf, ignore_errors=True)


def _drilled_as_stranger(bench: Bench) -> Said:
    return _said(bench, bench.base.target.model_copy(update=_apart(bench)), stranger=True)


def _said(bench: Bench, target: Target, *, stranger: bool = False) -> Said:
    options = DrillOptions(within=True, stranger=stranger, history=bench.ground.history)
    ledger = begin(target, Selection(kind="newest"), utc_now(), options)
    ledger.drill.as_of = bench.base.judged_at
    bench.drill(ledger)
    return said_by(ledger.drill)


def _target(bench: Bench, shelf: Path, *, anew: bool) -> Target:
    """Return the user's target with its backups on *shelf*."""
    own, base = bench.base.target, bench.base
    folder = str(shelf).replace("%", "%%")
    ending = SUFFIX if anew else _ENDINGS.search(base.chosen_point.label).group()  # type: ignore[union-attr] # it matches ""
    slash = "/" if bench.original.is_dir() and not anew else ""
    age_s = (utc_now() - base.chosen_point.at).total_seconds()
    backup = own.backup.model_copy(
        update={
            "at": f"{folder}/backup_%Y%m%dT%H%M%SZ{ending}{slash}",
            "timezone": "UTC",
            "window": max(own.backup.window, age_s + _HOUR_S),
            "select": Selection(),
            "checksum": "none",
            "manifest": "none" if base.manifest is None else "auto",
            "globals": f"{folder}/globals_%Y%m%dT%H%M%SZ.sql" if _globals(bench) else None,
            "decrypt": None if anew else own.backup.decrypt,
        }
    )
    return own.model_copy(update={"backup": backup, "store": StoreConfig(), **_apart(bench)})


def _apart(bench: Bench) -> dict[str, object]:
    """Return what keeps a mutant's drill apart from the healthy one's: its lock, and its own time limit."""
    own = bench.base.target
    return {"fleet": f"{own.fleet}.selftest", "deadline": min(own.deadline, bench.ground.limit_s)}


def _globals(bench: Bench) -> tuple[Path, ...]:
    with suppress(FileNotFoundError):
        return tuple((bench.base.own_workspace.backup_dir / "globals").iterdir())[:1]
    return ()


# --- making


def _in_turn(first: Sequence[Redump], second: Sequence[Spoilt]) -> Iterator[Redump | Spoilt]:
    """Yield of both in turn, so that the first few are of both."""
    for at in range(max(len(first), len(second))):
        yield from second[at : at + 1]
        yield from first[at : at + 1]


def _copied(bench: Bench, one: Spoilt) -> Make:
    def make(to: Path) -> None:
        if one.make is not None:
            one.make(bench.original, to)

    return make


def _redumped(bench: Bench, one: Redump) -> Make:
    def make(to: Path) -> None:
        sandbox, limit_s = bench.ground.sandbox, bench.ground.limit_s
        name = _other(sandbox, bench) if one.other else bench.ground.source
        dump_again(sandbox, name, one.options, to, limit_s)

    return make


def _other(sandbox: Sandbox, bench: Bench) -> str:
    name = f"selftest_{bench.base.drill_id}_other"
    make_other(sandbox, name)
    return name


def _healthy(bench: Bench, *, anew: bool) -> Make:
    def make(to: Path) -> None:
        if anew:
            dump_again(bench.ground.sandbox, bench.ground.source, (), to, bench.ground.limit_s)
        elif bench.original.is_dir():
            shutil.copytree(bench.original, to)
        else:
            shutil.copyfile(bench.original, to)

    return make


def _older(bench: Bench) -> Planned | Judged:
    """Return the oldest backup of the window, under the newest one's name."""
    base, target = bench.base, bench.base.target
    mutant = Mutant(Family.BACKUP, "older-backup", "the oldest backup of the window under today's name")
    discovery = find_recovery_points(target, bench.store, Selection(kind="all"), utc_now())
    oldest = dump_point(min(discovery.points, key=lambda point: point.at))
    if oldest.uri == base.chosen_point.uri:
        return Judged(mutant, Fate.NOT_APPLICABLE, why="the window holds one backup only")
    mutant = replace(mutant, what=f"the backup of {stamp(oldest.at)} under the newest one's name")

    def make(to: Path) -> None:
        dest = bench.folder / "older"
        fetched = fetch_backup(
            oldest, bench.store.value, target, dest, lambda _done, _all: None, bench.ground.limit_s
        )
        if fetched.sha256 == base.proven_backup.sha256:
            raise Void("the oldest backup of the window holds the very same bytes")
        fetched.path.rename(to)

    return Planned(mutant, make)


def _denied(bench: Bench) -> Planned | Judged:
    mutant = Mutant(Family.BACKUP, "denied-key", "the store reached with a key that is not valid", must=True)
    if not is_s3(bench.base.target.backup.at):
        return Judged(mutant, Fate.NOT_APPLICABLE, why="the backups lie in a folder, which has no keys")
    return Planned(mutant, None)
