"""How large a request may be: learned from what refuses large ones, and from what does not wait for them."""

from __future__ import annotations

from math import inf

_ROOM = 0.7
"""A request may take this share of the time after which somebody gives up."""
_EASILY = 0.5
"""What would have been done within this share of that time did not fail because of its size."""


class RequestSize:
    """Limits the bytes of lines in a request; what is larger is split before it is sent. No limit to begin with."""

    def __init__(self) -> None:
        self.bytes_max: float = inf
        self._slow_bytes: float = inf
        """The smallest request whose reply somebody gave up waiting for ..."""
        self._gave_up_s = 0.0
        """... after so many seconds."""
        self._excused = False

    def too_large(self, request_bytes: int) -> None:
        """A request was refused because of its size (413): from now on, try half of it, or a little more.

        Halves are never even.
        """
        self.bytes_max = min(self.bytes_max, request_bytes * 5 // 8)

    def gave_up(self, request_bytes: int, seconds: float) -> None:
        """Somebody gave up waiting for the reply to a request; perhaps because of its size."""
        if request_bytes <= self._slow_bytes:
            self._slow_bytes, self._gave_up_s = request_bytes, seconds

    def passed(self, request_bytes: int, seconds: float) -> None:
        """A request of so many bytes was answered."""
        if request_bytes >= self._slow_bytes:
            self._slow_bytes = inf  # it was not the size
        elif self._slow_bytes < inf:
            self._learn(request_bytes, max(seconds, 1e-3))

    def _learn(self, request_bytes: int, seconds: float) -> None:
        """A smaller one was answered than one that took too long: from now on, send what will be done in time."""
        slow_bytes, per_byte_s = self._slow_bytes, seconds / request_bytes
        self._slow_bytes = inf
        if slow_bytes * per_byte_s < _EASILY * self._gave_up_s and not self._excused:
            self._excused = (
                True  # the server was down, or busy, and has recovered; if it happens again, it was the size
            )
            return
        in_time = _ROOM * self._gave_up_s / per_byte_s
        self.bytes_max = min(self.bytes_max, max(request_bytes, min(in_time, slow_bytes * 5 // 8)))
