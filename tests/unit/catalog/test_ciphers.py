"""What other programs encrypt, as their own binaries write it: named, and never called broken."""

from __future__ import annotations

import base64
import shutil
import subprocess
from pathlib import Path

import pytest

from tasks.catalog import open_backup, read_head
from tasks.catalog.sniff import sniff
from tasks.model.errors import PermanentError
from tests.corpus import archives
from tests.unit.catalog.memory import MemorySource

DUMP = archives.custom()
OPENSSL = shutil.which("openssl") or "openssl"
ENC = ("enc", "-aes-256-cbc", "-pbkdf2", "-pass", "pass:secret")


def openssl(*arguments: str) -> bytes:
    return subprocess.run([OPENSSL, *arguments], input=DUMP, capture_output=True, check=True).stdout


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("certificate")
    made = str(folder / "cert.pem")
    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=x", "-days", "9", "-out", made,
            "-keyout", str(folder / "key.pem"))  # fmt: skip
    return made


def refused(data: bytes, folder: Path) -> PermanentError:
    """Return why neither the head nor the whole file is taken, which is the same."""
    (folder / "work").mkdir(exist_ok=True)
    path = folder / "x.dump.enc"
    path.write_bytes(data)
    with pytest.raises(PermanentError) as failure:
        open_backup(
            path, name=path.name, sha256="ab", bytes=1, integrity="none", fetch_s=0.0, decrypt=None,
            workdir=folder / "work",
        )  # fmt: skip
    return failure.value


@pytest.mark.parametrize("form", [(), ("-a",), ("-md", "md5")])
def test_openssl_enc_is_named_and_no_key_is_asked_for(form: tuple[str, ...], tmp_path: Path) -> None:
    data = openssl(*ENC, *form)
    assert read_head(MemorySource(data), "x").wrappers == ("openssl",)
    error = refused(data, tmp_path)
    assert error.rule == "format-unsupported"
    assert "openssl" in error.what
    assert "gpg or age" in error.hint


@pytest.mark.parametrize("program", ["smime", "cms"])
@pytest.mark.parametrize("form", ["DER", "PEM", "SMIME"])
def test_openssls_envelopes_are_named(program: str, form: str, certificate: str, tmp_path: Path) -> None:
    data = openssl(program, "-encrypt", "-binary", "-aes256", "-outform", form, certificate)
    error = refused(data, tmp_path)
    assert (error.rule, "openssl" in error.what) == ("format-unsupported", True)
    with pytest.raises(PermanentError) as failure:
        read_head(MemorySource(data), "x")
    assert failure.value.rule == "format-unsupported"


@pytest.mark.parametrize(
    ("data", "program"),
    [
        (b"$ANSIBLE_VAULT;1.1;AES256\n6331", "Ansible Vault"),
        (b"RCLONE\0\0" + bytes(range(60)), "rclone crypt"),
        (b"AES\x02\0\0\x1bCREATED_BY\0aescrypt 3.10", "AES Crypt"),
        (b'{\n\t"data": "ENC[AES256_GCM,data:yPx5,iv:', "sops"),
        (b"scrypt\0\x0f" + bytes(90), "scrypt"),
    ],
)
def test_other_programs_are_named(data: bytes, program: str, tmp_path: Path) -> None:
    error = refused(data, tmp_path)
    assert (error.rule, program in error.what) == ("format-unsupported", True)


@pytest.mark.parametrize(
    "first", [b"\xa3\x01\x9a", b"\x90\x0d\x03\0", b"-----BEGIN PGP SIGNED MESSAGE-----\n"]
)
def test_what_is_only_signed_is_no_encrypted_backup_and_no_broken_one(first: bytes, tmp_path: Path) -> None:
    error = refused(first + bytes(range(200)), tmp_path)
    assert (error.rule, "not encrypted" in error.what) == ("format-unsupported", True)


@pytest.mark.parametrize(
    "text",
    [archives.script().encode(), b"-- MIME-Version: 1.0\nSELECT 1;\n", b"CREATE TABLE t (x text);\n" * 200],
)
def test_a_script_is_no_cipher(text: bytes) -> None:
    assert sniff(text).kind == "text"


def test_base64_of_nothing_known_is_no_cipher() -> None:
    assert sniff(base64.b64encode(bytes(range(200)))).kind == "text"


PLAIN_KEY = ("-nosalt", "-K", "07" * 32, "-iv", "09" * 16)
NOT_ENCRYPTED = {
    "a message": b"pg_dump: error: connection to server failed\n",
    "zeros": bytes(4096),
    "every byte in order": bytes(range(256)) * 8,
    "a damaged archive": b"\0" + DUMP[1:],
    "too few bytes to tell": openssl("enc", "-aes-256-ctr", *PLAIN_KEY)[:200],
}


@pytest.mark.parametrize("name", ["x.dump.enc", "shop/x.sql.AES", "x.enc.bak", "x.cpt"])
@pytest.mark.parametrize("mode", ["cbc", "ctr"])
def test_random_bytes_that_the_name_calls_encrypted_look_encrypted(name: str, mode: str) -> None:
    data = openssl("enc", f"-aes-256-{mode}", *PLAIN_KEY)
    with pytest.raises(PermanentError, match="looks encrypted") as failure:
        read_head(MemorySource(data), name)
    assert failure.value.rule == "format-unsupported"


@pytest.mark.parametrize("name", ["x.dump", "x.sql", "encoded", "x.encoding"])
def test_random_bytes_that_nobody_calls_encrypted_are_no_backup(name: str) -> None:
    with pytest.raises(PermanentError) as failure:
        read_head(MemorySource(openssl("enc", "-aes-256-ctr", *PLAIN_KEY)), name)
    assert failure.value.rule == "not-a-backup"


@pytest.mark.parametrize("data", NOT_ENCRYPTED.values(), ids=NOT_ENCRYPTED.keys())
def test_a_name_alone_makes_nothing_encrypted(data: bytes) -> None:
    with pytest.raises(PermanentError) as failure:
        read_head(MemorySource(data), "x.dump.enc")
    assert failure.value.rule == "not-a-backup"
