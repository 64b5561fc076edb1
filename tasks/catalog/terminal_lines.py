"""Whether a terminal rewrote a backup's bytes: it puts a carriage return before every line feed.

`docker exec -t ... pg_dump > file` and its like (kubectl, ssh) send the dump through one, and so does a
transfer in text mode. In bytes that nobody rewrote, one line feed in 256 follows a carriage return.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from tasks.catalog.compression import COMPRESSIONS, unwrap
from tasks.catalog.sniff import SNIFF_BYTES, sniff
from tasks.catalog.sources import HeadLimitError, Stream
from tasks.model.errors import PermanentError

_SAMPLE_BYTES = 256 << 10
_MOST_LAYERS = 4
_ENOUGH = 4
"""Line feeds that leave no room for chance."""
_SHOWN_AS = frozenset({"archive-corrupt", "archive-truncated", "archive-version-unsupported", "not-a-backup"})


def raise_if_rewritten(error: PermanentError, pieces: Iterable[bytes], where: str) -> None:
    """Raise the error that names the terminal, in the place of *error*, where the backup's bytes show one.

    A script is no binary: its line ends are for the restore to judge.

    Args:
        error: what reading the backup came to.
        pieces: the backup's bytes from its start.
        where: the backup, for messages.
    """
    if error.rule in _SHOWN_AS and any(map(rewritten, _samples(Stream(pieces)))):
        raise PermanentError(
            "Every line feed in the file has a carriage return before it: a terminal rewrote the backup on "
            "its way (docker exec -t, kubectl exec -t, ssh -t), and it cannot be read any more.",
            where,
            rule="archive-through-terminal",
        ) from error


def rewritten(sample: bytes) -> bool:
    """Say whether every line feed in *sample*, the start of a binary, has a carriage return before it."""
    lines = sample.count(b"\n")
    changed = lines >= _ENOUGH and sample.count(b"\r\n") == lines
    return changed and sniff(sample[:SNIFF_BYTES]).kind != "text"


def _samples(stream: Stream) -> Iterator[bytes]:
    """Yield the start of the backup, then of what its compressions hold: either may have met the terminal."""
    try:
        for _ in range(_MOST_LAYERS):
            sample = stream.peek(_SAMPLE_BYTES)
            yield sample
            kind = sniff(sample[:SNIFF_BYTES]).kind
            if kind not in COMPRESSIONS:
                return
            stream = Stream(unwrap(kind, stream.rest(), ""))
    except (PermanentError, HeadLimitError):
        return
