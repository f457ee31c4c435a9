"""The operator's own command, run at the end."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Collection, Sequence
from contextlib import suppress
from pathlib import Path

from engine.report import Report, seconds_text

COMMAND_TIMEOUT_S = 60.0


def run_command(
    command: Sequence[str],
    report: Report,
    report_path: Path,
    *,
    secret_names: Collection[str] = (),
    timeout_s: float = COMMAND_TIMEOUT_S,
) -> str | None:
    """Run `command`, its arguments and the path of the report; return what went wrong, or None. Blocks.

    No shell is involved. Its environment is ours without the variables `secret_names`, and with `SYNC_RUN_ID`,
    `SYNC_STATUS`, `SYNC_EXIT_CODE` and `SYNC_REPORT`. Its output is discarded: standard output is kept for results,
    standard error for the log. After `timeout_s` it and what it started are killed.
    """
    environment = {name: value for name, value in os.environ.items() if name not in secret_names} | {
        "SYNC_RUN_ID": report.run_id,
        "SYNC_STATUS": report.status.value,
        "SYNC_EXIT_CODE": str(report.exit_code),
        "SYNC_REPORT": str(report_path),
    }
    try:
        process = subprocess.Popen(  # noqa: S603 - the operator's own command, from the configuration, without a shell
            [*command, str(report_path)],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        return f"the notify command could not be started: {error}"
    return _wait(process, timeout_s)


def _wait(process: subprocess.Popen[bytes], timeout_s: float) -> str | None:
    with process:
        try:
            exit_code = process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            return f"the notify command was stopped after {seconds_text(timeout_s)}"
    return None if exit_code == 0 else f"the notify command ended with {exit_code}"
