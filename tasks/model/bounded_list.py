"""Lists in sentences: the first few names, how many more there are, and where all of them stand."""

from __future__ import annotations

from collections.abc import Sequence

SHOWN = 5
"""Names that a sentence holds: more make it unreadable, fewer hide what they have in common."""
IN_EVIDENCE = ", all named in the evidence"


def listing(
    names: Sequence[str], shown: int = SHOWN, *, place: str = IN_EVIDENCE, between: str = ", "
) -> str:
    """Return the first *shown* of *names* as a sentence holds them, and how many more there are.

    Args:
        names: printable, in the order in which they matter.
        shown: how many stand in the sentence.
        place: where all of them are; it goes with `Finding.names`, which keeps them.
        between: what stands between two names.
    """
    left = len(names) - shown
    sentence = between.join(names[:shown])
    return f"{sentence} and {left:,} more{place}" if left > 0 else sentence


def beyond(names: Sequence[str], shown: int = SHOWN) -> Sequence[str]:
    """Return *names* where a sentence with *shown* of them leaves some out: what the finding then keeps."""
    return names if len(names) > shown else ()
