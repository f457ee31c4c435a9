"""What the commands that make a run have in common: a log, progress, signals that stop it gracefully, a result.

The event loop comes from the process (`engine/__main__.py`), because only a process may install signal handlers.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING

from engine.commands.arguments import add_config_argument, write_result
from engine.values import EngineError, ExitCode

if TYPE_CHECKING:
    from engine.outlets import ProgressDisplay, SupervisedDisplay
    from engine.report import Report
    from engine.settings import Settings
    from engine.values import Stop


Work = Callable[["Stop", "ProgressDisplay"], Coroutine[object, object, "Report"]]
"""What a run does, once it has a way to be stopped and something to show its progress on."""

RunLoop = Callable[[Callable[["Stop"], Coroutine[object, object, "Report"]], Callable[[], None]], "Report"]
"""Runs work in a loop in which signals stop it, or have the second argument called, to show progress (SIGUSR1)."""


def add_run_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what every command takes that makes a run."""
    add_config_argument(parser)
    parser.add_argument("--json", action="store_true", help="print the report as one JSON object")
    parser.add_argument(
        "--log-format", choices=("auto", "console", "json"), help="auto: for people on a terminal, JSON lines elsewhere"
    )
    parser.add_argument("--log-level", choices=("debug", "info", "warning", "error"), help="how much is told")


def prepare(args: argparse.Namespace) -> tuple[Settings, bool]:
    """Load the settings and set up the log; return the settings, and whether the log is JSON.

    Raises:
        ConfigError: the configuration holds mistakes, all of which are named.
    """
    from engine.outlets import set_up_logs
    from engine.settings import load

    set_up_logs(args.log_format or "auto", args.log_level or "info")  # the configuration's own mistakes are logged, too
    settings = load(args.config)
    return settings, set_up_logs(args.log_format or settings.log.format, args.log_level or settings.log.level)


def make_run(work: Work, settings: Settings, args: argparse.Namespace, run_loop: RunLoop, *, json_logs: bool) -> int:
    """Do `work` in the loop of the process, show its progress and its result, and return the exit code.

    Raises:
        EngineError: the run could not begin.
    """
    from engine.api import leave_out_unused_certificates
    from engine.outlets import SupervisedDisplay, SystemdNotifier

    leave_out_unused_certificates()
    systemd = SystemdNotifier.from_environment(os.environ)
    wait_s_max = settings.upload.retry_window_s + settings.api.timeout_s
    display = SupervisedDisplay(_display(json_logs), systemd, wait_s_max=wait_s_max)

    async def watched(stop: Stop) -> Report:
        systemd.ready()
        announcement = asyncio.create_task(_announce_stop(stop, display))
        try:
            return await work(stop, display)
        finally:
            announcement.cancel()

    try:
        report = run_loop(watched, display.prompt)
    except Exception as error:
        _announce_no_run(settings, error)
        raise
    finally:
        display.close()
    _show(report, settings, args)
    return report.exit_code


def _display(json_logs: bool) -> ProgressDisplay:
    """Return live progress for a terminal, events for everything else."""
    from engine.outlets import LineProgress, TerminalProgress, get_logger, route_logs

    if json_logs or not sys.stderr.isatty():
        return LineProgress(get_logger().info)
    display = TerminalProgress(sys.stderr)
    route_logs(display.message)
    return display


async def _announce_stop(stop: Stop, display: SupervisedDisplay) -> None:
    """Tell the supervisor as soon as the run winds down, whatever made it."""
    await stop.wait()
    display.stopping(str(stop.error))


def _announce_no_run(settings: Settings, error: Exception) -> None:
    """A night that leaves no report is told, too; unless another run is under way, which tells its own end."""
    from engine.run import announce_no_run

    exit_code = error.exit_code if isinstance(error, EngineError) else ExitCode.BUG
    if exit_code is not ExitCode.LOCKED:
        announce_no_run(settings, exit_code)


def _show(report: Report, settings: Settings, args: argparse.Namespace) -> None:
    """Print the result of a run to stdout: one JSON object, or the summary for a person."""
    from engine.report import render_summary, to_json, verdict, wants_color

    if args.json:
        write_result(to_json(report).decode())
        return
    run_dir = settings.state.dir / "runs" / report.run_id
    if not run_dir.is_dir():  # no run was needed
        write_result(f"{verdict(report)} No rejected or unproven record waits in {report.source}.\n")
        return
    write_result(
        render_summary(report, run_dir=run_dir, config_path=str(args.config), color=wants_color(sys.stdout, os.environ))
    )
