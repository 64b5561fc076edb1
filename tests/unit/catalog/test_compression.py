from __future__ import annotations

import gzip
import lzma
import os
import struct

import brotli
import lz4.frame
import pytest
import zstandard

from tasks.catalog.compression import BROTLI, proves_content, unwrap, unwrap_all
from tasks.model.errors import PermanentError
from tests.corpus.archives import COMPRESS
from tests.corpus.damage import flip_bit
from tests.growth import assert_linear, peak_bytes

TEXT = b"".join(b"%d\tsome row %d\n" % (i, i * 7919) for i in range(20000))
SKIPPABLE = struct.pack("<II", 0x184D2A53, 8) + b"x" * 8
WRAPPERS = sorted(COMPRESS)


def taken_out(wrapper: str, data: bytes, step: int = 4096) -> bytes:
    return b"".join(unwrap(wrapper, (data[at : at + step] for at in range(0, len(data), step)), "x"))


def rule_of(wrapper: str, data: bytes) -> str:
    with pytest.raises(PermanentError) as failure:
        taken_out(wrapper, data)
    return failure.value.rule


@pytest.mark.parametrize("wrapper", WRAPPERS)
@pytest.mark.parametrize("step", [1, 4096, 1 << 22])
def test_what_was_wrapped_comes_out(wrapper: str, step: int) -> None:
    data = COMPRESS[wrapper](TEXT if step > 1 else TEXT[:3000])
    assert taken_out(wrapper, data, step) == (TEXT if step > 1 else TEXT[:3000])


@pytest.mark.parametrize("wrapper", WRAPPERS)
def test_members_that_follow_one_another_are_one_stream(wrapper: str) -> None:
    assert taken_out(wrapper, COMPRESS[wrapper](TEXT) * 2 + COMPRESS[wrapper](b"end")) == TEXT * 2 + b"end"


@pytest.mark.parametrize("wrapper", WRAPPERS)
def test_zero_bytes_after_the_end_are_padding(wrapper: str) -> None:
    assert taken_out(wrapper, COMPRESS[wrapper](TEXT) + b"\0" * 10000) == TEXT


@pytest.mark.parametrize("wrapper", WRAPPERS)
@pytest.mark.parametrize("cut", [-1, -7, 0.5, 20])
def test_a_stream_that_ends_early_is_truncated_and_says_where(wrapper: str, cut: float) -> None:
    data = COMPRESS[wrapper](TEXT)
    at = int(len(data) * cut) if isinstance(cut, float) else cut
    short = data[:at]
    with pytest.raises(PermanentError, match=f"{wrapper} stream ends at byte {len(short)}") as failure:
        taken_out(wrapper, short)
    assert failure.value.rule == "archive-truncated"


@pytest.mark.parametrize("wrapper", WRAPPERS)
def test_a_second_member_that_is_cut_is_truncated(wrapper: str) -> None:
    data = COMPRESS[wrapper](TEXT)
    assert rule_of(wrapper, data + data[:-9]) == "archive-truncated"


@pytest.mark.parametrize("wrapper", WRAPPERS)
@pytest.mark.parametrize("share", [0.2, 0.5, 0.9])
def test_a_flipped_bit_is_corrupt(wrapper: str, share: float) -> None:
    data = COMPRESS[wrapper](TEXT)
    assert rule_of(wrapper, flip_bit(data, int(len(data) * share))) == "archive-corrupt"


@pytest.mark.parametrize("wrapper", WRAPPERS)
def test_other_bytes_after_the_end_are_corrupt(wrapper: str) -> None:
    with pytest.raises(PermanentError, match="after the end") as failure:
        taken_out(wrapper, COMPRESS[wrapper](TEXT) + b"garbage that nobody wrote")
    assert failure.value.rule == "archive-corrupt"


@pytest.mark.parametrize("wrapper", ["zstd", "lz4"])
def test_skippable_frames_are_skipped(wrapper: str) -> None:
    data = COMPRESS[wrapper](TEXT)
    assert taken_out(wrapper, SKIPPABLE + data + SKIPPABLE) == TEXT
    assert proves_content(wrapper, SKIPPABLE + data[:100])


def test_a_wrapper_in_a_wrapper_comes_out() -> None:
    data = gzip.compress(COMPRESS["xz"](TEXT))
    assert b"".join(unwrap_all(("gzip", "xz"), [data], "x")) == TEXT


def test_a_stream_says_whether_it_holds_a_checksum() -> None:
    assert all(proves_content(wrapper, COMPRESS[wrapper](TEXT)[:100]) for wrapper in WRAPPERS)
    assert not proves_content("zstd", zstandard.ZstdCompressor(write_checksum=False).compress(TEXT)[:100])
    assert not proves_content("lz4", lz4.frame.compress(TEXT)[:100])
    assert not proves_content("zstd", b"nonsense")
    assert not proves_content("lz4", b"nonsense")


def test_what_comes_out_of_a_bomb_comes_in_bounded_pieces() -> None:
    for wrapper in WRAPPERS:
        most = 32 << 20 if wrapper == "zstd" else 1 << 20
        bomb = COMPRESS[wrapper](bytes(2 * most + 1))
        assert max(len(piece) for piece in unwrap(wrapper, [bomb], "x")) <= most


def test_a_window_that_zstd_itself_refuses_is_not_called_broken() -> None:
    parameters = zstandard.ZstdCompressionParameters(window_log=28, enable_ldm=True)
    packed = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    data = packed.compress(os.urandom(1 << 16)) + packed.flush()
    assert rule_of("zstd", data) == "format-unsupported"


def test_a_dictionary_larger_than_any_preset_of_xz_is_not_called_broken() -> None:
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 0, "dict_size": 512 << 20}]
    assert rule_of("xz", lzma.compress(b"x", filters=filters)) == "format-unsupported"
    assert taken_out("xz", lzma.compress(TEXT, preset=9 | lzma.PRESET_EXTREME)) == TEXT


@pytest.mark.parametrize("wrapper", WRAPPERS)
def test_the_time_for_members_without_content_grows_with_their_number_only(wrapper: str) -> None:
    empty = COMPRESS[wrapper](b"")

    def read(count: int) -> None:
        assert b"".join(unwrap(wrapper, [empty * count], "x")) == b""

    assert_linear(read, 3000)


@pytest.mark.parametrize("wrapper", WRAPPERS)
def test_a_bomb_takes_no_memory_for_what_it_holds(wrapper: str) -> None:
    bomb = COMPRESS[wrapper](bytes(200 << 20))
    size = 0

    def read() -> None:
        nonlocal size
        for piece in unwrap(wrapper, [bomb], "x"):
            size += len(piece)

    assert peak_bytes(read) < 80 << 20
    assert size == 200 << 20


@pytest.mark.parametrize("step", [1, 4096, 1 << 22])
def test_brotli_comes_out_in_bounded_pieces(step: int) -> None:
    assert taken_out(BROTLI, brotli.compress(TEXT[:30_000], quality=5), step) == TEXT[:30_000]
    bomb = brotli.compress(bytes(64 << 20), quality=1)
    assert max(map(len, unwrap(BROTLI, [bomb], "x"))) <= 32 << 20
    assert peak_bytes(lambda: sum(map(len, unwrap(BROTLI, [bomb], "x")))) < 40 << 20


def test_brotli_that_was_cut_or_is_none_or_is_followed_by_something_is_told() -> None:
    data = brotli.compress(TEXT, quality=5)
    assert rule_of(BROTLI, data[: len(data) // 2]) == "archive-truncated"
    assert rule_of(BROTLI, b"") == "archive-truncated"
    assert rule_of(BROTLI, b"\xff" * 4096) == "archive-corrupt"
    assert rule_of(BROTLI, data + b"more") == "archive-corrupt"
