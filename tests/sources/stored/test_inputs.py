"""Streams of stored files: everything good comes first, then the damage is told."""

import gzip
import io
import random
import tracemalloc
import zlib
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import xxhash
import zstandard
from hypothesis import given, settings, strategies as st
from msgspec.structs import replace

from engine.sources.stored.file_pass import FilePass
from engine.sources.stored.inputs import InputFile
from engine.sources.stored.line_slices import SLICE_BYTES, count_byte, line_slices
from engine.sources.stored.local import LocalStore
from engine.sources.stored.store import StoredObject
from engine.values.errors import SourceMissing, SourceUntrusted

RANDOM = random.Random(20)
CONTENT = b"".join(b"%d;%f\n" % (n, RANDOM.random()) for n in range(50_000))
Compress = Callable[[bytes], bytes]
COMPRESS: dict[str, Compress] = {"gzip": gzip.compress, "zstd": zstandard.compress}


def stored(folder: Path, content: bytes, compression: str | None) -> InputFile:
    path = folder / "stored"
    path.write_bytes(content)
    (found,) = LocalStore().list(str(path))
    open_stored = partial(LocalStore().open, found)
    return InputFile(str(path), "ndjson", compression, found.size, open_stored)  # type: ignore[arg-type]  # it is str


def standard_input(stream: io.BytesIO) -> InputFile:
    return InputFile("-", "ndjson", None, None, lambda: stream)


def read_until_damage(file: InputFile, size: int = 1 << 16) -> tuple[bytes, str | None]:
    parts = []
    with file.open() as stream:
        try:
            while part := stream.read(size):
                parts.append(part)
        except SourceUntrusted as error:
            return b"".join(parts), str(error)
    return b"".join(parts), None


@pytest.mark.parametrize("compression", [None, "gzip", "zstd"])
@pytest.mark.parametrize("size", [1000, 1 << 16, 10_000_000])
def test_reading_gives_the_content_in_full_slices(tmp_path: Path, compression: str | None, size: int) -> None:
    content = COMPRESS[compression](CONTENT) if compression else CONTENT
    file = stored(tmp_path, content, compression)
    with file.open() as stream:
        assert stream.stored_bytes == 0
        slices = list(iter(lambda: stream.read(size), b""))
        assert stream.stored_bytes == file.size == len(content)
    assert b"".join(slices) == CONTENT
    assert {len(part) for part in slices[:-1]} <= {size}


@pytest.mark.parametrize("compression", ["gzip", "zstd"])
def test_several_members_are_one_content(tmp_path: Path, compression: str) -> None:
    parts = [CONTENT[:100_000], b"", CONTENT[100_000:]]
    content = b"".join(COMPRESS[compression](part) for part in parts)
    assert read_until_damage(stored(tmp_path, content, compression)) == (CONTENT, None)


def test_zero_bytes_may_pad_a_gzip_file(tmp_path: Path) -> None:
    content = gzip.compress(b"a") + b"\0" * 100 + gzip.compress(b"b") + b"\0" * 200_000
    assert read_until_damage(stored(tmp_path, content, "gzip")) == (b"ab", None)


@pytest.mark.parametrize("compression", ["gzip", "zstd"])
@pytest.mark.parametrize("part", [0.02, 0.5, 0.99])
def test_a_file_cut_in_the_middle_gives_what_is_there_and_then_says_so(
    tmp_path: Path, compression: str, part: float
) -> None:
    content = COMPRESS[compression](CONTENT)
    found, damage = read_until_damage(stored(tmp_path, content[: int(len(content) * part)], compression))
    assert CONTENT.startswith(found)
    assert len(found) > len(CONTENT) * (part - 0.5)
    assert damage == f"{tmp_path / 'stored'} is damaged: it ends in the middle of its {compression} data (" + (
        "was it copied completely?)"
    )


@pytest.mark.parametrize("compression", ["gzip", "zstd"])
def test_every_cut_is_noticed(tmp_path: Path, compression: str) -> None:
    content = COMPRESS[compression](b"some content\n" * 3)
    for end in range(1, len(content)):
        found, damage = read_until_damage(stored(tmp_path, content[:end], compression))
        assert (b"some content\n" * 3).startswith(found)
        assert damage is not None, end


@pytest.mark.parametrize("compression", ["gzip", "zstd"])
def test_what_follows_the_compressed_data_is_damage(tmp_path: Path, compression: str) -> None:
    found, damage = read_until_damage(stored(tmp_path, COMPRESS[compression](CONTENT) + b"garbage", compression))
    assert found == CONTENT
    assert damage is not None
    assert "follows" in damage


@pytest.mark.parametrize("compression", ["gzip", "zstd"])
def test_corrupt_data_is_damage(tmp_path: Path, compression: str) -> None:
    content = bytearray(COMPRESS[compression](CONTENT))
    middle = len(content) // 2
    content[middle : middle + 50] = RANDOM.randbytes(50)
    found, damage = read_until_damage(stored(tmp_path, bytes(content), compression))
    assert damage is not None
    assert damage.startswith(f"{tmp_path / 'stored'} is damaged: its {compression} data is corrupt")
    assert len(found) < len(CONTENT) or compression == "gzip"


def test_the_checksum_of_a_gzip_file_is_checked(tmp_path: Path) -> None:
    content = bytearray(gzip.compress(b"abc"))
    content[-8] ^= 1
    assert read_until_damage(stored(tmp_path, bytes(content), "gzip"))[1] is not None


@pytest.mark.parametrize("compression", ["gzip", "zstd"])
def test_a_bomb_costs_no_memory(tmp_path: Path, compression: str) -> None:
    spaces = b" " * (1 << 20)
    if compression == "gzip":
        packer = zlib.compressobj(9, wbits=31)
        content = b"".join([*(packer.compress(spaces) for _ in range(200)), packer.flush()])
    else:
        content = zstandard.ZstdCompressor(level=19).compress(spaces * 200)
    file = stored(tmp_path, content, compression)
    tracemalloc.start()
    try:
        with file.open() as stream:
            total = sum(len(part) for part in iter(lambda: stream.read(1 << 16), b""))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert total == 200 << 20
    assert peak < 150_000_000


def test_damage_is_told_again_and_never_taken_for_the_end(tmp_path: Path) -> None:
    with stored(tmp_path, gzip.compress(CONTENT)[:1000], "gzip").open() as stream:
        assert len(stream.read(1 << 30)) > 0
        for _ in range(3):
            with pytest.raises(SourceUntrusted):
                stream.read(10)


def test_other_ways_to_read_the_same_stream(tmp_path: Path) -> None:
    file = stored(tmp_path, gzip.compress(b"a\nb\n"), "gzip")
    with file.open() as stream:
        assert stream.read1(3) + stream.read() == b"a\nb\n"
    with file.open() as stream:
        assert stream.readlines() == [b"a\n", b"b\n"]
    with file.open() as stream:
        buffer = bytearray(3)
        assert stream.readinto(buffer) == 3
        assert buffer == b"a\nb"


def test_a_file_that_has_gone(tmp_path: Path) -> None:
    file = stored(tmp_path, b"x", None)
    Path(file.path).unlink()
    with pytest.raises(SourceMissing, match="stored does not exist"):
        file.open()


def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(SourceUntrusted, match=r"cannot be read: Is a directory"):
        LocalStore().open(StoredObject(str(tmp_path), 0, "", "", 0.0))


class TestStandardInput:
    @pytest.mark.parametrize("compress", [bytes, gzip.compress, zstandard.compress])
    def test_its_first_bytes_tell_how_it_is_compressed(self, compress: Compress) -> None:
        file = standard_input(io.BytesIO(compress(CONTENT)))
        with file.open() as stream:
            assert stream.stored_bytes == 0
            assert stream.read() == CONTENT
            assert stream.stored_bytes == len(compress(CONTENT))

    @pytest.mark.parametrize("content", [b"", b"x", b"\x1f"])
    def test_it_may_be_very_short(self, content: bytes) -> None:
        assert read_until_damage(standard_input(io.BytesIO(content))) == (content, None)

    def test_it_stays_open(self) -> None:
        stdin = io.BytesIO(b"abc")
        with standard_input(stdin).open() as stream:
            stream.read(1)
        assert not stdin.closed

    def test_damage_is_told_by_its_name(self) -> None:
        _, damage = read_until_damage(standard_input(io.BytesIO(gzip.compress(CONTENT)[:99])))
        assert damage is not None
        assert damage.startswith("standard input is damaged: ")

    def test_what_is_no_text_is_refused(self) -> None:
        with pytest.raises(SourceUntrusted, match="standard input is a Parquet file, not text"):
            standard_input(io.BytesIO(b"PAR1\x15\x04xx")).open()

    def test_a_stream_that_would_lose_bytes_is_refused(self) -> None:
        class NonBlocking(io.BytesIO):
            def read(self, size: int | None = -1, /) -> bytes:
                return super().read(size) or None  # type: ignore[return-value]  # as a non-blocking pipe does

        found, damage = read_until_damage(standard_input(NonBlocking(b"x" * 100)))
        assert found == b"x" * 100
        assert damage == "standard input is in non-blocking mode; nothing more can be read from it safely"


class TestLineSlices:
    @settings(max_examples=300, deadline=None)
    @given(
        content=st.lists(st.sampled_from([b"\n", b"a", b"bcd", b"x" * 60, b"\r"])).map(b"".join),
        slice_bytes=st.integers(0, 100),
        read_bytes=st.integers(4, 100),
    )
    def test_all_lines_come_once_and_in_order(self, content: bytes, slice_bytes: int, read_bytes: int) -> None:
        stream = io.BytesIO(content)
        slices = list(
            line_slices(stream, name="f", line_bytes_max=1_000, slice_bytes=slice_bytes, read_bytes=read_bytes)
        )
        expected = content.removesuffix(b"\n").split(b"\n") if content else []
        assert [line for part in slices for line in part.lines.split(b"\n")] == expected

    def test_line_lengths_that_change_by_much(self) -> None:
        lines = [b"x" * size for size in [5] * 30_000 + [5_000] * 3_000 + [0] * 50_000 + [2_000_000] * 9 + [7] * 40_000]
        found = list(line_slices(io.BytesIO(b"\n".join(lines)), name="f", line_bytes_max=3_000_000))
        assert [line for part in found for line in part.lines.split(b"\n")] == lines
        assert max(len(part.lines) for part in found) <= 2_000_000 + 2 * SLICE_BYTES
        assert len(found) < len(b"\n".join(lines)) / SLICE_BYTES

    @pytest.mark.parametrize("end", [b"", b"\n", b"\nlast", b"\nlast\n"])
    @pytest.mark.parametrize("length", [30_000_000, 1_100_000])
    def test_a_line_longer_than_allowed_is_passed_over(self, end: bytes, length: int) -> None:
        content = b"first\n" + b"x" * length + end
        slices = list(line_slices(io.BytesIO(content), name="f", line_bytes_max=100))
        assert [part.overlong for part in slices] == [False, True] + [False] * (b"last" in end)
        assert [part.lines[:5] for part in slices] == [b"first", b"xxxxx", b"last"][: len(slices)]
        assert not any(b"\n" in part.lines for part in slices)
        assert len(slices[1].lines) < 100_000

    def test_whole_lines_before_damage_come_first(self, tmp_path: Path) -> None:
        content = b"".join(b"%d\n" % RANDOM.getrandbits(60) for _ in range(30_000))
        file = stored(tmp_path, gzip.compress(content)[:150_000], "gzip")
        found: list[bytes] = []
        with file.open() as stream:
            slices = line_slices(stream, name="f", line_bytes_max=1_000)
            with pytest.raises(SourceUntrusted, match="ends in the middle"):
                found.extend(line for part in slices for line in part.lines.split(b"\n"))
        assert len(found) > 10_000
        assert found == content.split(b"\n")[: len(found)]

    @given(st.binary(), st.integers(0, 255))
    def test_counting_a_byte(self, data: bytes, byte: int) -> None:
        assert count_byte(data, bytes([byte])) == data.count(byte)


class TestContents:
    """What is inside a compressed file must be text, too."""

    @pytest.mark.parametrize("outer", ["gzip", "zstd"])
    @pytest.mark.parametrize("inner", ["gzip", "zstd"])
    def test_compressed_twice(self, tmp_path: Path, outer: str, inner: str) -> None:
        file = stored(tmp_path, COMPRESS[outer](COMPRESS[inner](CONTENT)), outer)
        assert read_until_damage(file) == (b"", f"{file.path} is {inner} inside {outer}; unpack it once")

    def test_an_archive_inside(self, tmp_path: Path) -> None:
        file = stored(tmp_path, gzip.compress(b"PK\x03\x04" + bytes(100)), "gzip")
        assert read_until_damage(file) == (b"", f"what is inside {file.path} is a ZIP archive; unzip it first")

    def test_a_window_that_is_too_long_is_not_damage(self, tmp_path: Path) -> None:
        parameters = zstandard.ZstdCompressionParameters.from_level(1, window_log=31)
        packer = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
        file = stored(tmp_path, packer.compress(b"x\n") + packer.flush(), "zstd")
        _, problem = read_until_damage(file)
        assert problem is not None
        assert problem.startswith(f"{file.path} was compressed with a window of 2,048 MB, ")
        assert "damaged" not in problem


class TestEncodings:
    def test_text_is_brought_to_utf8_and_the_bytes_counted_are_those_stored(self, tmp_path: Path) -> None:
        text = "id,name\n1,Zoë\n"
        for compress in (bytes, gzip.compress):
            content = compress(text.encode("utf-16"))
            file = replace(
                stored(tmp_path, content, None if compress is bytes else "gzip"), encoding="utf-16", seen_by=FilePass()
            )
            with file.open() as stream:
                assert stream.read() == text.encode()
                assert stream.stored_bytes == file.size == len(content)
            assert file.seen_by is not None
            assert file.seen_by.digest() == xxhash.xxh3_128_hexdigest(content)

    def test_utf8_is_left_as_it_is(self, tmp_path: Path) -> None:
        content = b"\xef\xbb\xbfid\n\xff\n"
        assert read_until_damage(replace(stored(tmp_path, content, None), encoding="utf-8")) == (content, None)

    def test_damage_is_told_behind_what_was_good(self, tmp_path: Path) -> None:
        packed = gzip.compress(CONTENT.decode().encode("utf-16"))
        found, damage = read_until_damage(replace(stored(tmp_path, packed[:-9], "gzip"), encoding="utf-16"))
        assert CONTENT.startswith(found)
        assert len(found) > len(CONTENT) // 2
        assert damage is not None
        assert "it ends in the middle of its gzip data" in damage
