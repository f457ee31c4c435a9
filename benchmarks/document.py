"""Fills in the figures of a document: runs each benchmark that stands in it and puts its tables below the command.

A place for figures is a block of one command, and below it what the command printed:

    ```sh
    python -m benchmarks throughput --kinds flat --peers usual
    ```

    <!-- figures -->
    | source | … |
    <!-- end of figures -->

A picture in SVG that stands right below is taken from what the benchmark has drawn.
"""

from __future__ import annotations

import argparse
import os
import re
import shlex
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.results import DIRECTORY, machine, progress

PLACE = re.compile(
    r"(?P<head>^```sh\npython -m benchmarks (?P<arguments>[^\n]+)\n```\n\n<!-- figures -->\n)"
    r"(?P<figures>.*?)"
    r"(?P<tail>^<!-- end of figures -->$)",
    re.MULTILINE | re.DOTALL,
)
PICTURE = re.compile(r"\n\n!\[[^\]]*\]\((?P<path>[^)]+\.svg)\)")
"""What may stand right below figures."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    parser.add_argument("--file", type=Path, default=Path("docs/benchmarks.md"), help="document (%(default)s)")
    parser.add_argument("--only", default="", metavar="TEXT", help="only commands that contain this, such as startup")
    parser.add_argument("--peer-python", metavar="FILE", help="for throughput: the Python that has the peers")


def run(args: argparse.Namespace) -> int:
    """Run the benchmarks one after the other; the document is written after each. Returns 0.

    Raises:
        SystemExit: no command is meant, or a benchmark failed.
    """
    file: Path = args.file
    found = [place["arguments"] for place in PLACE.finditer(file.read_text(encoding="utf-8"))]
    wanted = [arguments for arguments in found if args.only in arguments]
    if not wanted:
        raise SystemExit(f"{file}: there is no place for figures with {args.only!r} in its command")
    for arguments in wanted:
        progress(f"python -m benchmarks {arguments}")
        load = os.getloadavg()[0]
        more = ["--peer-python", args.peer_python] if args.peer_python and arguments.startswith("throughput ") else []
        command = [sys.executable, "-m", "benchmarks", *shlex.split(arguments), *more]
        done = subprocess.run(command, stdout=subprocess.PIPE, encoding="utf-8", check=False)
        if done.returncode:
            raise SystemExit(f"python -m benchmarks {arguments}: ended with {done.returncode}")
        text = with_figures(file.read_text(encoding="utf-8"), arguments, done.stdout, load)
        file.write_text(text, encoding="utf-8")
        for picture in pictures(text, arguments):
            shutil.copyfile(DIRECTORY / Path(picture).name, file.parent / picture)
    return 0


def pictures(text: str, arguments: str) -> list[str]:
    """Return the paths of the pictures that stand below the figures of a command."""
    below = [PICTURE.match(text, place.end()) for place in PLACE.finditer(text) if place["arguments"] == arguments]
    return [found["path"] for found in below if found]


def with_figures(text: str, arguments: str, printed: str, load: float) -> str:
    """Return the document with what that benchmark printed in its place, and when and where it did.

    `load` is the machine's load average before it, which tells how much others kept it busy.
    """
    here = machine()
    stamp = ", ".join(
        (
            datetime.now(UTC).date().isoformat(),
            f"{here['cpus']} CPUs with a load of {load:.1f} before",
            *(here[name] for name in ("architecture", "system")),
            f"Python {here['python']}",
        )
    )

    def filled(place: re.Match[str]) -> str:
        if place["arguments"] != arguments:
            return place[0]
        return f"{place['head']}\n{printed.strip()}\n\n({stamp})\n\n{place['tail']}"

    return PLACE.sub(filled, text)
