"""A copy's own settings: named, put aside, and without effect; nothing outside of the copy is touched."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tasks.model.sandbox import Sandbox
from tasks.physical.control import parse_control
from tasks.physical.neutralise import neutralise, own_settings, own_settings_of_major, write_owned
from tests.fix_checks import NOWHERE
from tests.unit.physical.test_control import TEXT


@pytest.fixture
def copy(tmp_path: Path) -> Sandbox:
    """A data folder as a careful server leaves it: nothing in it would run or reach out."""
    sandbox = replace(NOWHERE, workspace=replace(NOWHERE.workspace, root=tmp_path / "drill"))
    (sandbox.workspace.data_dir / "pg_replslot").mkdir(parents=True)
    (sandbox.workspace.data_dir / "postgresql.conf").write_text("port = 5433\nwork_mem = '4MB'\n")
    return sandbox


def test_a_plain_copy_has_nothing_to_name(copy: Sandbox) -> None:
    assert neutralise(copy) == ()
    assert (copy.workspace.data_dir / "postgresql.auto.conf").read_text() == ""


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("archive_command = 'scp %p host: --password=planted'", "archive_command"),
        ("  Shared_Preload_Libraries 'evil'", "shared_preload_libraries"),
        ("include_if_exists '/etc/shadow'", "include_if_exists"),
        ("cron.database_name = 'x'", "cron.database_name"),
        ("listen_addresses = '*'", "listen_addresses"),
    ],
)
def test_a_setting_that_would_do_something_is_named_without_its_value(
    copy: Sandbox, line: str, name: str
) -> None:
    (copy.workspace.data_dir / "postgresql.conf").write_text(f"# {line}\nport = 1\n{line}\n{line}\n")
    assert neutralise(copy) == (f"postgresql.conf: {name}",)


def test_all_of_alter_system_goes_for_the_server_would_read_it_last(copy: Sandbox) -> None:
    data = copy.workspace.data_dir
    (data / "postgresql.auto.conf").write_text("# by hand\nwork_mem = '1GB'\nport = 1\n")
    assert neutralise(copy) == ("postgresql.auto.conf: work_mem", "postgresql.auto.conf: port")
    assert (data / "postgresql.auto.conf").read_text() == ""
    assert "1GB" in (copy.workspace.root / "copy-settings" / "postgresql.auto.conf").read_text()
    assert not (data / "postgresql.conf").exists()


@pytest.mark.parametrize("signal", ["standby.signal", "recovery.signal", "promote", "recovery.conf"])
def test_a_signal_file_is_named_and_gone(copy: Sandbox, signal: str) -> None:
    (copy.workspace.data_dir / signal).touch()
    assert neutralise(copy) == (signal,)
    assert not (copy.workspace.data_dir / signal).exists()


def test_leftovers_of_a_running_server_go_without_a_word(copy: Sandbox) -> None:
    for name in ("postmaster.pid", "postmaster.opts", "tablespace_map"):
        (copy.workspace.data_dir / name).touch()
    assert neutralise(copy) == ()
    assert sorted(path.name for path in copy.workspace.data_dir.iterdir()) == [
        "pg_replslot",
        "postgresql.auto.conf",
    ]


def test_replication_slots_go_and_their_names_stay_untold(copy: Sandbox) -> None:
    (copy.workspace.data_dir / "pg_replslot" / "customer_x").mkdir()
    assert neutralise(copy) == ("a replication slot",)
    assert not any((copy.workspace.data_dir / "pg_replslot").iterdir())


def test_links_are_taken_away_and_not_followed(copy: Sandbox, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    (outside / "slot").mkdir(parents=True)
    (outside / "conf").write_text("archive_command = 'x'\n")
    data = copy.workspace.data_dir
    (data / "postgresql.auto.conf").symlink_to(outside / "conf")
    (data / "pg_replslot").rmdir()
    (data / "pg_replslot").symlink_to(outside)
    assert neutralise(copy) == ()
    assert (outside / "conf").read_text() == "archive_command = 'x'\n"
    assert (outside / "slot").is_dir()
    assert not (data / "postgresql.auto.conf").is_symlink()


def test_names_are_bounded(copy: Sandbox) -> None:
    lines = "".join(f"cron.setting_{at} = 1\n" for at in range(5_000))
    (copy.workspace.data_dir / "postgresql.conf").write_text(lines)
    assert len(neutralise(copy)) == 200


def test_a_file_of_ours_never_follows_what_the_copy_planted(copy: Sandbox, tmp_path: Path) -> None:
    path = copy.workspace.data_dir / "planted"
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(FileExistsError):
        write_owned(copy, path, "ours")
    assert not (tmp_path / "elsewhere").exists()


def test_a_setting_is_only_given_to_a_server_that_knows_it() -> None:
    assert own_settings_of_major(14) == {}
    assert set(own_settings_of_major(15)) == {"archive_library"}
    assert "event_triggers" in own_settings_of_major(17)
    assert own_settings_of_major(18)["extension_control_path"] == "$system"


@pytest.mark.parametrize(
    ("segment_mb", "least", "most"),
    [(1, None, None), (16, None, None), (64, "128MB", None), (1024, "2048MB", "2048MB")],
)
def test_large_segments_get_the_room_that_a_server_wants(
    segment_mb: int, least: str | None, most: str | None
) -> None:
    control = parse_control(TEXT.replace("16777216", str(segment_mb << 20)), (), 0)
    settings = own_settings(control)
    assert (settings.get("min_wal_size"), settings.get("max_wal_size")) == (least, most)
