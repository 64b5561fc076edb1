"""The kept cluster: the same as a fresh one, and trusted only while nobody else could have touched it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tasks.model.sandbox import Sandbox
from tasks.sandbox import connect, find_postgres, template
from tasks.sandbox.isolation import host_parts
from tasks.sandbox.template import TEMPLATE_SUPERUSER, copy_template, keep_template

pytestmark = pytest.mark.skipif("mount" not in host_parts(), reason="kept only with mount namespaces")


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of templates of this test's own; the builds stay where they are."""
    monkeypatch.setattr(template, "postgres_dir", lambda: tmp_path / "cache")
    return tmp_path / "cache" / "templates"


def kept(own_cache: Path) -> list[Path]:
    return [path for path in own_cache.glob("*") if not path.name.startswith(".")]


def test_the_second_sandbox_is_copied_and_has_the_same_roles(
    sandbox: Callable[..., Sandbox], own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = sandbox(17)
    assert len(kept(own_cache)) == 1
    monkeypatch.setattr("tasks.sandbox.cluster._run_initdb", lambda *_: pytest.fail("initdb ran again"))
    second = sandbox(17)
    for box in (first, second):
        with connect(box) as session:
            rows = session.execute(
                "SELECT rolname, rolsuper FROM pg_roles WHERE rolname !~ '^pg_' ORDER BY rolname"
            ).fetchall()
            bootstrap = session.execute("SELECT rolname FROM pg_roles WHERE oid = 10").fetchone()
        assert rows == [(box.superuser, True), ("drill_owner", False), ("drill_reader", False)]
        assert bootstrap == (box.superuser,)
    assert first.superuser != second.superuser != TEMPLATE_SUPERUSER


def test_a_template_that_others_may_open_is_not_used(own_cache: Path, tmp_path: Path) -> None:
    install = find_postgres(17)
    data = tmp_path / "data"
    (data / "base").mkdir(parents=True)
    (data / "base" / "1").write_bytes(b"content" + bytes(100_000))
    keep_template(install, data)
    first = tmp_path / "first"
    first.mkdir()
    assert copy_template(install, first, None)
    assert (first / "base" / "1").read_bytes() == b"content" + bytes(100_000)
    kept(own_cache)[0].chmod(0o755)
    second = tmp_path / "second"
    second.mkdir()
    assert not copy_template(install, second, None)
    assert list(second.iterdir()) == []


def test_another_build_at_the_same_place_is_another_cluster(
    own_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "data").mkdir()
    keep_template(find_postgres(17), tmp_path / "data")
    keep_template(find_postgres(17), tmp_path / "data")
    assert len(kept(own_cache)) == 1
    assert not copy_template(find_postgres(16), tmp_path / "data", None)


def test_a_cache_that_cannot_be_written_costs_only_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "data").mkdir()
    monkeypatch.setattr(template, "postgres_dir", lambda: tmp_path / "file")
    keep_template(find_postgres(17), tmp_path / "data")
    assert not copy_template(find_postgres(17), tmp_path / "data", None)
