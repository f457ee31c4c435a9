"""A stream of something that is fetched in pieces, from one place after the other or from many in turn.

Text is read from front to back, so larger and larger pieces are fetched ahead of it, several at once. Of Parquet, some
bytes of each column are read in turn: each column is a line of reading of its own, and has its own piece ahead.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from concurrent.futures import Future
from threading import Thread
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

Fetch: TypeAlias = Callable[[int, int], bytes]
"""Returns the bytes from a start to a stop, all of them; called in threads, some at once. What it raises is final."""

_FIRST_PIECE_BYTES = 1 << 16
"""So much tells what a file is; and so much Arrow wants of the end of Parquet."""

_PIECE_BYTES_MAX = 4 << 20
_GROWTH = 4
_AHEAD = 3
"""How many pieces are on their way behind the one that is being read, where there is only one line of reading."""

_MEMORY_BYTES = 24 << 20
"""How much is held and on its way, at most, but for one piece a line of reading."""


class _Piece:
    """Bytes from `start` to `stop`, which are on their way, or have come."""

    def __init__(self, fetch: Fetch, start: int, stop: int, *, follows: bool) -> None:
        self.start = start
        self.stop = stop
        self.follows = follows
        """Whether the line of reading comes from the piece before it."""
        self.is_current = False
        """Whether some of it was read."""
        self._bytes: Future[bytes] = Future()
        self._fetch = fetch

    def fetch(self) -> None:
        try:
            self._bytes.set_result(self._fetch(self.start, self.stop))
        except BaseException as error:
            self._bytes.set_exception(error)

    def fetch_beside(self) -> None:
        """Fetch in a thread: a daemon, because it must not keep a stopped process alive."""
        Thread(target=self.fetch, name="range", daemon=True).start()

    def view(self) -> memoryview:
        """Return the bytes, as soon as they have come; raise what fetching them raised."""
        return memoryview(self._bytes.result())


class RangeStream(io.RawIOBase):
    """Reads what `fetch` returns, `size` bytes; seekable. `read` and `readinto` return less only at the end.

    The first piece, at `start`, is fetched at once, so that what is wrong shows where it is opened.
    """

    def __init__(self, fetch: Fetch, size: int, start: int = 0, *, on_close: Callable[[], None] = lambda: None) -> None:
        self._fetch = fetch
        self._on_close = on_close
        self._size = size
        self._position = min(start, size)
        self._pieces: dict[int, _Piece] = {}
        """By their starts, the one that was read last behind the others."""
        if self._position < size:
            self._piece_at(self._position, _FIRST_PIECE_BYTES)

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def tell(self) -> int:
        """Return the number of the byte that is read next."""
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        """Go to a byte; nothing is fetched before it is read."""
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._size}[whence]
        if start + offset < 0:
            raise ValueError("negative seek position")
        self._position = start + offset
        return self._position

    def read(self, size: int | None = -1, /) -> bytes:
        """Return `size` bytes, fewer only at the end; -1 means all that are left. Raises what `fetch` raises."""
        left = max(self._size - self._position, 0)
        wanted = left if size is None or size < 0 else min(size, left)
        parts = []
        while wanted:
            part = self._take(wanted)
            parts.append(bytes(part))
            wanted -= len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        """Fill a buffer; see `read`."""
        target = memoryview(buffer).cast("B")
        done = 0
        while done < len(target) and self._position < self._size:
            part = self._take(len(target) - done)
            target[done : done + len(part)] = part
            done += len(part)
        return done

    def close(self) -> None:
        """Forget what has come; what is on its way is thrown away when it comes."""
        if not self.closed:
            self._pieces.clear()
            self._on_close()
        super().close()

    def _take(self, size: int) -> memoryview:
        """Return 1 to `size` bytes, and go on behind them. There must be some."""
        if self.closed:
            raise ValueError("I/O operation on closed file")
        piece = self._piece_at(self._position, size)
        offset = self._position - piece.start
        part = piece.view()[offset : offset + size]
        self._position += len(part)
        if not piece.is_current:
            piece.is_current = True
            piece.follows = piece.follows and offset == 0  # else it was jumped into: another line begins here
            if piece.follows:
                self._fetch_behind(piece)
        if not piece.follows and self._position == piece.stop:  # who only looks at a beginning wants no more
            self._fetch_behind(piece)
        if self._position == piece.stop:
            self._pieces.pop(piece.start, None)
        return part

    def _piece_at(self, position: int, wanted: int) -> _Piece:
        for start, piece in self._pieces.items():
            if start <= position < piece.stop:
                self._pieces[start] = self._pieces.pop(start)
                return piece
        size = min(max(wanted, _FIRST_PIECE_BYTES), _PIECE_BYTES_MAX)
        piece = _Piece(self._fetch, position, min(position + size, self._size), follows=False)
        piece.fetch()
        piece.view()  # what could not be fetched is not kept
        self._keep(piece)
        return piece

    def _fetch_behind(self, piece: _Piece) -> None:
        """Let the next pieces of a line of reading come: the further it has gone on, the larger they are."""
        stops = {other.stop for other in self._pieces.values()}
        lines = sum(start not in stops for start in self._pieces)
        share = max(_FIRST_PIECE_BYTES, _MEMORY_BYTES // (4 * lines))
        for _ in range(_AHEAD if lines == 1 and piece.follows else 1):
            size = min(_GROWTH * (piece.stop - piece.start), _PIECE_BYTES_MAX, share)
            start, stop = piece.stop, min(piece.stop + size, self._size)
            if start == stop:
                return
            behind = self._pieces.get(start)
            if behind is None:
                behind = _Piece(self._fetch, start, stop, follows=True)
                behind.fetch_beside()
                self._keep(behind)
            piece = behind

    def _keep(self, piece: _Piece) -> None:
        """Keep a piece, and let go those that were not read for longest once they are too many."""
        self._pieces[piece.start] = piece
        total = sum(kept.stop - kept.start for kept in self._pieces.values())
        for start in [start for start in self._pieces if start != piece.start]:
            if total <= _MEMORY_BYTES:
                return
            dropped = self._pieces.pop(start)
            total -= dropped.stop - dropped.start
