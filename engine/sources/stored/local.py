"""Files of this machine's file systems, as a store."""

from __future__ import annotations

import glob
import io
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from engine.sources.stored.names import is_hidden, is_part
from engine.sources.stored.store import StoredObject, StoredStream, moved, resized
from engine.values import SourceMissing, SourceUntrusted


class LocalStore:
    """Files by their paths; relative ones from the working directory."""

    def list(self, pattern: str) -> Sequence[StoredObject]:
        """Return the files that a path, a directory or a glob means; see `Store`. All must be regular ones."""
        return [_look_at(path) for path in _paths(pattern)]

    def open(self, stored: StoredObject, start: int = 0) -> io.FileIO:
        """Open a file, seekable; see `Store`."""
        with _named(stored.path):
            file = io.FileIO(stored.path)
            if _version(os.fstat(file.fileno())) != stored.version:
                file.close()
                raise SourceUntrusted(
                    f"{stored.path} has changed since it was found (is it still being written?); when it is complete, "
                    "run the same command again, with --fresh"
                )
            file.seek(start)
        return file

    def verify(self, stored: StoredObject, stream: StoredStream | None = None) -> None:
        """Compare size, time of change and, while a stream is open, the inode with what the path leads to now."""
        with _named(stored.path):
            try:
                file = io.FileIO(stored.path)
            except FileNotFoundError:
                raise moved(stored.path, "was removed") from None
            with file:
                now = os.fstat(file.fileno())
            if now.st_size != stored.size:
                raise moved(stored.path, resized(stored.size, now.st_size))
            if stream is not None and not os.path.samestat(os.fstat(stream.fileno()), now):
                raise moved(stored.path, "was replaced")
            if _version(now) != stored.version:
                raise moved(stored.path, "was written again")

    def content_encoding(self, _stored: StoredObject) -> str | None:
        """Return None: files say it by their names."""
        return None


def _paths(pattern: str) -> Sequence[str]:
    if os.path.isdir(pattern):
        found = sorted(_below(pattern))
        if not found:
            raise SourceMissing(f"{pattern} is a directory without any file to read (hidden ones are no parts)")
        return found
    if os.path.lexists(pattern) or not glob.has_magic(pattern):
        return [pattern]
    matches = [match for match in glob.iglob(pattern, recursive=True) if is_part(match, pattern)]
    files = sorted(match for match in matches if not os.path.isdir(match))
    if matches and not files:
        raise SourceMissing(f"{pattern} matches only directories; {pattern}/** means all files below them")
    if not files:
        raise SourceMissing(f"{pattern} matches no file")
    return files


def _below(directory: str) -> Iterator[str]:
    """Yield the paths of all files below a directory, but for hidden ones; links that lead in circles end."""
    seen: set[str] = set()
    for folder, folders, names in os.walk(directory, onerror=_refuse, followlinks=True):
        real = os.path.realpath(folder)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        folders[:] = [name for name in folders if not is_hidden(name)]
        yield from (os.path.join(folder, name) for name in names if not is_hidden(name))


def _refuse(error: OSError) -> None:
    raise SourceUntrusted(f"{error.filename} cannot be read: {error.strerror}")


def _look_at(path: str) -> StoredObject:
    with _named(path):
        if not stat.S_ISREG(os.stat(path).st_mode):  # a pipe could not be read twice, to see whether it has changed
            raise SourceUntrusted(f'{path} is not a regular file; give it as standard input, with source.path = "-"')
        with io.FileIO(path) as file:  # on a network file system, only opening it asks the server what is true
            status = os.fstat(file.fileno())
    return StoredObject(path, status.st_size, _version(status), os.path.realpath(path), status.st_mtime)


def _version(status: os.stat_result) -> str:
    """Return the size and the time of change.

    Not the inode, too: some network file systems give a file another one while nobody has it open.
    """
    return f"{status.st_size}-{status.st_mtime_ns}"


@contextmanager
def _named(path: str) -> Iterator[None]:
    """Say of which file the system complains."""
    try:
        yield
    except FileNotFoundError:
        raise SourceMissing(f"{path} does not exist") from None
    except OSError as error:
        raise SourceUntrusted(f"{path} cannot be read: {error.strerror}") from None
