"""Object stores: S3 and what speaks like it, Google Cloud Storage, Azure Blob Storage.

Keys are listed once. From then on every request names the version that was listed, and every reply must be of it, so
that what is read is one version and no mixture.
"""

from __future__ import annotations

import glob
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, TypeVar

from engine.sources.spec import StoreAccess
from engine.sources.stored.addresses import Address, address_in_setting
from engine.sources.stored.clouds.buckets import open_bucket
from engine.sources.stored.clouds.refusals import Answer, Refusal, understood
from engine.sources.stored.globs import below, literal_folder, matching, reaches_deeper
from engine.sources.stored.outage import Outage
from engine.sources.stored.ranges import RangeStream
from engine.sources.stored.store import StoredObject, StoredStream, moved, replaced, resized
from engine.values import AccessRefused, ConfigError, EngineError, SourceMissing, SourceUntrusted

if TYPE_CHECKING:
    from obstore import ObjectMeta

    from engine.sources.stored.clouds.buckets import Bucket

T = TypeVar("T")

_SLICE_BYTES = 1 << 16
"""So much is taken from a reply at once; what came before it was cut is kept."""

_SERVICES = {"s3": "S3", "gs": "Google Cloud Storage", "az": "Azure Blob Storage"}


class ObjectStore:
    """Objects by their addresses, all of one scheme; their buckets stay open."""

    def __init__(self, access: StoreAccess) -> None:
        self._access = access
        self._buckets: dict[str, Bucket] = {}
        self._lock = Lock()

    def list(self, pattern: str) -> Sequence[StoredObject]:
        """Return the objects that a key, a folder or a glob means; see `Store`."""
        address = address_in_setting(pattern)
        if glob.has_magic(address.key):
            folder = literal_folder(address.key)
            found, folders = self._listed(address, folder, deep=reaches_deeper(address.key))
            return [found[key] for key in matching(found, address.key, address.root, folders)]
        if address.key and not address.key.endswith("/"):
            meta = self._head(address)
            if meta is not None:
                return [_stored(address, meta)]
        folder = f"{address.key.rstrip('/')}/".lstrip("/")
        found, _ = self._listed(address, folder, deep=True)
        if not found and not address.key.endswith("/"):
            raise SourceMissing(f"{pattern} does not exist")
        return [found[key] for key in below(found, folder, address.root)]

    def open(self, stored: StoredObject, start: int = 0) -> StoredStream:
        """Open an object, seekable; see `Store`."""
        if start >= stored.size:
            self._check_opened(stored)
        return RangeStream(partial(self._fetch, stored), stored.size, start)

    def verify(self, stored: StoredObject, _stream: StoredStream | None = None) -> None:
        """Compare size and version with what the key leads to now; see `Store`."""
        meta = self._head(address_in_setting(stored.path))
        if meta is None:
            raise moved(stored.path, "was removed")
        if meta["size"] != stored.size:
            raise moved(stored.path, resized(stored.size, meta["size"]))
        if version_of(meta) != stored.version:
            raise moved(stored.path, "was replaced")

    def content_encoding(self, stored: StoredObject) -> str | None:
        """Return what the object's header says of how it is packed; see `Store`."""
        import obstore

        address = address_in_setting(stored.path)
        reply = self._ask(address, lambda bucket: obstore.get(bucket, address.key, options={"head": True}))
        encoding = reply.attributes.get("Content-Encoding")
        return None if encoding is None else str(encoding)

    def put(self, path: str, file: Path) -> None:
        """Copy a file to a key; see `RemoteStore`."""
        import obstore

        address = address_in_setting(path)
        self._ask(address, lambda bucket: obstore.put(bucket, address.key, file))

    def _listed(self, address: Address, folder: str, *, deep: bool) -> tuple[dict[str, StoredObject], Sequence[str]]:
        """Return the objects below a folder by their keys; if it goes no deeper, those right in it, and its folders."""
        import obstore

        def listed(bucket: Bucket) -> tuple[Sequence[ObjectMeta], Sequence[str]]:
            if deep:
                return [meta for some in obstore.list(bucket, folder or None, chunk_size=1000) for meta in some], ()
            result = obstore.list_with_delimiter(bucket, folder or None)
            return result["objects"], result["common_prefixes"]

        metas, folders = self._ask(address._replace(key=folder), listed)
        found: dict[str, StoredObject] = {}
        for meta in self._without_markers(address, metas):
            if meta["path"] in found:
                raise SourceUntrusted(
                    f"{address.root}{meta['path']} is two keys, one of them with two slashes in a row; remove one"
                )
            found[meta["path"]] = _stored(address, meta)
        return found, folders

    def _without_markers(self, address: Address, metas: Sequence[ObjectMeta]) -> Iterator[ObjectMeta]:
        """Yield all but the empty objects that stand for a folder: their keys end in `/`, which obstore leaves out."""
        for meta in metas:
            if meta["size"] or self._head(address._replace(key=meta["path"])) is not None:
                yield meta

    def _head(self, address: Address) -> ObjectMeta | None:
        import obstore

        try:
            return self._ask(address, lambda bucket: obstore.head(bucket, address.key))
        except SourceMissing:
            return None

    def _check_opened(self, stored: StoredObject) -> None:
        meta = self._head(address_in_setting(stored.path))
        if meta is None:
            raise SourceMissing(f"{stored.path} does not exist")
        if version_of(meta) != stored.version:
            raise replaced(stored.path)

    def _fetch(self, stored: StoredObject, start: int, stop: int) -> bytes:
        """Return the bytes of a range: what was cut goes on where it ended, with the same version or not at all."""
        import obstore

        address = address_in_setting(stored.path)
        tag = None if stored.content_tag is None else f'"{stored.content_tag}"'
        parts: list[bytes] = []
        got = 0

        def go_on(bucket: Bucket) -> None:
            nonlocal got
            reply = obstore.get(bucket, address.key, options={"if_match": tag, "range": (start + got, stop)})
            if (version_of(reply.meta), reply.meta["size"]) != (stored.version, stored.size):
                raise replaced(stored.path)
            for part in reply.stream(min_chunk_size=_SLICE_BYTES):
                parts.append(bytes(part))
                got += len(part)
                outage.over()

        outage = Outage(stored.path, self._access.retry_window_s)
        while got < stop - start:
            before = got
            self._ask(address, go_on, outage)
            if got == before:
                outage.wait("its answers are empty")
        if got > stop - start:
            raise SourceUntrusted(f"{stored.path} cannot be read: the store sends more than was asked for")
        return b"".join(parts)

    def _ask(self, address: Address, request: Callable[[Bucket], T], outage: Outage | None = None) -> T:
        """Make a request until it is answered.

        Raises:
            AccessRefused: nothing says who we are, or that was refused, and so it was once it was asked for anew.
            ConfigError: the region or the endpoint is wrong.
            Interrupted: the store was out of reach for too long.
            SourceMissing: there is no such object or bucket.
            SourceUntrusted: the object was replaced, or the store answers with a failure that stays.
        """
        name = f"{address.root}{address.key}"
        outage = outage or Outage(name, self._access.retry_window_s)
        was_refused = False
        while True:
            try:
                return request(self._bucket(address))
            except EngineError:
                raise
            except Exception as error:  # obstore raises its own errors, and some of Python's
                answer = understood(error)
            if answer.refusal in (Refusal.IDENTITY, Refusal.NO_IDENTITY) and not was_refused:
                was_refused = True
                self._buckets.pop(address.place, None)  # keys are looked for anew: they may have been exchanged
            elif answer.refusal is Refusal.PASSING:
                outage.wait(answer.words)
            elif answer.refusal is Refusal.REPLACED and self._head(address) is None:  # Azure calls both the same
                raise SourceMissing(f"{name} does not exist")
            else:
                raise _failure(address, answer)

    def _bucket(self, address: Address) -> Bucket:
        with self._lock:
            bucket = self._buckets.get(address.place)
            if bucket is None:
                bucket = self._buckets[address.place] = open_bucket(address, self._access)
            return bucket


def version_of(meta: ObjectMeta) -> str:
    """Return what tells an object's content from any other that it had: its ETag, else its size and time of change."""
    tag = _tag_of(meta)
    return tag if tag is not None else f"{meta['size']}-{meta['last_modified'].timestamp():.0f}"


def _tag_of(meta: ObjectMeta) -> str | None:
    """Return the ETag without its quotes, which some listings leave out; None for one that promises no same bytes."""
    tag = meta["e_tag"]
    return None if not tag or tag.startswith("W/") else tag.strip('"')


def _stored(address: Address, meta: ObjectMeta) -> StoredObject:
    path = f"{address.root}{meta['path']}"
    modified_at = meta["last_modified"].timestamp()
    return StoredObject(path, meta["size"], version_of(meta), path, modified_at, content_tag=_tag_of(meta))


def _failure(address: Address, answer: Answer) -> EngineError:
    """Return the error that says what a refusal means."""
    name, service = f"{address.root}{address.key}", _SERVICES[address.scheme]
    match answer.refusal:
        case Refusal.MISSING:
            return SourceMissing(f"{name} does not exist")
        case Refusal.NO_PLACE:
            return SourceMissing(f"{address.root} does not exist: there is no such bucket or container")
        case Refusal.REPLACED:
            return replaced(name)
        case Refusal.NO_IDENTITY:
            return AccessRefused(
                f"{name} cannot be reached: nothing says who we are to {service} (no variable, no profile, no role of "
                "this machine); docs/places.md lists what is looked for"
            )
        case Refusal.IDENTITY:
            return AccessRefused(f"{name} cannot be reached: {service} refuses our keys ({answer.words})")
        case Refusal.CERTIFICATE:
            return AccessRefused(f"{name} cannot be reached: the certificate of its server is not trusted")
        case Refusal.REGION:
            return ConfigError(f"source.region: {address.root} lies in another region ({answer.words}); set its own")
        case _:
            return SourceUntrusted(f"{name} cannot be reached: {service} answers with {answer.words}")
