"""Self test, second family: damaged copies of the backup, each taken through a whole drill of its own.

Decided here: the copies are served from a folder of the self test, one after the other under the same name
and time, to a target that differs from the user's in where its backups lie and in nothing that judges them.
A stored checksum is left out: the damage is taken to have come before it was made. An undamaged copy goes
first, and one that pg_dump made anew; what they already fail of is not held against the mutants. Each stage
of a mutant's drill has the limit that a copy's has.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

from tasks.drill.ledger import Ledger
from tasks.drill.options import DrillOptions
from tasks.drill.step import Runner
from tasks.model.backup import MANIFEST_SUFFIX, DumpPoint, RecoveryPoint, dump_point
from tasks.model.canonical_json import to_json
from tasks.model.clock import stamp, utc_now
from tasks.model.drill import Drill
from tasks.model.findings import Verdict
from tasks.model.sandbox import Sandbox
from tasks.model.selftest import Family, Fate, Judged, Mutant
from tasks.model.target import Selection, StoreConfig, Target
from tasks.mutants.byte_damage import Spoil, spoils
from tasks.mutants.damage import Void
from tasks.mutants.judging import DrillOutcome, fate_of
from tasks.mutants.operators import candidates
from tasks.mutants.redump import SUFFIX, dump_again, make_other, redumps
from tasks.mutants.sampling import choose
from tasks.mutants.schema import Schema
from tasks.plan import begin
from tasks.selftest.bench import Bench, Plan, PlannedBackup, denied
from tasks.selftest.repository import plan_repository, serve_repository
from tasks.selftest.restored import Request, outcome_of, without_candidates
from tasks.stores import fetch_backup, open_store

_ENDINGS = re.compile(r"(\.[A-Za-z0-9]{1,8}){0,3}$")
_HOUR_S = 3600.0
_BACKUP_SHARE = 0.25
QUICK_BACKUPS = 2
_STORES_PLACE = 2  # what concerns the store, and no byte of the backup, comes after the first two

CANNOT_MISS = DrillOutcome(Verdict.VERIFIED, (), ())
"""What a drill that reaches its store comes to, as far as a denied key is held against it."""


# --- planning


def plan(bench: Bench, schema: Schema, points: Sequence[RecoveryPoint], request: Request) -> Plan:
    """Choose what is damaged, by the seed.

    Args:
        bench: what damaged backups are made of.
        schema: of the restored database.
        points: every backup of the window.
        request: what was asked for.
    """
    damages = candidates(schema, request.seed)
    if bench.is_physical:
        backups, impossible = plan_repository(bench, utc_now())
    else:
        backups, impossible = plan_backups(bench, schema, points, request.seed)
    backups = backups[: share_of(request.mutants, quick=request.quick)]
    slots = choose(damages, request.mutants - len(backups), request.seed, quick=request.quick)
    return Plan(slots, backups, [] if request.quick else [*without_candidates(damages), *impossible])


def plan_backups(
    bench: Bench, schema: Schema, points: Sequence[RecoveryPoint], seed: int
) -> tuple[list[PlannedBackup], list[Judged]]:
    """Return what can be done to the backup, what matters most first, and what cannot, with the reason."""
    rows = [*_in_turn(_redumped(schema), _spoilt(bench, seed))]
    backups = [row for row in rows if isinstance(row, PlannedBackup)]
    impossible = [row for row in rows if isinstance(row, Judged)]
    for row in (_older(bench, points), denied(bench)):
        if isinstance(row, Judged):
            impossible.append(row)
        else:
            backups.insert(min(len(backups), _STORES_PLACE), row)
    return backups, impossible


def share_of(mutants: int, *, quick: bool) -> int:
    """Return how many of all mutants damage the backup: each costs a whole drill."""
    return QUICK_BACKUPS if quick else max(1, round(mutants * _BACKUP_SHARE))


def healthy_backup(*, anew: bool) -> PlannedBackup:
    """Return the undamaged copy, or the one that pg_dump makes anew."""
    mutant = Mutant(Family.BACKUP, "healthy", "nothing")
    return PlannedBackup(mutant, partial(_dump, options=(), other=False) if anew else _copy, anew)


def _in_turn(
    first: Sequence[PlannedBackup | Judged], second: Sequence[PlannedBackup | Judged]
) -> Iterator[PlannedBackup | Judged]:
    """Yield of both in turn, so that the first few are of both."""
    for at in range(max(len(first), len(second))):
        yield from second[at : at + 1]
        yield from first[at : at + 1]


def _redumped(schema: Schema) -> list[PlannedBackup | Judged]:
    return [
        Judged(redump.mutant, Fate.NOT_APPLICABLE, why=redump.reason)
        if redump.reason
        else PlannedBackup(
            redump.mutant, partial(_dump, options=redump.options, other=redump.other), anew=True
        )
        for redump in redumps(schema)
    ]


def _spoilt(bench: Bench, seed: int) -> list[PlannedBackup | Judged]:
    return [
        Judged(spoilt.mutant, Fate.NOT_APPLICABLE, why=spoilt.reason)
        if spoilt.make is None
        else PlannedBackup(spoilt.mutant, partial(_spoil, spoil=spoilt.make))
        for spoilt in spoils(bench.original, bench.drill.proven_dump, seed)
    ]


def _older(bench: Bench, points: Sequence[RecoveryPoint]) -> PlannedBackup | Judged:
    """Return the oldest backup of the window, under the newest one's name."""
    mutant = Mutant(Family.BACKUP, "older-backup", "the oldest backup of the window under today's name")
    oldest = dump_point(min(points, key=lambda point: point.at))
    if oldest.uri == bench.drill.chosen_point.uri:
        return Judged(mutant, Fate.NOT_APPLICABLE, why="the window holds one backup only")
    mutant = replace(mutant, what=f"the backup of {stamp(oldest.at)} under the newest one's name")
    return PlannedBackup(mutant, partial(_fetch, point=oldest))


# --- making


def _copy(bench: Bench, to: Path) -> None:
    if bench.original.is_dir():
        shutil.copytree(bench.original, to)
    else:
        shutil.copyfile(bench.original, to)


def _spoil(bench: Bench, to: Path, *, spoil: Spoil) -> None:
    spoil(bench.original, to)


def _dump(bench: Bench, to: Path, *, options: tuple[str, ...], other: bool) -> None:
    sandbox = bench.drill.running_sandbox
    database = _other(sandbox, bench) if other else bench.database
    dump_again(sandbox, database, options, to, bench.limit_s)


def _other(sandbox: Sandbox, bench: Bench) -> str:
    name = f"selftest_{bench.drill.drill_id}_other"
    make_other(sandbox, name)
    return name


def _fetch(bench: Bench, to: Path, *, point: DumpPoint) -> None:
    target, dest = bench.drill.target, bench.folder / "older"
    store = open_store(target.store, target.dump.at, target.dump.globals)
    fetched = fetch_backup(point, store, target, dest, lambda _done, _all: None, bench.limit_s)
    if fetched.sha256 == bench.drill.proven_dump.sha256:
        raise Void("the oldest backup of the window holds the very same bytes")
    fetched.path.rename(to)


def serve(bench: Bench, planned: PlannedBackup) -> Target | Judged:
    """Make a backup the newest that a target of ours finds; return that target, or why there is nothing."""
    if bench.is_physical:
        return serve_repository(bench, planned)
    shelf = bench.folder / "shelf"
    shutil.rmtree(shelf, ignore_errors=True)
    shelf.mkdir(parents=True)
    target, at = _target_of(bench, shelf, anew=planned.anew), bench.drill.chosen_point.at
    place = shelf / Path(at.strftime(target.dump.at)).name
    try:
        if planned.make is not None:
            planned.make(bench, place)
    except Void as void:
        return Judged(planned.mutant, Fate.NOT_APPLICABLE, why=str(void))
    manifest = bench.drill.manifest
    if manifest is not None:
        place.with_name(place.name + MANIFEST_SUFFIX).write_text(to_json(manifest))
    if target.dump.globals is not None:
        (given,) = _globals(bench)
        shutil.copyfile(given, shelf / Path(at.strftime(target.dump.globals)).name)
    return target


# --- drilling


def ledger_of_stranger(bench: Bench, runner: Runner) -> Ledger:
    """Return the drill of the user's own backup with a key that is not valid."""
    target = bench.drill.target.model_copy(update=bench.apart)
    return _ledger(bench, target, runner, stranger=True)


def ledger_of_served(bench: Bench, target: Target, runner: Runner) -> Ledger:
    """Return the drill of what was served to *target*."""
    return _ledger(bench, target, runner, stranger=False)


def _ledger(bench: Bench, target: Target, runner: Runner, *, stranger: bool) -> Ledger:
    options = DrillOptions(within=True, stranger=stranger, history=bench.history)
    ledger = begin(target, Selection(kind="newest"), utc_now(), options, runner)
    ledger.drill.as_of = bench.drill.judged_at
    return ledger


def _target_of(bench: Bench, shelf: Path, *, anew: bool) -> Target:
    """Return the user's target with its backups on *shelf*."""
    own, drill = bench.drill.target, bench.drill
    folder = str(shelf).replace("%", "%%")
    ending = SUFFIX if anew else _ENDINGS.search(drill.chosen_point.label).group()  # type: ignore[union-attr] # it matches ""
    slash = "/" if bench.original.is_dir() and not anew else ""
    age_s = (utc_now() - drill.chosen_point.at).total_seconds()
    backup = own.backup.model_copy(
        update={
            "at": f"{folder}/backup_%Y%m%dT%H%M%SZ{ending}{slash}",
            "timezone": "UTC",
            "window": max(own.backup.window, age_s + _HOUR_S),
            "select": Selection(),
            "checksum": "none",
            "manifest": "none" if drill.manifest is None else "auto",
            "globals": f"{folder}/globals_%Y%m%dT%H%M%SZ.sql" if _globals(bench) else None,
            "decrypt": None if anew else own.dump.decrypt,
        }
    )
    return own.model_copy(update={"backup": backup, "store": StoreConfig(), **bench.apart})


def _globals(bench: Bench) -> tuple[Path, ...]:
    with suppress(FileNotFoundError):
        return tuple((bench.drill.own_workspace.backup_dir / "globals").iterdir())[:1]
    return ()


# --- judging


def held_against(planned: PlannedBackup, drill: Drill, healthy: DrillOutcome) -> Judged:
    """Return the row of a damaged backup whose drill is over."""
    fate, by, why = fate_of(outcome_of(drill), healthy)
    return Judged(planned.mutant, fate, None, by, why or _advice(planned.mutant, fate))


def not_comparable(planned: PlannedBackup, healthy: DrillOutcome) -> Judged | None:
    """Return the row of a mutant whose undamaged twin is not verified either; None where it is."""
    if healthy.verdict is Verdict.VERIFIED:
        return None
    rule = next((finding.rule for finding in healthy.findings), "no finding")
    copy = "backup made anew by pg_dump" if planned.anew else "copy of the backup"
    why = f"not even an undamaged {copy} is verified ({rule}), so that nothing could be held against it"
    return Judged(planned.mutant, Fate.NOT_APPLICABLE, why=why)


def _advice(mutant: Mutant, fate: Fate) -> str | None:
    """Return what a survivor's owner can do about it."""
    if fate in (Fate.CAUGHT, Fate.ERRORED):
        return None
    return next((text for kind, text in _ADVICE.items() if mutant.kind.startswith(kind)), None)


_ADVICE = {
    "manifest-missing": "A copy without its manifest is judged by its page checksums alone: make base backups"
    " with one (pg_basebackup's default).",
    "page-turned": "Neither a manifest nor page checksums showed it: make base backups with a manifest, and"
    " turn page checksums on (pg_checksums --enable).",
    "table-file-missing": "Make base backups with a manifest (pg_basebackup's default).",
    "base-file": "Give the base backup a manifest or checksums of its tool's.",
    "flipped-byte": "This format has no checksum of its own: store one beside the backup and set"
    " backup.checksum: required.",
    "older-backup": "Name a table that is written to all day under expect.freshness.",
    "table-data-missing": "Name the table under expect.required_tables, or give it an expectation"
    " expect_table_row_count_to_be_between with min_value: 1.",
    "schema-only": "Name the tables that matter under expect.required_tables.",
    "wrong-database": "Name the tables that matter under expect.required_tables.",
}
