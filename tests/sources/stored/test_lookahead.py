"""Files of stores are on their way together: no more than some, in their order, and none is left open."""

from __future__ import annotations

import io
from collections.abc import Sequence
from functools import partial
from threading import Barrier, Lock, Semaphore

import pytest
from msgspec.structs import replace

from engine.sources.stored.inputs import InputFile
from engine.sources.stored.lookahead import AT_ONCE, at_once, opened_ahead
from engine.values.errors import SourceMissing, SourceUntrusted

WAIT_S = 60
MANY = 3 * AT_ONCE


def far(number: int) -> str:
    return f"s3://bucket/part-{number:03d}.csv"


class Openings:
    """Files that note when they are opened and closed."""

    def __init__(self, paths: Sequence[str]) -> None:
        self.begun = Semaphore(0)
        self.closed = Semaphore(0)
        self.open: set[str] = set()
        self.opened: list[str] = []
        self._lock = Lock()
        blank = InputFile(paths[0], "csv", None, 4, io.BytesIO)
        self.files = [replace(blank, path=path, open_stored=partial(self._open, path)) for path in paths]

    def _open(self, path: str) -> io.BytesIO:
        openings = self

        class Stream(io.BytesIO):
            def close(self) -> None:
                with openings._lock:
                    if path in openings.open:
                        openings.open.remove(path)
                        openings.closed.release()
                super().close()

        with self._lock:
            self.open.add(path)
            self.opened.append(path)
        self.begun.release()
        return Stream(path.encode())


def test_as_many_are_worked_on_at_once_as_may_be() -> None:
    meeting = Barrier(AT_ONCE)

    def work(number: int) -> int:
        meeting.wait(WAIT_S)
        return number * 2

    assert at_once(far, range(MANY), work) == [2 * number for number in range(MANY)]


def test_local_ones_wait_for_one_another() -> None:
    done: list[int] = []

    def work(number: int) -> None:
        assert done == list(range(number))
        done.append(number)

    at_once(lambda number: f"part-{number}.csv", range(MANY), work)
    assert len(done) == MANY


def test_the_first_one_that_fails_is_told_of() -> None:
    def work(number: int) -> None:
        if number in (5, 6):
            raise SourceMissing(f"part {number}") if number == 5 else SourceUntrusted("later")

    with pytest.raises(SourceMissing, match="part 5"):
        at_once(far, range(MANY), work)


def test_those_behind_the_one_that_is_read_are_open() -> None:
    openings = Openings([far(number) for number in range(MANY)])
    files = opened_ahead(openings.files)
    first = next(files)
    for _ in range(AT_ONCE):
        assert openings.begun.acquire(timeout=WAIT_S)
    assert sorted(openings.opened) == [far(number) for number in range(AT_ONCE)]
    with first.open_stored() as stream:
        assert stream.read(100) == far(0).encode()
    paths = [first.path]
    for file in files:
        paths.append(file.path)
        with file.open_stored() as stream:
            assert stream.read(100) == file.path.encode()
    assert paths == [far(number) for number in range(MANY)]
    assert len(openings.opened) == MANY
    assert not openings.open


def test_a_file_can_be_opened_again() -> None:
    openings = Openings([far(0), far(1)])
    for file in opened_ahead(openings.files):
        for _ in range(3):
            with file.open_stored() as stream:
                assert stream.read(100) == file.path.encode()
    assert len(openings.opened) == 6


def test_what_is_left_early_is_closed() -> None:
    openings = Openings([far(number) for number in range(AT_ONCE)])
    files = opened_ahead(openings.files)
    first = next(files)
    for _ in range(AT_ONCE):
        assert openings.begun.acquire(timeout=WAIT_S)
    first.open_stored().close()
    files.close()
    for _ in range(AT_ONCE):
        assert openings.closed.acquire(timeout=WAIT_S)
    assert not openings.open


def test_what_cannot_be_opened_is_told_where_it_is_read() -> None:
    def gone() -> io.BytesIO:
        raise SourceMissing("gone")

    openings = Openings([far(0), far(1)])
    files = opened_ahead([openings.files[0], replace(openings.files[1], open_stored=gone)])
    next(files).open_stored().close()
    second = next(files)
    with pytest.raises(SourceMissing, match="gone"):
        second.open_stored()


def test_local_files_are_opened_when_they_are_read() -> None:
    openings = Openings(["a.csv", "b.csv"])
    assert list(opened_ahead(openings.files)) == openings.files
    assert not openings.opened
