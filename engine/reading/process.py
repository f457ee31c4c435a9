"""Reads a source in a process of its own: decoding and checking take a whole core, and so does sending.

The chunks' lines travel through anonymous memory that both processes see, everything else through two pipes; nothing
of it is ever on a disk. Each process notices by its pipe when the other has gone.
"""

from __future__ import annotations

import mmap
import os
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import BinaryIO, cast

from msgspec.structs import replace

from engine import values
from engine.reading.comparing import Comparing, Presence
from engine.reading.messages import SLOTS, Cut, Failed, receive, send, slot_of
from engine.reading.plan import Reading
from engine.sources import environment_of
from engine.values import Chunk, EngineError, Interrupted, module_again, python_path

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


class ReaderProcess:
    """A process that reads, from now on, or if it is `compared`, as soon as it knows what with."""

    def __init__(self, reading: Reading, *, compared: bool = False) -> None:
        self.presence: Presence | None = None
        self._reading = reading
        self._compared = compared
        self._slot_bytes = reading.cutting.lines_bytes_max
        memory = os.memfd_create("chunks")
        try:
            os.ftruncate(memory, SLOTS * self._slot_bytes)
            self._memory = mmap.mmap(memory, SLOTS * self._slot_bytes, access=mmap.ACCESS_READ)
            self._process = subprocess.Popen(  # noqa: S603 - this very program
                [*module_again(PROGRAM[0]), *PROGRAM[1:], str(memory)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                pass_fds=[memory],
                env=_environment(reading.spec.paths),
                start_new_session=True,  # a Ctrl-C is for the process that sends: it lets what is in flight finish
            )
        finally:
            os.close(memory)
        if not compared:
            self._begin(reading)

    def _begin(self, reading: Reading) -> None:
        with suppress(BrokenPipeError):  # it has gone already: no message will come
            send(self._pipes()[0], reading)

    @property
    def pid(self) -> int:
        """The process's number."""
        return self._process.pid

    def chunks(self, comparing: Comparing | None = None) -> Iterator[Chunk]:
        """Yield the chunks of the pass, which can be taken once.

        Raises:
            EngineError: what reading the source raises; `Interrupted` if the process was killed.
        """
        if self._compared:
            self._begin(replace(self._reading, comparing=comparing))
        commands, messages = self._pipes()
        try:
            while isinstance(message := receive(messages), Cut):
                chunk = message.chunk(slot_of(memoryview(self._memory), message.slot, self._slot_bytes))
                with suppress(BrokenPipeError):  # it has said all, and gone
                    commands.write(bytes([message.slot]))
                    commands.flush()
                yield chunk
        finally:
            self.close()
        if message is None:
            raise Interrupted(
                f"the process that reads the source has died (exit code {self._process.returncode}; was the memory "
                "too small?); run the same command again to go on"
            )
        if isinstance(message, Failed):
            raise _error_of(message)
        self.presence = message.presence

    def _pipes(self) -> tuple[BinaryIO, BinaryIO]:
        commands, messages = self._process.stdin, self._process.stdout
        if commands is None or messages is None:
            raise RuntimeError("both are pipes")
        return cast(BinaryIO, commands), cast(BinaryIO, messages)

    def close(self) -> None:
        """End the process, whatever it is at. It holds nothing that could be lost."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            with suppress(BrokenPipeError):
                if pipe is not None:
                    pipe.close()


def _environment(source: Iterable[str]) -> dict[str, str]:
    given = {name: os.environ[name] for name in ENVIRONMENT if name in os.environ}
    return given | environment_of(source, os.environ) | {"PYTHONPATH": python_path()}


def _error_of(failed: Failed) -> Exception:
    kind = getattr(values, failed.error, None) if failed.error else None
    if isinstance(kind, type) and issubclass(kind, EngineError):
        return kind(failed.message)
    return RuntimeError(f"reading the source failed: {failed.message}")
