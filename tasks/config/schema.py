"""A fleet file's own keys, and what loading one gives: everything resolved, nothing left to guess."""

from __future__ import annotations

import difflib
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from tasks.config.cron import check_cron, check_timezone
from tasks.config.selecting import selection_from
from tasks.model.errors import ConfigInvalid
from tasks.model.target import Selection, StoreConfig, Strict, Target

WORK_POOL = "restore-drills"
EVIDENCE = "evidence"
"""Where evidence goes when the file does not say: a folder beside it."""


def _selection(value: object) -> Selection | None:
    return value if value is None or isinstance(value, Selection) else selection_from(value)


class Schedule(Strict):
    """When a fleet is drilled.

    Attributes:
        cron: a line as Prefect takes it.
        select: which backups; None leaves it to each database's own `select`.
    """

    name: str = "drill"
    cron: Annotated[
        str, BeforeValidator(lambda value: check_cron(value) if isinstance(value, str) else value)
    ]
    timezone: Annotated[
        str, BeforeValidator(lambda value: check_timezone(value) if isinstance(value, str) else value)
    ] = "UTC"
    select: Annotated[Selection | None, BeforeValidator(_selection)] = None


class Population(Strict):
    """Which databases there are, told by somebody else than the fleet file.

    Attributes:
        file: CSV with a column `name`, or with one name a line.
        prefixes: places each of whose folders is a database's.
    """

    file: Path | None = None
    prefixes: tuple[str, ...] = ()


class Exempt(Strict):
    """A database that nobody drills: why, who says so, until when."""

    name: str = Field(min_length=1)
    why: str = Field(min_length=1)
    by: str = Field(min_length=1)
    until: date


class FleetFile(Strict):
    """The top level of a fleet file; databases are validated once `defaults` are merged in."""

    version: Literal[1]
    fleet: str
    evidence: str = EVIDENCE
    report_url: str | None = None
    store: StoreConfig = StoreConfig()
    schedule: Schedule | None = None
    schedules: tuple[Schedule, ...] = ()
    work_pool: str = Field(WORK_POOL, min_length=1)
    max_parallel: int = Field(2, ge=1, le=1000)
    population: Population = Population()
    exempt: tuple[Exempt, ...] = ()
    heartbeat_url_env: str | None = Field(None, min_length=1)
    defaults: dict[str, Any] = Field(default_factory=dict)
    databases: list[dict[str, Any]] = Field(min_length=1)


class Fleet(Strict):
    """A fleet, ready to be drilled.

    Attributes:
        targets: in the file's order.
        evidence: `s3://...` or an absolute path.
        population: with the file's path resolved.
        heartbeat_url_env: the environment variable that holds the address of a dead-man's switch.
        path: the fleet file, absolute.
        sha256: of the file's bytes, hex.
    """

    name: str
    targets: tuple[Target, ...]
    schedules: tuple[Schedule, ...] = ()
    work_pool: str = WORK_POOL
    max_parallel: int = 2
    evidence: str
    report_url: str | None = None
    store: StoreConfig = StoreConfig()
    population: Population = Population()
    exempt: tuple[Exempt, ...] = ()
    heartbeat_url_env: str | None = None
    path: Path
    sha256: str

    def target(self, name: str) -> Target:
        """Return the database *name*.

        Raises:
            ConfigInvalid: the fleet has no such database; the nearest name is suggested.
        """
        for target in self.targets:
            if target.name == name:
                return target
        names = [target.name for target in self.targets]
        near = difflib.get_close_matches(name, names, 1)
        hint = f'did you mean "{near[0]}"?' if near else f"it has {', '.join(names)}"
        raise ConfigInvalid(f'{self.path.name}: the fleet "{self.name}" has no database "{name}"; {hint}')

    def chosen(self, names: tuple[str, ...] | list[str]) -> tuple[Target, ...]:
        """Return the databases *names* in the file's order; all when none is named.

        Raises:
            ConfigInvalid: one of them is not in the fleet.
        """
        chosen_names = {self.target(name).name for name in names}
        return tuple(target for target in self.targets if not chosen_names or target.name in chosen_names)
