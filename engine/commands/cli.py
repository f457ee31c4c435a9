"""The command line: which commands there are, and which module does each.

A command's module is imported only when that command is asked for, so that `--help` is instant. Such a module has two
functions: `add_arguments(parser)` and `run(args)`, which returns the exit code; `run` of one that makes a run gets the
process's `RunLoop`, too.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

from engine.values import VERSION, program

if TYPE_CHECKING:
    from engine.commands.making_runs import RunLoop

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


@dataclass(frozen=True, slots=True)
class Command:
    """A command: its name, what it does in one line, and the module that does it."""

    name: str
    summary: str
    module: str
    makes_a_run: bool = False
    """Whether it gets a log, progress, and signals that stop it gracefully."""

    def load(self) -> Any:
        """Return the module."""
        return import_module(self.module)


COMMANDS = (
    Command("sync", "bring every record of the source to the API; run again to resume", "engine.commands.sync", True),
    Command(
        "check",
        "prove configuration, source, state directory, token and campaign; send nothing",
        "engine.commands.check",
    ),
    Command("replay", "send again what a run could not deliver", "engine.commands.replay", True),
    Command("status", "show the runs so far, what is resumable and what was rejected", "engine.commands.status"),
    Command(
        "ledger",
        "show what is known to be on the server, or have it sent again (ledger forget)",
        "engine.commands.ledger",
    ),
    Command("init", "look at a source and write a commented configuration for it", "engine.commands.init"),
    Command("simulate", "serve a local stand-in of the API", "engine.simulator"),
    Command("demo", "see a whole sync on a generated portfolio against the stand-in", "engine.commands.demo"),
    Command("service", "print a ready unit for systemd, supervisord or Kubernetes", "engine.commands.service"),
)


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
    command = next(command for command in COMMANDS if command.name == args.command)
    exit_code: int
    if command.makes_a_run:
        exit_code = command.load().run(args, run_loop)
        return exit_code
    from engine.outlets import set_up_logs

    set_up_logs("console", "info")
    exit_code = command.load().run(args)
    return exit_code


def _parser(argv: Sequence[str]) -> argparse.ArgumentParser:
    """Return the parser, in which only the command that `argv` names knows its arguments."""
    parser = argparse.ArgumentParser(
        prog=program(),
        description=DESCRIPTION,
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"bulk-sync-engine {VERSION}")
    commands = parser.add_subparsers(dest="command", title="commands", metavar="COMMAND")
    for command in COMMANDS:
        own = commands.add_parser(
            command.name, help=command.summary, description=_sentence(command.summary), allow_abbrev=False
        )
        if argv and argv[0] == command.name:
            command.load().add_arguments(own)
    return parser


def _sentence(summary: str) -> str:
    return f"{summary[0].upper()}{summary[1:]}."
