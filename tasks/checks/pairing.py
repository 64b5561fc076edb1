"""Which databases of two ways back are compared with which, where a cluster brings several."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from tasks.model.agreement import Agreement
from tasks.model.bounded_list import listing
from tasks.model.errors import ConfigInvalid
from tasks.model.located import located
from tasks.model.restored import Restored

Pairs = Mapping[str | None, tuple[str, str]]
"""By the name that differences are called by, None for the only pair: the databases of first and second."""


def pairs_of(first: Restored, second: Restored) -> Pairs:
    """Return what is compared with what: one with one, one with its namesake, several with their namesakes.

    Raises:
        PermanentError: `config-invalid`: none of a cluster's databases has the other's name.
    """
    if first.databases and second.databases:
        both = sorted({*first.databases} & {*second.databases})
        if not both:
            raise _no_namesake(listing(first.databases, place=""), second.databases)
        return {name: (name, name) for name in both}
    for several, one in ((first, second), (second, first)):
        if several.databases and one.database not in several.databases:
            raise _no_namesake(one.database, several.databases)
    name = first.database if second.databases else second.database
    if first.databases or second.databases:
        return {None: (name, name)}
    return {None: (first.database, second.database)}


def merged(agreements: Mapping[str | None, Agreement], first: Restored, second: Restored) -> Agreement:
    """Return what the comparisons came to together; tables are called by their database where several are.

    Args:
        agreements: by the names of `pairs_of`.
        first, second: what was compared; a database that one of two clusters lacks differs.
    """
    if None in agreements:
        return agreements[None]
    each = [_located(name, agreement) for name, agreement in agreements.items() if name is not None]
    only = [
        _joined(
            {"databases": tuple(sorted({*mine.databases} - {*other.databases}))},
            *(agreement.only_first if mine is first else agreement.only_second for agreement in each),
        )
        for mine, other in ((first, second), (second, first))
    ]
    return Agreement(
        tables=sum(agreement.tables for agreement in each),
        rows=sum(agreement.rows for agreement in each),
        differences=tuple(item for agreement in each for item in agreement.differences),
        only_first=only[0],
        only_second=only[1],
        not_compared={name: why for agreement in each for name, why in agreement.not_compared.items()},
    )


def _located(database: str, agreement: Agreement) -> Agreement:
    def names(only: Mapping[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
        return {kind: tuple(located(database, name) for name in found) for kind, found in only.items()}

    return replace(
        agreement,
        differences=tuple(
            replace(item, table=located(database, item.table)) for item in agreement.differences
        ),
        only_first=names(agreement.only_first),
        only_second=names(agreement.only_second),
        not_compared={located(database, name): why for name, why in agreement.not_compared.items()},
    )


def _joined(*parts: Mapping[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    joined: dict[str, tuple[str, ...]] = {}
    for part in parts:
        for kind, names in part.items():
            if names:
                joined[kind] = (*joined.get(kind, ()), *names)
    return joined


def _no_namesake(name: str, databases: tuple[str, ...]) -> ConfigInvalid:
    return ConfigInvalid(
        f"The cluster came back with the databases {listing(databases, place='')}, and none is called as the "
        f"other side's: {name}. They cannot be compared.",
        hint="Name the one that is meant as backup.database.",
    )
