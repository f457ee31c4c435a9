"""What a command prints arrives whole where Python does not buffer: `PYTHONUNBUFFERED` is usual in containers."""

from __future__ import annotations

import fcntl
import os
import struct
import subprocess
import sys
import termios

import pytest

TEXT_BYTES = 1 << 20
PROGRAM = f"""
import os, signal, sys
from engine import __main__
__main__._prepare()
signal.signal(signal.SIGALRM, lambda *_: os.write(2, b"!"))
signal.setitimer(signal.ITIMER_REAL, 0.01, 0.01)
sys.stdout.write("x" * {TEXT_BYTES} + "\\n")
signal.setitimer(signal.ITIMER_REAL, 0)
sys.stdout.write("end\\n")
"""


@pytest.mark.parametrize("unbuffered", ["1", ""])
def test_a_signal_does_not_cut_what_a_pipe_takes_in_parts(unbuffered: str) -> None:
    environment = {**os.environ, "PYTHONUNBUFFERED": unbuffered}
    command = [sys.executable, "-c", PROGRAM]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        full = fcntl.fcntl(process.stdout, fcntl.F_GETPIPE_SZ)
        while _waiting(process.stdout.fileno()) < full and process.poll() is None:
            os.sched_yield()
        signals = _waiting(process.stderr.fileno())
        while _waiting(process.stderr.fileno()) == signals and process.poll() is None:
            os.sched_yield()
        printed = process.stdout.read()
    assert printed == b"x" * TEXT_BYTES + b"\nend\n"
    assert process.returncode == 0


def _waiting(descriptor: int) -> int:
    """Return how many bytes wait in a pipe."""
    count: int = struct.unpack("i", fcntl.ioctl(descriptor, termios.FIONREAD, b"\0" * 4))[0]
    return count
