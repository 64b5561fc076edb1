from __future__ import annotations

import base64
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pyrage
import pytest

from tasks.catalog import encryption, open_backup
from tasks.catalog.encryption import check_key
from tasks.model.backup import LocalBackup
from tasks.model.errors import PermanentError
from tasks.model.target import AgeKey, Decrypt, GpgKey
from tests.corpus import archives
from tests.corpus.damage import flip_bit

DUMP = archives.custom("none", listed=archives.toc(compression="none"))
SCRIPT = archives.COMPRESS["gzip"](archives.script().encode())
needs_gpg = pytest.mark.skipif(shutil.which("gpg") is None, reason="no gpg here")


def opened(folder: Path, data: bytes, decrypt: Decrypt | None, name: str = "x.dump.enc") -> LocalBackup:
    (folder / "work").mkdir(exist_ok=True)
    path = folder / name
    path.write_bytes(data)
    return open_backup(
        path, name=name, sha256="", bytes=len(data), integrity="none", fetch_s=0.0, decrypt=decrypt,
        workdir=folder / "work", deadline_s=60.0,
    )  # fmt: skip


def rule_of(folder: Path, data: bytes, decrypt: Decrypt | None) -> str:
    with pytest.raises(PermanentError) as failure:
        opened(folder, data, decrypt)
    assert [p.name for p in (folder / "work").iterdir()] == [], "what was decrypted is removed"
    assert "AGE-SECRET-KEY-1" not in str(failure.value)
    return failure.value.rule


# --- age


@pytest.fixture
def identity() -> pyrage.x25519.Identity:
    return pyrage.x25519.Identity.generate()


def age_key(folder: Path, identity: pyrage.x25519.Identity) -> Decrypt:
    path = folder / "age.txt"
    path.write_text(f"# created: today\n# public key: {identity.to_public()}\n{identity}\n")
    return Decrypt(age=AgeKey(identity_file=path))


def test_an_age_backup_is_opened_and_proven_by_age_itself(
    tmp_path: Path, identity: pyrage.x25519.Identity
) -> None:
    backup = opened(tmp_path, pyrage.encrypt(DUMP, [identity.to_public()]), age_key(tmp_path, identity))
    assert (backup.head.wrappers, backup.integrity, backup.findings) == (("age",), "format", ())
    assert backup.path.read_bytes() == DUMP
    assert backup.path.stat().st_mode & 0o777 == 0o644


def test_an_encrypted_script_stays_compressed_inside(
    tmp_path: Path, identity: pyrage.x25519.Identity
) -> None:
    data = pyrage.encrypt(SCRIPT, [identity.to_public()])
    backup = opened(tmp_path, data, age_key(tmp_path, identity), "x.sql.gz.age")
    assert (backup.head.wrappers, backup.findings) == (("age", "gzip"), ())
    assert backup.path.read_bytes() == SCRIPT


def test_an_age_identity_may_come_from_the_environment(
    tmp_path: Path, identity: pyrage.x25519.Identity, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DRILL_AGE", str(identity))
    decrypt = Decrypt(age=AgeKey(identity_env="DRILL_AGE"))
    assert opened(tmp_path, pyrage.encrypt(DUMP, [identity.to_public()]), decrypt).path.read_bytes() == DUMP


def test_an_age_passphrase_opens_what_it_closed_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = pyrage.passphrase.encrypt(DUMP, "right")
    decrypt = Decrypt(age=AgeKey(passphrase_env="DRILL_PASS"))
    monkeypatch.setenv("DRILL_PASS", "wrong")
    assert rule_of(tmp_path, data, decrypt) == "decryption-failed"
    monkeypatch.setenv("DRILL_PASS", "right")
    assert opened(tmp_path, data, decrypt).path.read_bytes() == DUMP
    monkeypatch.setattr(encryption, "_LARGEST_IN_MEMORY", 10)
    shutil.rmtree(tmp_path / "work")
    assert rule_of(tmp_path, data, decrypt) == "format-unsupported"


def test_the_wrong_age_key_is_a_trouble_of_the_way_back(
    tmp_path: Path, identity: pyrage.x25519.Identity
) -> None:
    data = pyrage.encrypt(DUMP, [pyrage.x25519.Identity.generate().to_public()])
    assert rule_of(tmp_path, data, age_key(tmp_path, identity)) == "decryption-failed"


def test_a_cut_or_damaged_age_backup_is_a_trouble_of_the_data(
    tmp_path: Path, identity: pyrage.x25519.Identity
) -> None:
    data = pyrage.encrypt(DUMP + os.urandom(200_000), [identity.to_public()])
    key = age_key(tmp_path, identity)
    assert rule_of(tmp_path, data[:-30], key) == "archive-truncated"
    assert rule_of(tmp_path, data[: len(data) // 2], key) == "archive-truncated"
    assert rule_of(tmp_path, data[:60], key) == "archive-truncated"
    assert rule_of(tmp_path, flip_bit(data, 5000), key) == "archive-corrupt"


# --- gpg


@pytest.fixture(scope="module")
def keyring(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A keyring with the key `right`, protected by a passphrase, and `other`, which is not."""
    home = tmp_path_factory.mktemp("g")
    home.chmod(0o700)
    for name, passphrase in (("right", "open sesame"), ("other", "")):
        gpg(
            home, "--passphrase", passphrase, "--quick-gen-key", f"{name}@example.org", "rsa2048", "encr,sign"
        )
        key = gpg(home, "--passphrase", passphrase, "--export-secret-keys", f"{name}@example.org")
        (home / f"{name}.key").write_bytes(key)
    yield home
    argv = ["gpgconf", "--homedir", str(home), "--kill", "all"]
    subprocess.run(argv, check=False)


def gpg(home: Path, *arguments: str, data: bytes = b"") -> bytes:
    argv = [
        "gpg",
        "--homedir",
        str(home),
        "--batch",
        "--yes",
        "--quiet",
        "--pinentry-mode",
        "loopback",
        *arguments,
    ]
    return subprocess.run(argv, input=data, check=True, capture_output=True).stdout


def encrypted(home: Path, to: str, data: bytes = DUMP) -> bytes:
    return gpg(home, "--trust-model", "always", "-r", f"{to}@example.org", "--encrypt", data=data)


@needs_gpg
def test_a_gpg_backup_is_opened_with_the_key_file_and_its_passphrase(
    keyring: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DRILL_PASS", "open sesame")
    decrypt = Decrypt(gpg=GpgKey(key_file=keyring / "right.key", passphrase_env="DRILL_PASS"))
    backup = opened(tmp_path, encrypted(keyring, "right"), decrypt, "x.dump.gpg")
    assert (backup.head.wrappers, backup.integrity, backup.findings) == (("gpg",), "format", ())
    assert backup.path.read_bytes() == DUMP
    assert [p.name for p in (tmp_path / "work").iterdir()] == [backup.path.name], (
        "the private home is removed"
    )


@needs_gpg
def test_a_gpg_home_and_a_passphrase_file_do_as_well_and_the_home_stays_untouched(
    keyring: Path, tmp_path: Path
) -> None:
    secret = tmp_path / "passphrase"
    secret.write_text("open sesame\n")
    decrypt = Decrypt(gpg=GpgKey(home=keyring, passphrase_file=secret))
    armoured = gpg(
        keyring, "--trust-model", "always", "-a", "-r", "right@example.org", "--encrypt", data=SCRIPT
    )
    backup = opened(tmp_path, armoured, decrypt, "x.sql.gz.asc")
    assert (backup.head.wrappers, backup.findings) == (("gpg", "gzip"), ())


@needs_gpg
def test_a_symmetric_gpg_backup_needs_no_key_but_its_passphrase(keyring: Path, tmp_path: Path) -> None:
    data = gpg(keyring, "--passphrase", "right", "--symmetric", data=DUMP)
    secret = tmp_path / "passphrase"
    secret.write_text("right")
    decrypt = Decrypt(gpg=GpgKey(passphrase_file=secret))
    assert opened(tmp_path, data, decrypt).path.read_bytes() == DUMP
    shutil.rmtree(tmp_path / "work")
    secret.write_text("wrong")
    assert rule_of(tmp_path, data, decrypt) == "decryption-failed"
    no_passphrase = Decrypt(gpg=GpgKey(key_file=keyring / "other.key"))
    assert rule_of(tmp_path, data, no_passphrase) == "decryption-key-missing"


@needs_gpg
def test_the_wrong_gpg_key_or_passphrase_is_a_trouble_of_the_way_back(keyring: Path, tmp_path: Path) -> None:
    data = encrypted(keyring, "right")
    assert rule_of(tmp_path, data, Decrypt(gpg=GpgKey(key_file=keyring / "other.key"))) == "decryption-failed"
    wrong = tmp_path / "wrong"
    wrong.write_text("wrong")
    decrypt = Decrypt(gpg=GpgKey(key_file=keyring / "right.key", passphrase_file=wrong))
    assert rule_of(tmp_path, data, decrypt) == "decryption-failed"


@needs_gpg
def test_a_cut_or_damaged_gpg_backup_is_a_trouble_of_the_data(keyring: Path, tmp_path: Path) -> None:
    data = encrypted(keyring, "other", DUMP + os.urandom(100_000))
    decrypt = Decrypt(gpg=GpgKey(key_file=keyring / "other.key"))
    for at in (-10, len(data) // 2, 100):
        assert rule_of(tmp_path, data[:at], decrypt) == "archive-truncated", at
    assert rule_of(tmp_path, flip_bit(data, len(data) // 2), decrypt) == "archive-corrupt"


@needs_gpg
def test_a_file_that_holds_no_secret_key_is_no_key(keyring: Path, tmp_path: Path) -> None:
    nothing = tmp_path / "nothing.key"
    nothing.write_text("hello")
    data = encrypted(keyring, "other")
    assert rule_of(tmp_path, data, Decrypt(gpg=GpgKey(key_file=nothing))) == "decryption-key-missing"


@needs_gpg
def test_gpg_that_takes_too_long_is_ended(
    keyring: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tools = tmp_path / "bin"
    tools.mkdir()
    (tools / "gpg").write_text("#!/bin/sh\nexec sleep 60\n")
    (tools / "gpg").chmod(0o755)
    data = encrypted(keyring, "other")
    monkeypatch.setenv("PATH", f"{tools}:{os.environ['PATH']}")
    path = tmp_path / "x.gpg"
    path.write_bytes(data)
    (tmp_path / "work").mkdir()
    with pytest.raises(PermanentError) as failure:
        open_backup(
            path, name="x.gpg", sha256="", bytes=1, integrity="none", fetch_s=0.0, workdir=tmp_path / "work",
            decrypt=Decrypt(gpg=GpgKey(passphrase_file=keyring / "other.key")), deadline_s=0.4,
        )  # fmt: skip
    assert failure.value.rule == "stage-deadline"
    assert list((tmp_path / "work").iterdir()) == []


# --- references


def missing(kind: str, decrypt: Decrypt | None) -> str:
    with pytest.raises(PermanentError) as failure:
        check_key(kind, decrypt, "x")
    return f"{failure.value.rule}: {failure.value.what}"


def test_no_key_is_said_before_the_download(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOT_SET", raising=False)
    nowhere = tmp_path / "nowhere"
    for kind, decrypt, words in (
        ("gpg", None, "no key is configured"),
        ("age", None, "no key is configured"),
        ("gpg", Decrypt(age=AgeKey(identity_env="PATH")), "one of age"),
        ("age", Decrypt(gpg=GpgKey(home=tmp_path)), "one of gpg"),
        ("gpg", Decrypt(gpg=GpgKey(key_file=nowhere)), "no readable file"),
        ("gpg", Decrypt(gpg=GpgKey(home=nowhere)), "no folder"),
        ("gpg", Decrypt(gpg=GpgKey(passphrase_env="NOT_SET")), "NOT_SET that is not set"),
        ("gpg", Decrypt(gpg=GpgKey(passphrase_env="hunter2 planted")), "variable that is not set"),
        ("gpg", Decrypt(gpg=GpgKey()), "neither a key nor a passphrase"),
        ("age", Decrypt(age=AgeKey(identity_file=nowhere)), "no readable file"),
        ("age", Decrypt(age=AgeKey(identity_env="NOT_SET")), "NOT_SET that is not set"),
        ("age", Decrypt(age=AgeKey()), "neither an identity nor a passphrase"),
    ):
        said = missing(kind, decrypt)
        assert said.startswith("decryption-key-missing"), said
        assert words in said
        assert "planted" not in said


def test_an_openssl_backup_with_another_key_configured_is_not_called_lost(tmp_path: Path) -> None:
    assert missing("openssl", Decrypt(gpg=GpgKey(home=tmp_path))).startswith("format-unsupported")


def test_a_worker_without_gpg_says_so_and_nothing_of_the_backup(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert missing("gpg", Decrypt(gpg=GpgKey(home=tmp_path))).startswith("decryption-tool-missing")


def test_a_file_without_an_age_identity_is_no_key(tmp_path: Path, identity: pyrage.x25519.Identity) -> None:
    data = pyrage.encrypt(DUMP, [identity.to_public()])
    path = tmp_path / "age.txt"
    for text in ("nothing here\n", "AGE-SECRET-KEY-1BROKEN\n"):
        path.write_text(text)
        assert rule_of(tmp_path, data, Decrypt(age=AgeKey(identity_file=path))) == "decryption-key-missing"


@pytest.mark.parametrize("armored", [False, True])
def test_an_age_header_of_thousands_of_recipients_is_not_read(
    tmp_path: Path, identity: pyrage.x25519.Identity, armored: bool
) -> None:
    first, stanza, body, rest = pyrage.encrypt(DUMP, [identity.to_public()]).split(b"\n", 3)
    many = b"\n".join([first, *[stanza, body] * 2000, rest])
    few = b"\n".join([first, *[stanza, body] * 20, rest])
    data = armored_age(many) if armored else many
    began = time.process_time()
    assert rule_of(tmp_path, data, age_key(tmp_path, identity)) == "format-unsupported"
    assert time.process_time() - began < 5.0
    damaged = armored_age(few) if armored else few  # the header's own sum is of one recipient
    assert rule_of(tmp_path, damaged, age_key(tmp_path, identity)) == "archive-corrupt"


def armored_age(data: bytes) -> bytes:
    body = base64.encodebytes(data).replace(b"\n", b"")
    lines = [body[at : at + 64] for at in range(0, len(body), 64)]
    return b"\n".join(
        [b"-----BEGIN AGE ENCRYPTED FILE-----", *lines, b"-----END AGE ENCRYPTED FILE-----", b""]
    )
