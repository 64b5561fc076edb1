"""A whole physical drill against a copy and a replay by hand into the same place, under the same settings.

Half of the database is in the base backup and half in the WAL behind it. By hand the WAL comes by `cp`, in
the drill by the relay: the time that the server waited for that is told apart.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psycopg

from bench.source import HOUR_S, MAJOR, ORDERS_PER_MIB, SCHEMA, SUITE, fill
from bench.timing import ratio, timed, watched_memory
from deployments.commands.run import drill
from deployments.prefect_api import prefect_api
from deployments.samples.dumping import run_program
from deployments.samples.history import source_server
from tasks.model.clock import utc_now
from tasks.model.findings import Verdict
from tasks.model.sandbox import Sandbox
from tasks.sandbox import connect, dsn, find_postgres, free_bytes
from tasks.sandbox.isolation import choose_os_user, ids
from tasks.sandbox.settings import server_settings

GOAL, RELAY_GOAL = 1.2, 1.1
_PIECES = 8
_ANSWER_S = 0.02
_NOT_YET = ("starting up", "accepting connections", "No such file", "refused")
_MORE = """
INSERT INTO events (at, body) SELECT at, body FROM events WHERE id <= {rows};
INSERT INTO orders (customer_id, status, amount, tax, currency, note, address, paid_at, placed_at)
    SELECT customer_id, status, amount, tax, currency, note, address, paid_at, placed_at
    FROM orders WHERE id <= {rows};
"""


def measure(folder: Path, options: argparse.Namespace) -> None:
    """Print the ratio of a drill to bare tools, and what of the replay is the relay's; rounds in turn."""
    repository = folder / "physical"
    _make_repository(repository, options.physical_mib)
    fleet = _write_fleet(repository)
    bare: list[float] = []
    ours: list[float] = []
    by_hand_s: list[float] = []
    replays: list[Mapping[str, Any]] = []
    with watched_memory(450), prefect_api():
        _drill(fleet)  # imports and caches: a worker is warm
        for _ in range(options.rounds):
            bare.append(timed(lambda: by_hand_s.append(_by_hand(repository))))
            ours.append(timed(lambda: replays.append(_drill(fleet))))
    ratio("whole physical drill against copy and replay by hand", ours, bare, GOAL)
    relayed_s = [sum(replay["phases_s"].values()) for replay in replays]
    ratio("start, replay and promotion, by the relay against cp", relayed_s, by_hand_s, RELAY_GOAL)
    shares = [replay["wal"]["waited_s"] / replay["phases_s"]["replay"] for replay in replays]
    print(
        f"of the replay the server waited for the relay: {100 * statistics.median(shares):.1f} %", flush=True
    )


def _make_repository(root: Path, mib: int) -> None:
    """Back up a cluster physically into *root*: about half of *mib* MiB in the base, half behind it."""
    (root / "wal").mkdir(parents=True)
    with source_server(MAJOR, "production") as source:
        with connect(source) as server:
            server.execute("CREATE DATABASE shop")
        with connect(source, "shop") as shop:
            shop.execute("SET search_path = public")
            shop.execute(SCHEMA)
            fill(shop, mib * ORDERS_PER_MIB // 2)
            _take_base(source, root / f"{utc_now():base/%Y%m%dT%H%M%SZ}")
            for _ in range(_PIECES):
                shop.execute(_MORE.format(rows=mib * ORDERS_PER_MIB // 2 // _PIECES))
                _archive(source, root / "wal")
    base = sum(path.stat().st_size for path in (root / "base").rglob("*.tar.gz"))
    print(f"base: {base >> 20} MiB, WAL: {len(list((root / 'wal').iterdir()))} segments", flush=True)


def _take_base(source: Sandbox, folder: Path) -> None:
    with (source.workspace.root / "pg_hba.conf").open("a", encoding="utf-8") as rules:
        rules.write(f"local replication {source.superuser} trust\n")
    with connect(source) as server:
        server.execute("SELECT pg_catalog.pg_reload_conf()")
        server.execute("ALTER SYSTEM SET wal_keep_size = '8GB'")
        server.execute("SELECT pg_catalog.pg_reload_conf()")
    options = ["-D", str(folder), "-Ft", "-z", "-X", "none", "-c", "fast"]
    run_program(source, ["pg_basebackup", *options, "-d", dsn(source)], "shop")


def _archive(source: Sandbox, wal: Path) -> None:
    """Close the segment that is being written and copy what is new, as an archive_command would."""
    with connect(source) as server:
        row = server.execute("SELECT pg_catalog.pg_walfile_name(pg_catalog.pg_switch_wal() - 1)").fetchone()
    last = str(row[0]) if row else ""
    for segment in sorted((source.workspace.data_dir / "pg_wal").glob("[0-9A-F]" * 24)):
        if segment.name <= last and not (wal / segment.name).exists():
            shutil.copyfile(segment, wal / segment.name)


def _write_fleet(root: Path) -> Path:
    (root / "bench_suite.yaml").write_text(SUITE)
    fleet = root / "fleet.yaml"
    fleet.write_text(
        "version: 1\nfleet: bench\nevidence: evidence\ndatabases:\n"
        "  - name: shop\n"
        f"    backup: {{kind: basebackup, at: '{root}/base/%Y%m%dT%H%M%SZ/', wal: '{root}/wal'}}\n"
        "    expect: {suite: bench_suite.yaml, required_tables: [public.orders]}\n"
    )
    return fleet


def _drill(fleet: Path) -> Mapping[str, Any]:
    """Drill; return the evidence's `recovery`."""
    drills, verdict = drill(fleet, ["shop"], "", "")
    if verdict is not Verdict.VERIFIED:
        raise RuntimeError(f"the drill ended {verdict}: {drills[0].message}")
    document = json.loads(Path(drills[0].place).read_text())
    print("  phases", {k: round(v, 1) for k, v in document["phases_s"].items()}, flush=True)
    recovery: Mapping[str, Any] = document["recovery"]
    print("  recovery", recovery["phases_s"], "waited", recovery["wal"]["waited_s"], flush=True)
    return recovery


def _by_hand(repository: Path) -> float:
    """Unpack the base beside it, replay by `cp` and promote; return the seconds from start to ready."""
    place = repository / "by-hand"
    data = place / "data"
    data.mkdir(parents=True)
    try:
        (base,) = (repository / "base").glob("*/base.tar.gz")
        subprocess.run([_program("tar"), "-xzf", str(base), "-C", str(data)], check=True)
        (data / "recovery.signal").touch()
        (data / "postgresql.auto.conf").write_text("")
        data.chmod(0o700)
        who = ids(choose_os_user())
        if who is not None:
            subprocess.run([_program("chown"), "-R", f"{who[0]}:{who[1]}", str(place)], check=True)
        return _replay(place, repository / "wal", who)
    finally:
        shutil.rmtree(place)


def _replay(place: Path, wal: Path, who: tuple[int, int] | None) -> float:
    settings = server_settings("fast", free_bytes(place)) | {
        "wal_level": "replica",
        "hot_standby": "off",
        "restore_command": f"cp {wal}/%f %p",
        "listen_addresses": "",
        "unix_socket_directories": str(place),
        "shared_buffers": "128MB",
    }
    options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
    program = str(find_postgres(MAJOR).bindir / "postgres")
    identity = {} if who is None else {"user": who[0], "group": who[1], "extra_groups": []}
    begun_s = time.perf_counter()
    server = subprocess.Popen(
        [program, "-D", str(place / "data"), *options],
        cwd=place,
        env={"LC_ALL": "C", "PATH": os.environ["PATH"]},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        **identity,
    )
    try:
        while not _answers(place):
            if server.poll() is not None or time.perf_counter() - begun_s > HOUR_S:
                raise RuntimeError("the copy that was started by hand did not come up")
            time.sleep(_ANSWER_S)
        return time.perf_counter() - begun_s
    finally:
        server.terminate()
        server.wait()


def _answers(place: Path) -> bool:
    try:
        with psycopg.connect(host=str(place), dbname="shop", user="nobody") as session:
            session.execute("SELECT 1")
    except psycopg.OperationalError as error:
        return not any(word in str(error) for word in _NOT_YET)  # it answers, whoever asks
    return True


def _program(name: str) -> str:
    path = shutil.which(name)
    if path is None:
        raise RuntimeError(f"{name} is not on this machine")
    return path
