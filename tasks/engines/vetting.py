"""What a restore as superuser refuses beforehand: text that speaks of programs or of the server's files.

It is no protection, since a function can build its text while it runs: that is what the isolation is for,
which such a restore requires. It names the plain cases before anything of them has run.
"""

from __future__ import annotations

import re

_REACHES_OUT = re.compile(
    r"\bCOPY\b[^;]*\b(?:FROM|TO)\s+PROGRAM\b|\bpg_read_(?:binary_)?file\b|\bpg_ls_dir\b|\bpg_file_\w+\b"
    r"|\blo_(?:im|ex)port\b|\bALTER\s+SYSTEM\b|\bdblink_connect_u\b|\bLANGUAGE\s+'?c\b[^;]*\bAS\s+E?'/",
    re.IGNORECASE,
)


def reaches_out(text: str) -> bool:
    """Tell whether a definition speaks of a program, of the server's files, or of a library by path."""
    return _REACHES_OUT.search(text) is not None
