"""What a restore as superuser refuses beforehand: text that speaks of programs or of the server's files.

It is no protection, since a function can build its text while it runs: that is what the isolation is for,
which such a restore requires. It names the plain cases before anything of them has run.
"""

from __future__ import annotations

import re

_STATEMENT = re.compile(r"[^;]+")
_REACHES_OUT = re.compile(
    r"\bpg_read_(?:binary_)?file\b|\bpg_ls_dir\b|\bpg_file_\w+\b|\blo_(?:im|ex)port\b|\bALTER\s+SYSTEM\b"
    r"|\bdblink_connect_u\b",
    re.IGNORECASE,
)
# One after the other in one statement. Looked for in two steps: a pattern of both tries the second behind
# each occurrence of the first, and takes the square of a long text's length.
_IN_TURN = (
    (
        re.compile(r"\bCOPY\b", re.IGNORECASE),
        re.compile(r"\b(?:FROM|TO)\s+PROGRAM\b", re.IGNORECASE),
    ),
)


def reaches_out(text: str) -> bool:
    """Tell whether a definition speaks of a program or of the server's files."""
    return _REACHES_OUT.search(text) is not None or any(
        _in_turn(text, statement) for statement in _STATEMENT.finditer(text)
    )


def _in_turn(text: str, statement: re.Match[str]) -> bool:
    begin, end = statement.span()
    for first, second in _IN_TURN:
        opening = first.search(text, begin, end)
        if opening is not None and second.search(text, opening.end(), end) is not None:
            return True
    return False
