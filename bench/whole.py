"""A whole drill against bare `pg_restore` of the same local file, same jobs and settings, then ANALYZE.

And against the usual way: PostgreSQL as shipped, one job, no ANALYZE; what people type on the worst day.
"""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path

from bench.source import HOUR_S, make_backup, make_database, open_sandbox, write_fleet
from bench.timing import ratio, timed, watched_memory
from deployments.commands.run import drill
from deployments.prefect_api import prefect_api
from tasks.model.findings import Verdict
from tasks.model.sandbox import Sandbox
from tasks.model.target import SandboxConfig
from tasks.sandbox import connect, destroy, dsn, run_tool, share_backup

GOAL = 1.15
STOCK_GOAL = 1.0
_STOCK = SandboxConfig(profile="production", jobs=1)


def measure(folder: Path, options: argparse.Namespace) -> None:
    """Print the ratio of a drill to a bare restore, rounds in turn."""
    dumps = folder / "whole"
    dump = make_backup(dumps, options.mib)
    fleet = write_fleet(dumps)
    print(f"dump: {dump.stat().st_size >> 20} MiB", flush=True)
    bare: list[float] = []
    stock: list[float] = []
    ours: list[float] = []
    with watched_memory(450), prefect_api():
        _drill(fleet)  # imports and caches: a worker is warm
        for _ in range(options.rounds):
            bare.append(_bare_restore(dump, SandboxConfig()))
            ours.append(timed(lambda: _drill(fleet)))
            stock.append(_bare_restore(dump, _STOCK, analyze=False))
    ratio("whole drill against bare pg_restore", ours, bare, GOAL)
    ratio("whole drill against the usual way (settings as shipped, one job)", ours, stock, STOCK_GOAL)


def _drill(fleet: Path) -> None:
    drills, verdict = drill(fleet, ["shop"], "", "")
    if verdict is not Verdict.VERIFIED:
        raise RuntimeError(f"the drill ended {verdict}: {drills[0].message}")
    phases = json.loads(Path(drills[0].place).read_text())["phases_s"]
    print("  phases", {k: round(v, 1) for k, v in phases.items()}, flush=True)


def _bare_restore(dump: Path, config: SandboxConfig, *, analyze: bool = True) -> float:
    sandbox = open_sandbox("bare", config)
    try:
        inside = sandbox.workspace.backup_dir / dump.name
        shutil.copyfile(dump, inside)
        share_backup(sandbox.workspace)
        make_database(sandbox)
        return timed(lambda: _restore(sandbox, inside, analyze=analyze))
    finally:
        destroy(sandbox.workspace)


def _restore(sandbox: Sandbox, dump: Path, *, analyze: bool) -> None:
    jobs = ["-j", str(sandbox.jobs)] if sandbox.jobs > 1 else []
    argv = ["pg_restore", *jobs, "--no-owner", "-d", dsn(sandbox, "shop", sandbox.owner), str(dump)]
    done = run_tool(sandbox, argv, env={}, deadline_s=HOUR_S)
    if done.exit_code != 0:
        raise RuntimeError("\n".join(done.stderr_lines))
    if analyze:
        with connect(sandbox, "shop", sandbox.owner) as shop:
            shop.execute("ANALYZE")
