from __future__ import annotations

from pathlib import Path

import pytest

from tasks.model.sandbox import PostgresInstall
from tasks.sandbox import extensions
from tasks.sandbox.extensions import UUID_OSSP, extension_findings, library_env, stand_in

OURS = (Path(extensions.__file__).parent / "uuid_ossp.sql").read_bytes()
THEIRS = b"CREATE FUNCTION uuid_nil() RETURNS uuid AS 'MODULE_PATHNAME' LANGUAGE C;\n"


@pytest.fixture
def install(tmp_path: Path) -> PostgresInstall:
    for folder in ("bin", "lib", "share/extension"):
        (tmp_path / folder).mkdir(parents=True)
    return PostgresInstall(17, "17.6", tmp_path / "bin", "cache")


def script_of(install: PostgresInstall) -> Path:
    return install.bindir.parent / "share" / "extension" / f"{UUID_OSSP}--1.1.sql"


@pytest.mark.parametrize(("script", "named"), [(OURS, [UUID_OSSP]), (THEIRS, []), (None, [])])
def test_a_stand_in_is_told_by_its_script(
    install: PostgresInstall, script: bytes | None, named: list[str]
) -> None:
    if script is not None:
        script_of(install).write_bytes(script)
    findings = extension_findings(install, ["hstore", UUID_OSSP])
    assert [(issue.rule, issue.where) for issue in findings] == [
        ("extension-stand-in", name) for name in named
    ]


def test_a_stand_in_that_no_dump_uses_is_not_told(install: PostgresInstall) -> None:
    script_of(install).write_bytes(OURS)
    assert extension_findings(install, ["hstore"]) == ()


def test_a_build_without_the_extension_is_left_as_it_is(install: PostgresInstall) -> None:
    stand_in(install.bindir.parent)
    assert list(script_of(install).parent.iterdir()) == []


def test_only_a_relocatable_build_needs_its_own_libraries_named(install: PostgresInstall) -> None:
    assert library_env(install) == {}
    (install.bindir.parent / "lib" / "libpq.so.5").touch()
    assert library_env(install) == {"LD_LIBRARY_PATH": str(install.bindir.parent / "lib")}
