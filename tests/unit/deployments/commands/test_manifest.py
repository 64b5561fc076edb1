"""Reading a pg_dump command line as pg_dump does."""

from __future__ import annotations

from pathlib import Path

import pytest
from psycopg.conninfo import conninfo_to_dict

from deployments.commands.manifest import manifest_path, parse_options, read_command, warn_of
from tasks.model.errors import ConfigInvalid


@pytest.mark.parametrize(
    ("words", "options", "positional"),
    [
        ("-Fc -f x.dump shop", {"-F": "c", "-f": "x.dump"}, ["shop"]),
        ("-F c -fx.dump", {"-F": "c", "-f": "x.dump"}, []),
        ("-xOf x.dump -d shop", {"-x": "", "-O": "", "-f": "x.dump", "-d": "shop"}, []),
        ("--file=x --no-owner --jobs 4", {"--file": "x", "--no-owner": "", "--jobs": "4"}, []),
        ("--file x -- -odd", {"--file": "x"}, ["-odd"]),
        ("shop -v -p 5433", {"-v": "", "-p": "5433"}, ["shop"]),
    ],
)
def test_options_are_read_as_getopt_reads_them(
    words: str, options: dict[str, str], positional: list[str]
) -> None:
    assert parse_options(words.split()) == (options, positional)


@pytest.mark.parametrize(
    ("words", "connection"),
    [
        ("-f x shop", {"dbname": "shop"}),
        (
            "-f x -h db.example -p 5433 -U dumper -d shop",
            {"host": "db.example", "port": "5433", "user": "dumper", "dbname": "shop"},
        ),
        ("-f x --host=h postgresql://u@other/shop", {"host": "h", "user": "u", "dbname": "shop"}),
        ("-f x -d host=/run/pg", {"host": "/run/pg"}),
        ("-f x", {}),
    ],
)
def test_the_connection_is_the_one_that_pg_dump_makes(words: str, connection: dict[str, str]) -> None:
    dump = read_command(["/usr/bin/pg_dump", *words.split()])
    assert conninfo_to_dict(dump.conninfo) == connection
    assert dump.output == Path("x")


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        ([], "pg_dump command"),
        (["pg_dumpall", "-f", "x"], "pg_dump command"),
        (["pg_dump", "shop"], "standard output"),
        (["pg_dump", "-f", "x", "--snapshot=1"], "--snapshot"),
    ],
)
def test_what_is_no_usable_command_is_refused(argv: list[str], said: str) -> None:
    with pytest.raises(ConfigInvalid, match=said):
        read_command(argv)


def test_a_dump_that_leaves_something_out_is_warned_of(capsys: pytest.CaptureFixture[str]) -> None:
    warn_of(read_command(["pg_dump", "-f", "x", "-T", "logs", "shop"]))
    assert "-T" in capsys.readouterr().err
    warn_of(read_command(["pg_dump", "-f", "x", "shop"]))
    assert capsys.readouterr().err == ""


def test_the_role_of_the_dump_is_taken_on() -> None:
    assert read_command(["pg_dump", "-f", "x", "--role=backup"]).role == "backup"


def test_the_manifest_lies_beside_the_dump() -> None:
    assert manifest_path(Path("/b/shop.dump")) == Path("/b/shop.dump.inventory.json")
    assert manifest_path(Path("/b/shop.dir/")) == Path("/b/shop.dir.inventory.json")
