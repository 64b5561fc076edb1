"""What earlier drills saw: the memory that drift is judged by, and how an inventory is read back.

An inventory may be partial (a seed written by hand): what it leaves out is not compared. A kind of object
that is left out has no key in `Inventory.objects`; a table that is left out has none in `Inventory.tables`;
rows that are left out are None. Wrong shapes are refused: a baseline that is misread is a check that does
not run.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from expectations.json_text import LARGEST_BYTES, JsonInvalid, read_json
from expectations.yaml_text import Unreadable, decode, read_bytes, read_yaml
from tasks.model.errors import ConfigInvalid
from tasks.model.findings import Verdict
from tasks.model.inventory import OBJECT_KINDS, Inventory, TableFigures
from tasks.model.located import place_in

_PARTS = frozenset({"tables", "objects", "large_objects", "keys", "belongs_to", "newest_age_s", "databases"})
_LONGEST_AGE_S = 10_000 * 366 * 86400.0
_FIGURES = frozenset({"rows", "bytes", "partition_of", "partition_rank"})


@dataclass(frozen=True, slots=True)
class PastDrill:
    """One earlier drill, as its evidence tells it.

    Attributes:
        finished_at, as_of, recovery_point_at: aware UTC.
        bytes: of the backup as it was stored; None if unknown.
        accepted: the changes taken in with `restore-drill accept` (and dated entries that applied): each has
            at least `rule` and `where`.
        path: where the evidence lies.
        source_database: what the database was called at its source; None where that is not known.
    """

    drill_id: str
    finished_at: datetime
    as_of: datetime
    recovery_point_at: datetime
    verdict: Verdict
    inventory: Inventory
    bytes: int | None = None
    accepted: tuple[dict[str, Any], ...] = ()
    path: str = ""
    source_database: str | None = None

    def of_database(self, database: str) -> PastDrill | None:
        """Return what it tells of one of a cluster's databases; None where it did not look at that."""
        if not self.inventory.databases:
            return self if self.source_database == database else None
        inventory = self.inventory.of(database)
        if inventory is None:
            return None
        accepted = tuple(
            {**entry, "where": place}
            for entry in self.accepted
            if (place := place_in(database, str(entry["where"]))) is not None
        )
        return replace(self, inventory=inventory, accepted=accepted)

    @property
    def taken_in(self) -> tuple[dict[str, Any], ...]:
        """The accepted changes that this very drill showed.

        Dated entries move no baseline, nor do those that were in use here and belong to an earlier drill: a
        further loss would slip in with them.
        """
        return tuple(
            entry
            for entry in self.accepted
            if "until" not in entry and entry.get("drill_id", self.drill_id) == self.drill_id
        )


@dataclass(frozen=True, slots=True)
class UnreadRecord:
    """An earlier record that could not be read.

    Attributes:
        why: a clause, without anything of its content.
    """

    uri: str
    why: str

    @property
    def name(self) -> str:
        """The file's name."""
        return self.uri.rpartition("/")[2]


@dataclass(frozen=True, slots=True)
class History:
    """Every earlier drill that can serve as a baseline, and the seed for the first one.

    Attributes:
        records: verified drills, others with accepted changes, and inconclusive ones that measured the newest
            row of a table; in any order.
        seed: compared with only while no drill has been verified.
        unreadable: what could not be read of the newest records.
    """

    records: tuple[PastDrill, ...] = ()
    seed: Inventory | None = None
    unreadable: tuple[UnreadRecord, ...] = ()

    def of_database(self, database: str) -> History:
        """Return what they tell of one of a cluster's databases."""
        parts = (record.of_database(database) for record in self.records)
        return replace(self, records=tuple(part for part in parts if part is not None))

    def of_only(self, database: str) -> History:
        """Return what they tell of the only database, called *database*, also where it was one of several."""
        parts = (
            record.of_database(database) if record.inventory.databases else record for record in self.records
        )
        return replace(self, records=tuple(part for part in parts if part is not None))

    @property
    def verified(self) -> tuple[PastDrill, ...]:
        """The records that are baselines, by recovery point, oldest first."""
        records = (record for record in self.records if record.verdict is Verdict.VERIFIED)
        return tuple(sorted(records, key=lambda record: (record.recovery_point_at, record.finished_at)))


def inventory_from_dict(document: object, *, where: str = "inventory", strict: bool = True) -> Inventory:
    """Return the inventory that *document* (of an evidence record, a seed or a manifest) holds.

    Args:
        document: the parsed document; a whole evidence record will do, its `inventory` is taken.
        where: what to call the document in an error.
        strict: refuse keys that are not known; False for records that a newer version may have written.

    Raises:
        ConfigInvalid: a part has the wrong shape.
    """
    parts = _mapping(document, where)
    if not _PARTS & set(parts) and isinstance(parts.get("inventory"), Mapping):
        parts = parts["inventory"]
        where = f"{where}.inventory"
    if strict:
        _known(parts, _PARTS, where)
    objects = _mapping(parts.get("objects"), f"{where}.objects")
    if strict:
        _known(objects, frozenset(OBJECT_KINDS), f"{where}.objects")
    large = _mapping(parts.get("large_objects"), f"{where}.large_objects")
    keys = parts.get("keys")
    return Inventory(
        tables={
            str(name): _figures(value, f"{where}.tables.{name}", strict=strict)
            for name, value in _mapping(parts.get("tables"), f"{where}.tables").items()
        },
        objects={
            kind: _names(objects[kind], f"{where}.objects.{kind}") for kind in OBJECT_KINDS if kind in objects
        },
        large_objects=_count(large.get("count"), f"{where}.large_objects.count") or 0,
        large_object_bytes=_count(large.get("bytes"), f"{where}.large_objects.bytes") or 0,
        keys=None if keys is None else _names(keys, f"{where}.keys"),
        belongs_to={
            str(name): str(table)
            for name, table in _mapping(parts.get("belongs_to"), f"{where}.belongs_to").items()
        },
        newest_age_s={
            str(table): _ages(ages, f"{where}.newest_age_s.{table}")
            for table, ages in _mapping(parts.get("newest_age_s"), f"{where}.newest_age_s").items()
        },
        databases={
            str(name): inventory_from_dict(held, where=f"{where}.databases.{name}", strict=strict)
            for name, held in _mapping(parts.get("databases"), f"{where}.databases").items()
        },
    )


def load_seed(path: Path) -> Inventory:
    """Return the inventory in the seed file *path* (YAML or JSON).

    Raises:
        ConfigInvalid: it cannot be read or does not have the shape of an inventory.
    """
    try:
        content = read_bytes(path, LARGEST_BYTES)
        document = read_json(content) if path.suffix == ".json" else read_yaml(decode(content)).data
    except OSError as exc:
        raise _unreadable(path, exc.strerror or type(exc).__name__) from exc
    except JsonInvalid as exc:
        raise _unreadable(path, str(exc)) from exc
    except Unreadable as exc:
        line = exc.troubles[0].line
        raise _unreadable(path, f"line {line}: {exc}" if line else str(exc)) from exc
    if not document:
        raise ConfigInvalid(
            "the seed file is empty: nothing would be compared", str(path), "Name its tables."
        )
    return inventory_from_dict(document, where=str(path))


def _unreadable(path: Path, why: str) -> ConfigInvalid:
    return ConfigInvalid(
        f"the seed file cannot be read: {why}",
        str(path),
        "Write it in the shape of an evidence record's `inventory`, or take one from a verified drill.",
    )


def _figures(value: object, where: str, *, strict: bool) -> TableFigures:
    if isinstance(value, int) and not isinstance(value, bool):
        return TableFigures(rows=_count(value, where), bytes=None)
    figures = _mapping(value, where)
    if strict:
        _known(figures, _FIGURES, where)
    parent = figures.get("partition_of")
    if parent is not None and not isinstance(parent, str):
        raise _wrong(f"{where}.partition_of", "a table's name")
    return TableFigures(
        rows=_count(figures.get("rows"), f"{where}.rows"),
        bytes=_count(figures.get("bytes"), f"{where}.bytes"),
        partition_of=parent,
        partition_rank=_count(figures.get("partition_rank"), f"{where}.partition_rank"),
    )


def _ages(value: object, where: str) -> dict[str, float | None]:
    ages = _mapping(value, where)
    for column, age_s in ages.items():
        if age_s is not None and not _is_age(age_s):
            raise _wrong(f"{where}.{column}", "a number of seconds")
    return {str(column): age_s for column, age_s in ages.items()}


def _is_age(value: object) -> bool:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return number and abs(float(str(value))) < _LONGEST_AGE_S


def _mapping(value: object, where: str) -> Mapping[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise _wrong(where, "a mapping")
    return value


def _known(value: Mapping[str, Any], keys: frozenset[str], where: str) -> None:
    unknown = sorted(str(key) for key in set(value) - keys)
    if unknown:
        raise ConfigInvalid(
            f'"{unknown[0]}" is no part of an inventory: it would not be compared',
            where,
            f"Known: {', '.join(sorted(keys))}.",
        )


def _names(value: object, where: str) -> tuple[str, ...]:
    if not isinstance(value, list | tuple) or not all(isinstance(name, str) for name in value):
        raise _wrong(where, "a list of names")
    return tuple(sorted(set(value)))


def _count(value: object, where: str) -> int | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise _wrong(where, "a whole number from 0 up")
    return value


def _wrong(where: str, form: str) -> ConfigInvalid:
    return ConfigInvalid(
        f"{where} is not {form}", where, "Compare it with the `inventory` of an evidence record."
    )
