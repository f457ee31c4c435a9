"""`replay`: send again what a run could not deliver."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from engine.commands.making_runs import RunLoop, add_run_arguments, make_run, prepare

if TYPE_CHECKING:
    from engine.outlets import ProgressDisplay
    from engine.report import Report
    from engine.values import Stop


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    parser.add_argument("run_id", nargs="?", metavar="RUN_ID", help="the run to replay (default: the latest)")
    add_run_arguments(parser)


def run(args: argparse.Namespace, run_loop: RunLoop) -> int:
    """Make the run and return the exit code.

    Raises:
        EngineError: the run could not begin; nothing was sent.
    """
    settings, json_logs = prepare(args)

    async def work(stop: Stop, display: ProgressDisplay) -> Report:
        from engine.run import replay

        return await replay(settings, args.run_id, stop=stop, display=display, config_path=str(args.config))

    return make_run(work, settings, args, run_loop, json_logs=json_logs)
