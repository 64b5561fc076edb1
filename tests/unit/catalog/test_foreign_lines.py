"""What kubectl, compose or time wrote into a script is named and left out; what may be SQL is not touched."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from tasks.catalog import open_backup, open_script
from tasks.model.backup import LocalBackup
from tasks.model.errors import PermanentError

BEGIN = (
    "--\n-- PostgreSQL database dump\n--\n\n\\restrict abc\n\n-- Dumped from database version 17.6\n"
    "-- Dumped by pg_dump version 17.6\n\nSET statement_timeout = 0;\nCREATE TABLE public.a (id int);\n"
    "COPY public.a (id) FROM stdin;\n1\n\\.\n\n"
)
END = "--\n-- PostgreSQL database dump complete\n--\n\n\\unrestrict abc\n\n"
DUMP = BEGIN + END
BEFORE = {
    'Defaulted container "postgres" out of: postgres, metrics, init-chmod (init)\n': "kubectl",
    "Unable to use a TTY - input is not a terminal or the right kind of file\n": "kubectl",
    "WARN[0000] /srv/docker-compose.yml: the attribute `version` is obsolete\n": "docker compose",
    'time="2026-11-25T03:00:00Z" level=warning msg="a variable is not set"\n': "docker compose",
    " Container shop-db-1  Running\n": "docker compose",
    "Warning: Permanently added '192.0.2.1' (ED25519) to the list of known hosts.\r\n": "ssh",
    "Backup started at 03:00\n\n": "another program",
}
BEHIND = {
    "real    0m1.204s\nuser    0m0.310s\nsys     0m0.020s\n": "time",
    "1.20user 0.31system 0:01.52elapsed 99%CPU (0avgtext+0avgdata 9000maxresident)k\n": "time",
    "pg_dump: warning: there are circular foreign-key constraints on this table:\n": "pg_dump itself",
    "12+1 records in\n12+1 records out\n": "pv or dd",
    "Done.": "another program",
}


def opened(tmp_path: Path, data: bytes, name: str = "x.sql") -> LocalBackup:
    path = tmp_path / name
    path.write_bytes(data)
    return open_backup(
        path,
        name=name,
        sha256="",
        bytes=len(data),
        integrity="none",
        fetch_s=0.0,
        decrypt=None,
        workdir=tmp_path,
    )


def rules(backup: LocalBackup) -> set[str]:
    return {one.rule for one in backup.findings}


@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("line", BEFORE)
def test_lines_before_the_dump_are_left_out_and_named(tmp_path: Path, line: str, mark: str) -> None:
    backup = opened(tmp_path, (mark + line + DUMP).encode())
    (warning,) = (one for one in backup.findings if one.rule == "foreign-lines")
    assert f"of {BEFORE[line]} " in warning.message
    assert "before the dump" in warning.message
    assert b"".join(open_script(backup)) == DUMP.encode()
    assert backup.head.extent.lines == line.count("\n")


@pytest.mark.parametrize("lines", BEHIND)
def test_lines_behind_the_dump_are_left_out_and_named_and_nothing_is_called_lost(
    tmp_path: Path, lines: str
) -> None:
    backup = opened(tmp_path, gzip.compress((DUMP + lines).encode()), "x.sql.gz")
    (warning,) = (one for one in backup.findings if one.rule == "foreign-lines")
    assert f"of {BEHIND[lines]} " in warning.message
    assert b"".join(open_script(backup)) == DUMP.encode()


def test_what_the_lines_say_is_not_repeated(tmp_path: Path) -> None:
    backup = opened(tmp_path, f"token is planted\n{DUMP}password planted\n".encode())
    assert "foreign-lines" in rules(backup)
    assert "planted" not in repr(backup.findings)


@pytest.mark.parametrize("line", ["don't panic\n", 'say "hello\n', "progress [=>\n", "started (\n"])
def test_lines_that_open_a_quote_swallow_the_dump(tmp_path: Path, line: str) -> None:
    with pytest.raises(PermanentError) as caught:
        opened(tmp_path, (line + DUMP).encode())
    assert caught.value.rule == "archive-corrupt"


@pytest.mark.parametrize(
    "before",
    ["", "-- a comment\n", "BEGIN;\n", "\\set ON_ERROR_STOP on\n", "CREATE ROLE x;\n", "SELECT 1\n;\n"],
)
@pytest.mark.parametrize(
    "behind", ["", "COMMIT;\n", "\\timing off\n\\q\n", "ANALYZE;\n", "-- written by cron\n"]
)
def test_sql_and_comments_round_a_dump_are_its_own(tmp_path: Path, before: str, behind: str) -> None:
    whole = (before + DUMP + behind).encode()
    backup = opened(tmp_path, whole)
    assert "foreign-lines" not in rules(backup)
    assert b"".join(open_script(backup)) == whole


@pytest.mark.parametrize(
    "line", ["CREATE TABLE b (id int);\n", "GRANT x TO y\n", "Done; all well\n", "COPY a\n"]
)
def test_what_may_be_a_statement_behind_the_end_is_not_left_out(tmp_path: Path, line: str) -> None:
    whole = (DUMP + line * 2).encode()
    backup = opened(tmp_path, whole)
    assert "end-marker-unknown" in rules(backup)
    assert b"".join(open_script(backup)) == whole


def test_a_dump_behind_the_end_needs_an_end_of_its_own(tmp_path: Path) -> None:
    with pytest.raises(PermanentError) as caught:
        opened(tmp_path, (DUMP + BEGIN).encode())
    assert caught.value.rule == "end-marker-missing"


def test_a_cut_script_is_cut_whatever_stands_behind(tmp_path: Path) -> None:
    with pytest.raises(PermanentError) as caught:
        opened(tmp_path, (BEGIN + "real    0m1.204s\n").encode())
    assert caught.value.rule == "end-marker-missing"
