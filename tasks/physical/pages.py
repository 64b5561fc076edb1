"""The copy's pages read once, against the checksums that they carry, while nobody changes them."""

from __future__ import annotations

import re
from dataclasses import dataclass

from tasks.model.deadline import Deadline
from tasks.model.errors import PermanentError
from tasks.model.sandbox import Sandbox
from tasks.sandbox.runner import run_tool

_LISTED = 3
_WRONG = re.compile(r'checksum verification failed in file "(?P<path>[^"]+)", block (?P<block>\d+)')
_COUNT = re.compile(r"Bad checksums: +(?P<count>\d+)")


@dataclass(frozen=True, slots=True)
class WrongPage:
    """A page whose checksum is wrong: its file below the data folder, and its block in it."""

    file: str
    block: int


@dataclass(frozen=True, slots=True)
class WrongPages:
    """What is wrong: how many pages, and the first of them."""

    count: int
    pages: tuple[WrongPage, ...] = ()


def check_pages(sandbox: Sandbox, deadline: Deadline) -> WrongPages:
    """Run pg_checksums on the stopped copy.

    Raises:
        PermanentError: `postgres-failed`, `stage-deadline`: it could not say.
    """
    pieces: list[bytes] = []
    data_dir = str(sandbox.workspace.data_dir)
    result = run_tool(
        sandbox,
        ["pg_checksums", "--check", "-D", data_dir],
        env={},
        deadline_s=deadline.check("the copy's pages were read"),
        on_stdout=pieces.append,
    )
    count = _COUNT.search(b"".join(pieces).decode("utf-8", "replace"))
    matches = [match for match in map(_WRONG.search, result.stderr_lines) if match]
    if result.timed_out:
        deadline.check("the copy's pages were read")
    if count is None:
        raise PermanentError(
            f"pg_checksums could not read the copy's pages: {' '.join(result.stderr_lines[-2:])}. "
            "Nothing is said about the backup.",
            rule="postgres-failed",
        )
    pages = [WrongPage(match["path"].removeprefix(f"{data_dir}/"), int(match["block"])) for match in matches]
    return WrongPages(int(count["count"]), tuple(pages))


def wrong_pages(wrong: WrongPages, names: dict[str, str]) -> PermanentError:
    """Return the error of *wrong* pages.

    Args:
        wrong: at least one.
        names: files to the tables or indexes that they hold, as far as known.
    """
    first = [f"block {page.block} of {names.get(page.file, page.file)}" for page in wrong.pages[:_LISTED]]
    return PermanentError(
        f"{wrong.count:,} pages of the copy do not match their checksums ({', '.join(first)}). "
        "Their rows are damaged or gone.",
        where=names.get(wrong.pages[0].file, wrong.pages[0].file) if wrong.pages else None,
        rule="page-checksum-failed",
    )
