"""`restore-drill demo`: the whole story on sample databases, with a sabotage for each way to lie.

An older backup of each database is drilled first: it is the memory that the last night is compared with. The
demo succeeds when every verdict is the planned one: a drill that misses a broken backup fails the demo.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from boto3.s3.transfer import TransferConfig
from rich.console import Console

from deployments.local_s3 import client_of, require_weed, start_local_s3
from deployments.samples import archived, payments
from deployments.samples.archived import lose_a_segment, make_repository
from deployments.samples.history import LINES, NIGHTS, STOPPED_NIGHTS_AGO, Line, last_night, make_history
from deployments.terminal import say, shown
from tasks.config import load_fleet
from tasks.evidence import sentence
from tasks.model.clock import iso, utc_now
from tasks.model.errors import ConfigInvalid, DrillError
from tasks.model.findings import Verdict
from tasks.model.units import format_duration
from tasks.sandbox import find_postgres
from tasks.sandbox.isolation import choose_isolation

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

RunFleet = Callable[[Path, tuple[str, ...], str], int]
"""Drills databases of a fleet file with a selection; no names for all of them; returns the exit code."""
BUCKET = "acme-backups"
REPOSITORY = "repository"
MARK = ".made-by-restore-drill-demo"
PAYMENTS = payments.SAMPLE.name
"""The one that is backed up physically; its repository is a folder."""
MEMORY_NIGHTS_AGO = STOPPED_NIGHTS_AGO + 1
_UPLOADS = 4
_CLASSIC = TransferConfig(preferred_transfer_client="classic")  # awscrt's refuses endpoints without a name
_NOT_OURS = (
    "AWS_SESSION_TOKEN",
    "AWS_PROFILE",
    "AWS_DEFAULT_PROFILE",
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_S3",
    "AWS_ROLE_ARN",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
)


@dataclass(frozen=True)
class Plan:
    """The verdict that a database's newest backup deserves.

    Attributes:
        classes: of the failures, one of them at least; empty for none.
        shows: what a reader learns, a sentence.
    """

    verdict: Verdict
    classes: frozenset[str]
    shows: str


PLANS = {
    "orders": Plan(Verdict.VERIFIED, frozenset(), "a healthy backup is proven, not assumed"),
    "library": Plan(
        Verdict.FAILED,
        frozenset({"data"}),
        "every tool was content with the dump; the drill remembers how many loans there were a week ago",
    ),
    "tickets": Plan(
        Verdict.FAILED, frozenset({"data"}), "the object is there, of plausible size, and cannot be restored"
    ),
    "billing": Plan(
        Verdict.FAILED,
        frozenset({"stale"}),
        "the backup restores perfectly, and is a week older than promised",
    ),
    PAYMENTS: Plan(
        Verdict.FAILED,
        frozenset({"data"}),
        "PostgreSQL comes up and says that it is ready; the drill knows that the WAL goes on behind the gap",
    ),
}


def run_demo(out: Path, run_fleet: RunFleet | None = None) -> int:
    """Build, back up, sabotage, drill, report below *out*; return 0 if all verdicts are as planned, else 1.

    Args:
        out: a folder of the demo's own; what an earlier demo left there is replaced.
        run_fleet: how a fleet is drilled; through the flows when None.

    Raises:
        ConfigInvalid: *out* holds something that no demo made.
        PermanentError: a PostgreSQL or the local S3 server could not be had.
    """
    out = out.absolute()
    console = Console(highlight=False, soft_wrap=True)
    started = time.monotonic()
    _require_parts(console)
    _claim(out)
    newest = last_night(utc_now())
    with _stage(console, f"building {len(PLANS)} databases and {NIGHTS} nights of their backups"):
        _make_backups(out, newest)
    write_fleet_of_files(out)
    with _local_store(out, console) as endpoint, _ready(run_fleet) as drill:
        fleet = _write_fleet(out / "fleet.yaml", f"s3://{BUCKET}", endpoint)
        before = newest - timedelta(days=MEMORY_NIGHTS_AGO)
        console.print(
            f"\n[bold]1. The backups of {before:%d %B}, all well: what later drills compare with[/]"
        )
        drill(fleet, tuple(line.sample.name for line in LINES), f"at:{iso(before)}")
        drill(fleet, (PAYMENTS,), "newest")
        lose_a_segment(out / REPOSITORY)
        console.print("\n[bold]2. Last night's backups[/]")
        drill(fleet, (), "newest")
    return _conclude(out, console, time.monotonic() - started)


def write_fleet_of_files(out: Path) -> Path:
    """Write the fleet file that drills the backups below *out* from their folder; return it."""
    return _write_fleet(out / "fleet-of-files.yaml", f"{out.as_uri()}/backups", None)


def latest_documents(evidence: Path) -> dict[str, dict[str, Any]]:
    """Return the evidence of the last drill of each database below *evidence*."""
    documents: dict[str, dict[str, Any]] = {}
    for path in sorted(evidence.glob("*/*/*.json")):
        document = json.loads(path.read_text(encoding="utf-8"))
        if "verdict" not in document:
            continue
        latest = documents.get(document["database"])
        if latest is None or latest["started_at"] <= document["started_at"]:
            documents[document["database"]] = document
    return documents


def as_planned(name: str, document: dict[str, Any] | None) -> bool:
    """Say whether a drill came out as the sabotage of its backup deserves."""
    plan = PLANS[name]
    if document is None or document["verdict"] != plan.verdict:
        return False
    classes = {finding["class"] for finding in document["findings"] if finding["severity"] == "failure"}
    return not plan.classes or bool(plan.classes & classes)


def _conclude(out: Path, console: Console, seconds: float) -> int:
    documents = latest_documents(out / "evidence")
    console.print("\n[bold]What was done to the backups, and what the drills say[/]")
    happened = {**{line.sample.name: line.happened for line in LINES}, PAYMENTS: archived.HAPPENED}
    missed = [name for name in happened if not as_planned(name, documents.get(name))]
    for name, damage in happened.items():
        document = documents.get(name)
        mark = "[bold red]NOT AS PLANNED[/]" if name in missed else "[green]as planned[/]"
        console.print(f"\n  [bold]{name}[/]: {damage or 'nothing was done to it'}")
        console.print(f"    {mark}: ", end="")
        console.print(shown(sentence(document) if document else "no evidence was left"))
        console.print(f"    {PLANS[name].shows}")
    say(console, f"\nreport:   {out}/evidence/report/index.html")
    say(console, f"evidence: {out}/evidence")
    say(console, f"again:    restore-drill run {out}/fleet-of-files.yaml")
    summary = (
        f"{len(missed)} of {len(PLANS)} verdicts are not as planned"
        if missed
        else "every sabotage was caught"
    )
    console.print(f"\n{summary}; {format_duration(seconds)} in all, nothing is left running")
    return 1 if missed else 0


def _require_parts(console: Console) -> None:
    """Make sure of all that the demo runs before anything is built, or removed of an earlier one."""
    require_weed()
    majors = sorted({archived.MAJOR, *(line.major for line in LINES)})
    with _stage(console, f"finding PostgreSQL {', '.join(map(str, majors))}"):
        for major in majors:
            find_postgres(major)


def _claim(out: Path) -> None:
    """Make *out* ours: new, empty, or an earlier demo's."""
    if out.exists() and not out.is_dir():
        raise ConfigInvalid(f"{out} is a file; name a folder for the demo.")
    if out.exists() and any(out.iterdir()) and not (out / MARK).is_file():
        raise ConfigInvalid(f"{out} holds something else; name an empty or new folder for the demo.")
    out.mkdir(parents=True, exist_ok=True)
    (out / MARK).touch()
    for name in ("backups", REPOSITORY, "evidence"):
        shutil.rmtree(out / name, ignore_errors=True)
    for name in ("fleet.yaml", "fleet-of-files.yaml"):
        (out / name).unlink(missing_ok=True)


@contextmanager
def _local_store(out: Path, console: Console) -> Iterator[str]:
    """Run an S3 server that holds the backups, with its keys in the environment; yield its endpoint."""
    key, secret = "demo", secrets.token_urlsafe(24)
    ours = {"AWS_ACCESS_KEY_ID": key, "AWS_SECRET_ACCESS_KEY": secret}
    with (
        tempfile.TemporaryDirectory(prefix="restore-drill-demo-") as folder,
        start_local_s3(Path(folder), access_key=key, secret_key=secret) as endpoint,
        _environment({**ours, **dict.fromkeys(_NOT_OURS)}),
    ):
        with _stage(console, "putting them into a local S3 server"):
            _upload(out / "backups", client_of(endpoint, key, secret))
        yield endpoint


def _upload(root: Path, client: S3Client) -> None:
    client.create_bucket(Bucket=BUCKET)
    files = [path for path in sorted(root.rglob("*")) if path.is_file()]
    with ThreadPoolExecutor(_UPLOADS) as pool:
        for _ in pool.map(lambda path: _upload_file(path, root, client), files):
            pass


def _upload_file(path: Path, root: Path, client: S3Client) -> None:
    client.upload_file(str(path), BUCKET, str(path.relative_to(root)), Config=_CLASSIC)


@contextmanager
def _ready(run_fleet: RunFleet | None) -> Iterator[RunFleet]:
    """Yield how fleets are drilled; one Prefect server serves all of the demo's drills."""
    if run_fleet is not None:
        yield run_fleet
        return
    from deployments.commands import run as running  # noqa: PLC0415  imports Prefect, which --help need not wait for
    from deployments.prefect_api import prefect_api  # noqa: PLC0415

    with prefect_api():
        yield lambda fleet, names, select: running.run_fleet(fleet, names, select, "", as_json=False)


@contextmanager
def _environment(changes: dict[str, str | None]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in changes}
    try:
        _set_environment(changes)
        yield
    finally:
        _set_environment(before)


def _set_environment(variables: dict[str, str | None]) -> None:
    for name, value in variables.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


@contextmanager
def _stage(console: Console, what: str) -> Iterator[None]:
    started = time.monotonic()
    console.print(f"{what} ...", end=" ")
    yield
    console.print(format_duration(time.monotonic() - started))


def _write_fleet(path: Path, root: str, endpoint: str | None) -> Path:
    """Write the fleet file of the backups below *root* and make sure that it loads."""
    store = f"store: {{endpoint_url: {endpoint}, region: us-east-1}}\n" if endpoint else ""
    databases = "".join(_database_text(line, root) for line in LINES)
    databases += _PHYSICAL.format(
        major=archived.MAJOR,
        shows=payments.SAMPLE.shows,
        at=archived.AT,
        wal=archived.WAL,
        name=PAYMENTS,
        root=f"{path.parent.as_uri()}/{REPOSITORY}",
    )
    path.write_text(_FLEET.format(store=store, isolation=_isolation(), databases=databases), encoding="utf-8")
    load_fleet(path)
    return path


def _make_backups(out: Path, newest: datetime) -> None:
    """Make the nightly dumps and the physical backups, each on servers of their own, at once."""
    with ThreadPoolExecutor(2) as pool:
        futures = [
            pool.submit(make_history, out / "backups", newest),
            pool.submit(make_repository, out / REPOSITORY),
        ]
        for future in futures:
            future.result()


def _isolation() -> str:
    """Return what a host needs that could not keep a stranger's dump to itself: these are our own."""
    try:
        choose_isolation("preferred")
    except DrillError:
        return "  sandbox: {isolation: off}             # this host has none; the demo's dumps are its own\n"
    return ""


def _database_text(line: Line, root: str) -> str:
    name = line.sample.name
    expect = _EXPECT[name]
    return (
        f"  - name: {name}    # PostgreSQL {line.major}: {line.sample.shows}\n"
        f"    backup:\n"
        f"      at: {root}/{line.at}\n"
        f"      globals: {root}/{line.globals_at}\n"
        f"    expect: {{suite: demo_{name}{expect}}}\n"
    )


_FLEET = """\
# Written by `restore-drill demo`. Every key: docs/configuration.md
version: 1
fleet: demo
evidence: evidence
{store}defaults:
  rpo: 26h                              # nightly backups, two hours for making them
  rto: {{objective: 15m, overhead: 5m}}   # overhead: page, decide, switch over
  deadline: 5m
{isolation}databases:
{databases}"""
_PHYSICAL = """\
  - name: {name}    # PostgreSQL {major}: {shows}
    backup:
      kind: basebackup
      at: {root}/{at}
      wal: {root}/{wal}/
    expect:
      required_tables: [public.payments]
      freshness: {{table: public.payments, column: paid_at, max_age: 26h}}
"""
_EXPECT = {
    "orders": ", required_tables: [public.orders, public.customers], required_roles: [shop_app], "
    "freshness: {table: public.orders, column: placed_at, max_age: 26h}",
    "library": ", freshness: {table: library.loans, column: lent_at, max_age: 26h}",
    "tickets": "",
    "billing": ", required_tables: [public.entries]",
}
