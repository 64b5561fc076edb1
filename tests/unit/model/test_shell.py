"""A command that a person pastes runs exactly what its argument list says, whatever names hold."""

from __future__ import annotations

import shlex
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from psycopg.conninfo import conninfo_to_dict

from tasks.model.redact import redact
from tasks.model.shell import database_argument, file_argument, redact_line, shell_line

PIECES = [
    "$(>pwned)", "`>pwned`", "';>pwned;'", '"', "'", "\\", "\n", " ", "-", "--", "|", ">pwned", "&", "é", "=",
]  # fmt: skip
NAMES = st.one_of(
    st.lists(st.sampled_from([*PIECES, "token='", "password=", "postgres://a:b@c"]), max_size=6).map("".join),
    st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=12),
)
LISTS = st.lists(NAMES, max_size=4)


@given(st.lists(LISTS, min_size=1, max_size=3))
def test_the_line_gives_the_argument_lists_back(commands: list[list[str]]) -> None:
    line = shell_line(*[["run", *arguments] for arguments in commands])
    expected: list[str] = []
    for arguments in commands:
        expected += ["|", "run", *map(redact, arguments)] if expected else ["run", *map(redact, arguments)]
    assert shlex.split(line) == expected


@given(st.lists(LISTS, min_size=1, max_size=3))
def test_masking_a_line_again_leaves_its_words_whole(commands: list[list[str]]) -> None:
    line = shell_line(*[["run", *arguments] for arguments in commands])
    again = redact_line(line)
    assert shlex.split(again) == [redact(word) for word in shlex.split(line)]
    assert redact_line("psql postgres://u:planted@h | cat") == "psql 'postgres://u:***@h' | cat"


@given(LISTS)
@settings(max_examples=30)
def test_a_shell_sees_the_arguments_and_runs_nothing_else(
    tmp_path_factory: pytest.TempPathFactory, arguments: list[str]
) -> None:
    folder = tmp_path_factory.mktemp("shell")
    line = shell_line(["printf", "%s\\0", *arguments], ["cat"])
    done = subprocess.run(["/bin/sh", "-c", line], cwd=folder, capture_output=True, check=True, timeout=20)
    assert done.stdout.decode() == "".join(f"{redact(argument)}\0" for argument in arguments or [""])
    assert list(folder.iterdir()) == []


@given(NAMES)
def test_a_database_s_name_is_no_connection_string_and_a_file_s_no_option(name: str) -> None:
    argument = database_argument(name)
    taken = argument if argument == name else conninfo_to_dict(argument)["dbname"]
    assert taken == name
    if argument == name:
        assert "=" not in name
        assert not name.startswith(("postgres://", "postgresql://"))
    assert not file_argument(name).startswith("-")
