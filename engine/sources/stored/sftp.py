"""Files that a server gives out by SFTP.

asyncssh runs in a loop of its own, in a thread that all streams share: from outside, every call blocks. Many requests
are in flight at once, else each 32 KiB would take a journey there and back.
"""

from __future__ import annotations

import asyncio
import glob
import stat
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from functools import partial
from pathlib import Path, PurePosixPath
from threading import Thread
from typing import TYPE_CHECKING, Any, TypeVar

from engine.sources.spec import StoreAccess
from engine.sources.stored.addresses import Address, address_in_setting
from engine.sources.stored.globs import below, literal_folder, matching, may_lead_to
from engine.sources.stored.names import is_hidden
from engine.sources.stored.outage import Outage
from engine.sources.stored.ranges import RangeStream
from engine.sources.stored.ssh import breaks_connection, connect, is_passing, refusal_of
from engine.sources.stored.store import StoredObject, StoredStream, moved, replaced, resized
from engine.values import EngineError, SourceMissing, SourceUntrusted

if TYPE_CHECKING:
    from asyncssh import SFTPAttrs, SFTPClient, SFTPClientFile

T = TypeVar("T")

_REQUEST_BYTES = 1 << 17
_SILENCE_S = 60.0


class SftpStore:
    """Files by their addresses: `sftp://user@host:port/path`, or `/~/path` from the user's home; see `Store`."""

    def __init__(self, access: StoreAccess) -> None:
        self._access = access
        self._loop = asyncio.new_event_loop()
        self._clients: dict[str, asyncio.Task[SFTPClient]] = {}
        Thread(target=self._loop.run_forever, name="sftp", daemon=True).start()

    def list(self, pattern: str) -> Sequence[StoredObject]:
        """Return the files that a path, a directory or a glob means; see `Store`."""
        address = address_in_setting(pattern)
        return self._ask(address, lambda client: _listed(client, address))

    def open(self, stored: StoredObject, start: int = 0) -> StoredStream:
        """Open a file, seekable; see `Store`."""
        file = _OpenFile(self, stored)
        self._ask(address_in_setting(stored.path), file.opened_in)
        return RangeStream(file.fetch, stored.size, start, on_close=file.close)

    def verify(self, stored: StoredObject, _stream: StoredStream | None = None) -> None:
        """Compare size and time of change with those of the file that the path leads to now; see `Store`."""
        address = address_in_setting(stored.path)
        try:
            now = self._ask(address, lambda client: _look_at(client, address))
        except SourceMissing:
            raise moved(stored.path, "was removed") from None
        if now.size != stored.size:
            raise moved(stored.path, resized(stored.size, now.size))
        if now.version != stored.version:
            raise moved(stored.path, "was written again")

    def content_encoding(self, _stored: StoredObject) -> str | None:
        """Return None: files say it by their names."""
        return None

    def put(self, path: str, file: Path) -> None:
        """Copy a file to a path; see `RemoteStore`."""
        address = address_in_setting(path)
        self._ask(address, lambda client: _put(client, _path(address), file))

    def _ask(self, address: Address, request: Callable[[SFTPClient], Awaitable[T]]) -> T:
        outage = Outage(f"{address.root}{address.key}", self._access.retry_window_s)
        return self.ask(address, request, outage)

    def ask(self, address: Address, request: Callable[[SFTPClient], Awaitable[T]], outage: Outage) -> T:
        """Make a request until it is answered, with a new connection where one was cut.

        Raises:
            AccessRefused: the host is not known, or refuses our keys, and so it did when it was asked once more.
            Interrupted: the server was out of reach for too long.
            SourceMissing: there is no such file.
            SourceUntrusted: the server refuses to give it.
        """
        was_refused = False
        while True:
            try:
                return self.run(self._answered(address, request))
            except EngineError:
                raise
            except Exception as error:  # asyncssh raises its own errors, and some of Python's
                refusal, passing = refusal_of(error, address), is_passing(error)
                reason = "it has been silent for too long" if isinstance(error, TimeoutError) else "no connection"
            if passing:
                outage.wait(reason)
            elif was_refused or isinstance(refusal, SourceMissing | SourceUntrusted):
                raise refusal
            was_refused = not passing

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Do work in the loop, and wait for it."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    async def _answered(self, address: Address, request: Callable[[SFTPClient], Awaitable[T]]) -> T:
        client = self._clients.get(address.place)
        if client is None:
            client = self._clients[address.place] = asyncio.ensure_future(connect(address.place, self._access))
        try:
            return await request(await asyncio.shield(client))
        except Exception as error:
            if breaks_connection(error) and self._clients.get(address.place) is client:
                del self._clients[address.place]
                if client.done() and client.exception() is None:
                    client.result().exit()
            raise


class _OpenFile:
    """A file that is read by several threads, and opened again where its connection was cut."""

    def __init__(self, store: SftpStore, stored: StoredObject) -> None:
        self._store = store
        self._stored = stored
        self._address = address_in_setting(stored.path)
        self._opened: tuple[SFTPClient, SFTPClientFile] | None = None

    def fetch(self, start: int, stop: int) -> bytes:
        """Return the bytes of a range; see `Fetch`."""
        outage = Outage(self._stored.path, self._store._access.retry_window_s)
        return self._store.ask(self._address, partial(self._fetched, start, stop, outage), outage)

    def close(self) -> None:
        """Let the server close it; whether it does is of no interest."""
        if self._opened is not None:
            asyncio.run_coroutine_threadsafe(self._opened[1].close(), self._store._loop)

    async def opened_in(self, client: SFTPClient) -> SFTPClientFile:
        """Open it, and make sure that it is the version that was listed."""
        if self._opened is None or self._opened[0] is not client:
            file = await asyncio.wait_for(client.open(_path(self._address), "rb", encoding=None), _SILENCE_S)
            if _version(await asyncio.wait_for(file.stat(), _SILENCE_S)) != self._stored.version:
                raise replaced(self._stored.path)
            self._opened = (client, file)
        return self._opened[1]

    async def _fetched(self, start: int, stop: int, outage: Outage, client: SFTPClient) -> bytes:
        file = await self.opened_in(client)
        requests = [
            asyncio.ensure_future(self._slice(file, first, min(first + _REQUEST_BYTES, stop)))
            for first in range(start, stop, _REQUEST_BYTES)
        ]
        try:
            waiting = set(requests)
            while waiting:
                answered, waiting = await asyncio.wait(waiting, timeout=_SILENCE_S, return_when=asyncio.FIRST_COMPLETED)
                if not answered:
                    raise TimeoutError
                for request in answered:
                    request.result()
                outage.over()
            return b"".join(request.result() for request in requests)
        finally:
            for request in requests:
                request.cancel()
            await asyncio.gather(*requests, return_exceptions=True)

    async def _slice(self, file: SFTPClientFile, start: int, stop: int) -> bytes:
        """Read a slice; what a short answer lacks is asked for again."""
        parts = []
        while start < stop:
            part = await file.read(stop - start, start)
            if not part:
                raise moved(self._stored.path, f"ended after {start:,} of {self._stored.size:,} bytes")
            parts.append(part if isinstance(part, bytes) else part.encode())
            start += len(part)
        return b"".join(parts)


async def _listed(client: SFTPClient, address: Address) -> Sequence[StoredObject]:
    if not glob.has_magic(address.key):
        return await _at(client, address)
    literal = await _attributes(client, address)
    if literal is not None:
        return [_stored(address, literal)]
    found: dict[str, SFTPAttrs] = {}
    folders: set[str] = set()
    async for key, attributes in _below(client, address, literal_folder(address.key), may_lead_to(address.key)):
        if stat.S_ISDIR(attributes.permissions or 0):
            folders.add(key)
        else:
            found[key] = attributes
    keys = matching(found, address.key, address.root, folders)
    return [_stored(address._replace(key=key), found[key]) for key in keys]


async def _at(client: SFTPClient, address: Address) -> Sequence[StoredObject]:
    """Return the file at a path, or all files below it."""
    attributes = await _attributes(client, address)
    if attributes is None:
        raise SourceMissing(f"{address.root}{address.key} does not exist")
    if not stat.S_ISDIR(attributes.permissions or 0):
        return [_stored(address, attributes)]
    folder = f"{address.key.rstrip('/')}/".lstrip("/")
    walk = _below(client, address, folder, lambda key: not is_hidden(key.rpartition("/")[2]))
    found = {key: at async for key, at in walk if not stat.S_ISDIR(at.permissions or 0)}
    if not found:
        raise SourceMissing(
            f"{address.root}{folder} is a directory without any file to read (hidden ones are no parts)"
        )
    return [_stored(address._replace(key=key), found[key]) for key in below(found, folder, address.root)]


async def _below(
    client: SFTPClient, address: Address, folder: str, enters: Callable[[str], bool]
) -> AsyncIterator[tuple[str, SFTPAttrs]]:
    """Yield what lies below a folder, by its key, and go down where it `enters`; links that lead in circles end."""
    waiting, seen = [folder], set()
    while waiting:
        current = waiting.pop()
        path = _path(address._replace(key=current))
        real = await client.realpath(path)
        if real in seen or not await client.isdir(path):
            continue
        seen.add(real)
        async for entry in client.scandir(path):
            name = entry.filename if isinstance(entry.filename, str) else entry.filename.decode("utf-8", "replace")
            if name in (".", ".."):
                continue
            key, attributes = f"{current}{name}", entry.attrs
            if stat.S_ISLNK(attributes.permissions or 0):
                target = await _attributes(client, address._replace(key=key))
                if target is None:
                    continue
                attributes = target
            yield key, attributes
            if stat.S_ISDIR(attributes.permissions or 0) and enters(key):
                waiting.append(f"{key}/")


async def _put(client: SFTPClient, path: str, file: Path) -> None:
    """Write a file beside its place first, for nobody else to read, and then rename it."""
    import asyncssh

    folder = PurePosixPath(path).parent
    await client.makedirs(str(folder), asyncssh.SFTPAttrs(permissions=0o700), exist_ok=True)
    unfinished = f"{path}.part"
    await client.put(str(file), unfinished)
    await client.chmod(unfinished, 0o600)
    await client.posix_rename(unfinished, path)


async def _look_at(client: SFTPClient, address: Address) -> StoredObject:
    attributes = await _attributes(client, address)
    if attributes is None:
        raise SourceMissing(f"{address.root}{address.key} does not exist")
    return _stored(address, attributes)


async def _attributes(client: SFTPClient, address: Address) -> SFTPAttrs | None:
    import asyncssh

    try:
        return await asyncio.wait_for(client.stat(_path(address)), _SILENCE_S)
    except (asyncssh.SFTPNoSuchFile, asyncssh.SFTPNoSuchPath):
        return None


def _stored(address: Address, attributes: SFTPAttrs) -> StoredObject:
    path = f"{address.root}{address.key}"
    if not stat.S_ISREG(attributes.permissions or 0) or attributes.size is None:
        raise SourceUntrusted(f"{path} is not a regular file")
    return StoredObject(path, attributes.size, _version(attributes), path, float(attributes.mtime or 0))


def _version(attributes: SFTPAttrs) -> str:
    """Return the size and the time of change: there is nothing else that every server tells."""
    return f"{attributes.size}-{attributes.mtime}"


def _path(address: Address) -> str:
    """Return the path on the server: from its root, or from the user's home behind `~/`."""
    key = address.key.lstrip("/")
    return key[2:] if key.startswith("~/") else f"/{key}"
