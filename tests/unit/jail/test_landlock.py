"""What the kernel executes to run a program."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.jail.landlock import executables, parts_of


def test_a_program_needs_its_loader() -> None:
    program = str(Path(sys.executable).resolve())
    paths = executables(program)
    assert paths[0] == program
    for path in paths[1:]:
        assert Path(path).exists()
        assert "ld" in Path(path).name


def test_a_script_needs_its_interpreters_and_the_last_ones_loader(tmp_path: Path) -> None:
    inner, outer = tmp_path / "inner", tmp_path / "outer"
    inner.write_text("#! /bin/sh -e\n")
    outer.write_text(f"#!{inner} with arguments\n")
    assert executables(str(outer))[:3] == [str(outer), str(inner), "/bin/sh"]


@given(head=st.binary(max_size=300))
def test_whatever_a_program_begins_with_is_read_in_bounds(head: bytes) -> None:
    import tempfile  # noqa: PLC0415

    for prefix in (b"", b"#!", b"\x7fELF\x02\x01"):
        with tempfile.NamedTemporaryFile() as file:
            file.write(prefix + head)
            file.flush()
            assert executables(file.name)[0] == file.name


@pytest.mark.parametrize(
    ("abi", "parts"),
    [
        (0, set()),
        (1, {"exec", "files"}),
        (4, {"exec", "files", "tcp"}),
        (7, {"exec", "files", "tcp", "scopes"}),
    ],
)
def test_each_version_of_landlock_gives_its_parts(abi: int, parts: set[str]) -> None:
    assert parts_of(abi) == parts
