"""From the paths and globs of the configuration to the input files, in their order."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from functools import lru_cache, partial
from pathlib import Path

from msgspec.structs import replace

from engine.sources.formats import FORMAT_OF_SUFFIX, FORMATS, Format
from engine.sources.spec import STDIN, SourceSpec, StoreAccess
from engine.sources.stored.addresses import OBJECT_SCHEMES, scheme_of
from engine.sources.stored.compression import COMPRESSIONS, Compression, compression_of
from engine.sources.stored.inputs import InputFile
from engine.sources.stored.kinds import PARQUET, refuse_other_kinds
from engine.sources.stored.local import LocalStore
from engine.sources.stored.lookahead import at_once
from engine.sources.stored.names import NamedKind, format_by_directories, keys_of, kind_by_name
from engine.sources.stored.spooled import SCHEMES as DATABASE_SCHEMES, SpooledStore
from engine.sources.stored.store import RemoteStore, Store, StoredObject, StoredStream
from engine.sources.stored.stored_bytes import StoredBytes
from engine.values import ConfigError, SourceUntrusted

LOCAL = LocalStore()

SPOOLED = SpooledStore()


def _object_store(access: StoreAccess) -> RemoteStore:
    from engine.sources.stored.object_store import ObjectStore

    return ObjectStore(access)


def _sftp_store(access: StoreAccess) -> RemoteStore:
    from engine.sources.stored.sftp import SftpStore

    return SftpStore(access)


STORES: Mapping[str, Callable[[StoreAccess], RemoteStore]] = {
    **dict.fromkeys(OBJECT_SCHEMES, _object_store),
    "sftp": _sftp_store,
}
"""What makes the store that has the files of a path, by what stands before its `://`; any other path is local."""


def find_objects(spec: SourceSpec) -> list[StoredObject]:
    """Return the files that `spec` names: in the order given, the matches of each glob sorted, no file twice.

    Standard input is no file.

    Raises:
        SourceMissing: a path or a glob leads to no file.
        SourceUntrusted: a file can't be read.
    """
    found: dict[str, StoredObject] = {}
    for path in spec.paths if STDIN not in spec.paths else ():
        for stored in store_of(path, spec.access).list(path):
            found.setdefault(stored.identity, stored)
    return list(found.values())


def find_files(
    spec: SourceSpec, stdin: StoredStream | None = None, found: Sequence[StoredObject] | None = None
) -> list[InputFile]:
    """Return the inputs that `spec` names; the files are those of `find_objects`, which have been `found` or are now.

    Every file is opened once for its first bytes, so that a mistake shows before anything is sent.

    Raises:
        ConfigError: the format of an input is not known, or standard input is mixed with files.
        SourceMissing: a path or a glob leads to no file.
        SourceUntrusted: a file can't be read, has changed since it was found, or is not what its name says.
    """
    if STDIN in spec.paths:
        return [_standard_input(spec, stdin)]
    stored_objects = find_objects(spec) if found is None else found
    return at_once(
        lambda stored: stored.path,
        stored_objects,
        lambda stored: _input_file(store_of(stored.path, spec.access), stored, spec),
    )


def formats_by_name(paths: Sequence[str], access: StoreAccess) -> set[Format]:
    """Return the formats that the names of the files at `paths` tell; standard input has no name.

    Raises:
        SourceMissing: a path or a glob leads to no file.
        SourceUntrusted: a directory can't be read.
    """
    found = (stored.path for path in paths if path != STDIN for stored in store_of(path, access).list(path))
    return {format_ for path in found if (format_ := kind_by_name(path).format or format_by_directories(path))}


def store_of(path: str, access: StoreAccess) -> Store:
    """Return the store that has the files of a path; its connections are kept.

    Raises:
        ConfigError: what reads from there is not installed.
    """
    scheme = scheme_of(path)
    if scheme in STORES:
        return _opened(scheme, access)
    return SPOOLED if scheme in DATABASE_SCHEMES else LOCAL


def copy_to(address: str, files: Mapping[str, Path], access: StoreAccess) -> None:
    """Copy files to places below an address in a store, over what is there.

    Raises:
        AccessRefused: the store refuses who we are.
        ConfigError: what writes there is not installed.
        Interrupted: the store is out of reach.
        SourceMissing: there is no such bucket.
        SourceUntrusted: the store refuses to take them.
    """
    store = _opened(scheme_of(address), access)
    for place, path in files.items():
        store.put(f"{address.rstrip('/')}/{place}", path)


@lru_cache(maxsize=8)
def _opened(scheme: str, access: StoreAccess) -> RemoteStore:
    return STORES[scheme](access)


def _standard_input(spec: SourceSpec, stdin: StoredStream | None) -> InputFile:
    if len(spec.paths) > 1:
        raise ConfigError('source.path: "-" (standard input) cannot be combined with other paths')
    if spec.format is None:
        raise ConfigError("source.format: must be set, because standard input has no name that tells its format")
    if not FORMATS[spec.format].reads_stdin:
        name = FORMATS[spec.format].name
        raise ConfigError(f"source.format: {name} cannot be read from standard input, only from files")
    stream = stdin or _own_stdin()
    return InputFile(STDIN, spec.format, None, None, lambda: stream, encoding=spec.encoding)


def _own_stdin() -> StoredStream:
    """Return the process's standard input as a stream of our own, unbuffered.

    The thread that reads it may still wait for more when the process ends. With `sys.stdin.buffer` it would then hold
    the lock that the interpreter needs to close it, and the interpreter would abort.
    """
    try:
        return open(sys.stdin.fileno(), "rb", buffering=0, closefd=False)
    except (OSError, ValueError, AttributeError):  # closed, or something else was put into its place
        raise SourceUntrusted(
            "standard input cannot be read: this process has none; name a file in source.path"
        ) from None


def _input_file(store: Store, stored: StoredObject, spec: SourceSpec) -> InputFile:
    path = stored.path
    named = kind_by_name(path)
    format_ = spec.format or named.format or format_by_directories(path)
    with closing(StoredBytes(path, store.open(stored))) as stream:
        head = stream.peek()
    if format_ is None:
        refuse_other_kinds(path, head, but=PARQUET)
        behind_text = " or ".join(method.suffix for method in COMPRESSIONS.values())
        raise ConfigError(
            f"source.format: must be set, because the name of {path} does not tell it "
            f"(known: {', '.join(FORMAT_OF_SUFFIX)}, and behind the text ones {behind_text})"
        )
    file = InputFile(
        path,
        format_,
        None,
        stored.size,
        partial(store.open, stored),
        keys={} if store is SPOOLED else keys_of(path),
        encoding=spec.encoding,
        modified_at=stored.modified_at,
        verify=partial(store.verify, stored),
        content_tag=stored.content_tag,
    )
    facts = FORMATS[format_]
    if facts.is_text:
        refuse_other_kinds(path, head)
        found = compression_of(head)
        if found and named.format and not named.compression and found in _encodings(store, stored):
            return replace(file, compression=found)
        return replace(file, compression=_compression(file, named, found))
    if named.compression:
        suffix = COMPRESSIONS[named.compression].suffix
        raise ConfigError(f"source.path: {path}: {facts.name} is compressed inside; {suffix} is for text formats")
    refuse_other_kinds(path, head, but=PARQUET)
    return file


def _encodings(store: Store, stored: StoredObject) -> Sequence[str]:
    """Return what a store says of how an object is packed: header fields may list several."""
    return [word.strip().lower() for word in (store.content_encoding(stored) or "").split(",")]


def _compression(file: InputFile, named: NamedKind, found: Compression | None) -> Compression | None:
    """Return how a file of text is compressed, if it is as `found`. If its name says otherwise, it is not trusted.

    Guessing on would hide that an export went wrong.
    """
    if found == named.compression or not file.size or named == (None, None):
        return found
    if found is None:
        raise SourceUntrusted(
            f"{file.path} is not {named.compression} data, as its name says; was it copied completely? If so, rename it"
        )
    raise SourceUntrusted(
        f"{file.path} is {found} data, which its name does not say; if that is right, let the name end in "
        f"{COMPRESSIONS[found].suffix}"
    )
