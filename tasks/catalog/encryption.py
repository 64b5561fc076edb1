"""Encrypted backups: opened with the key that a real recovery would use, and with no other.

Three failures are told apart: no key is configured or the reference leads nowhere, the key does not open
the backup (both are the way back), and the key opens it but the bytes are cut or damaged (that is the
backup). gpg runs with a private, temporary home, so that nothing of the worker's own keyring can stand in
for the key.
"""

from __future__ import annotations

import binascii
import os
import re
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import pyrage

from tasks.catalog.disk import DiskWriter, write_pieces
from tasks.catalog.sniff import AGE, GPG
from tasks.catalog.sources import PIECE_BYTES
from tasks.model.deadline import Deadline
from tasks.model.errors import PermanentError
from tasks.model.target import AgeKey, Decrypt, GpgKey

_VARIABLE = re.compile(r"[A-Z][A-Z0-9_]{0,63}")
_LONGEST_SOCKET = 60  # gpg-agent's sockets lie in the home: 107 bytes, less the home's name and the socket's
_LARGEST_IN_MEMORY = 256 << 20
_AGE_IDENTITY = "AGE-SECRET-KEY-"
_AGE_ARMOR = b"-----BEGIN AGE ENCRYPTED FILE-----"
_AGE_HEADER_END = b"\n--- "
_LONGEST_HEADER = 128 << 10
_LONGEST_LINE = 4096
_MOST_LINES = 10_000  # of what gpg says


def check_key(kind: str, decrypt: Decrypt | None, where: str) -> None:
    """Prove that a key is configured for *kind*, that its reference leads somewhere, and its tool is here.

    Args:
        kind: `gpg`, `age` or `openssl`.
        decrypt: the configuration's references.
        where: the backup, for messages.

    Raises:
        PermanentError: `decryption-key-missing`, `decryption-tool-missing`, `format-unsupported`.
    """
    if kind not in {GPG, AGE}:  # no key would help, so none is asked for
        raise not_openable(kind, where)
    if decrypt is None:
        raise _no_key(f"The backup is encrypted with {kind} and no key is configured.", where)
    if kind == GPG:
        _check_gpg(decrypt.gpg, where)
    else:
        _check_age(decrypt.age, where)


def not_openable(program: str, where: str) -> PermanentError:
    """Return why a backup that *program* encrypted is not drilled."""
    return PermanentError(
        f"The backup is encrypted with {program}, which this drill cannot open. The backup may be good.",
        where,
        "Encrypt with gpg or age, which also prove that the bytes are whole, or drill a decrypted copy.",
        rule="format-unsupported",
    )


def looks_encrypted(suffix: str, where: str) -> PermanentError:
    """Return why a backup that bears no mark of a program, and is named *suffix*, is not drilled."""
    return PermanentError(
        f"The bytes look random and the name says {suffix}: the backup looks encrypted, by a program that "
        "leaves no mark (openssl enc -nosalt, ccrypt). This drill cannot open it, nor tell it from a "
        "damaged one.",
        where,
        "Encrypt with gpg or age, which also prove that the bytes are whole, or drill a decrypted copy.",
        rule="format-unsupported",
    )


def decrypt_file(
    kind: str, source: Path, dest: Path, *, decrypt: Decrypt | None, deadline: Deadline, where: str
) -> None:
    """Decrypt *source* into *dest*.

    Args:
        kind: `gpg` or `age`, as sniffed.
        source: the encrypted file.
        dest: written, readable by the sandbox's user; removed on failure.
        decrypt: the configuration's references.
        deadline: by which it has to end.
        where: the backup, for messages.

    Raises:
        PermanentError: as `check_key`; `decryption-failed`, `archive-truncated`, `archive-corrupt`,
            `disk-full`, `stage-deadline`.
    """
    check_key(kind, decrypt, where)
    try:
        if decrypt is not None and decrypt.gpg is not None:
            _decrypt_gpg(source, dest, decrypt.gpg, deadline, where)
        elif decrypt is not None and decrypt.age is not None:
            _decrypt_age(source, dest, decrypt.age, deadline, where)
    except BaseException:
        dest.unlink(missing_ok=True)
        raise


# --- references


def _check_gpg(key: GpgKey | None, backup_name: str) -> None:
    if key is None:
        raise _no_key("The backup is encrypted with gpg and the configured key is one of age.", backup_name)
    if shutil.which("gpg") is None:
        raise PermanentError(
            "The backup is encrypted with gpg and there is no gpg on this worker. It says nothing about "
            "the backup.",
            backup_name,
            rule="decryption-tool-missing",
        )
    _readable(key.key_file, "gpg.key_file", backup_name)
    _readable(key.passphrase_file, "gpg.passphrase_file", backup_name)
    _present(key.passphrase_env, "gpg.passphrase_env", backup_name)
    if key.home is not None and not key.home.is_dir():
        raise _no_key(f"gpg.home leads to no folder: {key.home}.", backup_name)
    if not (key.key_file or key.home or key.passphrase_env or key.passphrase_file):
        raise _no_key("decrypt.gpg names neither a key nor a passphrase.", backup_name)


def _check_age(key: AgeKey | None, backup_name: str) -> None:
    if key is None:
        raise _no_key("The backup is encrypted with age and the configured key is one of gpg.", backup_name)
    _readable(key.identity_file, "age.identity_file", backup_name)
    _present(key.identity_env, "age.identity_env", backup_name)
    _present(key.passphrase_env, "age.passphrase_env", backup_name)
    if not (key.identity_file or key.identity_env or key.passphrase_env):
        raise _no_key("decrypt.age names neither an identity nor a passphrase.", backup_name)


def _readable(path: Path | None, key: str, backup_name: str) -> None:
    if path is not None and not (path.is_file() and os.access(path, os.R_OK)):
        raise _no_key(f"{key} leads to no readable file: {path}.", backup_name)


def _present(variable: str | None, key: str, backup_name: str) -> None:
    if variable is not None and not os.environ.get(variable):
        # A passphrase where a variable's name belongs must not be told.
        named = f" {variable}" if _VARIABLE.fullmatch(variable) else ""
        raise _no_key(
            f"{key} names an environment variable{named} that is not set on this worker.", backup_name
        )


def _no_key(what: str, backup_name: str) -> PermanentError:
    return PermanentError(
        f"{what} In a disaster nobody could open it.", backup_name, rule="decryption-key-missing"
    )


def _wrong_key(kind: str, backup_name: str) -> PermanentError:
    return PermanentError(
        f"The configured {kind} key does not open the backup. In a disaster it would be lost.",
        backup_name,
        rule="decryption-failed",
    )


def _cut(kind: str, backup_name: str) -> PermanentError:
    return PermanentError(
        f"The key opens the backup, and its {kind} stream ends before its own end. What followed is lost.",
        backup_name,
        rule="archive-truncated",
    )


def _damaged(kind: str, backup_name: str) -> PermanentError:
    return PermanentError(
        f"The key opens the backup, and its {kind} stream is damaged: it fails its own integrity check.",
        backup_name,
        rule="archive-corrupt",
    )


# --- gpg


def _decrypt_gpg(source: Path, dest: Path, key: GpgKey, deadline: Deadline, backup_name: str) -> None:
    passphrase = _gpg_passphrase(key)
    with _gpg_home(key, dest.parent) as home:
        if key.key_file is not None:
            _import_key(key.key_file, home, deadline, backup_name)
        argv = [*_gpg(home), "--passphrase-fd", "0", "--decrypt", str(source)]
        with _process(argv, deadline) as process:
            status = _Drain(process.stderr)
            _tell(process, passphrase)
            write_pieces(_pieces(process.stdout), dest, deadline, backup_name)
            process.wait()
            lines = status.lines()
    deadline.check("gpg decrypted the backup", backup_name)
    error = _gpg_error(lines, has_passphrase=bool(passphrase), where=backup_name)
    if error is not None:
        raise error


def _gpg_error(lines: list[str], *, has_passphrase: bool, where: str) -> PermanentError | None:
    """Return what gpg's status lines mean; None where the whole message was decrypted and proven."""
    words = {line.split()[1] for line in lines if line.startswith("[GNUPG:] ")}
    if "DECRYPTION_OKAY" in words and "END_DECRYPTION" in words:
        return None
    if any("BAD_PASSPHRASE" in line or "Bad session key" in line for line in lines):
        return _wrong_key(GPG, where)
    if "DECRYPTION_INFO" in words:  # the session key was opened: the rest is about the bytes
        early = any(
            sign in line for line in lines for sign in ("read error", "pending bytes", "NODATA", "EOF")
        )
        return _cut(GPG, where) if early else _damaged(GPG, where)
    if "MISSING_PASSPHRASE" in words and not has_passphrase:
        return _no_key("The backup or its key needs a passphrase and none is configured.", where)
    if words & {"NO_SECKEY", "MISSING_PASSPHRASE", "DECRYPTION_FAILED"}:
        return _wrong_key(GPG, where)
    return _cut(GPG, where) if "NODATA" in words else _damaged(GPG, where)


@contextmanager
def _gpg_home(key: GpgKey, workdir: Path) -> Iterator[Path]:
    """Give a private home with the configured one's keys; its agent is ended, and it is removed."""
    short = len(str(workdir)) < _LONGEST_SOCKET
    home = Path(tempfile.mkdtemp(prefix=".gpg-", dir=workdir if short else None))
    try:
        if key.home is not None:
            for item in key.home.iterdir():
                if item.is_file():
                    shutil.copy2(item, home / item.name)
                elif item.name in {"private-keys-v1.d", "openpgp-revocs.d"}:
                    shutil.copytree(item, home / item.name)
        yield home
    finally:
        if shutil.which("gpgconf") is not None:
            argv = ["gpgconf", "--homedir", str(home), "--kill", "all"]
            subprocess.run(argv, check=False, capture_output=True, env=_environment(), timeout=30)
        shutil.rmtree(home, ignore_errors=True)


def _import_key(key_file: Path, home: Path, deadline: Deadline, backup_name: str) -> None:
    with _process([*_gpg(home), "--import", str(key_file)], deadline) as process:
        status = _Drain(process.stderr)
        _tell(process, b"")
        process.wait()
        lines = status.lines()
    deadline.check("gpg imported the key", backup_name)
    counts = next((line.split()[2:] for line in lines if line.startswith("[GNUPG:] IMPORT_RES ")), [])
    secret_keys = int(counts[9]) if len(counts) > 9 and counts[9].isdigit() else 0  # noqa: PLR2004  doc/DETAILS
    if not secret_keys:
        raise _no_key(f"gpg.key_file holds no secret key that gpg can read: {key_file}.", backup_name)


def _gpg(home: Path) -> list[str]:
    return [
        "gpg",
        "--homedir",
        str(home),
        "--batch",
        "--no-tty",
        "--status-fd",
        "2",
        "--pinentry-mode",
        "loopback",
    ]


def _gpg_passphrase(key: GpgKey) -> bytes:
    if key.passphrase_env is not None:
        return os.fsencode(os.environ[key.passphrase_env])
    if key.passphrase_file is not None:
        return key.passphrase_file.read_bytes().rstrip(b"\r\n")
    return b""


def _environment() -> dict[str, str]:
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"}


@contextmanager
def _process(argv: list[str], deadline: Deadline) -> Iterator[subprocess.Popen[bytes]]:
    """Run *argv* in a process group of its own, which ends with this context or with the deadline."""
    process = subprocess.Popen(
        argv,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=_environment(),
        start_new_session=True,
    )
    watch = threading.Timer(deadline.left_s, process.kill)
    watch.daemon = True
    watch.start()
    try:
        yield process
    finally:
        watch.cancel()
        process.kill()
        for pipe in (process.stdin, process.stdout, process.stderr):
            if pipe is not None and not pipe.closed:
                pipe.close()
        process.wait()


class _Drain:
    """Collects a pipe's lines while somebody else reads the other pipe."""

    def __init__(self, pipe: IO[bytes] | None) -> None:
        self._lines: list[str] = []
        self._thread = threading.Thread(target=self._read, args=(pipe,), daemon=True)
        self._thread.start()

    def lines(self) -> list[str]:
        self._thread.join(timeout=10)
        return self._lines

    def _read(self, pipe: IO[bytes] | None) -> None:
        while pipe is not None and (line := pipe.readline(_LONGEST_LINE)):
            if len(self._lines) < _MOST_LINES:
                self._lines.append(line.decode("utf-8", "replace").strip())


def _tell(process: subprocess.Popen[bytes], passphrase: bytes) -> None:
    if process.stdin is None:
        return
    try:
        process.stdin.write(passphrase + b"\n")
        process.stdin.close()
    except BrokenPipeError:
        return  # it ended before it asked: its status says why


def _pieces(pipe: IO[bytes] | None) -> Iterator[bytes]:
    while pipe is not None and (piece := pipe.read(PIECE_BYTES)):
        yield piece


# --- age


class _Counted:
    """A file whose reader's place is known after it has failed."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.exhausted = False

    def read(self, length: int = -1) -> bytes:
        piece = self._file.read(length)
        self.exhausted = self.exhausted or (not piece and length != 0)
        return piece


class _Guarded:
    """A writer that keeps the error which the library in between would turn into its own."""

    def __init__(self, writer: DiskWriter) -> None:
        self._writer = writer
        self.error: Exception | None = None

    def write(self, piece: bytes) -> int:
        try:
            return self._writer.write(piece)
        except Exception as exc:
            self.error = exc
            raise

    def flush(self) -> None:
        self._writer.flush()


def _decrypt_age(source: Path, dest: Path, key: AgeKey, deadline: Deadline, backup_name: str) -> None:
    _require_short_header(source, backup_name)
    if key.passphrase_env is not None and _is_passphrase_encrypted(source):
        _decrypt_age_passphrase(source, dest, os.environ[key.passphrase_env], deadline, backup_name)
    else:
        _decrypt_age_identity(source, dest, _identities(key, backup_name), deadline, backup_name)


def _decrypt_age_identity(
    source: Path, dest: Path, identities: list[pyrage.x25519.Identity], deadline: Deadline, backup_name: str
) -> None:
    with source.open("rb") as encrypted, dest.open("wb") as plain:
        dest.chmod(0o644)
        reader = _Counted(encrypted)
        writer = _Guarded(DiskWriter(plain, dest, deadline, backup_name))
        try:
            pyrage.decrypt_io(reader, writer, identities)
        except pyrage.DecryptError as exc:
            if "No matching keys" in str(exc):
                raise _wrong_key(AGE, backup_name) from exc
            raise (_cut if "ncomplete" in str(exc) else _damaged)(AGE, backup_name) from exc
        except OSError as exc:
            if writer.error is not None:
                raise writer.error from exc
            raise (_cut if reader.exhausted else _damaged)(AGE, backup_name) from exc


def _decrypt_age_passphrase(
    source: Path, dest: Path, passphrase: str, deadline: Deadline, backup_name: str
) -> None:
    """The library decrypts these in memory, so that the size is bounded."""
    if source.stat().st_size > _LARGEST_IN_MEMORY:
        raise PermanentError(
            "The backup is encrypted with age and a passphrase, and too large to be decrypted in memory.",
            backup_name,
            "Encrypt large backups to an age identity.",
            rule="format-unsupported",
        )
    try:
        plain = pyrage.passphrase.decrypt(source.read_bytes(), passphrase)
    except pyrage.DecryptError as exc:
        if str(exc) == "Decryption failed":
            raise _wrong_key(AGE, backup_name) from exc
        raise _cut(AGE, backup_name) from exc
    write_pieces([plain], dest, deadline, backup_name)


def _require_short_header(source: Path, backup_name: str) -> None:
    """Refuse a header of thousands of recipients: the library reads it anew with each of them.

    Of 784 KB it took 40 s, of four times as much sixteen times as long. What ends early is for it to say.
    """
    with source.open("rb") as file:
        head = file.read(2 * _LONGEST_HEADER)
    if head.startswith(_AGE_ARMOR):
        head = _unarmored(head)
    if len(head) > _LONGEST_HEADER and _AGE_HEADER_END not in head[:_LONGEST_HEADER]:
        raise PermanentError(
            f"The age header does not end within {_LONGEST_HEADER >> 10} KiB, enough for a thousand "
            "recipients. The backup was not decrypted.",
            backup_name,
            "Encrypt to fewer recipients.",
            rule="format-unsupported",
        )


def _unarmored(head: bytes) -> bytes:
    body = b"".join(head.split(b"\n")[1:]).replace(b"\r", b"")
    try:
        return binascii.a2b_base64(body[: len(body) // 4 * 4])
    except binascii.Error:
        return b""  # for the library to say


def _is_passphrase_encrypted(source: Path) -> bool:
    with source.open("rb") as file:
        return b"\n-> scrypt " in file.read(4096)


def _identities(key: AgeKey, backup_name: str) -> list[pyrage.x25519.Identity]:
    text = ""
    if key.identity_file is not None:
        text += key.identity_file.read_text(encoding="utf-8", errors="replace")
    if key.identity_env is not None:
        text += "\n" + os.environ[key.identity_env]
    lines = [line.strip() for line in text.splitlines() if line.strip().startswith(_AGE_IDENTITY)]
    try:
        identities = [pyrage.x25519.Identity.from_str(line) for line in lines]
    except pyrage.IdentityError:
        raise _no_key("The age identity that is referred to is not one.", backup_name) from None
    if not identities:
        raise _no_key("The age identity that is referred to holds no AGE-SECRET-KEY line.", backup_name)
    return identities
