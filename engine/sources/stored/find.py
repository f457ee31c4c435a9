"""From the paths and globs of the configuration to the input files, in their order."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import replace
from functools import partial

from engine.sources.formats import FORMAT_OF_SUFFIX, FORMATS, Format
from engine.sources.spec import STDIN, SourceSpec
from engine.sources.stored.compression import COMPRESSIONS, Compression, compression_of
from engine.sources.stored.inputs import InputFile, refuse_binary
from engine.sources.stored.local import LocalStore
from engine.sources.stored.names import NamedKind, kind_by_name
from engine.sources.stored.store import Store, StoredObject, StoredStream
from engine.values import ConfigError, SourceUntrusted

LOCAL = LocalStore()

STORES: Mapping[str, Store] = {"": LOCAL}
"""Which store has the files of a path, by what stands before its `://`; any other path is local."""


def find_files(spec: SourceSpec, stdin: StoredStream | None = None) -> list[InputFile]:
    """Return the files that `spec` names: in the order given, the matches of each glob sorted, no file twice.

    Every file is opened once for its first bytes, so that a mistake shows before anything is sent.

    Raises:
        ConfigError: the format of an input is not known, or standard input is mixed with files.
        SourceMissing: a path or a glob leads to no file.
        SourceUntrusted: a file can't be read, or its content is not what its name says.
    """
    if STDIN in spec.paths:
        return [_standard_input(spec, stdin)]
    found: dict[str, tuple[Store, StoredObject]] = {}
    for path in spec.paths:
        store = STORES.get(path.partition("://")[0] if "://" in path else "", LOCAL)
        for stored in store.list(path):
            found.setdefault(stored.identity, (store, stored))
    return [_input_file(store, stored, spec.format) for store, stored in found.values()]


def _standard_input(spec: SourceSpec, stdin: StoredStream | None) -> InputFile:
    if len(spec.paths) > 1:
        raise ConfigError('source.path: "-" (standard input) cannot be combined with other paths')
    if spec.format is None:
        raise ConfigError("source.format: must be set, because standard input has no name that tells its format")
    if not FORMATS[spec.format].reads_stdin:
        name = FORMATS[spec.format].name
        raise ConfigError(f"source.format: {name} cannot be read from standard input, only from files")
    stream = stdin or _own_stdin()
    return InputFile(STDIN, spec.format, None, None, lambda: stream)


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


def _input_file(store: Store, stored: StoredObject, given_format: Format | None) -> InputFile:
    path = stored.path
    named = kind_by_name(path)
    format_ = given_format or named.format
    if format_ is None:
        behind_text = " or ".join(method.suffix for method in COMPRESSIONS.values())
        raise ConfigError(
            f"source.format: must be set, because the name of {path} does not tell it "
            f"(known: {', '.join(FORMAT_OF_SUFFIX)}, and behind the text ones {behind_text})"
        )
    facts = FORMATS[format_]
    file = InputFile(path, format_, None, stored.size, partial(store.open, stored))
    if facts.is_text:
        return replace(file, compression=_compression(file, named))
    if named.compression:
        suffix = COMPRESSIONS[named.compression].suffix
        raise ConfigError(f"source.path: {path}: {facts.name} is compressed inside; {suffix} is for text formats")
    return file


def _compression(file: InputFile, named: NamedKind) -> Compression | None:
    """Return how a file of text is compressed. If its name says otherwise, it is not trusted.

    Guessing on would hide that an export went wrong.
    """
    head = file.head()
    refuse_binary(file.path, head)
    found = compression_of(head)
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
