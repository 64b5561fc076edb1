r"""Text that others wrote, fit to be shown: on a terminal, in a report, in Prefect, in a log.

Names in a backup, keys in a store and messages of programs may hold escape sequences that drive a terminal,
line ends that break out of a table, and marks that turn the direction of writing round or do not show at
all. They are shown as what they are: `\x1b`, `\n`, `\u202e`.
"""

from __future__ import annotations

import re

LONGEST = 2000
"""Characters of one text that are shown; no message of ours is as long."""
_NAMED = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
# Letters to Unicode, and nothing to see.
_INVISIBLE = frozenset("\u115f\u1160\u2800\u3164\uffa0\u034f\u17b4\u17b5\u180e")
_MARKS = ((0xFE00, 0xFE0F), (0xE0100, 0xE01EF))
_ODD = re.compile(r"[^ -~]")


def printable(text: str, longest: int = LONGEST) -> str:
    """Return *text* on one line, cut if long, with what does not show as itself escaped."""
    short = _ODD.sub(_shown, text[:longest])
    left = len(text) - longest
    return f"{short}… ({left} more characters)" if left > 0 else short


def printable_lines(text: str, longest: int = 50 * LONGEST) -> str:
    """Return *text* of ours, whose line ends are meant, with what it quotes made printable."""
    return "\n".join(printable(line, longest) for line in text.split("\n"))


def is_printable(letter: str) -> bool:
    """Tell whether *letter* shows, as one letter in the direction of writing."""
    if letter in _INVISIBLE or any(first <= ord(letter) <= last for first, last in _MARKS):
        return False
    return letter.isprintable()


def escaped(letter: str) -> str:
    """Return how a letter that does not show is written."""
    code = ord(letter)
    if letter in _NAMED:
        return _NAMED[letter]
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"  # noqa: PLR2004


def _shown(match: re.Match[str]) -> str:
    return match[0] if is_printable(match[0]) else escaped(match[0])
