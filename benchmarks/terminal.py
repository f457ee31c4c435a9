"""What a person at a terminal sees: a command run on a pseudo-terminal, and its screen as a picture."""

from __future__ import annotations

import fcntl
import io
import os
import pty
import re
import struct
import subprocess
import termios
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.console import CONSOLE_SVG_FORMAT, Console  # type: ignore[attr-defined]  # documented, not exported
from rich.text import Text

COLUMNS, ROWS = 100, 60

ERASED = re.compile(r"(?:\r?\x1b\[2K(?:\x1b\[1A\x1b\[2K)*|\x1b\[\?25[lh])+")
"""What takes lines that redraw themselves away again, and hides or shows the cursor."""

FONT_FROM_ELSEWHERE = re.compile(r"@font-face \{\{.*?\}\}\n", re.DOTALL)
FORMAT = FONT_FROM_ELSEWHERE.sub("", CONSOLE_SVG_FORMAT).replace("Fira Code", "DejaVu Sans Mono")
"""A terminal as rich draws it, in a font that is there: a picture asks nobody for anything."""


class Screen:
    """What a command showed, colours included, and how it ended."""

    def __init__(self, raw: bytes, exit_code: int) -> None:
        *frames, self.text = ERASED.split(raw.decode().replace("\r\n", "\n"))
        self.frames = [frame for frame in frames if frame.strip()]
        """What stood there for a while and was drawn over, such as the progress, in order."""
        self.exit_code = exit_code


class Running:
    """A command on a terminal of its own."""

    def __init__(self, process: subprocess.Popen[bytes], terminal: io.FileIO) -> None:
        self.process = process
        self._terminal = terminal

    def screen(self) -> Screen:
        """Wait for its end, and return what it showed."""
        shown = bytearray()
        while piece := self._read():
            shown += piece
        return Screen(bytes(shown), self.process.wait())

    def _read(self) -> bytes:
        try:
            return self._terminal.read(65_536)
        except OSError:  # how Linux says that nobody has the other end open any more
            return b""


@contextmanager
def on_terminal(command: Sequence[str], *, cwd: Path, env: Mapping[str, str]) -> Iterator[Running]:
    """Start a command on a terminal of `COLUMNS` columns; it is killed if it still runs at the end."""
    ours, its = pty.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    with open(ours, "rb", buffering=0) as terminal:
        process = subprocess.Popen(
            command, cwd=cwd, env={**env, "TERM": "xterm-256color"}, stdin=its, stdout=its, stderr=its
        )
        os.close(its)
        try:
            yield Running(process, terminal)
        finally:
            process.kill()
            process.wait()


def drawn(text: str, title: str) -> str:
    """Return a picture (SVG) of a terminal that shows this text, ANSI colours included."""
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True, color_system="truecolor")
    for line in Text.from_ansi(text.rstrip("\n")).split("\n", allow_blank=True):
        for piece in line.divide(range(COLUMNS, len(line), COLUMNS)):  # in the midst of words, as terminals do
            console.print(piece, no_wrap=True, overflow="crop")
    return console.export_svg(title=title, code_format=FORMAT)
