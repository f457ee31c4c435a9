"""Our own gunzip beside the standard library's: the same of any file, damaged or not, and all of a slow pipe."""

from __future__ import annotations

import gzip
import io
import random
import struct
import zlib

import pytest
import zstandard

from engine.sources.stored.compression import ByteReader, DamagedData, Gunzip, UnreadableData, Unzstd, compression_of

RANDOM = random.Random(12)
CONTENT = b"".join(b"%d;%f\n" % (n, RANDOM.random()) for n in range(50_000))
PACKED = gzip.compress(CONTENT, mtime=0)
READ_BYTES = 1 << 16


def with_noise(packed: bytes, at: int, count: int = 20) -> bytes:
    return packed[:at] + RANDOM.randbytes(count) + packed[at + count :]


def flipped(packed: bytes, at: int) -> bytes:
    changed = bytearray(packed)
    changed[at] ^= 1
    return bytes(changed)


WHOLE = {
    "one member": PACKED,
    "several members": gzip.compress(CONTENT[:1000]) + gzip.compress(b"") + gzip.compress(CONTENT[1000:]),
    "a name in its header": PACKED[:3] + b"\x08" + PACKED[4:10] + b"portfolio.csv\0" + PACKED[10:],
    "zero bytes behind": PACKED + bytes(100_000),
    "zero bytes between": gzip.compress(CONTENT[:1000]) + bytes(77) + gzip.compress(CONTENT[1000:]) + bytes(3),
}
DAMAGED = {
    **{f"cut at {part:.0%}": PACKED[: int(len(PACKED) * part)] for part in (0.01, 0.5, 0.99)},
    **{f"cut {count} bytes before the end": PACKED[:-count] for count in (1, 4, 8, 9)},
    **{f"cut in the second header, behind {count} bytes": PACKED + PACKED[:count] for count in (1, 2, 9, 10, 11)},
    "garbage behind": PACKED + b"garbage",
    "garbage behind that begins like a member": PACKED + b"\x1f\x8bgarbage",
    "garbage behind zero bytes": PACKED + bytes(50) + b"garbage",
    "text behind": PACKED + b"id,name\n1,x\n",
    "a wrong checksum": flipped(PACKED, -8),
    "a wrong length": flipped(PACKED, -1),
    "a wrong checksum of the first of two members": flipped(PACKED, -8) + PACKED,
    **{f"noise at {part:.0%}": with_noise(PACKED, int(len(PACKED) * part)) for part in (0.1, 0.5, 0.9)},
    "noise in the second member": PACKED + with_noise(PACKED, len(PACKED) // 2),
}


def ours(packed: bytes) -> tuple[bytes, bool]:
    """What our own reads, and whether it finds damage."""
    reader, parts = Gunzip(io.BytesIO(packed)), []
    try:
        while part := reader.read(READ_BYTES):
            assert len(part) <= READ_BYTES
            parts.append(part)
    except DamagedData:
        return b"".join(parts), True
    return b"".join(parts), False


def theirs(packed: bytes) -> tuple[bytes, bool]:
    """The same by the standard library."""
    reader, parts = gzip.GzipFile(fileobj=io.BytesIO(packed)), []
    try:
        while part := reader.read1(READ_BYTES):
            parts.append(part)
    except (EOFError, gzip.BadGzipFile, zlib.error):
        return b"".join(parts), True
    return b"".join(parts), False


@pytest.mark.parametrize("name", WHOLE)
def test_what_is_whole_is_read_by_both(name: str) -> None:
    assert ours(WHOLE[name]) == theirs(WHOLE[name]) == (CONTENT, False)


@pytest.mark.parametrize("name", DAMAGED)
def test_what_is_damaged_is_so_for_both_and_what_comes_before_is_read(name: str) -> None:
    (found, by_ours), (expected, by_theirs) = ours(DAMAGED[name]), theirs(DAMAGED[name])
    assert by_ours is by_theirs is True
    # Ours gives nothing of the part in which the damage shows; theirs does if only the checksum tells.
    assert expected.startswith(found)
    assert len(expected) - len(found) <= READ_BYTES


@pytest.mark.parametrize("name", [name for name in DAMAGED if "cut" in name or "behind" in name])
def test_nothing_good_before_a_cut_or_behind_it_is_missing(name: str) -> None:
    assert ours(DAMAGED[name])[0] == theirs(DAMAGED[name])[0]


class Trickle(io.BytesIO):
    """A pipe whose writer is slow: a byte at a time."""

    def read(self, size: int | None = -1, /) -> bytes:
        return super().read(1)


@pytest.mark.parametrize("name", WHOLE)
def test_a_slow_pipe_is_no_damage(name: str) -> None:
    """`GzipFile` fails here: of the two first bytes of a member, it takes one alone for something else than gzip."""
    reader = Gunzip(Trickle(WHOLE[name]))
    assert b"".join(iter(lambda: reader.read(READ_BYTES), b"")) == CONTENT


SKIPPED = b"\x5a\x2a\x4d\x18" + struct.pack("<I", 4) + b"meta"
"""A frame to skip, as `pzstd` puts one before each frame (RFC 8878 section 3.1.2)."""


@pytest.mark.parametrize("at_once", [1, 5, 1 << 16])
def test_frames_to_skip_are_skipped_wherever_they_stand(at_once: int) -> None:
    packed = SKIPPED + zstandard.compress(b"abc") + SKIPPED + SKIPPED + zstandard.compress(b"def") + SKIPPED
    assert compression_of(packed) == "zstd"
    assert read_all(Unzstd(InParts(packed, at_once))) == b"abcdef"


def test_a_skipped_frame_that_is_cut_is_damage() -> None:
    with pytest.raises(DamagedData, match="ends in the middle"):
        read_all(Unzstd(io.BytesIO(zstandard.compress(b"abc") + SKIPPED[:-1])))


def with_window(log2: int) -> bytes:
    parameters = zstandard.ZstdCompressionParameters.from_level(1, window_log=log2)
    packer = zstandard.ZstdCompressor(compression_params=parameters).compressobj()  # a size that it does not know
    return packer.compress(b"id,x\n1,2\n") + packer.flush()


def test_a_window_as_large_as_zstd_uses_by_itself_is_read() -> None:
    assert read_all(Unzstd(io.BytesIO(with_window(27)))) == b"id,x\n1,2\n"


@pytest.mark.parametrize("at_once", [1, 1 << 16])
def test_a_longer_window_is_not_called_damage(at_once: int) -> None:
    packed = zstandard.compress(b"first\n") + with_window(31)
    with pytest.raises(UnreadableData, match=r"window of 2,048 MB.* 128 MB .*zstd -d --long=31"):
        read_all(Unzstd(InParts(packed, at_once)))


class InParts(io.BytesIO):
    """Gives at most `size` bytes at once."""

    def __init__(self, content: bytes, size: int) -> None:
        super().__init__(content)
        self._size = size

    def read(self, size: int | None = -1, /) -> bytes:
        return super().read(min(self._size, size if size and size > 0 else self._size))


def read_all(reader: ByteReader) -> bytes:
    return b"".join(iter(lambda: reader.read(READ_BYTES), b""))
