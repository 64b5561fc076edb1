"""By which options a repository is reached, and that no secret is among them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tasks.model.errors import PermanentError
from tasks.model.target import PgBackRestBackup, StoreConfig
from tasks.physical.pgbackrest.access import access_to, options_by_hand, passphrase_of
from tasks.physical.pgbackrest.program import Program, find_program, require_knows

PASSPHRASE = "not to be told"
SECRET_KEY = "a key of tests"
RECENT = Program(Path("/usr/bin/pgbackrest"), (2, 55), "2.55.1")


@pytest.fixture(autouse=True)
def secrets(monkeypatch: pytest.MonkeyPatch, aws_env: None) -> None:
    monkeypatch.setenv("REPO_PASS", PASSPHRASE)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "KEYOFTESTS")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
    monkeypatch.delenv("AWS_CA_BUNDLE", raising=False)


def stanza(**keys: Any) -> PgBackRestBackup:
    cipher = {"passphrase_env": "REPO_PASS"}
    return PgBackRestBackup.model_validate({"at": "/r", "stanza": "orders", "cipher": cipher, **keys})


def test_a_folder_needs_its_path_and_its_passphrase() -> None:
    access = access_to(stanza(), StoreConfig(), RECENT)
    assert access.options == ("--stanza=orders", "--repo1-cipher-type=aes-256-cbc", "--repo1-path=/r")
    assert (access.env, access.folder) == ({"PGBACKREST_REPO1_CIPHER_PASS": PASSPHRASE}, Path("/r"))
    assert PASSPHRASE not in repr(access)


def test_a_bucket_gets_the_workers_rights_by_the_environment() -> None:
    store = StoreConfig(endpoint_url="https://store.invalid:8333", region="eu-west-1", role_arn=None)
    access = access_to(stanza(at="s3://bk/prod/", tls={"ca_file": "/ca.pem"}), store, RECENT)
    assert {
        "--repo1-s3-bucket=bk",
        "--repo1-path=/prod",
        "--repo1-s3-endpoint=store.invalid",
        "--repo1-storage-port=8333",
        "--repo1-s3-region=eu-west-1",
        "--repo1-s3-uri-style=path",
        "--repo1-storage-ca-file=/ca.pem",
    } <= {*access.options}
    assert access.env["PGBACKREST_REPO1_S3_KEY_SECRET"] == SECRET_KEY
    assert not any(SECRET_KEY in option or PASSPHRASE in option for option in access.options)


def test_amazons_own_endpoint_is_named_by_region() -> None:
    access = access_to(stanza(at="s3://bk"), StoreConfig(region="eu-west-1"), RECENT)
    assert "--repo1-s3-endpoint=s3.eu-west-1.amazonaws.com" in access.options
    assert "--repo1-path=/" in access.options


def test_a_store_without_tls_needs_a_newer_tool() -> None:
    plain, newer = StoreConfig(endpoint_url="http://s:80"), Program(RECENT.path, (2, 58), "2.58")
    with pytest.raises(PermanentError) as refusal:
        access_to(stanza(at="s3://bk"), plain, RECENT)
    assert refusal.value.rule == "tool-too-old"
    assert "--repo1-s3-endpoint=http://s:80" in access_to(stanza(at="s3://bk"), plain, newer).options


def test_a_person_is_told_everything_but_secrets() -> None:
    typed = options_by_hand(stanza(at="s3://bk/prod"), StoreConfig(endpoint_url="https://s:1", region="r"))
    assert typed == (
        "--stanza=orders",
        "--repo1-cipher-type=aes-256-cbc",
        "--repo1-type=s3",
        "--repo1-s3-bucket=bk",
        "--repo1-path=/prod",
        "--repo1-s3-region=r",
        "--repo1-s3-endpoint=s:1",
    )


def test_a_passphrase_in_a_file_is_its_text_without_the_line_end(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text(f"{PASSPHRASE}\n")
    assert passphrase_of(stanza(cipher={"passphrase_file": path})) == PASSPHRASE
    assert passphrase_of(stanza(cipher=None)) is None


@pytest.mark.parametrize("cipher", [{"passphrase_env": "NOT_SET"}, {"passphrase_file": "/nowhere/key"}])
def test_a_reference_that_leads_nowhere(cipher: dict[str, str]) -> None:
    with pytest.raises(PermanentError) as refusal:
        passphrase_of(stanza(cipher=cipher))
    assert refusal.value.rule == "cipher-missing"


def test_a_tool_knows_what_its_release_knew() -> None:
    old = Program(RECENT.path, (2, 45), "2.45")
    require_knows(old, 15)
    require_knows(RECENT, 18)
    require_knows(old, None)
    with pytest.raises(PermanentError) as refusal:
        require_knows(old, 16)
    assert refusal.value.rule == "tool-too-old"


@pytest.mark.parametrize("text", ["#!/bin/sh\nexit 1\n", "#!/bin/sh\necho something else\n"])
def test_a_program_that_is_no_pgbackrest_is_none(tmp_path: Path, text: str) -> None:
    path = tmp_path / "pgbackrest"
    path.write_text(text)
    path.chmod(0o755)
    with pytest.raises(PermanentError) as refusal:
        find_program(str(path))
    assert refusal.value.rule == "tool-missing"
