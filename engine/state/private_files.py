"""Files and directories that only their owner may read, written so that a crash leaves the old or the new, never half.

Nothing here trusts the umask or what somebody may have planted at a path beforehand: a directory that is a symlink is
refused; a file is written beside its target under a fresh name and renamed over it, so a planted link is replaced and
never followed.
"""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from engine.values import StateFailed

DIR_MODE = 0o700
FILE_MODE = 0o600
NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


def make_private_dir(path: Path) -> None:
    """Make `path` a directory that only its owner can enter (0700), with its parents where they are missing.

    A directory of ours that is already there is tightened to 0700.

    Raises:
        StateFailed: it cannot be made, is a symlink or not a directory, or belongs to another user.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileExistsError):
            path.mkdir(mode=DIR_MODE)
        found = path.lstat()
        if not stat.S_ISDIR(found.st_mode):
            raise StateFailed(f"{path}: not a directory but a link or a file; remove it or choose another directory")
        if os.geteuid() != 0 and found.st_uid not in (0, os.geteuid()):  # volumes are often root's; root may use any
            raise StateFailed(f"{path}: belongs to another user (uid {found.st_uid}); choose another directory")
        if found.st_uid == os.geteuid() and stat.S_IMODE(found.st_mode) != DIR_MODE:
            path.chmod(DIR_MODE)
    except OSError as error:
        raise StateFailed(f"{path}: cannot make the directory: {error.strerror or error}") from error


def write_private_file(path: Path, data: bytes, *, mode: int = FILE_MODE) -> None:
    """Make `data` the whole content of `path`, as `write_private_pieces` does."""
    write_private_pieces(path, [data], mode=mode)


def write_private_pieces(path: Path, pieces: Iterable[bytes], *, mode: int = FILE_MODE) -> None:
    """Make `pieces` the whole content of `path`, durably and at once; whatever was there before is replaced.

    Raises:
        StateFailed: the file cannot be written; what was there before is untouched.
    """
    draft = path.with_name(f".{path.name}.{secrets.token_hex(6)}.tmp")
    try:
        with os.fdopen(os.open(draft, NEW_FILE, mode), "wb") as file:
            os.fchmod(file.fileno(), mode)
            file.writelines(pieces)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
        sync_dir(path.parent)
    except OSError as error:
        raise StateFailed(f"{path}: cannot write the file: {error.strerror or error}") from error
    finally:
        with suppress(OSError):
            draft.unlink()  # gone already when it took the place of `path`


def sync_dir(path: Path) -> None:
    """Make the names in the directory `path` durable: a renamed file is only then sure to survive a power cut.

    Raises:
        OSError: the directory cannot be opened or synced.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
