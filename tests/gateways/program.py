"""A real gateway program, in the foreground on a free port of this machine."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from tests.stand_in import WAIT_S

POLL_S = 0.02
SYSTEM_DIRECTORIES = "/usr/sbin:/sbin"
"""Where Debian keeps programs of the system, which not every user has in the search path."""


class Program:
    """A program that listens on `port`; it is started at once, and stopped at the end of the `with` block.

    What it says is in `NAME.log` of its directory; `conftest.py` shows that when a test fails.
    """

    def __init__(self, directory: Path, port: int, command: Sequence[str]) -> None:
        self.directory = directory
        self.port = port
        self._command = [executable(command[0]), *command[1:]]
        self._log = directory / f"{Path(command[0]).name}-{port}.log"
        self._process = self._started()

    @property
    def url(self) -> str:
        """The base of the API, as it is reached through this program."""
        return f"http://127.0.0.1:{self.port}/api/v1"

    @property
    def log(self) -> str:
        """What it has said so far."""
        return self._log.read_text(encoding="utf-8", errors="replace")

    def start(self) -> None:
        """Start it again after `stop` or `kill`."""
        self._process = self._started()

    def send(self, number: signal.Signals) -> None:
        """Send a signal to it and to the processes it has started."""
        os.killpg(self._process.pid, number)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        """End it; by default as its operator would."""
        self._process.send_signal(number)
        try:
            self._process.wait(WAIT_S)
        finally:
            with suppress(ProcessLookupError):  # the group is empty as a rule
                self.send(signal.SIGKILL)

    def kill(self) -> None:
        """End it and all its processes with no notice."""
        self.send(signal.SIGKILL)
        self._process.wait(WAIT_S)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self.stop()

    def _started(self) -> subprocess.Popen[bytes]:
        with self._log.open("ab") as log:
            process = subprocess.Popen(
                self._command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        wait_until(lambda: process.poll() is not None or listens(self.port))
        assert process.poll() is None, f"{self._command} has ended: {self.log}"
        return process


def executable(name: str) -> str:
    """Return the path of a program.

    Raises:
        AssertionError: it is not installed; these tests are run where it is, so they are not skipped.
    """
    found = found_program(name)
    assert found, f"{name} is not installed: apt-get install nginx-light haproxy squid tinyproxy"
    return found


def found_program(name: str) -> str | None:
    """Return the path of a program, which pip or npm may have put into this environment; None if it is not there."""
    ours = [str(Path(sys.prefix) / "bin"), str(Path(sys.prefix) / "azurite/node_modules/.bin")]
    places = [os.environ.get("PATH", os.defpath), SYSTEM_DIRECTORIES, *ours]
    return shutil.which(name, path=os.pathsep.join(places))


def wait_until(condition: Callable[[], bool]) -> None:
    """Return as soon as the condition holds; programs that are not ours cannot be asked to tell."""
    until = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < until, "it has not come to that"
        time.sleep(POLL_S)


def listens(port: int) -> bool:
    with socket.socket() as connection:
        return connection.connect_ex(("127.0.0.1", port)) == 0


def address_of(url: str) -> str:
    """Return HOST:PORT of a url."""
    return urlsplit(url).netloc
