"""What a source's files contain, in a few bytes: notices that a source has changed under an interrupted run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from engine.sources.stored.store import resized


class FileFingerprint(NamedTuple):
    """A file as it is stored: its size in bytes, and the XXH3-128 of its content, in hexadecimal.

    The digest is None as long as the file was not read to its end.
    """

    size: int
    digest: str | None = None


def fingerprint(sizes: Mapping[str, int], digests: Mapping[str, str]) -> dict[str, FileFingerprint]:
    """Return what is known of files by their paths: the size of each, and the digests of those that were read."""
    return {path: FileFingerprint(size, digests.get(path)) for path, size in sizes.items()}


def differences(before: Mapping[str, Sequence[Any]], now: Mapping[str, Sequence[Any]]) -> list[str]:
    """Return what has changed, a sentence a file, in the order of the files before; nothing if all is the same.

    A file of which one digest is not known is the same if its size is. The fingerprints may have been through JSON,
    which makes lists of them.
    """
    gone_or_changed = [_difference(path, before[path], now.get(path)) for path in before]
    new = [f"{path} is new" for path in now if path not in before]
    order = [] if new or list(before) == list(now) or set(before) != set(now) else ["the files come in another order"]
    return [sentence for sentence in gone_or_changed if sentence] + new + order


def _difference(path: str, before: Sequence[Any], now: Sequence[Any] | None) -> str | None:
    if now is None:
        return f"{path} is gone"
    (old_size, old_digest), (size, digest) = before, now
    if size != old_size:
        return f"{path} {resized(old_size, size)}"
    return None if digest == old_digest or None in (digest, old_digest) else other_content(path)


def other_content(path: str) -> str:
    """Say that a file has changed though its size has not."""
    return f"{path} has the same size, but different content"
