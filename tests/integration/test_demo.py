"""The demo's own parts against real clusters and a real S3 server; the drills themselves are left out."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from deployments.commands.demo import PAYMENTS, REPOSITORY, run_demo
from deployments.commands.init import initialise
from deployments.samples import SAMPLES, Sample, build_sample, live_a_day
from deployments.samples.history import LINES, NIGHTS, STOPPED_NIGHTS_AGO
from tasks.catalog import read_head
from tasks.config import load_fleet, parse_select
from tasks.discovery import discover
from tasks.model.clock import utc_now
from tasks.model.target import StoreConfig, Target
from tasks.recovery.kinds import recovery_of
from tasks.stores import open_store
from tests.fix_postgres import Source


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.name)
def test_a_sample_grows_with_its_scale_and_its_days(cluster: Callable[[int], Source], sample: Sample) -> None:
    source = cluster(16)
    counts = []
    for scale in (0.5, 1.0):
        name = source.create_database(f"sample_{sample.name}")
        with source.connect() as server, source.connect(name) as database:
            build_sample(sample, server, database, utc_now(), scale)
            live_a_day(sample, database, utc_now())
            database.execute("ANALYZE")
            row = database.execute("SELECT sum(n_live_tup) FROM pg_catalog.pg_stat_user_tables").fetchone()
            owned = database.execute(
                "SELECT count(*) FROM pg_catalog.pg_class JOIN pg_catalog.pg_roles r ON r.oid = relowner "
                "WHERE rolname = %s",
                [sample.owner],
            ).fetchone()
        assert row is not None
        assert owned is not None
        assert owned[0] > 5
        counts.append(int(row[0]))
        source.execute(f"DROP DATABASE {name}")
    assert counts[1] > 1.3 * counts[0] > 0


def test_the_demo_s_buckets_and_fleet_files_fit_each_other_and_nothing_is_left(
    tmp_path: Path, drill_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What the drills are given, and that it takes only verdicts to fail the demo."""
    runs: list[tuple[str, tuple[str, ...], str]] = []
    segments: list[set[str]] = []
    ports: set[int] = set()
    environment, others = dict(os.environ), children()  # another test's S3 server is a child too

    def look(fleet_path: Path, names: tuple[str, ...], select: str) -> int:
        fleet = load_fleet(fleet_path)
        runs.append((fleet_path.name, names, select.partition(":")[0]))
        segments.append({path.name for path in (fleet_path.parent / REPOSITORY / "wal").iterdir()})
        assert _one_base_backup(fleet.targets[-1])
        ports.add(int(str(fleet.store.endpoint_url).rpartition(":")[2]))
        for target, line in zip(fleet.targets[:-1], LINES, strict=True):
            store = open_store(target.store, target.backup.place)
            found = discover(target, store, utc_now(), parse_select(select))
            (point,) = found.points
            assert len(found.points_at) == len(line.nights) or select != "newest"
            if select == "newest" and line.spoil is None and not point.uri.endswith("/"):
                head = read_head(store.source(point.stored), point.uri)
                assert head.toc is not None
                assert head.toc.made_at == point.at.replace(tzinfo=None)
                assert head.toc.major == line.major
        if select == "newest" and not names:
            report = initialise("s3://acme-backups/nightly", tmp_path / "mine.yaml", store=fleet.store)
            drafted = load_fleet(tmp_path / "mine.yaml")
            assert {t.backup.place for t in drafted.targets} == {t.backup.place for t in fleet.targets[:-1]}
            assert sorted(t.name for t in drafted.targets) == sorted(t.name for t in fleet.targets[:-1])
            assert {t.rpo for t in drafted.targets} == {26 * 3600.0}
            assert len(report.not_understood) == len({line.major for line in LINES})
            assert all("whose they are could not be told" in line for line in report.not_understood)
        return 0

    assert run_demo(tmp_path / "out", look) == 1
    dumped = tuple(line.sample.name for line in LINES)
    assert [run[1:] for run in runs] == [(dumped, "at"), ((PAYMENTS,), "newest"), ((), "newest")]
    assert {name for name, _, _ in runs} == {"fleet.yaml"}
    assert segments[0] == segments[1]
    (lost,) = segments[1] - segments[2]
    assert min(segments[2]) < lost < max(segments[2])
    said = capsys.readouterr().out
    assert "5 of 5 verdicts are not as planned" in said
    assert said.count("no evidence was left") == 5
    assert dict(os.environ) == environment
    assert not list((drill_folder / "drills").glob("*"))
    assert not [args for args in children() if "weed" in args and args not in others]
    assert not [path for port in ports for path in Path("/tmp").glob(f"*s3*{port + 10_000}*")]  # noqa: S108
    _works_without_the_server(tmp_path / "out" / "fleet-of-files.yaml")


def _one_base_backup(target: Target) -> bool:
    recovery = recovery_of(target)
    found = recovery.points(target, recovery.reach(target), utc_now(), parse_select("newest"))
    return len(found.points) == len(found.points_at) == 1


def children() -> list[str]:
    """Return the command lines of this process's children."""
    listed = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text().split()
    return [Path(f"/proc/{pid}/cmdline").read_bytes().decode() for pid in listed]


def _works_without_the_server(fleet_path: Path) -> None:
    *dumped, physical = load_fleet(fleet_path).targets
    assert _one_base_backup(physical)
    for target in dumped:
        assert target.store == StoreConfig()
        found = discover(target, open_store(target.store, target.backup.place), utc_now())
        wanted = NIGHTS - (STOPPED_NIGHTS_AGO if target.name == "billing" else 0)
        assert len(found.points_at) == wanted
