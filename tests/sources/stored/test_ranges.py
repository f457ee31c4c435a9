from __future__ import annotations

import random
from threading import Lock

import pytest

from engine.sources.stored.ranges import RangeStream
from engine.values.errors import SourceUntrusted

CONTENT = random.Random(18).randbytes(40 << 20)


class Fetched:
    """Slices of `CONTENT`, and which were asked for."""

    def __init__(self) -> None:
        self.ranges: list[tuple[int, int]] = []
        self._lock = Lock()

    def __call__(self, start: int, stop: int) -> bytes:
        with self._lock:
            self.ranges.append((start, stop))
        return CONTENT[start:stop]

    @property
    def bytes(self) -> int:
        return sum(stop - start for start, stop in self.ranges)


def test_from_front_to_back_each_byte_is_fetched_once_in_large_pieces() -> None:
    fetched = Fetched()
    stream = RangeStream(fetched, len(CONTENT))
    assert b"".join(iter(lambda: stream.read(1 << 18), b"")) == CONTENT
    assert fetched.bytes == len(CONTENT)
    assert len(fetched.ranges) < 20


def test_who_looks_at_the_beginning_fetches_little() -> None:
    fetched = Fetched()
    stream = RangeStream(fetched, len(CONTENT))
    assert stream.read(512) == CONTENT[:512]
    assert fetched.ranges == [(0, 1 << 16)]


@pytest.mark.parametrize("lines", [1, 5, 30])
def test_several_places_in_turn_as_columns_are_read(lines: int) -> None:
    fetched = Fetched()
    stream = RangeStream(fetched, len(CONTENT))
    share, step = len(CONTENT) // lines, 1 << 18
    for offset in range(0, share, step):
        for line in range(lines):
            start = line * share + offset
            stream.seek(start)
            size = min(step, share - offset)
            assert stream.read(size) == CONTENT[start : start + size]
    assert fetched.bytes < 1.6 * len(CONTENT)
    assert len(fetched.ranges) < 2.2 * len(CONTENT) / step


def test_anywhere_in_any_order() -> None:
    chance, stream = random.Random(4), RangeStream(Fetched(), len(CONTENT))
    for _ in range(300):
        start, size = chance.randrange(len(CONTENT)), chance.choice([1, 100, 1 << 16, 3 << 20])
        assert stream.seek(start) == start == stream.tell()
        buffer = bytearray(size)
        count = stream.readinto(buffer)
        assert buffer[:count] == CONTENT[start : start + size]
        assert stream.tell() == start + count


def test_the_end_is_no_byte_and_no_request() -> None:
    fetched = Fetched()
    stream = RangeStream(fetched, len(CONTENT), start=len(CONTENT))
    assert (stream.read(5), stream.readinto(bytearray(5)), stream.seek(3, 2), stream.read()) == (
        b"",
        0,
        len(CONTENT) + 3,
        b"",
    )
    assert fetched.ranges == []


def test_what_fetching_raises_is_raised_where_its_bytes_would_be() -> None:
    def fetch(start: int, stop: int) -> bytes:
        if start >= 1 << 20:
            raise SourceUntrusted("replaced")
        return CONTENT[start:stop]

    stream = RangeStream(fetch, len(CONTENT))
    with pytest.raises(SourceUntrusted, match="replaced"):
        any(not stream.read(1 << 16) for _ in range(1000))
    assert 1 << 20 <= stream.tell() < 6 << 20


def test_what_is_wrong_shows_when_it_is_opened() -> None:
    def fetch(start: int, stop: int) -> bytes:
        raise SourceUntrusted("replaced")

    with pytest.raises(SourceUntrusted):
        RangeStream(fetch, 10)
