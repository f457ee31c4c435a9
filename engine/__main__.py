"""The process: what surrounds the work when it is started as `python -m engine` or `bulk-sync`.

Only this module touches the event loop's kind, signals, file modes, the garbage collector and the exit code. Everything
that reaches a person from here is one clear message; what was not foreseen is called a bug and shown as places in the
code, without values, because values can be secrets or somebody's data.
"""

from __future__ import annotations

import atexit
import gc
import io
import os
import signal
import sys
import threading
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import suppress
from types import FrameType
from typing import TYPE_CHECKING, NoReturn, TextIO

from engine.commands import main as run_command_line
from engine.values import EngineError, ExitCode, Interrupted, leave_out_pandas

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop

    from engine.outlets import EventLog
    from engine.report import Report
    from engine.values import Stop

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
"""What asks to stop: the first time gracefully, the second time at once. An ignored one (nohup) stays ignored."""

SAYING_S_MAX = 0.5
"""How long a process that is to leave at once may take to say so."""

FRAMES_MAX = 30
"""How many places in the code a bug report shows, the innermost ones."""

GC_THRESHOLDS = (100_000, 50, 100)
"""Rarer cyclic garbage collection: imports and the pipeline make millions of objects and hardly a cycle."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code."""
    _prepare()
    try:
        exit_code = run_command_line(sys.argv[1:] if argv is None else argv, run_loop)
    except SystemExit as leaving:  # argparse has said what there is to say
        exit_code = leaving.code if isinstance(leaving.code, int) else ExitCode.OK
    except BaseException as error:
        exit_code = _explain(error)
    return _flush(exit_code)


def run_loop(work: Callable[[Stop], Coroutine[object, object, Report]], show_progress: Callable[[], None]) -> Report:
    """Run `work` in an event loop in which signals ask it to stop (twice: leave at once) or to show its progress."""
    import asyncio

    from engine.sources import keep_freed_memory

    keep_freed_memory()
    gc.freeze()
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.get_loop().set_exception_handler(_report_lost_exception)
        return runner.run(_with_signals(work, show_progress))


async def _with_signals(
    work: Callable[[Stop], Coroutine[object, object, Report]], show_progress: Callable[[], None]
) -> Report:
    import asyncio

    from engine.values import Stop

    stop = Stop()
    loop = asyncio.get_running_loop()
    caught = [number for number in STOP_SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
    for number in caught:
        loop.add_signal_handler(number, _stop_or_leave, stop, number)
    loop.add_signal_handler(signal.SIGUSR1, show_progress)
    try:
        return await work(stop)
    finally:
        for number in (*caught, signal.SIGUSR1):
            loop.remove_signal_handler(number)
        _catch_signals()


def _stop_or_leave(stop: Stop, number: signal.Signals) -> None:
    from engine.outlets import get_logger

    if stop.requested:
        text = f"Leaving at once ({number.name}); run the same command again to resume."
        saying = threading.Thread(target=lambda: get_logger().warning("leaving", text=text), daemon=True)
        saying.start()
        saying.join(SAYING_S_MAX)  # nobody may read what stderr leads to any more
        _leave_at_once()
    get_logger().info(
        "stopping", text=f"Stopping ({number.name}): finishing what is in flight; again to leave at once."
    )
    stop.request(Interrupted(f"stopped by {number.name}"))


def _leave_at_once() -> NoReturn:
    """Leave without unwinding: whatever is durable is durable, and the next run sorts out the rest."""
    if sys.stderr.isatty():
        os.write(sys.stderr.fileno(), b"\x1b[?25h\n")  # show the cursor, which live progress hides
    os._exit(ExitCode.INTERRUPTED)


def _loop_factory() -> Callable[[], AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:  # it does not exist for every platform; the standard loop does the same, slower
        return None
    return uvloop.new_event_loop


def _prepare() -> None:
    """Make the process safe to work in, whoever started it."""
    gc.set_threshold(*GC_THRESHOLDS)
    os.umask(0o077)
    _open_missing_streams()
    sys.stdout, sys.stderr = _whole(sys.stdout), _whole(sys.stderr)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")
    _catch_signals()
    # Python's own reports of what nobody catches would show messages, and with them values.
    sys.unraisablehook = lambda lost: _report_bug("lost_exception", lost.exc_value)
    threading.excepthook = lambda lost: _report_bug("lost_exception", lost.exc_value)


def _open_missing_streams() -> None:
    """Open /dev/null for standard streams that are closed: else a database could become stderr and be written to."""
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free descriptor, which is this one
    for name in ("stdin", "stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "r+", encoding="utf-8"))  # noqa: SIM115 - for the life of the process


def _whole(stream: TextIO) -> TextIO:
    """Return a stream that writes the whole of each text, a line at once.

    Without a buffer (`PYTHONUNBUFFERED`, as in many a container) Python does not look how much of a text was written,
    and a signal leaves out the rest of a report that a pipe cannot take at once.
    """
    unbuffered = getattr(stream, "buffer", None)
    if not isinstance(unbuffered, io.RawIOBase):
        return stream
    return io.TextIOWrapper(io.BufferedWriter(unbuffered), line_buffering=True)


def _catch_signals() -> None:
    """Unwind on a stop signal outside the loop as on Ctrl-C; a death by signal would look clean to systemd."""
    for number in STOP_SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _unwind)
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)


def _unwind(number: int, frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


def _explain(error: BaseException) -> int:
    """Tell why the work ended, in one event, and return the exit code."""
    cause = _cause(error)
    if isinstance(cause, EngineError):
        _log().error("stopped", exit_code=int(cause.exit_code), message=str(cause))
        return cause.exit_code
    if isinstance(cause, KeyboardInterrupt):
        _log().error("stopped", exit_code=int(ExitCode.INTERRUPTED), message="interrupted")
        return ExitCode.INTERRUPTED
    if isinstance(cause, BrokenPipeError) and not _can_flush(sys.stdout):
        return ExitCode.OK  # `… | head` has seen enough
    _report_bug("bug", cause)
    return ExitCode.BUG


def _log() -> EventLog:
    """Return the log, which goes to stderr for a person unless a run has decided otherwise."""
    from engine.outlets import get_logger, logs_are_set_up, set_up_logs

    if not logs_are_set_up():
        set_up_logs("console", "info")
    return get_logger()


def _cause(error: BaseException) -> BaseException:
    """Return the exception that explains a group: what the engine understands goes before everything else."""
    leaves = list(_leaves(error))
    understood = [leaf for leaf in leaves if isinstance(leaf, (EngineError, KeyboardInterrupt))]
    return (understood or leaves)[0]


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from _leaves(inner)
    else:
        yield error


def _report_bug(event: str, error: BaseException | None) -> None:
    """Show an exception as its class and places in the code. Its message and values stay inside: they can be data."""
    message = f"this is a bug: {_harmless_text(error)}; please report it with these lines"
    exit_code = int(ExitCode.BUG)
    _log().error(
        event, exception=type(error).__name__, frames=list(_frames(error)), exit_code=exit_code, message=message
    )


def _harmless_text(error: BaseException | None) -> str:
    """Return the class of an exception, with its message if that can only be about the code or the system."""
    name = type(error).__name__
    if isinstance(error, (ImportError, NameError, AttributeError)):
        return f"{name}: {error}"
    return f"{name}: {error.strerror}" if isinstance(error, OSError) else name


def _frames(error: BaseException | None) -> Iterator[str]:
    while error is not None:
        places = []
        trace = error.__traceback__
        while trace is not None:
            code = trace.tb_frame.f_code
            places.append(f"{code.co_filename}:{trace.tb_lineno} in {code.co_qualname}")
            trace = trace.tb_next
        yield from places[-FRAMES_MAX:]
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
        if error is not None:
            yield f"after {type(error).__name__}:"


def _report_lost_exception(loop: object, context: dict[str, object]) -> None:
    """Stand in for asyncio's own report, which prints the values it finds."""
    error = context.get("exception")
    _report_bug("lost_exception", error if isinstance(error, BaseException) else None)


def _flush(exit_code: int) -> int:
    """Write out what is buffered, so that the interpreter finds nothing to fail on when it ends."""
    for stream in (sys.stdout, sys.stderr):
        if not _can_flush(stream):
            with suppress(OSError, ValueError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    return int(exit_code)


def _can_flush(stream: TextIO) -> bool:
    try:
        stream.flush()
    except (OSError, ValueError):
        return False
    return True


def _leave(exit_code: int) -> NoReturn:
    """End the process without taking every object apart, which takes an interpreter longer than many a command."""
    if any(not thread.daemon for thread in threading.enumerate() if thread is not threading.main_thread()):
        sys.exit(exit_code)  # somebody is still at work: the interpreter waits for that
    atexit._run_exitfuncs()
    os._exit(_flush(exit_code))


def command() -> NoReturn:
    """Be the command `bulk-sync`."""
    leave_out_pandas()
    _leave(main())


if __name__ == "__main__":
    command()
