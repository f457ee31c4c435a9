"""Processes of the engine that live at another time, or whose disk fails: what a test cannot wait for.

A `sitecustomize` that Python loads before the engine does it, told by variables; nothing of the engine is replaced.
"""

from __future__ import annotations

import os
from typing import Any

from tests.acceptance.engine_process import Engine

CLOCK = """
import datetime, os, time

SHIFT_S = float(os.environ["MEDDLING_DAYS"]) * 86_400

def shifted(clock, by):
    return lambda: clock() + by

class IsOne(type):
    def __instancecheck__(cls, value):
        return isinstance(value, datetime_)

class Datetime(datetime.datetime, metaclass=IsOne):
    __slots__ = ()

    @classmethod
    def now(cls, tz=None):
        return datetime_.fromtimestamp(time.time(), tz)

datetime_, datetime.datetime = datetime.datetime, Datetime
time.time, time.time_ns = shifted(time.time, SHIFT_S), shifted(time.time_ns, int(SHIFT_S) * 10**9)
"""
"""The wall clock is ahead by so many days; the monotonic one is what it is."""

LEDGER_STEPS = '''
import errno, os, signal, sys

step, at, kind = 0, int(os.environ["MEDDLING_STEP"]), os.environ["MEDDLING_KIND"]

def take_step(what):
    """Count what happens to files of the ledger; die or fail at one of them."""
    global step
    step += 1
    with open(os.environ["MEDDLING_LOG"], "a") as log:
        log.write(f"{step} {what}\\n")
    if step == at and kind == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if step >= at > 0 and kind == "full" and "remove" not in what:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

def is_of_the_ledger(path):
    return isinstance(path, (str, bytes, os.PathLike)) and "ledger" in os.path.basename(os.fsdecode(path))

def watch(event, args):
    if event == "open" and is_of_the_ledger(args[0]):
        flags = args[2] if isinstance(args[2], int) else 0
        if flags & (os.O_WRONLY | os.O_RDWR) or set(str(args[1] or "")) & set("wax+"):
            take_step(f"open {os.path.basename(os.fsdecode(args[0]))}")
    elif event in ("os.rename", "os.remove", "os.truncate") and any(map(is_of_the_ledger, args[:2])):
        take_step(event)

def counted_fsync(fd, call=os.fsync):
    call(fd)
    try:
        path = os.readlink(f"/proc/self/fd/{fd if isinstance(fd, int) else fd.fileno()}")
    except OSError:
        return
    if is_of_the_ledger(path):
        take_step("after fsync")

os.fsync = counted_fsync
sys.addaudithook(watch)
'''
"""Each opening for writing, fsync, renaming and removal of a file of the ledger is a step, counted from 1.

Not fdatasync: with it a thread lets the disk begin early, as often as the disk keeps up, so no two runs have as many.
"""


TEXT_IS_A_MAPPING = """
from collections.abc import Mapping

Mapping.register(str)
"""
"""What Python believes for good once a thread has asked for the kind of a text while another imported Arrow.

The class of Arrow's maps is a sequence first, as text is, and for a moment answers for mappings: CPython 116093.
"""


def at_day(engine: Engine, days: float) -> None:
    """Let the commands that follow run so many days from now."""
    _meddle(engine, CLOCK, MEDDLING_DAYS=days)


def at_ledger_step(engine: Engine, step: int, kind: str) -> None:
    """Let the next command be killed at a step of the ledger's files (`kill`), or find the disk full there (`full`).

    With step 0 nothing happens, and the steps are only noted.
    """
    log = engine.home / "steps"
    log.unlink(missing_ok=True)
    _meddle(engine, LEDGER_STEPS, MEDDLING_STEP=step, MEDDLING_KIND=kind, MEDDLING_LOG=log)


def where_text_is_a_mapping(engine: Engine) -> None:
    """Let the commands that follow live with the belief that a text is a mapping."""
    _meddle(engine, TEXT_IS_A_MAPPING)


def ledger_steps(engine: Engine) -> list[str]:
    """Return the steps of the last command, each with its number and what it was."""
    log = engine.home / "steps"
    return log.read_text(encoding="utf-8").splitlines() if log.exists() else []


def leave_alone(engine: Engine) -> None:
    """Let the commands that follow run as they are."""
    engine.env.pop("PYTHONPATH", None)


def _meddle(engine: Engine, program: str, **variables: Any) -> None:
    place = engine.home / "meddling"
    place.mkdir(exist_ok=True)
    (place / "sitecustomize.py").write_text(program, encoding="utf-8")
    path = os.pathsep.join(filter(None, [str(place), os.environ.get("PYTHONPATH")]))
    engine.env |= {"PYTHONPATH": path} | {name: str(value) for name, value in variables.items()}
