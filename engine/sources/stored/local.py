"""Files of this machine's file systems, as a store."""

from __future__ import annotations

import glob
import io
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from engine.sources.stored.store import StoredObject
from engine.values import SourceMissing, SourceUntrusted


class LocalStore:
    """Files by their paths; relative ones from the working directory."""

    def list(self, pattern: str) -> Sequence[StoredObject]:
        """Return the files that a path or a glob means; see `Store`. Anything but regular files is refused."""
        return [_look_at(path) for path in _paths(pattern)]

    def open(self, stored: StoredObject, start: int = 0) -> io.FileIO:
        """Open a file, seekable; see `Store`."""
        with _named(stored.path):
            file = io.FileIO(stored.path)
            if _version(os.fstat(file.fileno())) != stored.version:
                file.close()
                raise SourceUntrusted(
                    f"{stored.path} has changed since it was found (is it still being written?); run the same command "
                    "again when it is complete"
                )
            file.seek(start)
        return file


def _paths(pattern: str) -> Sequence[str]:
    if os.path.isdir(pattern):
        example = os.path.join(pattern, "*.csv")
        raise SourceMissing(f"{pattern} is a directory; name its files, for example {example}")
    if os.path.lexists(pattern) or not glob.has_magic(pattern):
        return [pattern]
    matches = sorted(match for match in glob.iglob(pattern, recursive=True) if not os.path.isdir(match))
    if not matches:
        raise SourceMissing(f"{pattern} matches no file")
    return matches


def _look_at(path: str) -> StoredObject:
    with _named(path):
        if not stat.S_ISREG(os.stat(path).st_mode):  # a pipe could not be read twice, to see whether it has changed
            raise SourceUntrusted(f'{path} is not a regular file; give it as standard input, with source.path = "-"')
        with io.FileIO(path) as file:  # on a network file system, only opening it asks the server what is true
            status = os.fstat(file.fileno())
    return StoredObject(path, status.st_size, _version(status), os.path.realpath(path))


def _version(status: os.stat_result) -> str:
    """Return the size and the time of change.

    Not the inode, too: some network file systems give a file another one while nobody looks.
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
