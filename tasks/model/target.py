"""What one drill needs to know of one database: the fleet file's keys, resolved to plain numbers.

Pydantic, frozen, nothing extra: an ignored key is a check that silently does not run. Text with units becomes
numbers here, so that no later step parses a unit. See docs/configuration.md for every key.
"""

from __future__ import annotations

import re
from abc import abstractmethod
from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Literal, NoReturn, TypeVar
from zoneinfo import ZoneInfo

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    field_validator,
    model_validator,
)

from tasks.model.by_kind import ByKind
from tasks.model.errors import PermanentError
from tasks.model.located import place_in
from tasks.model.units import parse_duration_s, parse_share, parse_size_bytes


def _duration(value: object) -> float:
    seconds = parse_duration_s(value)
    if seconds < 0:
        raise ValueError(f'"{value}" is negative; write a duration such as 6h')
    return seconds


_LSN = re.compile(r"[0-9A-Fa-f]{1,8}/[0-9A-Fa-f]{1,8}")
_LONGEST_NAME = 64  # of a restore point
Duration = Annotated[float, BeforeValidator(_duration)]
"""Seconds, written `26h`."""
Size = Annotated[int, BeforeValidator(parse_size_bytes)]
"""Bytes, written `50GiB`."""
Share = Annotated[float, BeforeValidator(parse_share)]
"""A fraction, written `10%`."""


def _zone_name(name: str) -> str:
    try:
        ZoneInfo(name)
    except (LookupError, ValueError, OSError) as exc:
        raise ValueError(
            f'the time zone "{name}" is not known; write an IANA name such as Europe/Berlin'
        ) from exc
    return name


ZoneName = Annotated[str, AfterValidator(_zone_name)]
"""An IANA name, written `Europe/Berlin`."""
Level = Literal["failure", "warning", "off"]


def _level(value: object) -> object:
    return (
        "off" if value is False or value == "false" else value
    )  # as YAML 1.1 reads and rewrites a bare `off`


CheckLevel = Annotated[Level, BeforeValidator(_level)]


class Strict(BaseModel):
    """Frozen, and closed to keys that nobody reads. No key is a truth value: `true` is no number either."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @field_validator("*", mode="before")
    @classmethod
    def _as_written(cls, value: object) -> object:
        return str(value).lower() if isinstance(value, bool) else value


class StoreConfig(Strict):
    """How backups are reached."""

    region: str | None = None
    endpoint_url: str | None = None
    role_arn: str | None = None
    external_id: str | None = None
    request_checksum_calculation: Literal["when_supported", "when_required"] = "when_supported"


class Selection(Strict):
    """Which recovery points of the window are drilled.

    Attributes:
        kind: `newest`, `random`, `all`, `at` or `key`.
        at: of `at`, and of an `all` that is to end there.
    """

    kind: Literal["newest", "random", "all", "at", "key"] = "newest"
    walk_back: int = 0
    at: datetime | None = None
    key: str | None = None
    seed: int | None = None

    @property
    def walks_back(self) -> bool:
        """Whether older points are drilled until one comes back."""
        return self.kind == "newest" and self.walk_back > 0

    def __str__(self) -> str:
        """Return the selection as the command line takes it."""
        if self.kind == "at" and self.at is not None:
            return f"at:{self.at.isoformat()}"
        if self.kind == "key":
            return f"key:{self.key}"
        if self.kind == "random" and self.seed is not None:
            return f"random:{self.seed}"
        return f"walk_back:{self.walk_back}" if self.walks_back else self.kind


class GpgKey(Strict):
    """Keys by reference, never inline: files on the worker, or names of environment variables.

    Attributes:
        key_file: an armoured or binary secret key.
        home: a GnuPG home that holds it.
        passphrase_env, passphrase_file: where the key's passphrase is.
    """

    key_file: Path | None = None
    home: Path | None = None
    passphrase_env: str | None = None
    passphrase_file: Path | None = None


class AgeKey(Strict):
    """An age identity by reference.

    Attributes:
        identity_file: a file as age-keygen writes it.
        identity_env: the name of an environment variable that holds the identity.
        passphrase_env: for a backup encrypted with a passphrase.
    """

    identity_file: Path | None = None
    identity_env: str | None = None
    passphrase_env: str | None = None


class Decrypt(Strict):
    """Exactly one way to decrypt."""

    gpg: GpgKey | None = None
    age: AgeKey | None = None

    @model_validator(mode="after")
    def _one(self) -> Decrypt:
        if (self.gpg is None) == (self.age is None):
            raise ValueError("name exactly one of gpg and age")
        return self


class Backup(Strict):
    """What the backups of every kind have: which of them is drilled.

    Attributes:
        timezone: read for a time that names no offset.
        window: seconds back from now, in which recovery points are looked for.
    """

    timezone: str = "UTC"
    window: Duration = 30 * 86400.0
    select: Selection = Selection()

    @property
    @abstractmethod
    def place(self) -> str:
        """Where the backups are, as people call it."""

    @property
    def names(self) -> tuple[str, ...]:
        """Names that a database has inside its backups."""
        return ()

    @property
    def patterns(self) -> tuple[str | None, ...]:
        """What a drill reads, as patterns of names; None for what is not configured."""
        return (self.place,)

    @property
    def goes_by_wal(self) -> bool:
        """Whether an archive of WAL, not the backup's own age, says how much a loss would cost."""
        return False

    @property
    def stops_early(self) -> bool:
        """Whether the recovery is to end before the newest moment that could come back."""
        return False


B = TypeVar("B", bound=Backup)


class DumpBackup(Backup):
    """Dumps: where they lie, by a pattern, and what proves and opens them."""

    kind: Literal["dump"] = "dump"
    at: str
    database: str | None = None
    globals: str | None = None
    checksum: Literal["auto", "required", "none"] = "auto"
    manifest: Literal["auto", "required", "none"] = "auto"
    decrypt: Decrypt | None = None

    @property
    def place(self) -> str:
        """The pattern."""
        return self.at

    @property
    def names(self) -> tuple[str, ...]:
        """The database's name inside the dump, where that is another one."""
        return () if self.database is None else (self.database,)

    @property
    def patterns(self) -> tuple[str | None, ...]:
        """The dumps and their globals."""
        return (self.at, self.globals)


_RECOVER_FORMS = (
    "latest, immediate, {time: 2026-01-31T03:00:00Z}, {name: before_upgrade}, {lsn: 0/16B3748} or "
    "{random: {within: 7d}}"
)


def _recover_to(value: object) -> str:
    """Return a recovery's target in one word: `latest`, `time:...` and so on, `random:SECONDS:SEED`."""
    if isinstance(value, str) and value in {"latest", "immediate"}:
        return value
    if isinstance(value, dict) and len(value) == 1:
        kind, argument = next(iter(value.items()))
        if kind == "random" and isinstance(argument, dict):
            return str(RandomMoment.model_validate(argument))
        text = argument.isoformat() if isinstance(argument, datetime) else str(argument)
        if kind == "time" and _has_offset(text):
            return f"time:{text}"
        if kind == "name" and 0 < len(text) < _LONGEST_NAME:
            return f"name:{text}"
        if kind == "lsn" and _LSN.fullmatch(text):
            return f"lsn:{text}"
    raise ValueError(f"{value!r} is no target of a recovery; write {_RECOVER_FORMS}; a time names its offset")


class RandomMoment(Strict):
    """A moment drawn out of those that can be recovered.

    Attributes:
        within: seconds back from now.
        seed: None: another each time; the evidence holds it.
    """

    within: Duration
    seed: int | None = Field(None, ge=0, lt=1 << 32)

    def __str__(self) -> str:
        """Return it as one word."""
        return f"random:{self.within}:{'' if self.seed is None else self.seed}"


def _has_offset(text: str) -> bool:
    try:
        return datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        return False


def _recover_timeline(value: object) -> str:
    text = str(value)
    if text in {"latest", "current"} or (text.isdecimal() and 0 < int(text) < 1 << 32):
        return text
    raise ValueError(f"{value!r} is no timeline; write latest, current or its number")


FolderText = Annotated[str, AfterValidator(lambda text: text if text.endswith("/") else f"{text}/")]
"""A folder or prefix, with `/` at its end."""


def _one_folder(name: str) -> str:
    if not name.strip() or "/" in name or name in {".", ".."}:
        raise ValueError(f'"{name}" is no name of one folder; write the name that the tool itself has for it')
    return name


class Recover(Strict):
    """How far the recovery of a physical backup goes.

    Attributes:
        to: `latest`, `immediate`, `time:...`, `name:...`, `lsn:...` or `random:SECONDS:SEED`.
        timeline: `latest`, as PostgreSQL's own default, `current` or a number.
    """

    to: Annotated[str, BeforeValidator(_recover_to)] = "latest"
    timeline: Annotated[str, BeforeValidator(_recover_timeline)] = "latest"

    @property
    def moment(self) -> datetime | None:
        """The moment of `time`, aware; None for another target."""
        kind, _, text = self.to.partition(":")
        return datetime.fromisoformat(text) if kind == "time" else None

    @property
    def random(self) -> RandomMoment | None:
        """What is to be drawn; None for another target."""
        kind, _, text = self.to.partition(":")
        within, _, seed = text.partition(":")
        return (
            RandomMoment.model_construct(within=float(within), seed=int(seed) if seed else None)
            if kind == "random"
            else None
        )


class PhysicalBackup(Backup):
    """What the physical kinds share: one cluster, and how far its recovery goes.

    A further kind says where its repository is: `kind`, its keys, `place` and `patterns`.

    Attributes:
        database: which of the cluster's is verified; None: the target's name, else the only one.
        databases: which of several are verified: `all` or their names; None: one, or `all` where
            `expect.databases` names any.
    """

    database: str | None = None
    databases: Annotated[
        Literal["all"] | Annotated[tuple[str, ...], Field(min_length=1)] | None,
        BeforeValidator(lambda value: list(value) if isinstance(value, tuple) else value),
    ] = None
    recover: Recover = Recover()

    @model_validator(mode="after")
    def _one_choice(self) -> PhysicalBackup:
        """Refuse a selection beside a moment: the moment says which base backup it takes."""
        chosen = self.recover.moment is not None or self.recover.random is not None
        if chosen and "select" in self.model_fields_set:
            raise ValueError(
                "recover.to names a moment, and that chooses the base backup: take select out, or recover "
                "to latest"
            )
        return self

    @model_validator(mode="after")
    def _one_or_several(self) -> PhysicalBackup:
        if self.database is not None and self.databases is not None:
            raise ValueError("database names one and databases several; keep one of them")
        return self

    @property
    def names(self) -> tuple[str, ...]:
        """The databases' names inside the cluster, where they are others."""
        several = self.databases if isinstance(self.databases, tuple) else ()
        return several if self.database is None else (self.database,)

    @property
    def goes_by_wal(self) -> bool:
        """Whether there is an archive of it."""
        return True

    @property
    def stops_early(self) -> bool:
        """Whether another target than the latest is given, of an archive that goes on."""
        return self.goes_by_wal and self.recover.to != "latest"


class BaseBackup(PhysicalBackup):
    """Base backups of pg_basebackup, as tars or data folders, with the archive of their WAL.

    Attributes:
        at: the pattern of their folders, with `/` at its end.
        wal: where the WAL is archived; None: each brings its own.
    """

    kind: Literal["basebackup"] = "basebackup"
    at: FolderText
    wal: str | None = None

    @property
    def place(self) -> str:
        """The pattern."""
        return self.at

    @property
    def patterns(self) -> tuple[str | None, ...]:
        """The base backups and the folder of their WAL."""
        return (self.at, None if self.wal is None else f"{self.wal.rstrip('/')}/*")

    @property
    def goes_by_wal(self) -> bool:
        """Whether there is an archive of it."""
        return self.wal is not None


class Cipher(Strict):
    """A repository's passphrase by reference: an environment variable's name, or a file on the worker."""

    passphrase_env: str | None = None
    passphrase_file: Path | None = None

    @model_validator(mode="after")
    def _one(self) -> Cipher:
        if (self.passphrase_env is None) == (self.passphrase_file is None):
            raise ValueError("name exactly one of passphrase_env and passphrase_file")
        return self


class Tls(Strict):
    """How a store proves who it is.

    Attributes:
        ca_file: the authorities that its certificate may be from; None: those of the system.
        verify: whether it has to.
    """

    ca_file: Path | None = None
    verify: bool = True


class PgBackRestBackup(PhysicalBackup):
    """A stanza of a pgBackRest repository, in a folder or bucket.

    Attributes:
        at: the repository's path: it holds `archive` and `backup`.
        cipher: None: it is not encrypted.
        tool: the program's path; `auto`: the one on the PATH.
    """

    kind: Literal["pgbackrest"] = "pgbackrest"
    at: Annotated[str, AfterValidator(lambda text: text.rstrip("/") or "/")]
    stanza: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$")]
    cipher: Cipher | None = None
    tls: Tls = Tls()
    tool: str = "auto"

    @property
    def place(self) -> str:
        """The repository and the stanza in it."""
        return f"{self.at}/backup/{self.stanza}/"

    @property
    def patterns(self) -> tuple[str | None, ...]:
        """The backups and the WAL of the stanza."""
        return (f"{self.at}/backup/{self.stanza}/*", f"{self.at}/archive/{self.stanza}/*")


class BarmanBackup(PhysicalBackup):
    """Backups of barman-cloud or of a Barman server, with the WAL that it archived.

    Attributes:
        at: the folder or prefix above the server's, with `/` at its end.
        server: the server's name in Barman.
    """

    kind: Literal["barman"] = "barman"
    at: FolderText
    server: Annotated[str, AfterValidator(_one_folder)]

    @property
    def root(self) -> str:
        """The server's folder, with `/` at its end."""
        return f"{self.at}{self.server}/"

    @property
    def place(self) -> str:
        """The server's folder."""
        return self.root

    @property
    def pattern(self) -> str:
        """All of the server's: backups, records and WAL."""
        return f"{self.root.replace('%', '%%')}*"

    @property
    def patterns(self) -> tuple[str | None, ...]:
        """All of the server's."""
        return (self.pattern,)


class WalgBackup(PhysicalBackup):
    """WAL-G's base backups and WAL below one prefix.

    Attributes:
        at: WALG_S3_PREFIX or WALG_FILE_PREFIX, with `/` at its end.
    """

    kind: Literal["walg"] = "walg"
    at: FolderText

    @property
    def place(self) -> str:
        """The prefix."""
        return self.at

    @property
    def pattern(self) -> str:
        """All of it: backups, records and WAL."""
        return f"{self.at.replace('%', '%%')}*"

    @property
    def patterns(self) -> tuple[str | None, ...]:
        """All below the prefix."""
        return (self.pattern,)


AnyBackup = Annotated[DumpBackup | BaseBackup | PgBackRestBackup | BarmanBackup | WalgBackup, ByKind("dump")]
"""`backup`, told apart by `kind`. A further kind is a further class in here."""


class Extensions(Strict):
    """Which extensions may be created, and which a managed service brings itself."""

    allow: Literal["default"] | tuple[str, ...] = "default"
    absent_ok: tuple[str, ...] = ()


class SandboxConfig(Strict):
    """What the throwaway cluster is like."""

    postgres: Literal["auto"] | Annotated[int, Field(ge=10, le=99)] = "auto"
    postgres_source: Literal["auto", "installed"] = "auto"
    extensions: Extensions = Extensions()
    profile: Literal["fast", "production"] = "fast"
    jobs: Literal["auto"] | Annotated[int, Field(ge=1, le=256)] = "auto"
    disk: Literal["auto"] | Size = "auto"
    memory: Literal["auto"] | Size = "auto"
    isolation: Literal["required", "preferred", "off"] = "preferred"
    restore_as: Literal["owner", "superuser"] = "owner"
    keep_on_failure: Duration | None = None


class Freshness(Strict):
    """The newest value of *column* may be at most *max_age* seconds older than `as_of`.

    Attributes:
        timezone: of timestamps without one and of dates; None takes them as UTC, 14 hours ahead allowed.
        unit: of a column of numbers, since 1970 in UTC; `auto` goes by their size.
    """

    table: str
    column: str
    max_age: Duration
    timezone: ZoneName | None = None
    unit: Literal["auto", "s", "ms", "us"] = "auto"


class Baseline(Strict):
    """What drift is measured against: the last verified drills, and a file for the first."""

    last: int = Field(5, ge=1, le=1000)
    seed: Path | None = None


class TableDrift(Strict):
    """Tolerances of the tables that one pattern names; None inherits."""

    rows_drop: Share | None = None
    rows_grow: Share | None = None
    min_rows: int | None = Field(None, ge=0)


class Drift(Strict):
    """How far tables may move from one drill to the next."""

    rows_drop: Share = 0.10
    rows_grow: Share = 0.50
    min_rows: int = Field(1000, ge=0)
    tables: dict[str, Literal["ignore"] | TableDrift] = {}
    baseline: Baseline = Baseline()


class Expectations(Strict):
    """What must hold in a restored database. *suite* is a resolved file, or None where none is named."""

    suite: Path | None = None
    required_tables: tuple[str, ...] = ()
    required_roles: tuple[str, ...] = ()
    freshness: Freshness | None = None
    drift: Drift = Drift()


def _each(value: object) -> object:
    """Return the expectations by database; of one that nothing is said of, none."""
    if not isinstance(value, dict):
        return value
    return {name: {} if expected is None else expected for name, expected in value.items()}


class Expect(Expectations):
    """The same, or of a cluster with several databases what must hold in each.

    Attributes:
        databases: by name; `drift` and `required_roles` beside it are for those that do not say their own.
    """

    databases: Annotated[dict[str, Expectations], BeforeValidator(_each)] = {}

    def of(self, database: str) -> Expect:
        """Return what must hold in *database*, as if it were the only one."""
        own = self.databases.get(database, Expectations())
        shared = {key: getattr(self, key) for key in ("drift", "required_roles")}
        said = {key: getattr(own, key) for key in own.model_fields_set}
        return Expect.model_construct(**{**dict(Expect()), **shared, **said})


class Checks(Strict):
    """The deep checks: what a failing one is worth."""

    counts: Annotated[Literal["exact", "off"], BeforeValidator(_level)] = "exact"
    foreign_keys: CheckLevel = "failure"
    sequences: CheckLevel = "failure"
    large_objects: CheckLevel = "failure"
    matviews: CheckLevel = "failure"
    amcheck: CheckLevel = "off"
    full_read: CheckLevel = "off"
    budget: Duration | None = None


class Accepted(Strict):
    """A known exception, dated, shown in the verdict's line."""

    rule: str
    where: str
    until: date
    why: str = Field(min_length=1)


class Rto(Strict):
    """The recovery time objective, and the part of it that a drill cannot measure."""

    objective: Duration
    overhead: Duration = 0.0


class Database(Strict):
    """One database as a fleet file describes it, after `defaults` are merged in.

    Attributes:
        name: letters, digits, `-`, `_` and `.`; fills `{database}`.
        rpo: seconds; None where none is promised.
        deadline: seconds that one stage may take, with its retries.
        verified_within: seconds within which a drill has to verify it; None goes by the fleet's schedule.
    """

    name: str
    owner: str | None = None
    tier: str | None = None
    labels: dict[str, str] = {}
    store: StoreConfig = StoreConfig()
    backup: AnyBackup
    sandbox: SandboxConfig = SandboxConfig()
    expect: Expect = Expect()
    checks: Checks = Checks()
    accept: tuple[Accepted, ...] = ()
    rpo: Duration | None = None
    rto: Rto | None = None
    deadline: Duration = 4 * 3600.0
    verified_within: Duration | None = None

    @property
    def several(self) -> Literal["all"] | tuple[str, ...] | None:
        """Which of a cluster's databases are verified; None where it is one by itself."""
        backup: Backup = self.backup
        if not isinstance(backup, PhysicalBackup):
            return None
        return backup.databases or ("all" if self.expect.databases else None)

    @property
    def expectations(self) -> tuple[Expectations, ...]:
        """What must hold, of each database that something is said of."""
        return (self.expect, *self.expect.databases.values())

    @property
    def has_suite(self) -> bool:
        """Whether a suite is to be run."""
        return any(expect.suite is not None for expect in self.expectations)

    @property
    def asks_freshness(self) -> bool:
        """Whether the age of newest rows is to be measured."""
        return any(expect.freshness is not None for expect in self.expectations)


class Target(Database):
    """One database, ready to be drilled: its own keys, and what it takes from its fleet.

    Attributes:
        fleet: a DNS label.
        evidence: `s3://...` or an absolute path.
        fleet_sha256: hash of the fleet file's bytes.
        fleet_databases: the names of all the fleet's databases, also those inside the dumps.
    """

    fleet: str
    evidence: str
    report_url: str | None = None
    fleet_file: Path | None = None
    fleet_sha256: str = ""
    fleet_databases: tuple[str, ...] = ()

    @property
    def dump(self) -> DumpBackup:
        """What is said of the dumps; for dumps' own code.

        Raises:
            PermanentError: `drill-crashed`: the backups are of another kind.
        """
        return self.backup_as(DumpBackup)

    def of_database(self, database: str | None) -> Target:
        """Return what one of a cluster's databases is held against; None stands for the only one."""
        if database is None:
            return self
        accept = tuple(
            entry.model_copy(update={"where": place})
            for entry in self.accept
            if (place := place_in(database, entry.where)) is not None
        )
        return self.model_copy(update={"expect": self.expect.of(database), "accept": accept})

    @property
    def physical(self) -> PhysicalBackup:
        """What is said of physical backups of whatever tool; for the code that they share.

        Raises:
            PermanentError: `drill-crashed`: the backups are of another kind.
        """
        backup: Backup = self.backup
        return backup if isinstance(backup, PhysicalBackup) else _other_kind(self, PhysicalBackup)

    def backup_as(self, kind: type[B]) -> B:
        """Return what is said of the backups, for the code of their own *kind*.

        Raises:
            PermanentError: `drill-crashed`: the backups are of another kind.
        """
        backup: Backup = self.backup
        return backup if isinstance(backup, kind) else _other_kind(self, kind)


def _other_kind(target: Target, kind: type) -> NoReturn:
    raise PermanentError(
        f"the code of {kind.__name__} was given another kind of backup", target.name, rule="drill-crashed"
    )
