"""Calls of a driver that nothing can interrupt, made in a thread of their own, so that a read can still be given up."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from typing import Any, TypeVar

from engine.sources.databases.failures import Unreachable
from engine.sources.databases.session import SILENCE_S, StillWanted

POLL_S = 0.5

T = TypeVar("T")


class Worker:
    """One daemon thread that makes the calls of one connection, one behind the other.

    Args:
        label: How messages call what is read.
        still_wanted: See `StillWanted`.
    """

    def __init__(self, label: str, still_wanted: StillWanted) -> None:
        self._label, self._still_wanted = label, still_wanted
        self._calls: queue.SimpleQueue[tuple[Callable[[], Any], Future[Any]] | None] = queue.SimpleQueue()
        threading.Thread(target=self._work, name=f"reads {label}", daemon=True).start()

    def call(self, work: Callable[[], T], lives: Callable[[], object] | None = None) -> T:
        """Return what `work` returns, or raise what it raises.

        Args:
            work: The call.
            lives: Asks the server on another connection whether it lives, once nothing has come for `SILENCE_S`, and
                raises if not. Without it, such a silence is the end.

        Raises:
            Unreachable: nothing came, and nothing will.
            EngineError: the read is not wanted any more.
        """
        self._still_wanted()
        answer: Future[T] = Future()
        self._calls.put((work, answer))
        asked_at = time.monotonic()
        while True:
            if wait([answer], POLL_S).done:
                return answer.result()
            self._still_wanted()
            if time.monotonic() - asked_at > SILENCE_S:
                if lives is None or not self._answers(lives):
                    raise Unreachable(f"{self._label}: nothing has come for {SILENCE_S:.0f} s")
                asked_at = time.monotonic()

    def end(self, close: Callable[[], object]) -> None:
        """Make a last call, whenever the thread is free for it, without waiting; what it raises is of no interest."""
        self._calls.put((close, Future()))
        self._calls.put(None)

    def _answers(self, lives: Callable[[], object]) -> bool:
        """Ask in a thread of its own: a server that is silent here may be so there."""
        other = Worker(self._label, self._still_wanted)
        try:
            other.call(lives)
        except Unreachable:
            return False
        except Exception:  # whatever the driver raises, the server does not answer
            self._still_wanted()
            return False
        finally:
            other.end(lambda: None)
        return True

    def _work(self) -> None:
        while (call := self._calls.get()) is not None:
            work, answer = call
            try:
                answer.set_result(work())
            except BaseException as error:
                answer.set_exception(error)
