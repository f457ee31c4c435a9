"""What only shows a run must not fail it: neither a display, nor a callback, nor a bug in a snapshot."""

from __future__ import annotations

import os
import traceback
from types import TracebackType

from engine.outlets.logs import get_logger


class Harmless:
    """A context that ends the errors in it, as often as it is entered; the first one is logged.

    `what` is that which fails, for the log. Logged are the places of the error; its message might hold anything.
    """

    def __init__(self, what: str) -> None:
        self._what = what
        self._logged = False

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        if not isinstance(error, Exception):  # a cancellation has to go on
            return False
        if not self._logged:
            self._logged = True
            places = reversed(traceback.extract_tb(trace))
            where = " < ".join(f"{os.path.basename(place.filename)}:{place.lineno}" for place in places)
            message = f"{self._what} failed ({type(error).__name__} at {where}); the run goes on without"
            get_logger().warning("not_shown", message=message)
        return True
