"""What a source's files contain, in a few bytes: notices that a source has changed under an interrupted run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import xxhash

from engine.sources.stored.inputs import InputFile
from engine.values import SourceUntrusted

_SLICE_BYTES = 4 << 20
"""Read and hashed at once. Both let other threads run meanwhile, and one buffer serves for all slices."""


class FileFingerprint(NamedTuple):
    """A file as it is stored: its size in bytes and the XXH3-128 of its content, in hexadecimal."""

    size: int
    digest: str


def fingerprint(files: Iterable[InputFile]) -> dict[str, FileFingerprint]:
    """Read all files and return the fingerprint of each, by its path; standard input has none.

    Raises:
        SourceMissing: a file is gone.
        SourceUntrusted: a file can't be read, or is not the one that was found any more.
    """
    buffer = memoryview(bytearray(_SLICE_BYTES))
    return {file.path: _fingerprint(file, buffer) for file in files if not file.is_stdin}


def _fingerprint(file: InputFile, buffer: memoryview) -> FileFingerprint:
    digest = xxhash.xxh3_128()
    size = 0
    with file.open_stored() as stored:
        try:
            while read := stored.readinto(buffer):
                digest.update(buffer[:read])
                size += read
        except OSError as error:
            raise SourceUntrusted(f"{file.path} cannot be read: {error.strerror}") from None
    return FileFingerprint(size, digest.hexdigest())


def differences(before: Mapping[str, Sequence[int | str]], now: Mapping[str, Sequence[int | str]]) -> list[str]:
    """Return what has changed, a sentence a file, in the order of the files before; nothing if all is the same.

    The fingerprints may have been through JSON, which makes lists of them.
    """
    gone_or_changed = [_difference(path, before[path], now.get(path)) for path in before]
    new = [f"{path} is new" for path in now if path not in before]
    order = [] if new or list(before) == list(now) or set(before) != set(now) else ["the files come in another order"]
    return [sentence for sentence in gone_or_changed if sentence] + new + order


def _difference(path: str, before: Sequence[int | str], now: Sequence[int | str] | None) -> str | None:
    if now is None:
        return f"{path} is gone"
    (old_size, old_digest), (size, digest) = before, now
    if size != old_size:
        verb = "grew" if int(size) > int(old_size) else "shrank"
        return f"{path} {verb} from {old_size:,} to {size:,} bytes"
    return None if digest == old_digest else f"{path} has the same size, but different content"
