"""The main job in one command, on a portfolio that is made up: `python -m engine demo`.

It starts the stand-in of the API as a process of its own, writes a portfolio, runs the real `sync` as another process,
and then proves, record by record, that the stand-in holds exactly the portfolio. A second night, in which little has
changed, follows. The proof shares no code with the engine: it reads the CSV with Python's own csv module and compares
values.
"""

from __future__ import annotations

import argparse
import csv
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.commands.arguments import count
from engine.commands.python_command import typed_program
from engine.commands.templates import templates_of, toml_text
from engine.values import ConfigError, ExitCode, counted, program_again, python_path

if TYPE_CHECKING:
    from engine.simulator import StandInProcess

RECORDS = 1_000_000
DIRECTORY = Path("engine-demo")
MARKER = ".engine-demo"
"""The file that tells a directory of this demo, which it may overwrite, from somebody's own."""
LATENCY_MS = 200
"""How long the stand-in takes for a request, as a service far away would."""
COMPARED_AT_ONCE = 10_000
EXAMPLES_MAX = 5


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags of `demo`."""
    parser.add_argument("--records", type=count, default=RECORDS, metavar="N", help="how many records (%(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="another seed makes another portfolio (%(default)s)")
    parser.add_argument(
        "--keep", type=Path, metavar="DIR", help=f"where to put portfolio, configuration and reports (./{DIRECTORY})"
    )


def run(args: argparse.Namespace) -> int:
    """Run the demo and return 0 only if `sync` succeeded and the stand-in holds exactly the portfolio.

    Raises:
        ConfigError: the directory is somebody's own, or cannot be written.
    """
    from engine.simulator import StandInProcess

    place = Place(prepare(args.keep))
    with StandInProcess(f"--latency-ms={LATENCY_MS}", "--campaign=camp_demo") as server:
        place.write_config(server)
        _say(f"The stand-in of the API listens at {server.url}: {LATENCY_MS} ms a request, every record kept.")
        for night in (1, 2):
            if exit_code := _night(place, server, args, night):
                return exit_code
    _say(*_what_next(place, server))
    return ExitCode.OK


def _night(place: Place, server: StandInProcess, args: argparse.Namespace, night: int) -> int:
    """Make a portfolio, bring it to the stand-in, and prove that it is there; return the exit code."""
    from engine.commands.demo.portfolio import CHANGED_EVERY, write

    what = {
        1: f"Making {place.portfolio} with {counted(args.records, 'record')}",
        2: f"A day later, one in {CHANGED_EVERY} of them has changed, and a few are gone: making it anew",
    }
    with _step(what[night]):
        gone = write(place.portfolio, args.records, args.seed, night=night)
    exit_code = _sync(place)
    if exit_code:
        _say(f"sync ended with exit code {exit_code}, so there is nothing to prove.")
        return exit_code
    with _step("Comparing what the stand-in holds with the portfolio, value by value"):
        proof = compare(place.portfolio, server, gone)
    _say(*proof.verdict(), "")
    return ExitCode.OK if proof.holds else ExitCode.BUG


class Place:
    """The files of a demo: source, configuration, the token that the stand-in accepts, the engine's state directory."""

    def __init__(self, directory: Path) -> None:
        self.portfolio = directory / "portfolio.csv"
        self.config = directory / "config.toml"
        self.token = directory / "token"
        self.state = directory / "state"

    def write_config(self, server: StandInProcess) -> None:
        """Write the configuration for a sync to this server."""
        from engine.commands.demo.portfolio import CSV_TYPES, GONE_MEANS, ID_COLUMN

        self.token.write_text(server.token, encoding="ascii")
        template = templates_of(__package__, toml_text).get_template("config.toml.j2")
        text = template.render(place=self, server=server, id=ID_COLUMN, types=CSV_TYPES, gone_means=GONE_MEANS)
        self.config.write_text(text, encoding="utf-8")

    def reports(self) -> list[Path]:
        """Return the reports of the latest run."""
        return sorted(self.state.glob("runs/*/report.*"))[-2:]


def prepare(wanted: Path | None) -> Path:
    """Return an empty directory for a demo: the wanted one, else ./engine-demo, else a temporary one.

    Raises:
        ConfigError: the wanted directory is somebody's own, or cannot be written.
    """
    directory = wanted or DIRECTORY
    try:
        if directory.exists() and not (directory / MARKER).exists() and any(directory.iterdir()):
            raise ConfigError(f"demo: {directory} holds something else; name another directory with --keep")
        directory.mkdir(parents=True, exist_ok=True)
        (directory / MARKER).touch()
    except OSError as error:
        if wanted:
            raise ConfigError(f"demo: cannot write to --keep {directory} ({error.strerror})") from None
        return Path(tempfile.mkdtemp(prefix="engine-demo-"))
    # A new stand-in holds nothing yet, so what an earlier demo has delivered to another one must not count.
    shutil.rmtree(directory / "state", ignore_errors=True)
    return directory


def _sync(place: Place) -> int:
    """Run the real `sync` with its output on this terminal, and return its exit code.

    Variables that override settings are kept from it: they may lead a real sync to a real API.
    """
    from engine.settings import VARIABLE_PREFIX

    environ = {name: value for name, value in os.environ.items() if not name.startswith(VARIABLE_PREFIX)}
    environ["PYTHONPATH"] = python_path()
    command = [*program_again(), "sync", "-c", str(place.config)]
    _say("", f"$ {typed_program()} sync -c {place.config}", "")
    # A session of its own: Ctrl-C comes here first, and is handed on once, as the request to stop that it is.
    process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
        command, env=environ, stdin=subprocess.DEVNULL, start_new_session=True
    )
    while True:
        try:
            exit_code = process.wait()
        except KeyboardInterrupt:
            process.send_signal(signal.SIGTERM)
        else:
            _say("")
            return exit_code if exit_code >= 0 else ExitCode.INTERRUPTED  # below 0: ended by a signal


@dataclass(slots=True)
class Proof:
    """What the comparison has found."""

    expected: int = 0
    equal: int = 0
    held: int = 0
    """How many records the stand-in holds: more than expected are wrong, too."""
    gone: int = 0
    """How many ids are gone from the portfolio: the stand-in holds them, too."""
    told: int = 0
    """How many of them the stand-in was told to be gone."""
    overlaps: int = 0
    """How often two requests in flight shared an id."""
    different: list[str] = field(default_factory=list)
    """A few of the ids whose record is missing or different."""

    @property
    def holds(self) -> bool:
        """Whether the stand-in holds exactly the portfolio, and knows who is gone from it."""
        is_whole = self.equal == self.expected == self.held - self.gone and self.told == self.gone
        return is_whole and not self.overlaps

    def verdict(self) -> list[str]:
        """Return the lines that tell a person."""
        word = "PROVEN" if self.holds else "NOT PROVEN"
        lines = [
            f"{word}: of {counted(self.expected, 'record')} in the portfolio, {self.equal:,} are on the stand-in with "
            f"exactly their values; it holds {self.held:,} in all."
        ]
        if self.gone:
            lines.append(f"Of the {self.gone:,} that are gone from the portfolio, {self.told:,} are closed there.")
        if self.different:
            lines.append(f"Missing or different, for example: {', '.join(self.different)}")
        if self.overlaps:
            lines.append(f"{counted(self.overlaps, 'time')}, two requests in flight shared an id.")
        return lines


def compare(portfolio: Path, server: StandInProcess, gone: Sequence[str] = ()) -> Proof:
    """Compare every record of the portfolio, and the ids that are gone, with what the server holds."""
    from engine.commands.demo.portfolio import GONE_MEANS

    stats = server.stats()
    proof = Proof(held=stats["ids"], overlaps=stats["overlaps"] + stats["twice_in_request"], gone=len(gone))
    closed = server.state(gone) if gone else {}
    proof.told = sum(GONE_MEANS.items() <= closed.get(id_, {}).items() for id_ in gone)
    rows = read_portfolio(portfolio)
    while some := dict(islice(rows, COMPARED_AT_ONCE)):
        held = server.state(some.keys())
        wrong = [id_ for id_, data in some.items() if held.get(id_) != data]
        proof.expected += len(some)
        proof.equal += len(some) - len(wrong)
        proof.different += wrong[: EXAMPLES_MAX - len(proof.different)]
    return proof


def read_portfolio(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield id and data of each row, as the API should hold them: typed values, empty cells left out."""
    from engine.commands.demo.portfolio import CSV_TYPES, ID_COLUMN

    meanings: dict[str, Callable[[str], Any]] = {"integer": int, "number": float}
    with path.open(encoding="utf-8", newline="") as file:
        rows = csv.reader(file)
        header = next(rows)
        typed = [(name, meanings[kind]) for name, kind in CSV_TYPES.items() if kind in meanings and name in header]
        for row in rows:
            data: dict[str, Any] = dict(zip(header, row, strict=True))
            id_ = data.pop(ID_COLUMN)
            if "" in row:
                data = {name: value for name, value in data.items() if value}
            for name, meaning in typed:
                if name in data:
                    data[name] = meaning(data[name])
            yield id_, data


def _what_next(place: Place, server: StandInProcess) -> list[str]:
    """Return the lines that tell where the report is and what to try."""
    port = server.url.split(":")[2].split("/")[0]
    program = typed_program()
    command = f"{program} simulate --port {port} --campaign camp_demo --token-file {place.token}"
    return [
        *(f"The report: {report}" for report in place.reports()),
        "",
        "What to try next:",
        f"  {command} --latency-ms 500 --error-share 0.02 --reject-share 0.00001",
        "      in one terminal: a stand-in that is slow, fails now and then, and rejects a few records",
        f"  {program} sync --full -c {place.config}",
        "      in another: press Ctrl-C or kill it in the middle, and run it again; it goes on where it was",
        "      (--full, because the ledger does not know that this stand-in begins empty)",
        f"  {program} init your-export.csv",
        "      writes a configuration for your own file",
    ]


def _say(*lines: str) -> None:
    print(*lines, sep="\n", flush=True)


@contextmanager
def _step(what: str) -> Iterator[None]:
    """Say what is being done, and when it is done how long it took."""
    print(f"{what} … ", end="", flush=True)
    began_s, took = time.perf_counter(), ""
    try:
        yield
        took = f"{time.perf_counter() - began_s:.1f} s"
    finally:
        _say(took)
