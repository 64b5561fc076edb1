"""Whatever needs what: the waves restore every entry once, behind what it needs, and in archive order."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tasks.engines.waves import waves
from tasks.model.backup import TocEntry


@st.composite
def archives(draw: st.DrawFn) -> tuple[list[TocEntry], set[int]]:
    """Entries in an order in which each stands behind what it needs, and which of them are ours."""
    size = draw(st.integers(0, 12))
    entries = [
        TocEntry(
            number, "TYPE", f"t{number}", "", "", "pre-data",
            dependencies=tuple(draw(st.sets(st.integers(1, number - 1), max_size=3)) if number > 1 else ()),
        )
        for number in range(1, size + 1)
    ]  # fmt: skip
    ours = draw(st.sets(st.sampled_from(range(1, size + 1)), max_size=size)) if size else set()
    return entries, ours


@given(archives())
def test_every_entry_is_made_once_and_behind_what_it_needs(archive: tuple[list[TocEntry], set[int]]) -> None:
    entries, ours = archive
    order: list[int] = []
    for wave in waves(entries, ours):
        assert all(entry.dump_id not in ours for entry in wave.tools)
        assert all(entry.dump_id in ours for entry in wave.ours)
        order += [entry.dump_id for entry in (*wave.tools, *wave.ours)]
    assert sorted(order) == [entry.dump_id for entry in entries]
    place = {number: at for at, number in enumerate(order)}
    for entry in entries:
        assert all(place[number] < place[entry.dump_id] for number in entry.dependencies)


@given(archives())
def test_without_anything_of_ours_the_tool_runs_once(archive: tuple[list[TocEntry], set[int]]) -> None:
    entries, _ = archive
    (wave,) = waves(entries, set())
    assert wave.tools == entries
