"""Whole drills in tests: a small fleet on disk, the command line as a process or in this one, its results."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from tasks.drill import fork_server
from tasks.drill.process import DrillProcess
from tasks.model.child_python import child_python
from tasks.model.clock import utc_now
from tasks.model.deadline import Deadline
from tests.fix_postgres import Source
from tests.fix_prefect import PrefectServer

REPOSITORY = Path(__file__).parents[1]
PROGRAM = Path(sys.executable).with_name("restore-drill")
EXIT_OF = {"verified": 0, "failed": 1, "inconclusive": 2}
CLI_TIMEOUT_S = 150.0
MAJOR = 17

ORDERS = """
CREATE TABLE public.customers (id int PRIMARY KEY, name text NOT NULL);
CREATE TABLE public.orders (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    customer int NOT NULL REFERENCES public.customers, placed_at timestamptz NOT NULL DEFAULT now());
INSERT INTO public.customers SELECT i, 'customer ' || i FROM generate_series(1, 200) i;
INSERT INTO public.orders (customer) SELECT 1 + i % 200 FROM generate_series(1, 3000) i;
"""
SLOW = """
CREATE FUNCTION public.accepted(id int) RETURNS boolean LANGUAGE sql AS 'SELECT true';
CREATE TABLE public.slow (id int CHECK (public.accepted(id)));
INSERT INTO public.slow SELECT generate_series(1, 3000);
CREATE OR REPLACE FUNCTION public.accepted(id int) RETURNS boolean LANGUAGE sql
    AS 'SELECT pg_catalog.pg_sleep(0.1) IS NOT NULL';
"""


@dataclass(frozen=True, repr=False)
class Ran:
    """What one run of the command line came to."""

    exit_code: int
    out: str
    err: str

    @property
    def documents(self) -> list[dict[str, Any]]:
        """Every line of stdout as a document; a line that is none fails the test."""
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def document(self) -> dict[str, Any]:
        (only,) = self.documents
        return only

    def of(self, database: str) -> dict[str, Any]:
        (only,) = (document for document in self.documents if document["database"] == database)
        return only

    def __repr__(self) -> str:
        return f"exit {self.exit_code}\n--- stdout\n{self.out}\n--- stderr\n{self.err}"


@dataclass
class Fleet:
    """A fleet file with its backups in a folder.

    Attributes:
        keys: of the fleet file, besides its databases.
    """

    folder: Path
    keys: dict[str, Any] = field(default_factory=dict)
    databases: list[dict[str, Any]] = field(default_factory=list)

    @property
    def path(self) -> Path:
        return self.folder / "fleet.yaml"

    @property
    def evidence(self) -> Path:
        return self.folder / "evidence"

    @property
    def backups(self) -> Path:
        return self.folder / "backups"

    def put(self, database: str, backup: Path | bytes, at: datetime) -> Path:
        """Store a copy of *backup*, or bytes, as the one that *database* took at *at*."""
        path = self.backups / database / f"{database}_{at:%Y%m%dT%H%M%SZ}.dump"
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(backup, bytes):
            path.write_bytes(backup)
        else:
            shutil.copyfile(backup, path)
        return path

    def add(self, name: str, dump: Path | bytes | None = None, *, age_h: float = 1, **keys: Any) -> None:
        """Name a database; with *dump*, store that as its backup of *age_h* hours ago."""
        if dump is not None:
            self.put(name, dump, hours_ago(age_h))
        given = dict(keys)
        at = f"{self.backups}/{{database}}/{{database}}_%Y%m%dT%H%M%SZ.dump"
        given["backup"] = {"at": at, "database": "orders", **given.get("backup", {})}
        self.databases.append({"name": name, **given})
        self.write()

    def write(self) -> Path:
        document = {
            "version": 1,
            "fleet": "tests",
            "evidence": str(self.evidence),
            **self.keys,
            "databases": self.databases,
        }
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.write_text(json.dumps(document, default=str))
        return self.path

    def recorded(self, database: str | None = None) -> list[dict[str, Any]]:
        """Return the evidence documents that were written, oldest first."""
        found = sorted((self.evidence / "tests").glob(f"{database or '*'}/*Z_*.json"))
        documents = (json.loads(path.read_text()) for path in found)
        return [document for document in documents if document.get("schema") == "restore-drill/evidence/v1"]

    def evidence_file(self, document: Mapping[str, Any]) -> Path:
        (path,) = self.evidence.glob(f"tests/{document['database']}/*_{document['drill_id']}.json")
        return path


Here = Callable[..., Ran]


@dataclass(frozen=True)
class Shell:
    """`restore-drill` in a process of its own, with nothing of this machine's settings."""

    environment: dict[str, str]
    folder: Path

    def __call__(self, *arguments: object, timeout: float = CLI_TIMEOUT_S, **variables: str) -> Ran:
        done = subprocess.run(
            [str(PROGRAM), *map(str, arguments)],
            env={**self.environment, **variables},
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        return Ran(done.returncode, done.stdout, done.stderr)

    def start(self, *arguments: object, **variables: str) -> subprocess.Popen[str]:
        """Start a run and leave it to the test; its stdout and stderr are pipes."""
        return subprocess.Popen(
            [str(PROGRAM), *map(str, arguments)],
            env={**self.environment, **variables},
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509  ignored in a background job
        )

    def with_variables(self, **variables: str) -> Shell:
        return dataclasses.replace(self, environment={**self.environment, **variables})


@pytest.fixture(scope="session")
def orders_of(
    cluster: Callable[[int], Source], tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], Path]:
    """Give healthy custom dumps of a tiny database `orders`, as some statements have left it."""
    source = cluster(MAJOR)
    source.create_database("orders_template")
    source.execute(ORDERS, "orders_template")

    def dump(statements: str) -> Path:
        source.create_database("orders", options="TEMPLATE orders_template")
        source.execute(statements, "orders")
        return source.dump("orders", tmp_path_factory.mktemp("dumps") / "orders.dump", "-Fc")

    return dump


@pytest.fixture(scope="session")
def orders_dump(orders_of: Callable[[str], Path]) -> Path:
    """The healthy dump: 3,000 orders."""
    return orders_of("SELECT")


@pytest.fixture(scope="session")
def slow_dump(cluster: Callable[[int], Source], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A healthy dump whose restore takes minutes: each row waits for its check."""
    source = cluster(MAJOR)
    source.create_database("slow")
    source.execute(SLOW, "slow")
    return source.dump("slow", tmp_path_factory.mktemp("dumps") / "slow.dump", "-Fc")


@pytest.fixture(scope="session")
def fewer_orders_dump(orders_of: Callable[[str], Path]) -> Path:
    """The same database after a third of its orders has gone, and no tool complained."""
    return orders_of("DELETE FROM public.orders WHERE id > 2000")


@pytest.fixture(scope="session")
def few_orders_dump(orders_of: Callable[[str], Path]) -> Path:
    """The same database after a further third has gone."""
    return orders_of("DELETE FROM public.orders WHERE id > 1000")


@pytest.fixture
def fleet(tmp_path: Path) -> Fleet:
    """An empty fleet of the test's own."""
    return Fleet(tmp_path / "fleet")


@pytest.fixture
def shell(prefect_server: PrefectServer, tmp_path: Path, drill_folder: Path) -> Shell:
    """The command line as a process, on the session's Prefect server."""
    return own_shell(prefect_server, tmp_path, drill_folder)


@pytest.fixture
def own_server_shell(tmp_path: Path, drill_folder: Path) -> Shell:
    """The command line where no Prefect server is configured."""
    return own_shell(None, tmp_path, drill_folder)


def own_shell(server: PrefectServer | None, folder: Path, drills: Path) -> Shell:
    """Return the command line with folders of its own; without *server* it starts its own."""
    temporary = folder / "tmp"
    temporary.mkdir(exist_ok=True)
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PREFECT_", "AWS_"))}
    kept = server.environment() if server else {**kept, "PREFECT_HOME": str(folder / "prefect-home")}
    return Shell({**kept, "RESTORE_DRILL_DIR": str(drills), "TMPDIR": str(temporary), "TZ": "UTC"}, folder)


@pytest.fixture
def here(
    on_prefect: PrefectServer,
    drill_folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Iterator[Here]:
    """The command line in this process, which saves seconds of imports; its exit codes are a process's."""
    from deployments import cli  # noqa: PLC0415

    for name in (
        "PREFECT_LOGGING_EXTRA_LOGGERS",
        "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL",
        "DO_NOT_TRACK",
        "PYTHONSAFEPATH",
    ):
        monkeypatch.setenv(name, os.environ.get(name, "1" if name == "DO_NOT_TRACK" else ""))

    def run(*arguments: object) -> Ran:
        capsys.readouterr()
        monkeypatch.setattr(sys, "argv", ["restore-drill", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        said = capsys.readouterr()
        return Ran(int(ended.value.code or 0), said.out, said.err)

    yield run
    assert not list((drill_folder / "drills").glob("*")), "a drill left its folder"


@pytest.fixture(scope="session", autouse=True)
def _the_tests_own_modules_are_found() -> None:
    """Let drills' processes import what tests run in them; the product's find what is installed, no more."""
    path = f"import sys; sys.path.append({str(REPOSITORY)!r})"
    run = "from tasks.drill.fork_server import main; main"
    fork_server.command = lambda end: child_python("-c", f"{path}; {run}({end})")


@pytest.fixture
def in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Run the steps of drills in this very process, for tests that change what a step meets there."""

    def call(
        self: DrillProcess, work: Callable[..., Any], args: Any, kwargs: Any, deadline: Deadline, **how: Any
    ) -> Any:
        return work(*args, **kwargs)

    monkeypatch.setattr(DrillProcess, "call", call)


def write_suite(fleet: Fleet, **tables: list[tuple[str, dict[str, Any]]]) -> Path:
    """Write a suite for tables of `public` beside the fleet file."""
    path = fleet.folder / "shop.yaml"
    written = {
        f"public.{table}": [{"type": kind, "kwargs": kwargs} for kind, kwargs in expectations]
        for table, expectations in tables.items()
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"suite": "shop", "tables": written}))
    return path


def hours_ago(hours: float) -> datetime:
    """Return a whole second in the past."""
    return (utc_now() - timedelta(hours=hours)).replace(microsecond=0)


def rules_of(document: Mapping[str, Any], severity: str = "failure") -> set[str]:
    """Return the rules of the findings of one severity."""
    return {found["rule"] for found in document["findings"] if found["severity"] == severity}


def validate(document: Mapping[str, Any]) -> None:
    """Hold a document against the published schema."""
    schema = json.loads((REPOSITORY / "docs" / "evidence.schema.json").read_text())
    jsonschema.Draft202012Validator(schema).validate(document)
