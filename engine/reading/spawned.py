"""The process that reads, as it is started: that takes 0.1 s, and need not wait until it is known what is read."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from typing import BinaryIO, cast

from engine.values import module_again, python_path

PAYS_FROM_BYTES = 16 << 20
"""Sources as large as this, as stored, are worth a second process, which takes 0.1 s to start."""

PROGRAM: tuple[str, ...] = ("engine.reading",)
"""The module that reads, and its arguments."""

ENVIRONMENT = (
    *("PATH", "HOME", "TMPDIR", "TZ", "LANG", "LC_ALL", "LC_CTYPE"),
    *("LD_LIBRARY_PATH", "LD_PRELOAD", "GLIBC_TUNABLES", "MALLOC_ARENA_MAX", "OMP_NUM_THREADS"),
    *("ARROW_DEFAULT_MEMORY_POOL", "ARROW_USER_SIMD_LEVEL"),
    *("PYTHONHOME", "PYTHONUSERBASE", "PYTHONNOUSERSITE", "PYTHONUTF8", "PYTHONHASHSEED", "PYTHONWARNINGS"),
    *("PYTHONDONTWRITEBYTECODE", "PYTHONPYCACHEPREFIX", "ENGINE_PURE", "ENGINE_READERS"),
)
"""The variables that the process gets, beside `PYTHONPATH`: what an interpreter and its libraries start by.

Not what else there is: it needs no token, no proxy and no setting, and what parses foreign files has them best not.
Only where the source lies in a store, it gets what that store's own programs take from there, keys among it.
"""


def pays(source_bytes: int | None) -> bool:
    """Whether a second process would get the work done sooner, here and for so large a source (None: not known)."""
    if source_bytes is None or source_bytes < PAYS_FROM_BYTES or not hasattr(os, "memfd_create"):
        return False
    return len(os.sched_getaffinity(0)) > 1


class SpawnedReader:
    """A process that gets ready to read, and waits for what `process.py` tells it; it reads one source.

    Args:
        of_store: the variables by which a store is reached; none for local files.
        path: what it will probably read: what that takes is imported at once.
    """

    def __init__(self, of_store: Mapping[str, str] | None = None, *, path: str = "") -> None:
        self.memory = os.memfd_create("chunks")
        """Anonymous memory that both processes see, still of no size."""
        try:
            self._process = subprocess.Popen(  # noqa: S603 - this very program
                [*module_again(PROGRAM[0]), *PROGRAM[1:], str(self.memory), *filter(None, [path])],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                pass_fds=[self.memory],
                env=_environment() | dict(of_store or {}),
                start_new_session=True,  # a Ctrl-C is for the process that sends: it lets what is in flight finish
            )
        except BaseException:
            os.close(self.memory)
            raise
        self._is_closed = False

    @property
    def pid(self) -> int:
        """The process's number."""
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """With which it has ended, once it was waited for."""
        return self._process.returncode

    def pipes(self) -> tuple[BinaryIO, BinaryIO]:
        """Return the pipe to it, and that from it."""
        commands, messages = self._process.stdin, self._process.stdout
        if commands is None or messages is None:
            raise RuntimeError("both are pipes")
        return cast(BinaryIO, commands), cast(BinaryIO, messages)

    def close(self) -> None:
        """End the process, whatever it is at. It holds nothing that could be lost."""
        if self._is_closed:
            return
        self._is_closed = True
        self._process.kill()
        self._process.wait()
        for pipe in self.pipes():
            with suppress(BrokenPipeError):
                pipe.close()
        os.close(self.memory)


def _environment() -> dict[str, str]:
    given = {name: os.environ[name] for name in ENVIRONMENT if name in os.environ}
    return given | {"PYTHONPATH": python_path()}
