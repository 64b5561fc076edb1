"""What pgBackRest's words mean: the last line and the exit code are the same for most causes.

No word of its lines goes on: they quote bytes of the repository, whatever those are.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from tasks.model.errors import DrillError, PermanentError, TransientError
from tasks.physical.pgbackrest.run import Done

ABSENT = 1
_NO_BACKUP_SET = 75
_MISSING_FILE = re.compile(r"(?:unable to open missing file|missing file) '(?P<path>[^'\n]{1,1000})'")
_LABEL = re.compile(r"/backup/[^/]+/(?P<label>\d{8}-\d{6}F(?:_\d{8}-\d{6}[DI])?)/")


class _Meaning(NamedTuple):
    pattern: re.Pattern[str]
    rule: str
    what: str
    hint: str | None = None


def _means(pattern: str, rule: str, what: str, hint: str | None = None) -> _Meaning:
    return _Meaning(re.compile(pattern), rule, what, hint)


_TRANSIENT = frozenset({"store-unreachable", "store-throttled"})
_MEANINGS = (
    _means(
        r"\[046\]|invalid PostgreSQL version|unexpected control version",
        "tool-too-old",
        "This pgBackRest does not know the PostgreSQL of the backups. Nothing is said about the backup.",
    ),
    _means(
        r"\[031\]|\[027\]|\[032\]|\[048\]",
        "tool-too-old",
        "This pgBackRest does not take the options of a drill. Nothing is said about the backup.",
    ),
    _means(r"No space left on device|\[28\]|Disk quota exceeded", "disk-full", "The disk ran full."),
    _means(
        r"InvalidAccessKeyId|SignatureDoesNotMatch",
        "credentials-invalid",
        "The store does not accept the credentials.",
    ),
    _means(r"ExpiredToken", "token-expired", "The session token of this worker has expired."),
    _means(r"NoSuchBucket", "bucket-missing", "The bucket does not exist."),
    _means(
        r"HTTP request failed with 40[13]",
        "get-denied",
        "The store refuses to hand out a file of the repository.",
    ),
    _means(
        r"HTTP request failed with (?:429|503)",
        "store-throttled",
        "The store asks to slow down, again and again.",
    ),
    _means(
        r"unable to verify certificate|certificate verify failed|unable to find hostname",
        "store-unreachable",
        "The store's certificate is not trusted.",
        "Name the authority's file in backup.tls.ca_file; a certificate must name the endpoint's host, not "
        "its address.",
    ),
    _means(
        r"HTTP request failed with \d|\[HostConnectError\]|\[049\]|unable to get address|unexpected eof while"
        r"|TLS error|\[ServiceError\]|timeout (?:connecting|waiting)",
        "store-unreachable",
        "The store did not answer pgBackRest as it should.",
    ),
    _means(
        r"Permission denied|\[13\]",
        "get-denied",
        "The repository may not be read: pgBackRest keeps its files for its own user and group.",
        "Let the worker's user be of the repository's group; copied files may belong to another one.",
    ),
    _means(
        r"key/value found outside of section|cipher header|\[CryptoError\]|\[095\]|invalid checksum, actual",
        "cipher-wrong",
        "The repository's own files cannot be read with the passphrase that is configured. In a disaster it "
        "would be lost.",
    ),
)
_DAMAGED = re.compile(
    r"\[(?:026|029|088|055|095)\]|actual checksum|threw error|\[(?:FormatError|CryptoError|ChecksumError)\]"
    r"|unable to decompress|unexpected eof in compressed|does not match"
)
_BROKEN_WAL = re.compile(
    r"\[(?:FormatError|CryptoError|ChecksumError|FileReadError)\]|threw error|unable to decompress"
    r"|unexpected eof in compressed|cipher header|\[045\]|duplicates found"
)


def failure_of(done: Done, doing: str, where: str) -> DrillError:
    """Return what a call that failed means.

    Args:
        done: exit code not 0.
        doing: what the tool was to do, as in "read the catalogue".
        where: the repository, for messages.
    """
    meaning = _meaning(done.lines)
    if meaning is not None:
        kind = TransientError if meaning.rule in _TRANSIENT and meaning.hint is None else PermanentError
        return kind(meaning.what, where, meaning.hint, meaning.rule)
    return PermanentError(
        f"pgBackRest could not {doing} and ended with {_ending(done.exit_code)}. Why is not known.",
        where,
        rule="tool-failed",
    )


def restore_failure(done: Done, label: str, where: str) -> DrillError:
    """Return what a restore of *label* that failed means: damage first, since there it is the backup's."""
    missing = next((match for line in done.lines if (match := _MISSING_FILE.search(line))), None)
    if missing is not None:
        return _missing_file(missing["path"], label, where)
    text = "\n".join(done.lines)
    barred = _meaning(done.lines)
    in_the_way = barred is not None and barred.rule != "cipher-wrong"  # the catalogue was opened with it
    if done.exit_code != _NO_BACKUP_SET and not in_the_way and _DAMAGED.search(text):
        return PermanentError(
            f"A file of the backup {label} is not what pgBackRest stored: it does not unpack, or has another "
            "checksum.",
            where,
            rule="backup-manifest-mismatch",
        )
    return failure_of(done, f"restore {label}", where)


def broken_wal(done: Done) -> str | None:
    """Return what is wrong with a file of WAL, ending a sentence; None for anything else."""
    text = "\n".join(done.lines)
    meaning = _meaning(done.lines)
    if meaning is not None and meaning.rule != "cipher-wrong":
        return None
    if "unable to load info file" in text or not _BROKEN_WAL.search(text):
        return None
    if "duplicates found" in text:
        return "stands twice in the archive, with two contents: two primaries archived into one stanza"
    return "cannot be read back: it does not decrypt or unpack"


def _missing_file(path: str, label: str, where: str) -> PermanentError:
    holder = _LABEL.search(path)
    if holder is not None and holder["label"] != label:
        return chain_broken(label, holder["label"], where)
    return PermanentError(
        f"A file of the backup {label} is not in the repository. What it held cannot come back.",
        where,
        rule="backup-manifest-mismatch",
    )


def chain_broken(label: str, absent: str, where: str) -> PermanentError:
    """Return the error of a backup that needs another one which is gone."""
    return PermanentError(
        f"The backup {label} holds what changed since {absent}, and that is gone from the repository or not "
        "whole. It cannot be restored at all.",
        where,
        rule="chain-broken",
    )


def _meaning(lines: Sequence[str]) -> _Meaning | None:
    """Return the first meaning, in the order of `_MEANINGS`, of any line."""
    return next((item for item in _MEANINGS if any(item.pattern.search(line) for line in lines)), None)


def _ending(exit_code: int) -> str:
    return f"signal {-exit_code}" if exit_code < 0 else f"error {exit_code}"
