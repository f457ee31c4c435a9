"""The process that reads: `python -m engine.reading FD`, started by `process.py` and by nobody else."""

from __future__ import annotations

import gc
import mmap
import os
import signal
import sys
import traceback
from typing import BinaryIO

from engine.errors import EngineError
from engine.reading import Reading
from engine.reading.messages import SLOTS, Ended, Failed, cut_of, receive_reading, send


def main(memory_fd: int) -> None:
    """Read what the first command says, and say what was found until the end, or until nobody listens any more."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # the other process is asked, too, and ends this one when it is done
    commands = open(0, "rb", closefd=False)  # noqa: SIM115 - for the life of the process
    messages = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever prints something must not get between the messages
    gc.freeze()
    gc.disable()  # what is made here are no cycles
    try:
        reading = receive_reading(commands)
        if reading is not None:
            _read(reading, memory_fd, commands, messages)
    except BrokenPipeError:
        pass  # nobody listens any more
    sys.stdout.flush()
    os._exit(0)  # at once: threads of native libraries have nothing left to do


def _read(reading: Reading, memory_fd: int, commands: BinaryIO, messages: BinaryIO) -> None:
    slot_bytes = reading.cutting.lines_bytes_max
    memory = mmap.mmap(memory_fd, SLOTS * slot_bytes)
    try:
        for number, chunk in enumerate(reading.cutting.cut(reading.open())):
            if number >= SLOTS and not commands.read(1):
                return
            start = number % SLOTS * slot_bytes
            memory[start : start + len(chunk.lines)] = chunk.lines
            send(messages, cut_of(chunk))
    except EngineError as error:
        send(messages, Failed(type(error).__name__, str(error)))
    except BrokenPipeError:
        raise
    except Exception as bug:
        places = traceback.extract_tb(bug.__traceback__)
        where = " < ".join(f"{os.path.basename(place.filename)}:{place.lineno}" for place in reversed(places))
        send(messages, Failed("", f"{type(bug).__name__} at {where}"))  # no message: it might hold data
    else:
        send(messages, Ended())


if __name__ == "__main__":
    main(int(sys.argv[1]))
