"""What the dump's own snapshot held, against what came back: exact, without tolerance.

Decided here:
- Names of constraints and triggers on partitions are PostgreSQL's own making and may differ after a restore;
  they follow from the partitioned table's and are not compared.
- Extensions of a managed service that are left out on purpose (`absent_ok`) are no difference.
- More than the manifest holds is a difference too: the dump is not the one that it belongs to.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from tasks.checks.drift import FINDINGS_AT_MOST, all_of, some_of, with_parents, without
from tasks.checks.inventory import guess_table
from tasks.model.bounded_list import IN_EVIDENCE
from tasks.model.errors import ConfigInvalid
from tasks.model.findings import Finding
from tasks.model.history import inventory_from_dict
from tasks.model.inventory import OBJECT_KINDS, Inventory
from tasks.model.rules import finding

_MADE_ON_PARTITIONS = frozenset({"constraints", "triggers"})


def read_manifest(document: Mapping[str, Any]) -> Inventory:
    """Return the inventory in a manifest *document*.

    Raises:
        ConfigInvalid: it does not have the shape of one.
    """
    inventory = document.get("inventory", document)
    if not isinstance(inventory, Mapping) or "tables" not in inventory:
        raise ConfigInvalid("it lists no tables", "manifest")
    return inventory_from_dict(inventory, where="manifest", strict=False)


def compare_exactly(
    current: Inventory,
    promised: Inventory,
    absent_ok: Iterable[str] = (),
    kept_out: Collection[str] = (),
) -> list[Finding]:
    """Return every difference between what was dumped and what came back.

    What the drill itself *kept_out*, and what lies on such a table, is left out on both sides.
    """
    if kept_out:
        out = with_parents(kept_out, promised)
        current, promised = without(current, out), without(promised, out)
    findings = _compare_tables(current, promised)
    for kind in OBJECT_KINDS:
        if kind in promised.objects:
            findings += _compare_kind(kind, current, promised, frozenset(absent_ok))
    if (promised.large_objects, promised.large_object_bytes) != (
        current.large_objects,
        current.large_object_bytes,
    ):
        findings.append(
            _differs(
                f"The source held {promised.large_objects:,} large objects of"
                f" {promised.large_object_bytes:,} bytes; {current.large_objects:,} of"
                f" {current.large_object_bytes:,} came back.",
                "large objects",
            )
        )
    return findings


def _compare_tables(current: Inventory, promised: Inventory) -> list[Finding]:
    findings = []
    for name, figures in sorted(promised.tables.items()):
        now = current.tables.get(name)
        if now is None:
            findings.append(_differs(f"{name} was at the source and did not come back.", name))
        elif None not in (now.rows, figures.rows) and now.rows != figures.rows:
            findings.append(
                _differs(f"{name} held {figures.rows:,} rows at the source; {now.rows:,} came back.", name)
            )
    extra = current.tables.keys() - promised.tables.keys()
    if promised.tables and extra:
        message = f"Tables came back that the source did not hold: {some_of(extra)}."
        findings.append(_differs(message, "tables", all_of(extra)))
    return _shortened(findings)


def _compare_kind(
    kind: str, current: Inventory, promised: Inventory, absent_ok: frozenset[str]
) -> list[Finding]:
    before, now = _own(kind, promised), _own(kind, current)
    lost, new = before - now, now - before
    if kind == "extensions":
        lost -= absent_ok
    sentences = []
    if lost:
        sentences.append(f"{len(lost)} {kind} of the source did not come back: {some_of(lost)}.")
    if new:
        sentences.append(f"{len(new)} {kind} came back that the source did not hold: {some_of(new)}.")
    return [_differs(" ".join(sentences), kind, (*all_of(lost), *all_of(new)))] if sentences else []


def _own(kind: str, inventory: Inventory) -> frozenset[str]:
    """Return the names of *kind* that are not PostgreSQL's making on partitions."""
    names = inventory.objects.get(kind, ())
    if kind not in _MADE_ON_PARTITIONS:
        return frozenset(names)
    tables = frozenset(inventory.tables)
    return frozenset(
        name
        for name in names
        if (table := inventory.belongs_to.get(name) or guess_table(name, tables)) is None
        or inventory.tables[table].partition_of is None
    )


def _differs(message: str, where: str, names: Sequence[str] = ()) -> Finding:
    return finding("manifest-mismatch", message, where=where, names=names)


def _shortened(findings: list[Finding]) -> list[Finding]:
    if len(findings) <= FINDINGS_AT_MOST:
        return findings
    rest = findings[FINDINGS_AT_MOST - 1 :]
    names = [finding.where or finding.message for finding in rest]
    summed = _differs(f"And {len(rest)} more tables differ{IN_EVIDENCE}.", "tables", names)
    return [*findings[: FINDINGS_AT_MOST - 1], summed]
