"""The outermost door: `restore-drill` and its commands; what takes seconds to import, a command imports.

Exit codes: 0 verified, 1 failed, 2 inconclusive, 3 usage or configuration, 130 interrupted.
"""

from __future__ import annotations

import platform
import sys
import traceback
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from deployments.folder_settings import refuse_settings_of
from deployments.terminal import echo
from tasks.jail.kernel import hide_process
from tasks.model.child_python import isolate_children
from tasks.model.errors import ConfigInvalid, DrillError
from tasks.model.printable import printable
from tasks.model.redact import redact

_USAGE: type[Exception] = typer.BadParameter.__mro__[2]  # click's ClickException, which typer does not export
EXIT_INCONCLUSIVE, EXIT_USAGE, EXIT_INTERRUPTED = 2, 3, 130

app = typer.Typer(
    name="restore-drill",
    help="Restore drills for fleets of PostgreSQL backups.\n\n"
    "First steps: [bold]restore-drill demo[/] shows it on sample databases; "
    "[bold]restore-drill init s3://bucket/prefix[/] looks at your backups and writes a fleet file; "
    "[bold]restore-drill check fleet.yaml[/] says whether it can be drilled; "
    "[bold]restore-drill run fleet.yaml[/] drills it.\n\n"
    "Exit codes: 0 verified, 1 failed (the backup could not be recovered as promised), 2 inconclusive "
    "(the drill could not judge), 3 usage or configuration error, 130 interrupted.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
postgres_app = typer.Typer(
    no_args_is_help=True, help="Which PostgreSQL majors are on this worker; install one."
)
app.add_typer(postgres_app, name="postgres")
suite_app = typer.Typer(no_args_is_help=True, help="The data team's suites of expectations.")
app.add_typer(suite_app, name="suite")

FleetFile = Annotated[
    Path, typer.Argument(metavar="FLEET", help="The fleet file, such as deployments/fleets/shop.yaml.")
]
Databases = Annotated[
    list[str] | None,
    typer.Option("--database", "-d", metavar="NAME", help="Only this database; may be repeated."),
]
OneDatabase = Annotated[
    str, typer.Option("--database", "-d", metavar="NAME", help="Which database of the fleet.")
]
Select = Annotated[
    str,
    typer.Option(
        metavar="WHICH",
        help="newest, random, random:SEED, all, walk_back:N, at:TIME or key:KEY; default: the fleet file's.",
    ),
]
EvidenceDir = Annotated[
    str,
    typer.Option(
        "--evidence",
        metavar="DIR",
        help="Where evidence goes: a folder or s3://...; default: the fleet file's.",
    ),
]
AsJson = Annotated[
    bool, typer.Option("--json", help="Only documents on stdout, one per line; the rest on stderr.")
]


def _show_version(asked: bool) -> None:
    if asked:
        parts = (f"Python {platform.python_version()}", f"Prefect {version('prefect')}")
        echo(f"restore-drill {version('restore-drill')} ({', '.join(parts)})")
        raise typer.Exit


@app.callback()
def begin(
    context: typer.Context,
    *,
    show_version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit."),
    ] = False,
) -> None:
    """Say no before anything of the current folder could run."""
    del show_version  # its callback has seen to it
    if context.invoked_subcommand != "manifest":  # it knows no Prefect, and dumps where it is started
        refuse_settings_of(Path.cwd())


@app.command()
def demo(
    out: Annotated[Path, typer.Option(help="Where its fleet file, evidence and report go.")] = Path(
        "demo-output"
    ),
) -> None:
    """Build sample databases, back them up with some sabotage, drill them, show what was caught."""
    from deployments.commands.demo import run_demo  # noqa: PLC0415

    raise typer.Exit(run_demo(out))


@app.command()
def init(
    uri: Annotated[
        str, typer.Argument(metavar="URI", help="s3://bucket/prefix or a folder that holds backups.")
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="The fleet file to write.")] = Path("fleet.yaml"),
    region: Annotated[str | None, typer.Option(help="Region of the bucket.")] = None,
    endpoint_url: Annotated[str | None, typer.Option(help="Any S3-compatible store.")] = None,
    *,
    force: Annotated[bool, typer.Option("--force", help="Replace the fleet file if it is there.")] = False,
) -> None:
    """Look at a bucket, recognise layouts and databases, write a fleet file, say what was not understood."""
    from deployments.commands.init import initialise  # noqa: PLC0415
    from tasks.model.target import StoreConfig  # noqa: PLC0415

    report = initialise(uri, out, store=StoreConfig(region=region, endpoint_url=endpoint_url), force=force)
    for line in report.lines:
        echo(printable(line))


@app.command()
def check(fleet: FleetFile, database: Databases = None, *, as_json: AsJson = False) -> None:
    """Preflight only: configuration, store, PostgreSQL. Nothing is downloaded or restored.

    Reads the head of each newest backup, which proves the right to list, read and decrypt, and prints the
    least-privilege policy that the recovery role needs.
    """
    from deployments.commands.check import check_fleet  # noqa: PLC0415

    raise typer.Exit(check_fleet(fleet, tuple(database or ()), as_json=as_json))


@app.command()
def run(
    fleet: FleetFile,
    database: Databases = None,
    select: Select = "",
    evidence: EvidenceDir = "",
    *,
    as_json: AsJson = False,
) -> None:
    """Drill: find the backups, restore them, prove what came back, measure, tear down, leave evidence."""
    from deployments.commands.run import run_fleet  # noqa: PLC0415

    raise typer.Exit(run_fleet(fleet, tuple(database or ()), select, evidence, as_json=as_json))


@app.command("list")
def list_points(
    fleet: FleetFile, database: OneDatabase, select: Select = "", *, as_json: AsJson = False
) -> None:
    """Show the recovery points of one database: chosen and rejected, with reasons."""
    from deployments.commands.list import list_recovery_points  # noqa: PLC0415

    raise typer.Exit(list_recovery_points(fleet, database, select, as_json=as_json))


@app.command("can-i-recover")
def can_i_recover(
    fleet: FleetFile,
    database: Databases = None,
    to: Annotated[
        str, typer.Option(metavar="TIME", help="The moment to bring back, such as 2026-01-31T03:00:00Z.")
    ] = "",
    *,
    as_json: AsJson = False,
) -> None:
    """Ask first: is there a backup for that moment, which drill has proven it, how long does it take.

    Nothing is downloaded or restored: listings and evidence answer, in seconds. Exit codes: 0 yes, by the
    proof of a drill; 1 no; 2 perhaps, since no drill has proven it, or it could not be told.
    """
    from deployments.commands.can_i_recover import can_i_recover as answer  # noqa: PLC0415

    raise typer.Exit(answer(fleet, tuple(database or ()), to, as_json=as_json))


@app.command()
def recover(
    fleet: FleetFile,
    database: OneDatabase,
    into: Annotated[Path, typer.Option("--into", metavar="DIR", help="A free folder for the cluster.")],
    to: Annotated[
        str,
        typer.Option(metavar="TIME", help="The moment to bring back; default: what the newest backup holds."),
    ] = "",
    port: Annotated[int, typer.Option(help="The port that --start uses.")] = 5432,
    *,
    start: Annotated[bool, typer.Option("--start", help="Start the recovered server.")] = False,
    as_json: AsJson = False,
) -> None:
    """Restore for good, by the very path that is drilled: a cluster in DIR, stopped unless --start is given.

    Exit codes: 0 recovered, 1 with failures that are named, 2 the recovery could not be carried out.
    """
    from deployments.commands.recover import recover_database  # noqa: PLC0415

    raise typer.Exit(
        recover_database(fleet, database, to, into, port=port if start else None, as_json=as_json)
    )


@app.command()
def compare(
    fleet: FleetFile,
    database: Databases = None,
    select: Select = "",
    *,
    as_json: AsJson = False,
) -> None:
    """Restore two ways back of one database side by side and compare them, table by table.

    Name both: -d A -d B. Exit codes: 0 they agree, 1 they differ, 2 that could not be told.
    """
    from deployments.commands.compare import compare_two  # noqa: PLC0415

    raise typer.Exit(compare_two(fleet, tuple(database or ()), select, as_json=as_json))


@app.command()
def bisect(
    fleet: FleetFile, database: OneDatabase, evidence: EvidenceDir = "", *, as_json: AsJson = False
) -> None:
    """Find the first bad backup in the window, with as few restores as possible."""
    from deployments.commands.bisect import bisect_window  # noqa: PLC0415

    raise typer.Exit(bisect_window(fleet, database, evidence, as_json=as_json))


@app.command()
def deploy(
    fleets: Annotated[list[Path], typer.Argument(metavar="FLEET...", help="Fleet files.")],
) -> None:
    """Register the Prefect deployments: one per database, one per fleet with its schedule, and the sweep."""
    from deployments.commands.deploy import register_fleets  # noqa: PLC0415

    for line in register_fleets(fleets):
        echo(line)


@app.command()
def overdue(
    fleets: Annotated[list[Path], typer.Argument(metavar="FLEET...", help="Fleet files.")],
    *,
    look: Annotated[
        bool, typer.Option("--look", help="Also list the backups: age, gaps and what a preflight says.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Say which databases no drill has verified lately, and which nobody drills; without Prefect.

    Exit codes: 0 all is well, 1 something is overdue, never verified or failed, 2 that could not be told.
    """
    from deployments.commands.overdue import show_overdue  # noqa: PLC0415

    raise typer.Exit(show_overdue(fleets, look=look, as_json=as_json))


@app.command()
def metrics(
    fleets: Annotated[list[Path], typer.Argument(metavar="FLEET...", help="Fleet files.")],
    textfile: Annotated[
        Path | None, typer.Option(metavar="DIR", help="The folder that a node exporter reads.")
    ] = None,
    listen: Annotated[
        str, typer.Option(metavar="HOST:PORT", help="Serve them, such as 127.0.0.1:9187.")
    ] = "",
) -> None:
    """Tell Prometheus how the fleets stand, from evidence alone; without an option, print it."""
    from deployments.commands.metrics import show_metrics  # noqa: PLC0415

    raise typer.Exit(show_metrics(fleets, textfile, listen))


@app.command()
def sweep() -> None:
    """Remove what crashed drills left: only what carries our stamp and has expired or lost its owner."""
    from tasks.model.clock import utc_now  # noqa: PLC0415
    from tasks.sandbox import sweep as sweep_now  # noqa: PLC0415
    from tasks.teardown import describe_sweep  # noqa: PLC0415

    report = sweep_now(utc_now())
    echo(describe_sweep(report))
    raise typer.Exit(EXIT_INCONCLUSIVE if report.left else 0)


@app.command()
def report(
    evidence: Annotated[
        list[str], typer.Argument(metavar="EVIDENCE...", help="Folders or s3:// locations of evidence.")
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="The folder of the site.")] = Path("report"),
    region: Annotated[str | None, typer.Option(help="Region of the evidence bucket.")] = None,
    endpoint_url: Annotated[str | None, typer.Option(help="Any S3-compatible store.")] = None,
    *,
    data_docs: Annotated[
        bool, typer.Option("--data-docs", help="Also draw Great Expectations' own pages of the results.")
    ] = False,
) -> None:
    """Render the static report: a page per fleet and per drill, readable offline."""
    from tasks.evidence import render_report  # noqa: PLC0415
    from tasks.model.target import StoreConfig  # noqa: PLC0415

    store = StoreConfig(region=region, endpoint_url=endpoint_url)
    echo(f"report: {render_report(evidence, out, store=store, data_docs=data_docs)}")


@app.command()
def accept(
    evidence: Annotated[
        str, typer.Argument(metavar="EVIDENCE", help="The evidence document with the drift.")
    ],
    rule: Annotated[str, typer.Option(help="The rule of the finding, such as rows-dropped.")],
    where: Annotated[str, typer.Option(help="Where the finding is, such as public.orders.")],
    why: Annotated[str, typer.Option(help="Why the change is legitimate; it is kept in the evidence.")],
    region: Annotated[str | None, typer.Option(help="Region of the evidence bucket.")] = None,
    endpoint_url: Annotated[str | None, typer.Option(help="Any S3-compatible store.")] = None,
) -> None:
    """Take in a legitimate change: the figure becomes the baseline. Only drift can be accepted."""
    from deployments.commands.accept import accept_change  # noqa: PLC0415
    from tasks.model.target import StoreConfig  # noqa: PLC0415

    store = StoreConfig(region=region, endpoint_url=endpoint_url)
    echo(accept_change(evidence, rule=rule, where=where, why=why, store=store))


@app.command(
    context_settings={
        "allow_extra_args": True,
        "ignore_unknown_options": True,
        "allow_interspersed_args": False,
    }
)
def manifest(context: typer.Context) -> None:
    """Take a dump with its exact inventory in one snapshot: restore-drill manifest -- pg_dump -Fc -f FILE DB.

    Run it at the source in place of pg_dump; upload FILE.inventory.json beside FILE.
    """
    from deployments.commands.manifest import write_manifest  # noqa: PLC0415

    raise typer.Exit(write_manifest(context.args))


@app.command()
def draft(
    fleet: FleetFile,
    database: OneDatabase,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="The suite's file; default: the target's.")
    ] = None,
    points: Annotated[int, typer.Option(min=1, max=100, help="How many recovery points are profiled.")] = 1,
) -> None:
    """Profile a restored backup and write a suite for review; what people wrote in it is kept."""
    from deployments.commands.draft import draft_suite_file  # noqa: PLC0415

    raise typer.Exit(draft_suite_file(fleet, database, out, points))


@app.command()
def selftest(
    fleet: FleetFile,
    database: OneDatabase,
    seed: Annotated[
        int, typer.Option(help="The same seed on the same backup damages it in the same way.")
    ] = 1,
    mutants: Annotated[int, typer.Option(min=2, max=2000, help="How many damages are tried.")] = 100,
    evidence: EvidenceDir = "",
    *,
    quick: Annotated[bool, typer.Option("--quick", help="Only the ten that matter most.")] = False,
    as_json: AsJson = False,
) -> None:
    """Break copies of the newest backup and of what it restores to; show which breakages the drill catches.

    Exit codes: 0 the drill can fail, 1 it cannot, 2 that could not be told.
    """
    from deployments.commands.selftest import run_selftest  # noqa: PLC0415

    raise typer.Exit(
        run_selftest(fleet, database, evidence, seed=seed, mutants=mutants, quick=quick, as_json=as_json)
    )


@suite_app.command("check")
def suite_check(
    files: Annotated[list[Path], typer.Argument(metavar="SUITE...", help="Suites, YAML or GX's own JSON.")],
) -> None:
    """Check suites without a backup: every problem with its file, line and remedy."""
    from deployments.commands.draft import check_suites  # noqa: PLC0415

    raise typer.Exit(check_suites(files))


@suite_app.command("try")
def suite_try(
    fleet: FleetFile,
    database: OneDatabase,
    suite: Annotated[
        Path | None, typer.Option("--suite", metavar="FILE", help="The suite; default: the target's.")
    ] = None,
    keep: Annotated[
        str, typer.Option(metavar="TIME", help="How long the sandbox stays after this try, such as 4h.")
    ] = "4h",
    *,
    fresh: Annotated[bool, typer.Option("--fresh", help="Restore the newest backup anew.")] = False,
    drop: Annotated[bool, typer.Option("--drop", help="Remove the kept sandbox at once.")] = False,
) -> None:
    """Run a suite on a restored backup that is kept meanwhile: seconds for each try while you write it.

    The first try restores the newest backup. Exit codes: 0 all expectations hold, 1 one does not, 2 one could
    not be evaluated, 3 the suite or the fleet file cannot be used.
    """
    from deployments.commands.suite_try import Wish, drop_kept_backups, try_on_kept  # noqa: PLC0415

    if drop:
        raise typer.Exit(drop_kept_backups(fleet, database))
    raise typer.Exit(try_on_kept(fleet, database, Wish(suite, keep, fresh)))


@postgres_app.command("list")
def postgres_list(*, as_json: AsJson = False) -> None:
    """Show the PostgreSQL majors that drills can use here."""
    from deployments.commands.postgres import show_installs  # noqa: PLC0415

    show_installs(as_json=as_json)


@postgres_app.command("install")
def postgres_install(
    majors: Annotated[list[int], typer.Argument(metavar="MAJOR...", help="14 to 18.")],
) -> None:
    """Fetch the pinned build of a major into the cache."""
    from tasks.sandbox import install_postgres  # noqa: PLC0415

    for major in majors:
        install = install_postgres(major)
        echo(f"PostgreSQL {install.version}: {install.bindir}")


def main() -> NoReturn:
    """Run the command line; every way to end is one of the exit codes above."""
    isolate_children()
    hide_process()  # code of a dump may run as the same user, and our environment holds credentials
    try:
        code = app(standalone_mode=False)
    except _USAGE as error:
        error.show()  # type: ignore[attr-defined] # typer keeps its copy of click to itself
        code = EXIT_USAGE
    except ConfigInvalid as error:
        _say(error)
        code = EXIT_USAGE
    except DrillError as error:
        _say(error)
        code = EXIT_INCONCLUSIVE
    except (KeyboardInterrupt, typer.Abort):
        echo("interrupted: the drills were torn down", err=True)
        code = EXIT_INTERRUPTED
    except Exception as error:  # noqa: BLE001  Python's own exit code for it is 1, which says that a backup failed
        _say_unknown(error)
        code = EXIT_INCONCLUSIVE
    sys.exit(code if isinstance(code, int) else 0)


def _say(error: DrillError) -> None:
    echo(f"error: {redact(str(error))}", err=True)


def _say_unknown(error: Exception) -> None:
    """Say where an error that nothing foresaw came from; its text may quote a row or a secret."""
    echo("".join(traceback.format_tb(error.__traceback__)), err=True)
    echo(f"error: restore-drill met an error that it does not know: {type(error).__name__}", err=True)


if __name__ == "__main__":
    main()
