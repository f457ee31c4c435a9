"""A real database server, in the foreground on a free port of this machine, as a user who is not root."""

from __future__ import annotations

import glob
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Self

from tests.gateways.program import SYSTEM_DIRECTORIES, wait_until
from tests.stand_in import WAIT_S

PROGRAMS = "/usr/lib/postgresql/*/bin"
"""Where Debian keeps the programs of PostgreSQL, which are in nobody's search path."""
UNPRIVILEGED = "nobody"
"""Servers refuse to be run by root."""


class Server:
    """A server in a directory of its own below the temporary one; it ends with the `with` block."""

    packages = ""
    """What Debian calls it."""

    def __init__(self) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="places-"))
        self.log = self.directory / "server.log"
        if os.geteuid() == 0:
            shutil.chown(self.directory, UNPRIVILEGED)
        self._process: subprocess.Popen[bytes] | None = None

    def run(self, *command: str) -> None:
        """Run a command that prepares it."""
        with self.log.open("ab") as log:
            subprocess.run(
                self._command(command), check=True, stdout=log, stderr=log, cwd=self.directory, timeout=WAIT_S
            )

    def start(self, *command: str, ready: Callable[[], bool]) -> None:
        """Start it, and return as soon as it is ready."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command(command), stdout=log, stderr=log, cwd=self.directory, start_new_session=True
            )
        process = self._process
        wait_until(lambda: process.poll() is not None or ready())
        assert process.poll() is None, self.log.read_text(encoding="utf-8", errors="replace")

    def send(self, number: signal.Signals) -> None:
        """Send a signal to it and to the processes it has started."""
        if self._process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, number)

    def stop(self) -> None:
        """End it and all its processes with no notice."""
        self.send(signal.SIGKILL)
        if self._process is not None:
            self._process.wait(WAIT_S)
            self._process = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        shutil.rmtree(self.directory, ignore_errors=True)

    def _command(self, command: Sequence[str]) -> list[str]:
        program = self.program(command[0])
        if os.geteuid() != 0:
            return [program, *command[1:]]
        as_whom = [f"--reuid={UNPRIVILEGED}", "--regid=nogroup", "--clear-groups"]
        return ["setpriv", *as_whom, "--pdeathsig=KILL", program, *command[1:]]  # none outlives killed tests

    def program(self, name: str) -> str:
        """Return the path of a program of this server."""
        places = [*sorted(glob.glob(PROGRAMS), reverse=True), os.environ.get("PATH", os.defpath), SYSTEM_DIRECTORIES]
        found = shutil.which(name, path=os.pathsep.join(places))
        assert found, f"{name} is not installed: apt-get install {self.packages}"
        return found
