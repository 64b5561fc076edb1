"""What every store owes those who read it, whatever lies behind it: a folder, a bucket, or a test's memory.

A suite of a store's own is `class TestX(StoreContract)` with a fixture `shelf`.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from tasks.model.errors import DrillError
from tasks.stores.base import Store
from tasks.stores.checksums import Digests

BODY = random.Random(11).randbytes(700_000)  # several blocks of a ranged read, and more than one piece
ODD_KEYS = (
    "with blanks  in it.dump",
    "hundred%20percent%41%.dump",
    "grüße/Käse.dump",
    "line\nbreak.dump",
    "back\\slash.dump",
    "plus+and&and=and?and#.dump",
    "dots..in..it.dump",
    "..dotted",
    "~tilde'quote\"double.dump",
    "long/" + "l" * 200 + "/" + "m" * 200 + "/" + "n" * 200 + ".dump",
)


@dataclass(frozen=True)
class Shelf:
    """A store with a place in it of the test's own.

    Attributes:
        root: the place's URI, with `/` at its end.
        put: stores bytes at a key below it.
        remove: takes an object away again, by its URI.
    """

    store: Store
    root: str
    put: Callable[[str, bytes], object]
    remove: Callable[[str], object]

    def fill(self, *keys: str) -> list[str]:
        """Store something at each of *keys*; return the URIs in order."""
        for key in keys:
            self.put(key, b"x")
        return sorted(self.root + key for key in keys)

    def keys(self, prefix: str = "", **how: object) -> list[str]:
        """List below a prefix; return keys."""
        stored = self.store.list(self.root + prefix, **how)  # type: ignore[arg-type]
        return [obj.uri.removeprefix(self.root) for obj in stored]


def ignore(_done: int, _all: int) -> None:
    """Take progress, and do nothing with it."""


def by_bytes(key: str) -> list[str]:
    """The order of AWS."""
    return [key]


def by_folders(key: str) -> list[str]:
    """The order of servers that keep keys as files: a folder comes whole, at its name."""
    return key.split("/")


class StoreContract:
    """The tests; a subclass says which store.

    Attributes:
        order: sort key of a listing.
        starts: names that a listing may start after; a folder's is stored nowhere.
        odd_keys: names that what lies behind the store can hold.
        way_up: the rule of a name that leads out of the store.
    """

    order: Callable[[str], list[str]] = staticmethod(by_bytes)
    starts: Sequence[str] = ("b/1", "b/15", "b/3", "c/0", "a", "b", "c")
    odd_keys: Sequence[str] = ODD_KEYS
    way_up = "object-gone"

    def test_a_listing_is_in_order_across_folders(self, shelf: Shelf) -> None:
        keys = ["a/x", "a-b", "a.b", "a/b/c", "a0", "B", "a/b.d", "Ä", "z"]
        shelf.fill(*keys)
        assert shelf.keys() == sorted(keys, key=self.order)

    def test_a_prefix_may_end_within_a_name(self, shelf: Shelf) -> None:
        shelf.fill("day1/a", "day10/a", "day2/a", "other")
        assert shelf.keys("day1") == ["day1/a", "day10/a"]
        assert shelf.keys("day1/") == ["day1/a"]

    def test_a_prefix_with_nothing_below_it_lists_nothing(self, shelf: Shelf) -> None:
        shelf.fill("a")
        assert (shelf.keys("b"), shelf.keys("a/"), shelf.keys("no/such/")) == ([], [], [])

    def test_a_listing_may_start_after_any_name_stored_or_not(self, shelf: Shelf) -> None:
        keys = ["a/9", "b/1", "b/2", "b-1", "c/1"]
        shelf.fill(*keys)
        for after in self.starts:
            later = [key for key in sorted(keys, key=self.order) if self.order(key) > self.order(after)]
            assert shelf.keys(start_after=shelf.root + after) == later

    def test_a_limit_ends_a_listing_and_none_of_it_is_lost_before(self, shelf: Shelf) -> None:
        uris = shelf.fill(*(f"n{number:02}" for number in range(12)))
        for limit in (1, 5, 12, 50):
            assert [obj.uri for obj in shelf.store.list(shelf.root, limit=limit)] == uris[:limit]

    def test_a_listing_asks_for_nothing_before_it_is_read(self, shelf: Shelf) -> None:
        listing = shelf.store.list(shelf.root)
        shelf.fill("came-later")
        assert [obj.uri for obj in listing] == [shelf.root + "came-later"]

    def test_a_listing_tells_sizes_and_an_aware_time(self, shelf: Shelf) -> None:
        shelf.put("empty", b"")
        shelf.put("five", b"12345")
        sizes = {obj.uri.removeprefix(shelf.root): obj.bytes for obj in shelf.store.list(shelf.root)}
        assert sizes == {"empty": 0, "five": 5}
        assert all(obj.modified_at.utcoffset() is not None for obj in shelf.store.list(shelf.root))

    def test_one_level_is_told_as_folders_and_files(self, shelf: Shelf) -> None:
        shelf.fill("top/b/1", "top/b/2", "top/a/x/y", "top/f", "top/e", "topmost")
        assert set(shelf.store.folders(shelf.root + "top/")) == {f"{shelf.root}top/{name}/" for name in "ab"}
        assert set(shelf.store.files(shelf.root + "top/")) == {f"{shelf.root}top/{name}" for name in "ef"}
        assert shelf.store.folders(shelf.root + "top/f") == ()
        assert (
            shelf.store.folders(shelf.root + "nothing/") == shelf.store.files(shelf.root + "nothing/") == ()
        )

    def test_a_head_tells_what_the_listing_told(self, shelf: Shelf) -> None:
        shelf.put("one", BODY)
        (listed,) = shelf.store.list(shelf.root)
        head = shelf.store.head(shelf.root + "one")
        assert (head.uri, head.bytes) == (listed.uri, listed.bytes) == (shelf.root + "one", len(BODY))

    def test_an_odd_key_is_the_same_in_every_answer(self, shelf: Shelf, tmp_path: Path) -> None:
        for number, key in enumerate(self.odd_keys):
            shelf.put(key, BODY)
            (obj,) = shelf.store.list(shelf.root + key)
            assert obj.uri == shelf.root + key
            assert shelf.store.head(obj.uri).bytes == len(BODY)
            assert shelf.store.source(obj).read(10, 20) == BODY[10:30]
            shelf.store.fetch(obj, tmp_path / f"{number}", ignore, 60)
            assert (tmp_path / f"{number}").read_bytes() == BODY
        assert set(shelf.keys()) == set(self.odd_keys)

    def test_a_source_gives_any_range_and_less_only_at_the_end(self, shelf: Shelf) -> None:
        shelf.put("one", BODY)
        (obj,) = shelf.store.list(shelf.root)
        source = shelf.store.source(obj)
        assert (source.uri, source.size) == (obj.uri, len(BODY))
        for offset, length in ((0, 1), (131_071, 2), (0, 700_000), (699_990, 100), (5, 0), (700_000, 9)):
            assert source.read(offset, length) == BODY[offset : offset + length]

    def test_a_fetch_brings_every_byte_and_feeds_digests_in_order(self, shelf: Shelf, tmp_path: Path) -> None:
        shelf.put("one", BODY)
        (obj,) = shelf.store.list(shelf.root)
        digests, told = Digests("sha256", "crc32"), [0]
        shelf.store.fetch(obj, tmp_path / "one", lambda done, _: told.append(done), 60, digests)
        assert (tmp_path / "one").read_bytes() == BODY
        assert digests.hex("sha256") == hashlib.sha256(BODY).hexdigest()
        assert max(told) == len(BODY)

    def test_an_empty_object_is_fetched_as_an_empty_file(self, shelf: Shelf, tmp_path: Path) -> None:
        shelf.put("none", b"")
        (obj,) = shelf.store.list(shelf.root)
        digests = Digests("sha256")
        shelf.store.fetch(obj, tmp_path / "none", ignore, 60, digests)
        assert (tmp_path / "none").read_bytes() == b""
        assert digests.hex("sha256") == hashlib.sha256(b"").hexdigest()

    def test_what_is_not_there_any_more_is_gone_in_every_answer(self, shelf: Shelf, tmp_path: Path) -> None:
        shelf.put("one", BODY)
        (obj,) = shelf.store.list(shelf.root)
        shelf.remove(obj.uri)
        asked: list[Callable[[], object]] = [
            lambda: shelf.store.head(obj.uri),
            lambda: shelf.store.source(obj).read(0, 10),
            lambda: shelf.store.fetch(obj, tmp_path / "one", ignore, 60),
        ]
        for ask in asked:
            with pytest.raises(DrillError) as gone:
                ask()
            assert gone.value.rule == "object-gone"
            assert gone.value.where == obj.uri

    def test_a_fetch_ends_at_its_deadline(self, shelf: Shelf, tmp_path: Path) -> None:
        shelf.put("one", BODY)
        (obj,) = shelf.store.list(shelf.root)
        with pytest.raises(DrillError) as late:
            shelf.store.fetch(obj, tmp_path / "one", ignore, 0.0)
        assert late.value.rule == "stage-deadline"

    def test_a_way_up_is_no_way_out(self, shelf: Shelf) -> None:
        shelf.put("in/one", b"x")
        with pytest.raises(DrillError) as refused:
            shelf.store.head(shelf.root + "in/../../../../../../../../etc/hostname")
        assert refused.value.rule == self.way_up

    def test_nothing_is_hidden_where_nothing_was_deleted(self, shelf: Shelf) -> None:
        shelf.fill("one")
        assert list(shelf.store.deleted(shelf.root)) == []

    def test_a_store_has_nothing_against_plain_access_but_what_its_rights_say(self, shelf: Shelf) -> None:
        assert {finding.rule for finding in shelf.store.findings()} <= {"role-not-assumed"}
