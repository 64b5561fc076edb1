"""The one way in which documents are written: evidence, and whatever a command prints for `--json`."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from tasks.model.printable import escaped, is_printable

_NOT_ASCII = re.compile("[^ -~]")


def to_json(document: Mapping[str, Any]) -> str:
    """Return the canonical form: one line, sorted keys, a newline at its end."""
    text = json.dumps(document, sort_keys=True, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return _NOT_ASCII.sub(_json_letter, text) + "\n"


def _json_letter(match: re.Match[str]) -> str:
    r"""Return a letter as JSON that a terminal can show: whoever reads it as JSON gets the letter itself.

    A byte that was no text (half of a surrogate pair) is no letter: it is read as it is shown, `\udcff`.
    """
    letter = match.group()
    if "\ud800" <= letter <= "\udfff":
        return json.dumps(escaped(letter))[1:-1]
    return letter if is_printable(letter) else json.dumps(letter)[1:-1]
