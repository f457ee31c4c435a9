"""The process that reads: `python -m engine.reading FD`, started by `process.py` and by nobody else."""

from __future__ import annotations

import gc
import mmap
import os
import signal
import sys
import traceback
from contextlib import suppress
from typing import BinaryIO, NoReturn

from engine.reading.messages import SLOTS, Ended, Failed, put, receive_reading, send, slot_of
from engine.reading.plan import PassHere, Reading
from engine.sources import get_ready, keep_freed_memory
from engine.values import EngineError, leave_out_pandas


def main(memory_fd: int, path: str = "") -> NoReturn:
    """Read what the first command says, and say what was found until the end, or until nobody listens any more.

    It will probably be `path`, so what that takes is imported until the command comes.
    """
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # the other process is asked, too, and ends this one when it is done
    commands = open(0, "rb", closefd=False)  # noqa: SIM115 - for the life of the process
    messages = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever prints something must not get between the messages
    leave_out_pandas()
    keep_freed_memory()
    gc.freeze()
    gc.disable()  # what is made here are no cycles
    try:
        with suppress(Exception):  # whatever is wrong, reading says it
            get_ready(path)
        reading = receive_reading(commands)
        if reading is not None:
            _read(reading, memory_fd, commands, messages)
    except BrokenPipeError:
        pass  # nobody listens any more
    sys.stdout.flush()
    os._exit(0)  # at once: threads of native libraries have nothing left to do


def _read(reading: Reading, memory_fd: int, commands: BinaryIO, messages: BinaryIO) -> None:
    slot_bytes = reading.cutting.lines_bytes_max
    memory = memoryview(mmap.mmap(memory_fd, SLOTS * slot_bytes))
    slots = Slots(commands)
    try:
        pass_ = PassHere(reading.cutting, reading.open())
        for chunk in pass_.chunks(reading.comparing):
            number = slots.take()
            if number is None:
                return
            cut = put(chunk, number, slot_of(memory, number, slot_bytes))
            slots.filled_bytes += cut.lines_bytes
            send(messages, cut)
    except EngineError as error:
        send(messages, Failed(type(error).__name__, str(error)))
    except BrokenPipeError:
        raise
    except Exception as bug:
        places = traceback.extract_tb(bug.__traceback__)
        where = " < ".join(f"{os.path.basename(place.filename)}:{place.lineno}" for place in reversed(places))
        send(messages, Failed("", f"{type(bug).__name__} at {where}"))  # no message: it might hold data
    else:
        send(messages, Ended(pass_.presence))


class Slots:
    """Which parts of the shared memory are free: those never used yet, as long as the chunks ahead are not too large.

    Reading begins while the other process is still importing its libraries, so some chunks may be ahead.
    """

    AHEAD_BYTES = 16 << 20
    AHEAD_MIN = 3
    """So many chunks may be ahead, however large."""

    def __init__(self, commands: BinaryIO) -> None:
        self._commands = commands
        self._used = 0
        self.filled_bytes = 0
        """All that was ever put into slots."""

    def take(self) -> int | None:
        """Return the number of a slot to fill, waiting for one if need be; None if the other process has gone."""
        if self._used < SLOTS and (self._used < self.AHEAD_MIN or self.filled_bytes < self.AHEAD_BYTES):
            self._used += 1
            return self._used - 1
        freed = self._commands.read(1)
        return freed[0] if freed else None


if __name__ == "__main__":
    main(int(sys.argv[1]), *sys.argv[2:])
