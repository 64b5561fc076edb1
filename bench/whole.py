"""A whole drill against bare `pg_restore` of the same local file, same jobs and settings, then ANALYZE."""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

from bench.source import HOUR_S, make_backup, make_database, open_sandbox, write_fleet
from bench.timing import peak_memory, ratio, timed
from deployments.prefect_api import prefect_api
from deployments.running import drill
from tasks.model.findings import Verdict
from tasks.sandbox import connect, destroy, dsn, run_tool, share_backup

GOAL = 1.15


def measure(folder: Path, options: argparse.Namespace) -> None:
    """Print the ratio of a drill to a bare restore, rounds in turn."""
    dumps = folder / "whole"
    dump = make_backup(dumps, options.mib)
    fleet = write_fleet(dumps)
    print(f"dump: {dump.stat().st_size >> 20} MiB", flush=True)
    bare: list[float] = []
    ours: list[float] = []
    with prefect_api():
        _drill(fleet)  # imports and caches: a worker is warm
        for _ in range(options.rounds):
            bare.append(_bare_restore(dump))
            ours.append(timed(lambda: _drill(fleet)))
    ratio("whole drill against bare pg_restore", ours, bare, GOAL)
    peak_memory(450)


def _drill(fleet: Path) -> None:
    documents, verdict = drill(fleet, ["shop"], "", "")
    if verdict is not Verdict.VERIFIED:
        raise RuntimeError(f"the drill ended {verdict}: {documents[0]['findings']}")
    print("  phases", {k: round(v, 1) for k, v in documents[0]["phases_s"].items()}, flush=True)


def _bare_restore(dump: Path) -> float:
    sandbox = open_sandbox("bare")
    try:
        inside = sandbox.workspace.backup_dir / dump.name
        shutil.copyfile(dump, inside)
        share_backup(sandbox.workspace)
        make_database(sandbox)

        target = dsn(sandbox, "shop", sandbox.owner)

        def restore() -> None:
            argv = ["pg_restore", "-j", str(sandbox.jobs), "--no-owner", "-d", target, str(inside)]
            done = run_tool(sandbox, argv, env={}, deadline_s=HOUR_S)
            with connect(sandbox, "shop", sandbox.owner) as shop:
                shop.execute("ANALYZE")
            if done.exit_code != 0:
                raise RuntimeError("\n".join(done.stderr_lines))

        return timed(restore)
    finally:
        destroy(sandbox.workspace)
