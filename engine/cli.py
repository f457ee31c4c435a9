"""The command line: which commands there are, what each takes, and which module does the work.

A command's module is imported only when that command is asked for, so that `--help` is instant. Such a module has two
functions: `add_arguments(parser)` and `run(args)`, which returns the exit code. `sync` and `replay` stand in this
module, because they need what only the process can give them: an event loop in which signals ask the work to stop; and
`status`, because its module takes plain values.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from engine.errors import EngineError, ExitCode

if TYPE_CHECKING:
    from engine.config import Settings
    from engine.progress import ProgressDisplay, ProgressSnapshot
    from engine.report import Report
    from engine.stopping import Stop
    from engine.supervisor import SupervisedDisplay

DEFAULT_CONFIG = "config.toml"

DESCRIPTION = "Bring a whole portfolio into the customer-data bulk API, true to the last record."

EXIT_CODES = """\
exit codes:
  0   every record read was delivered, or needed no update
  1   a bug
  2   wrong command line or configuration; nothing was sent
  3   finished, but some records were not accepted: rejected.ndjson says which and why
  65  the source cannot be trusted, or a guard stopped the run
  66  the source does not exist or is empty
  69  another run holds the lock of the state directory
  74  the state directory failed
  75  not finished: run the same command again to resume
  77  token or campaign refused
"""


class RunLoop(Protocol):
    """Runs asynchronous work in an event loop in which signals ask it to stop, or to show its progress."""

    def __call__(
        self, work: Callable[[Stop], Coroutine[object, object, Report]], show_progress: Callable[[], None]
    ) -> Report:
        """Return what `work` returned. `show_progress` is called when somebody asks for it (SIGUSR1)."""
        ...


@dataclass(frozen=True, slots=True)
class Command:
    """A command: its name, what it does in one line, and the module that does it."""

    name: str
    summary: str
    module: str

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare what the command takes."""
        if self.name in RUNS:
            _add_run_arguments(self.name, parser)
        elif self.name == "status":
            _add_status_arguments(parser)
        else:
            import_module(self.module).add_arguments(parser)


COMMANDS = (
    Command("sync", "bring every record of the source to the API; run again to resume", "engine.jobs"),
    Command("check", "prove configuration, source, state directory, token and campaign; send nothing", "engine.check"),
    Command("replay", "send again what a run could not deliver", "engine.replay"),
    Command("status", "show the runs so far, what is resumable and what was rejected", "engine.status"),
    Command("init", "look at a source and write a commented configuration for it", "engine.init_config"),
    Command("simulate", "serve a local stand-in of the API", "engine.simulator"),
    Command("demo", "see a whole sync on a generated portfolio against the stand-in", "engine.demo"),
    Command("service", "print a ready unit for systemd, supervisord or Kubernetes", "engine.service"),
)

RUNS = ("sync", "replay")
"""The commands that make a run: they get a log, progress, and signals that stop them gracefully."""


def main(argv: Sequence[str], run_loop: RunLoop) -> int:
    """Do what the command line says and return the exit code.

    Raises:
        EngineError: the reason why it could not be done.
        SystemExit: help was asked for, or the command line is wrong (2).
    """
    args = _parser(argv).parse_args(argv)
    if args.command is None:
        _parser(argv).print_help()
        return 0
    if args.command in RUNS:
        return _run(args, run_loop)
    from engine import logs

    logs.set_up("console", "info")
    if args.command == "status":
        return _status(args)
    exit_code: int = import_module(_command(args.command).module).run(args)
    return exit_code


def _parser(argv: Sequence[str]) -> argparse.ArgumentParser:
    """Return the parser, in which only the command that `argv` names knows its arguments."""
    parser = argparse.ArgumentParser(
        prog="python -m engine",
        description=DESCRIPTION,
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", title="commands", metavar="COMMAND")
    for command in COMMANDS:
        own = commands.add_parser(
            command.name, help=command.summary, description=_sentence(command.summary), allow_abbrev=False
        )
        if argv and argv[0] == command.name:
            command.add_arguments(own)
    return parser


def _command(name: str) -> Command:
    return next(command for command in COMMANDS if command.name == name)


def _sentence(summary: str) -> str:
    return f"{summary[0].upper()}{summary[1:]}."


def add_config_argument(parser: argparse.ArgumentParser) -> None:
    """Declare `-c`, which is the same for every command that reads the configuration."""
    parser.add_argument(
        "-c",
        "--config",
        type=Path,
        default=Path(DEFAULT_CONFIG),
        metavar="FILE",
        help="the configuration (%(default)s)",
    )


def _add_run_arguments(name: str, parser: argparse.ArgumentParser) -> None:
    add_config_argument(parser)
    if name == "sync":
        parser.add_argument("--dry-run", action="store_true", help="read and validate everything, send nothing")
        parser.add_argument("--fresh", action="store_true", help="start over instead of resuming an interrupted run")
        parser.add_argument("--limit", type=_count, metavar="N", help="only the first N records")
    else:
        parser.add_argument("run_id", nargs="?", metavar="RUN_ID", help="the run to replay (default: the latest)")
    parser.add_argument("--json", action="store_true", help="print the report as one JSON object")
    parser.add_argument(
        "--log-format", choices=("auto", "console", "json"), help="auto: for people on a terminal, JSON lines elsewhere"
    )
    parser.add_argument("--log-level", choices=("debug", "info", "warning", "error"), help="how much is told")


def _add_status_arguments(parser: argparse.ArgumentParser) -> None:
    add_config_argument(parser)
    parser.add_argument("run_id", nargs="?", metavar="RUN_ID", help="show this run in full")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def _count(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError("must be a whole number from 1 on")
    return int(text)


def _status(args: argparse.Namespace) -> int:
    from engine.config import load
    from engine.state_dir import LOCK, is_locked
    from engine.status import status

    settings = load(args.config)
    running = is_locked(settings.state.dir / LOCK)
    write_result(status(settings.state.dir, args.run_id, json=args.json, config_path=str(args.config), running=running))
    return 0


def _run(args: argparse.Namespace, run_loop: RunLoop) -> int:
    """Make a run: load the settings, set up log and progress, do the work in the loop, show the result."""
    from engine import logs
    from engine.config import load
    from engine.supervisor import Notifier, SupervisedDisplay

    logs.set_up(args.log_format or "auto", args.log_level or "info")  # the configuration's own mistakes are logged, too
    settings = load(args.config)
    as_json = logs.set_up(args.log_format or settings.log.format, args.log_level or settings.log.level)
    if args.command == "sync" and args.dry_run:
        return _dry_run(settings, args)
    notifier = Notifier.from_environment(os.environ)
    supervised = SupervisedDisplay(
        _display(as_json), notifier, wait_s_max=settings.upload.retry_window_s + settings.api.timeout_s
    )
    display = PromptedDisplay(supervised)

    async def work(stop: Stop) -> Report:
        import asyncio

        notifier.ready()
        announcement = asyncio.create_task(_announce(stop, supervised))
        try:
            return await _work(settings, args, stop, display)
        finally:
            announcement.cancel()

    try:
        report = run_loop(work, display.prompt)
    except Exception as error:
        _announce_no_run(settings, error)
        raise
    finally:
        display.close()
    _show(report, settings, args)
    return report.exit_code


def _dry_run(settings: Settings, args: argparse.Namespace) -> int:
    from engine.dry_run import dry_run

    return dry_run(settings, limit=args.limit, as_json=args.json)


async def _work(settings: Settings, args: argparse.Namespace, stop: Stop, display: ProgressDisplay) -> Report:
    config_path = str(args.config)
    if args.command == "replay":
        from engine.replay import replay

        return await replay(settings, args.run_id, stop=stop, display=display, config_path=config_path)
    from engine.jobs import sync

    return await sync(settings, fresh=args.fresh, limit=args.limit, stop=stop, display=display, config_path=config_path)


def _announce_no_run(settings: Settings, error: Exception) -> None:
    """A night that leaves no report is told, too; unless another run is under way, which tells its own end."""
    from engine.announce import announce_no_run

    exit_code = error.exit_code if isinstance(error, EngineError) else ExitCode.BUG
    if exit_code is not ExitCode.LOCKED:
        announce_no_run(settings.notify, exit_code)


async def _announce(stop: Stop, display: SupervisedDisplay) -> None:
    """Tell the supervisor as soon as the run winds down, whatever made it."""
    await stop.wait()
    display.stopping(str(stop.error))


def _display(as_json: bool) -> ProgressDisplay:
    """Return live progress for a terminal, events for everything else."""
    from engine import logs
    from engine.progress import LineProgress, TerminalProgress

    if as_json or not sys.stderr.isatty():
        return LineProgress(logs.get_logger().info)
    display = TerminalProgress(sys.stderr)
    logs.route(display.message)
    return display


def _show(report: Report, settings: Settings, args: argparse.Namespace) -> None:
    """Print the result of a run to stdout: one JSON object, or the summary for a person."""
    if args.json:
        from engine.report import to_json

        write_result(to_json(report).decode())
        return
    from engine.summary import render, wants_color

    run_dir = settings.state.dir / "runs" / report.run_id
    write_result(
        render(report, run_dir=run_dir, config_path=str(args.config), color=wants_color(sys.stdout, os.environ))
    )


def write_result(text: str) -> None:
    """Write `text` to stdout. A run is not undone by a full disk or a closed pipe there, so it keeps its exit code."""
    try:
        sys.stdout.write(text if text.endswith("\n") else text + "\n")
        sys.stdout.flush()
    except OSError as error:
        from engine.logs import get_logger

        get_logger().warning("result_not_written", message=f"stdout cannot be written: {error.strerror}")


class PromptedDisplay:
    """A display that can also be asked, by a signal, to show the latest progress at once."""

    def __init__(self, display: ProgressDisplay) -> None:
        self._display = display
        self._latest: ProgressSnapshot | None = None

    def update(self, snapshot: ProgressSnapshot, *, now: bool = False) -> None:
        """Pass the latest snapshot on."""
        self._latest = snapshot
        self._display.update(snapshot, now=now)

    def message(self, text: str) -> None:
        """Pass a sentence on."""
        self._display.message(text)

    def prompt(self) -> None:
        """Show the latest snapshot now."""
        if self._latest:
            self._display.update(self._latest, now=True)

    def close(self) -> None:
        """Show nothing more; from here on events go straight to stderr again."""
        from engine import logs

        logs.route(None)
        self._display.close()
