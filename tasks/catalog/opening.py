"""A download becomes a backup that can be restored: decrypted, unwrapped, and proven complete.

What is proven here is everything that the bytes can prove before a tool sees them: that they are whole. What
is in them is for the restore and the checks to say.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from tasks.catalog import script, tar, unpacking
from tasks.catalog import terminal_lines as terminal
from tasks.catalog.compression import COMPRESSIONS, proves_content, unwrap_all
from tasks.catalog.contained import Wanted
from tasks.catalog.custom import verify_custom
from tasks.catalog.directory import below, dump_folder, read_directory_head, unsupported, verify_directory
from tasks.catalog.disk import write_pieces
from tasks.catalog.encryption import decrypt_file
from tasks.catalog.extracting import Extraction, extract, member_pieces
from tasks.catalog.foreign_lines import Trimmed, trim
from tasks.catalog.head import read_stream_head, read_stream_toc, script_text
from tasks.catalog.physical import TOOLS
from tasks.catalog.sniff import ENCRYPTIONS, OPENSSL, SNIFF_BYTES, ZIP, misnamed
from tasks.catalog.sources import FileSource, Stream, file_pieces, files_below
from tasks.model.backup import ArchiveHead, Extent, Format, LocalBackup
from tasks.model.deadline import Deadline
from tasks.model.errors import PermanentError
from tasks.model.findings import Finding, Severity
from tasks.model.restored import RecoveryCommand
from tasks.model.rules import finding
from tasks.model.target import Decrypt

_MOST_LAYERS = 4  # encryptions and archives round one another


@dataclass(frozen=True, slots=True)
class _Job:
    """What every layer needs: the name for messages, keys, room and time, which dump of several is meant."""

    name: str
    decrypt: Decrypt | None
    workdir: Path
    deadline: Deadline
    wanted: Wanted


@dataclass(frozen=True, slots=True)
class _Layers:
    """How far a backup has been taken out of its wrappers.

    Attributes:
        path: of the file or folder reached.
        removed: wrappers taken off so far, outermost first.
        made: files of ours on the way, which are superseded by the next.
        seconds: that decrypting and unwrapping took; proving is not in it: a recovery does not wait for that.
        called: what a person has it as.
        commands: that a person types to get so far.
    """

    path: Path
    called: str
    removed: tuple[str, ...] = ()
    made: tuple[Path, ...] = ()
    seconds: float = 0.0
    commands: tuple[RecoveryCommand, ...] = ()


def open_backup(
    path: Path,
    *,
    name: str,
    sha256: str,
    bytes: int,  # noqa: A002  the field's name in the evidence
    integrity: str,
    fetch_s: float,
    decrypt: Decrypt | None,
    workdir: Path,
    deadline_s: float | None = None,
    wanted: Wanted = Wanted(),  # noqa: B008  immutable
) -> LocalBackup:
    """Return the download at *path*, decrypted, unwrapped and proven complete.

    Args:
        path: the downloaded file, or the folder of a directory dump.
        name: the key's last part, for messages and for what it claims.
        sha256: of the stored bytes.
        bytes: as stored.
        integrity: what proved the download; `none` where nothing outside of the backup did.
        fetch_s: wall seconds of the download.
        decrypt: keys by reference.
        workdir: for what is unwrapped; on the sandbox's disk.
        deadline_s: seconds that all this may take.
        wanted: the database that is to be drilled, where a container holds several dumps.

    Raises:
        PermanentError: the `archive-*` rules, `not-a-backup`, `end-marker-missing`, `decryption-*`,
            `format-unsupported`, `database-choice-ambiguous`, `database-not-in-dump`, `disk-full`,
            `stage-deadline`.
    """
    job = _Job(name, decrypt, workdir, Deadline.within(deadline_s), wanted)
    if path.is_dir():
        place, head, findings = _open_folder(path, job)
        opened = _Layers(path / place, f"{name.rstrip('/')}/{place}".rstrip("/"))
    else:
        opened, head, findings = _open_download(path, job)
    claim = misnamed(name, head)
    proven, unproven = _integrity(integrity, path, head, name)
    return LocalBackup(
        path=opened.path,
        head=head,
        bytes=bytes,
        sha256=sha256,
        integrity=proven,
        findings=(*findings, *((claim,) if claim else ()), *unproven),
        fetch_s=fetch_s,
        decrypt_s=opened.seconds,
        called=opened.called,
        unpacking=opened.commands,
    )


def script_wrappers(backup: LocalBackup) -> tuple[str, ...]:
    """Return the compressions that a script is still in, outermost first."""
    return _still_on(backup.head.wrappers)


def open_script(backup: LocalBackup) -> Iterator[bytes]:
    """Yield the text of a plain or cluster dump, unwrapped as it is read.

    Raises:
        PermanentError: `archive-truncated`, `archive-corrupt`, as `unwrap`.
    """
    pieces = unwrap_all(_still_on(backup.head.wrappers), file_pieces(backup.path), backup.path.name)
    return _within(pieces, backup.head.extent)


def _within(pieces: Iterator[bytes], extent: Extent) -> Iterator[bytes]:
    """Yield what lies within *extent*; the rest is read on, so that wrappers prove themselves."""
    at = 0
    for piece in pieces:
        start, end = max(0, extent.start - at), len(piece)
        if extent.end is not None:
            end = min(end, max(0, extent.end - at))
        if start < end:
            yield piece[start:end]
        at += len(piece)


def _still_on(wrappers: tuple[str, ...]) -> tuple[str, ...]:
    """Return the wrappers of the file reached: the compressions inside the last encryption or archive."""
    last = max((at for at, wrapper in enumerate(wrappers) if wrapper not in COMPRESSIONS), default=-1)
    return wrappers[last + 1 :]


def _open_folder(path: Path, job: _Job) -> tuple[str, ArchiveHead, tuple[Finding, ...]]:
    """Open the directory dump in *path*, or in the one folder below it that is meant, and say which."""
    members = {
        item.relative_to(path).as_posix(): FileSource(item, deadline=job.deadline)
        for item in sorted(files_below(path))
    }
    place = dump_folder(members, job.wanted, job.name)
    head = read_directory_head(below(members, place), job.name)
    if head.format in TOOLS:
        raise unsupported(head.format, job.name)
    if head.toc is not None:
        verify_directory(path / place, head.toc, job.name, job.deadline)
    return place, head, ()


def _open_download(path: Path, job: _Job) -> tuple[_Layers, ArchiveHead, tuple[Finding, ...]]:
    try:
        return _open_file(_Layers(path, job.name), job)
    except PermanentError as error:
        terminal.raise_if_rewritten(error, file_pieces(path), job.name)
        raise


def _open_file(layers: _Layers, job: _Job) -> tuple[_Layers, ArchiveHead, tuple[Finding, ...]]:
    head = read_stream_head(Stream(file_pieces(layers.path, job.deadline)), job.name, wanted=job.wanted)
    full = replace(head, wrappers=(*layers.removed, *head.wrappers))
    peeled = next((w for w in head.wrappers if w not in COMPRESSIONS), None)
    if head.format in TOOLS:
        raise unsupported(head.format, job.name)
    if peeled is not None:
        return _peel(layers, head, peeled, job)
    if head.format in {Format.PLAIN, Format.CLUSTER}:
        trimmed = _verify_script(layers.path, head, job)
        full = replace(full, databases=trimmed.facts.databases, extent=trimmed.extent)
        return layers, full, trimmed.findings
    if head.wrappers:
        layers = _unwrapped(layers, head.wrappers, job)
    return layers, full, _verify_archive(layers.path, head.format, job)


def _peel(
    layers: _Layers, head: ArchiveHead, peeled: str, job: _Job
) -> tuple[_Layers, ArchiveHead, tuple[Finding, ...]]:
    """Take off everything up to the encryption or archive *peeled*, and go on with what was inside."""
    if len(layers.made) > 2 * _MOST_LAYERS:
        raise PermanentError("The backup is wrapped over and over.", job.name, rule="not-a-backup")
    outside = head.wrappers[: head.wrappers.index(peeled)]
    named = layers.called
    if outside:
        layers = _unwrapped(layers, outside, job)
    began = time.monotonic()
    dest = _next_path(layers, job)
    appended: tuple[Finding, ...] = ()
    if peeled in ENCRYPTIONS:
        decrypt_file(peeled, layers.path, dest, decrypt=job.decrypt, deadline=job.deadline, where=job.name)
        typed = unpacking.decrypt(peeled, layers.called)
    else:
        place, appended = extract(peeled, layers.path, dest, Extraction(job.name, job.wanted, job.deadline))
        layers = replace(layers, commands=layers.commands[: len(layers.commands) - len(outside)])
        typed = unpacking.take_out(peeled, outside, named, place)
    inner = _superseded(layers, dest, (peeled,), began, typed)
    if not dest.is_dir():
        opened, head, findings = _open_file(inner, job)
        return opened, head, (*appended, *findings)
    below_it, folder_head, findings = _open_folder(dest, job)
    inner = replace(inner, path=dest / below_it, called=f"{inner.called}/{below_it}".rstrip("/"))
    return inner, replace(folder_head, wrappers=inner.removed), (*appended, *findings)


def _unwrapped(layers: _Layers, wrappers: tuple[str, ...], job: _Job) -> _Layers:
    began = time.monotonic()
    dest = _next_path(layers, job)
    pieces = unwrap_all(wrappers, file_pieces(layers.path, job.deadline), job.name)
    write_pieces(pieces, dest, job.deadline, job.name)
    return _superseded(layers, dest, wrappers, began, unpacking.decompress(wrappers, layers.called))


def _next_path(layers: _Layers, job: _Job) -> Path:
    return job.workdir / f"unwrapped-{len(layers.made)}"


def _superseded(
    layers: _Layers, dest: Path, removed: tuple[str, ...], began: float, typed: tuple[list[str], str]
) -> _Layers:
    """Return the next layer; the file that it was made from goes, unless it is the download itself.

    Args:
        typed: the lines that a person types for it, and what they make.
    """
    if layers.made:
        layers.path.unlink(missing_ok=True)
    took = time.monotonic() - began
    lines, called = typed
    commands = (RecoveryCommand(line, took / len(lines)) for line in lines)
    return _Layers(
        dest,
        called,
        (*layers.removed, *removed),
        (*layers.made, dest),
        layers.seconds + took,
        (*layers.commands, *commands),
    )


def _verify_archive(path: Path, form: Format, job: _Job) -> tuple[Finding, ...]:
    """Prove a custom archive or a tar of pg_dump's complete."""
    name = job.name
    if form is Format.CUSTOM:
        return verify_custom(path, read_stream_toc(Stream(file_pieces(path, job.deadline)), name), name)
    source = FileSource(path, deadline=job.deadline)
    first = next(tar.walk(source.read, name))
    parsed = read_stream_toc(Stream(member_pieces(source, first)), name)
    return tar.verify(source, parsed.toc, name)


def _verify_script(path: Path, head: ArchiveHead, job: _Job) -> Trimmed:
    """Read a script to its end once: every wrapper proves itself on the way."""
    stream = Stream(unwrap_all(head.wrappers, file_pieces(path, job.deadline), job.name))
    head_text = script_text(stream)
    facts = script.scan_script(stream.rest(), job.name)
    trimmed = trim(head_text, facts, job.name) if head.written_by else Trimmed(Extent(), facts)
    findings = script.end_findings(head, trimmed.facts, head_text, job.name)
    for issue in findings:
        if issue.severity is Severity.FAILURE:
            raise PermanentError(issue.message, issue.where, issue.hint, rule=issue.rule)
    return replace(trimmed, findings=(*trimmed.findings, *findings))


def _integrity(integrity: str, path: Path, head: ArchiveHead, name: str) -> tuple[str, tuple[Finding, ...]]:
    """Return what proves the bytes, and the warning where nothing does."""
    if integrity != "none":
        return integrity, ()
    if _proves_itself(path, head):
        return "format", ()
    return "none", (
        finding(
            "integrity-unproven",
            f"Neither the store nor the format ({_described(head)}) holds a checksum of the data. A "
            "flipped bit "
            "could pass unseen.",
            where=name,
        ),
    )


def _proves_itself(path: Path, head: ArchiveHead) -> bool:
    if any(wrapper in ENCRYPTIONS and wrapper != OPENSSL for wrapper in head.wrappers):
        return True  # gpg and age authenticate what they encrypt
    if ZIP in head.wrappers:
        return True  # it holds a CRC-32 of each file
    if head.wrappers and path.is_file():
        with path.open("rb") as file:
            if proves_content(head.wrappers[0], file.read(SNIFF_BYTES)):
                return True
    compression = head.toc.compression if head.toc is not None else "none"
    return compression == "gzip" and head.format in {Format.CUSTOM, Format.DIRECTORY}


def _described(head: ArchiveHead) -> str:
    inner = head.toc.compression if head.toc is not None else "none"
    words = [
        head.format.value,
        *([] if inner == "none" else [f"with {inner}"]),
        *(f"in {w}" for w in head.wrappers),
    ]
    return " ".join(words)
