"""Reads a source in a process of its own: decoding and checking take a whole core, and so does sending.

The chunks' lines travel through anonymous memory that both processes see, everything else through two pipes; nothing
of it is ever on a disk. Each process notices by its pipe when the other has gone.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Iterator
from contextlib import suppress

from msgspec.structs import replace

from engine import values
from engine.reading.comparing import Comparing, Presence
from engine.reading.messages import SLOTS, Cut, Failed, receive, send, slot_of
from engine.reading.plan import Reading
from engine.reading.spawned import SpawnedReader
from engine.sources import environment_of
from engine.values import Chunk, EngineError, Interrupted


class ReaderProcess:
    """A process that reads, from now on, or if it is `compared`, as soon as it knows what with.

    `spawned` is that process if it was started already, which must not be for a store.
    """

    def __init__(self, reading: Reading, *, compared: bool = False, spawned: SpawnedReader | None = None) -> None:
        self.presence: Presence | None = None
        self._reading = reading
        self._compared = compared
        self._slot_bytes = reading.cutting.lines_bytes_max
        self._spawned = spawned or SpawnedReader(environment_of(reading.spec.paths, os.environ))
        try:
            os.ftruncate(self._spawned.memory, SLOTS * self._slot_bytes)
            self._memory = mmap.mmap(self._spawned.memory, SLOTS * self._slot_bytes, access=mmap.ACCESS_READ)
            if not compared:
                self._begin(reading)
        except BaseException:
            self.close()
            raise

    def _begin(self, reading: Reading) -> None:
        with suppress(BrokenPipeError):  # it has gone already: no message will come
            send(self._spawned.pipes()[0], reading)

    @property
    def pid(self) -> int:
        """The process's number."""
        return self._spawned.pid

    def chunks(self, comparing: Comparing | None = None) -> Iterator[Chunk]:
        """Yield the chunks of the pass, which can be taken once.

        Raises:
            EngineError: what reading the source raises; `Interrupted` if the process was killed.
        """
        if self._compared:
            self._begin(replace(self._reading, comparing=comparing))
        commands, messages = self._spawned.pipes()
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
                f"the process that reads the source has died (exit code {self._spawned.exit_code}; was the memory "
                "too small?); run the same command again to go on"
            )
        if isinstance(message, Failed):
            raise _error_of(message)
        self.presence = message.presence

    def close(self) -> None:
        """End the process, whatever it is at. It holds nothing that could be lost."""
        self._spawned.close()


def _error_of(failed: Failed) -> Exception:
    kind = getattr(values, failed.error, None) if failed.error else None
    if isinstance(kind, type) and issubclass(kind, EngineError):
        return kind(failed.message)
    return RuntimeError(f"reading the source failed: {failed.message}")
