"""The bytes of a file: all that were there when it was found, no more and no fewer."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest

from engine.sources.stored.file_pass import FilePass
from engine.sources.stored.local import LocalStore
from engine.sources.stored.store import StoredStream
from engine.sources.stored.stored_bytes import StoredBytes
from engine.values.errors import SourceUntrusted


def read_all(stored: StoredBytes, size: int = 7) -> bytes:
    return b"".join(iter(lambda: stored.read(size), b""))


@pytest.mark.parametrize("size", [0, 1, 6, 7, 8, 100])
def test_as_many_as_there_must_be(size: int) -> None:
    stored = StoredBytes("f", io.BytesIO(b"x" * size), size=size)
    assert read_all(stored) == b"x" * size
    assert stored.position == size


def test_more_than_there_must_be_is_noticed_behind_those() -> None:
    stored = StoredBytes("f", io.BytesIO(b"x" * 10), size=8)
    assert stored.read(100) == b"x" * 8
    with pytest.raises(SourceUntrusted, match="f grew while it was read"):
        stored.read(100)


def test_fewer_than_there_must_be_are_noticed() -> None:
    stored = StoredBytes("f", io.BytesIO(b"x" * 8), size=10)
    assert stored.read(100) == b"x" * 8
    with pytest.raises(SourceUntrusted, match="f ended after 8 of 10 bytes while it was read"):
        stored.read(100)


def test_whether_it_is_still_the_file_is_asked_at_the_end_while_it_is_open() -> None:
    asked: list[tuple[StoredStream, bool]] = []
    stream = io.BytesIO(b"x" * 10)
    stored = StoredBytes("f", stream, size=10, verify=lambda given: asked.append((given, given.closed)))
    assert stored.read(10) == b"x" * 10
    assert asked == []
    assert stored.read(10) == b""
    assert asked == [(stream, False)]


def test_of_standard_input_nothing_is_known() -> None:
    assert read_all(StoredBytes("standard input", io.BytesIO(b"x" * 10))) == b"x" * 10


def test_who_watches_sees_each_byte_once() -> None:
    seen, expected = FilePass(), FilePass()
    stored = StoredBytes("f", io.BytesIO(b"abcdefghijklmnop"), seen_by=seen)
    assert stored.peek() == b"abcdefghijklmnop"
    assert (stored.position, read_all(stored, 3)) == (0, b"abcdefghijklmnop")
    expected.see_stored(b"abcdefghijklmnop")
    assert seen.digest() == expected.digest()


def test_a_peek_waits_for_no_more_than_a_signature() -> None:
    class Slow(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            return super().read(min(size or 0, 5))

    assert StoredBytes("f", Slow(b"x" * 100)).peek() == b"x" * 10


def test_a_file_that_was_replaced_by_one_of_the_same_size_and_time(tmp_path: Path) -> None:
    path, other = tmp_path / "a.csv", tmp_path / "b.csv"
    path.write_bytes(b"old")
    (found,) = LocalStore().list(str(path))
    with LocalStore().open(found) as stream:
        other.write_bytes(b"new")
        times = path.stat()
        os.utime(other, ns=(times.st_atime_ns, times.st_mtime_ns))
        other.replace(path)
        stored = StoredBytes("a.csv", stream, size=3, verify=lambda given: LocalStore().verify(found, given))
        assert stored.read(10) == b"old"
        with pytest.raises(SourceUntrusted, match=r"a\.csv was replaced while it was read"):
            stored.read(10)
