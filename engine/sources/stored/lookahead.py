"""Many files of a store, each of which takes some journeys there and back: several of them are on their way at once."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future
from contextlib import suppress
from threading import Thread
from typing import TypeVar

from msgspec.structs import replace

from engine.sources.stored.addresses import SCHEMES, scheme_of
from engine.sources.stored.inputs import InputFile
from engine.sources.stored.store import StoredStream

AT_ONCE = 16
"""So many files are looked at, or opened, at once; of each, no more is held than its first piece."""

S = TypeVar("S")
T = TypeVar("T")


def at_once(path_of: Callable[[S], str], items: Sequence[S], work: Callable[[S], T]) -> list[T]:
    """Return `work(item)` for each of `items`, in their order; files of stores are worked on beside one another.

    What fails is raised in the order of the items, as if each had waited for the one before it.
    """
    if len(items) == 1 or not any(_is_far(path_of(item)) for item in items):
        return list(map(work, items))
    from engine.sources.stored.ahead import in_order

    return list(in_order(iter(items), work, min(AT_ONCE, len(items))))


def opened_ahead(files: Sequence[InputFile]) -> Generator[InputFile]:
    """Yield files; while one is read, those of stores behind it are opened, and their first bytes come."""
    if len(files) == 1 or not any(_is_far(file.path) for file in files):
        yield from files
        return
    rest, ahead = iter(files), deque[_Opening]()
    try:
        while True:
            while len(ahead) < AT_ONCE and (file := next(rest, None)) is not None:
                ahead.append(_Opening(file))
            if not ahead:
                return
            yield ahead.popleft().file
    finally:
        for opening in ahead:
            opening.leave()


class _Opening:
    """A file that is being opened; `file` is the same one, whose first opening waits for that."""

    def __init__(self, file: InputFile) -> None:
        self.file = replace(file, open_stored=self._open)
        self._open_anew = file.open_stored
        self._opened: Future[StoredStream] | None = Future()
        Thread(target=self._begin, args=[self._opened], name="opens ahead", daemon=True).start()

    def leave(self) -> None:
        """Close what nobody has asked for, as soon as it is open."""
        opened, self._opened = self._opened, None
        if opened is not None:
            opened.add_done_callback(_close)

    def _begin(self, opened: Future[StoredStream]) -> None:
        try:
            opened.set_result(self._open_anew())
        except BaseException as error:
            opened.set_exception(error)

    def _open(self) -> StoredStream:
        opened, self._opened = self._opened, None
        return self._open_anew() if opened is None else opened.result()


def _close(opened: Future[StoredStream]) -> None:
    with suppress(Exception):  # it was not opened: nobody wants to know
        opened.result().close()


def _is_far(path: str) -> bool:
    return scheme_of(path) in SCHEMES
