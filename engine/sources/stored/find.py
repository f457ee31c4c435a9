"""From the paths and globs of the configuration to the input files, in their order."""

from __future__ import annotations

import glob
import os
import stat
import sys
from collections.abc import Iterator
from typing import BinaryIO

from engine.sources.spec import FORMATS, STDIN, Format, SourceSpec
from engine.sources.stored.compression import Compression, compression_of
from engine.sources.stored.inputs import HEAD_BYTES, InputFile, open_stored, refuse_binary
from engine.values import ConfigError, SourceMissing, SourceUntrusted

_COMPRESSIONS: dict[str, Compression] = {".gz": "gzip", ".zst": "zstd"}


def find_files(spec: SourceSpec, stdin: BinaryIO | None = None) -> list[InputFile]:
    """Return the files that `spec` names: in the order given, the matches of each glob sorted, no file twice.

    Every file is opened once for its first bytes, so that a mistake shows before anything is sent.

    Raises:
        ConfigError: the format of an input is not known, or standard input is mixed with files.
        SourceMissing: a path or a glob leads to no file.
        SourceUntrusted: a file can't be read, or its content is not what its name says.
    """
    if STDIN in spec.paths:
        return [_standard_input(spec, stdin)]
    files: dict[str, str] = {}
    for path in spec.paths:
        for match in _matches(path):
            files.setdefault(os.path.realpath(match), match)
    return [_input_file(path, spec.format) for path in files.values()]


def _standard_input(spec: SourceSpec, stdin: BinaryIO | None) -> InputFile:
    if len(spec.paths) > 1:
        raise ConfigError('source.path: "-" (standard input) cannot be combined with other paths')
    if spec.format is None:
        raise ConfigError("source.format: must be set, because standard input has no name that tells its format")
    if spec.format == "parquet":
        raise ConfigError("source.format: Parquet cannot be read from standard input, only from files")
    return InputFile(STDIN, spec.format, None, None, stdin or _own_stdin())


def _own_stdin() -> BinaryIO:
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


def _matches(path: str) -> Iterator[str]:
    """Yield the files that one configured path means. A file that exists is never taken for a glob."""
    if os.path.isdir(path):
        raise SourceMissing(f"{path} is a directory; name its files, for example {os.path.join(path, '*.csv')}")
    if os.path.lexists(path) or not glob.has_magic(path):
        yield path
        return
    matches = sorted(match for match in glob.iglob(path, recursive=True) if not os.path.isdir(match))
    if not matches:
        raise SourceMissing(f"{path} matches no file")
    yield from matches


def _input_file(path: str, given_format: Format | None) -> InputFile:
    stem, suffix = os.path.splitext(path.lower())
    named_compression = _COMPRESSIONS.get(suffix)
    named_format = FORMATS.get(os.path.splitext(stem)[1] if named_compression else suffix)
    format_ = given_format or named_format
    if format_ is None:
        raise ConfigError(
            f"source.format: must be set, because the name of {path} does not tell it "
            f"(known: {', '.join(FORMATS)}, and behind the text ones {' or '.join(_COMPRESSIONS)})"
        )
    size, head = _look_into(path)
    if format_ == "parquet":
        if named_compression:
            raise ConfigError(f"source.path: {path}: Parquet is compressed inside; {suffix} is for text formats")
        return InputFile(path, format_, None, size)
    refuse_binary(path, head)
    compression = compression_of(head)
    if size and (named_compression or named_format) and compression != named_compression:
        raise SourceUntrusted(_wrong_suffix(path, named_compression, compression))
    return InputFile(path, format_, compression, size)


def _look_into(path: str) -> tuple[int, bytes]:
    """Return the size and the first bytes of a regular file."""
    try:
        status = os.stat(path)
    except FileNotFoundError:
        raise SourceMissing(f"{path} does not exist") from None
    except OSError as error:
        raise SourceUntrusted(f"{path} cannot be read: {error.strerror}") from None
    if not stat.S_ISREG(status.st_mode):  # a pipe could not be read twice, to see whether a source has changed
        raise SourceUntrusted(f'{path} is not a regular file; give it as standard input, with source.path = "-"')
    with open_stored(path) as file:
        return status.st_size, file.read(HEAD_BYTES)


def _wrong_suffix(path: str, named: Compression | None, found: Compression | None) -> str:
    """Say that a name lies. Guessing on would hide that an export went wrong."""
    if found is None:
        return f"{path} is not {named} data, as its name says; was it copied completely? If so, rename it"
    suffix = next(suffix for suffix, compression in _COMPRESSIONS.items() if compression == found)
    return f"{path} is {found} data, which its name does not say; if that is right, let the name end in {suffix}"
