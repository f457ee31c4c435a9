"""`sync`: the main job, from the source of the configuration to the API; run again to resume."""

from __future__ import annotations

import argparse
from contextlib import ExitStack
from typing import TYPE_CHECKING

from engine.commands.arguments import count
from engine.commands.making_runs import RunLoop, add_run_arguments, make_run, prepare

if TYPE_CHECKING:
    from engine.outlets import ProgressDisplay
    from engine.reading import SpawnedReader
    from engine.report import Report
    from engine.values import Stop


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    parser.add_argument("--dry-run", action="store_true", help="read and validate everything, send nothing")
    parser.add_argument("--fresh", action="store_true", help="start over instead of resuming an interrupted run")
    parser.add_argument("--full", action="store_true", help="with delta, send unchanged records, too")
    parser.add_argument("--limit", type=count, metavar="N", help="only the first N records, refused ones too")
    parser.add_argument(
        "--no-data", action="store_true", help="keep no record data of what is not accepted (state.reject_data = false)"
    )
    add_run_arguments(parser)


def run(args: argparse.Namespace, run_loop: RunLoop) -> int:
    """Make the run, or only say what it would do, and return the exit code.

    Raises:
        EngineError: the run could not begin; nothing was sent.
    """
    from engine.run import early_reader

    with ExitStack() as opened:
        spawned = None if args.dry_run else early_reader(args.config)
        if spawned:
            opened.callback(spawned.close)
        return _run(args, run_loop, spawned)


def _run(args: argparse.Namespace, run_loop: RunLoop, spawned: SpawnedReader | None) -> int:
    settings, json_logs = prepare(args)
    if args.no_data:
        state = settings.state.changed(reject_data=False)
        settings = settings.changed(state=state)
    if args.dry_run:
        from engine.commands.dry_run import dry_run

        return dry_run(settings, limit=args.limit, as_json=args.json, full=args.full)

    async def work(stop: Stop, display: ProgressDisplay) -> Report:
        from engine.run import sync

        return await sync(
            settings,
            fresh=args.fresh,
            full=args.full,
            limit=args.limit,
            stop=stop,
            display=display,
            config_path=str(args.config),
            spawned=spawned,
        )

    return make_run(work, settings, args, run_loop, json_logs=json_logs)
