"""A self test in text: compact on a terminal, markdown on a run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from tasks.evidence.markup import cell, code, fenced, text
from tasks.model.selftest import Fate

Document = Mapping[str, Any]
MARKS = {"caught": "+", "noticed": "~", "survived": "x", "errored": "?", "not_applicable": "-"}
JUDGED = (Fate.CAUGHT.value, Fate.NOTICED.value, Fate.SURVIVED.value, Fate.ERRORED.value)


def lines(document: Document) -> Iterator[tuple[str, str]]:
    """Yield the document as lines for a terminal, each with what it is: a fate, `head` or "".

    The last line is the plain sentence that says whether the drill can fail.
    """
    rows = document["rows"]
    if rows:
        yield from _matrix(rows)
        yield from _tables(document["tables"])
        yield from _survivors(rows)
        yield from _left_out(rows)
        yield "", ""
    yield document["why"], document["ability"]


def as_markdown(document: Document) -> str:
    """Return the document as a run's artifact shows it."""
    score = document["score"]
    parts = [f"## Self test of {text(document['database'])}", text(document["why"])]
    counted = ", ".join(f"{score[fate]} {fate}" for fate in JUDGED)
    if document["rows"]:
        parts += [
            f"{counted}; seed {document['seed']}.",
            "| outcome | family | damage | where | by |\n|---|---|---|---|---|\n"
            + "\n".join(
                f"| {cell(row['outcome'].replace('_', ' '))} | {cell(row['family'])} | {cell(row['what'])} |"
                f" {cell(place(row))} | {cell(', '.join(row['by']))} |"
                for row in rows_in_order(document["rows"])
            ),
        ]
    for row in survivors(document["rows"]):
        if row["expectation"]:
            yaml = fenced(row["expectation"].rstrip("\n"), "yaml")
            parts.append(f"{code(place(row))}: {text(row['what'])}\n\n{yaml}")
    return "\n\n".join(parts)


def place(row: Mapping[str, Any]) -> str:
    """Return table and column of a row of the matrix."""
    return ".".join(part for part in (row["table"], row["column"]) if part)


def survivors(rows: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return the rows that no check caught: those that every drill has to catch first, then the unnoticed."""
    order = (Fate.SURVIVED.value, Fate.NOTICED.value)
    missed = [row for row in rows if row["outcome"] in order]
    return sorted(
        missed, key=lambda row: (not row["must"], order.index(row["outcome"]), place(row), row["kind"])
    )


def rows_in_order(rows: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return *rows* worst first, as a reader needs them."""
    order = ("survived", "noticed", "errored", "caught", "not_applicable")
    return sorted(rows, key=lambda row: order.index(row["outcome"]))


def share(score: Mapping[str, Any]) -> str:
    """Return a score in words: `17 of 20 caught (85 %)`."""
    if not score["judged"]:
        return "nothing judged"
    return f"{score['caught']} of {score['judged']} caught ({100 * score['share']:.0f} %)"


def _matrix(rows: list[Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
    kinds = dict.fromkeys((row["family"], row["kind"]) for row in rows if row["outcome"] in JUDGED)
    width = max((len(kind) for _, kind in kinds), default=0)
    last = None
    for family, kind in kinds:
        if family != last:
            yield f"damage to the {'restored data' if family == 'data' else 'backup'}", "head"
            last = family
        kind_rows = [row for row in rows if (row["family"], row["kind"]) == (family, kind)]
        marks = "".join(MARKS[row["outcome"]] for row in kind_rows if row["outcome"] in JUDGED)
        by = dict.fromkeys(
            name.split(" ", 1)[0] for row in kind_rows for name in row["by"] if row["outcome"] == "caught"
        )
        worst = next(
            (
                fate
                for fate in ("survived", "noticed", "errored")
                if any(row["outcome"] == fate for row in kind_rows)
            ),
            "caught",
        )
        yield f"  {kind:<{width}}  {marks:<8} {', '.join(by)}".rstrip(), worst


def _tables(tables: Mapping[str, Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
    judged = {name: score for name, score in tables.items() if score["judged"]}
    if judged:
        yield "by table", "head"
    width = max((len(name) for name in judged), default=0)
    for name, score in sorted(judged.items()):
        yield f"  {name:<{width}}  {share(score)}", "" if score["caught"] == score["judged"] else "noticed"


def _survivors(rows: list[Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
    missed = survivors(rows)
    if missed:
        yield "not caught", "head"
    for row in missed:
        prefix = f"{place(row)}: " if place(row) else ""
        only = f" (only a warning: {', '.join(row['by'])})" if row["outcome"] == "noticed" else ""
        yield f"  {MARKS[row['outcome']]} {prefix}{row['what']}{only}", row["outcome"]
        if row["expectation"]:
            yield "    this would have caught it; paste it under `tables:` of the suite", ""
            for line in row["expectation"].splitlines():
                yield f"      {line}", ""
        elif row["why"]:
            yield f"    {row['why']}", ""


def _left_out(rows: list[Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
    for fate, title in (("errored", "could not be judged"), ("not_applicable", "not applicable")):
        fate_rows = [row for row in rows if row["outcome"] == fate]
        if fate_rows:
            yield f"{title} ({len(fate_rows)})", "head"
        for row in fate_rows:
            yield f"  {MARKS[fate]} {row['kind']}: {row['why'] or 'no reason was given'}", ""
