"""What is known of the server: what it accepted, what it saves up in a silence, and so what its limit is. Pure.

The first refusal leaves a range: the limit is above the sustained rate and below the rate now. Start in the middle,
grow fast, and let the next refusal narrow it (the **search**).

What a refusal says depends on the server. One with a bucket of tokens saves up what is not used, so that the limit is
the average between two refusals, and the last second before one was too fast. One that counts windows, or spaces
requests, saves nothing, so that the last second is right, and the average includes our own pauses. Which kind it is, is
found by trying: keep the faster estimate, and if that is refused at once, the server saves.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from itertools import takewhile
from math import inf, sqrt

from msgspec import Struct

from engine.pacing.learned import tuning

TALLY_MAX = 4096
"""Accepted requests whose times are remembered."""


class Measured(Struct, frozen=True):
    """What was accepted before a refusal, in requests per second."""

    until: float  # the start of the latest request whose reply can be here
    seconds: float  # how long `average` was measured
    average: float  # since the last refusal, or in the last seconds: right for a server that saves
    latest: float  # in the last second: right for a server that does not


class Tally:
    """Counts the requests that passed the rate limit, and remembers when the latest ones started."""

    def __init__(self) -> None:
        self.total = 0
        self.round_trip_s = tuning.ROUND_TRIP_S
        self._first_at: float | None = None
        self._latest: deque[tuple[float, float]] = deque(maxlen=TALLY_MAX)  # when they started and ended

    @property
    def first_at(self) -> float:
        """When the first request started."""
        return self._first_at or 0.0

    def begin(self, started_at: float) -> bool:
        """A request started then; return whether it is the first that is heard of."""
        if self._first_at is not None:
            return False
        self._first_at = started_at
        return True

    def took(self, seconds: float) -> None:
        """An accepted request took so long, from its start to its reply."""
        self.round_trip_s += 0.1 * (seconds - self.round_trip_s)

    def add(self, started_at: float, ended_at: float) -> None:
        """Count one."""
        self.total += 1
        self._latest.append((started_at, ended_at))

    def sustained(self, now: float, more: int = 0) -> float:
        """Return how many (and `more`) per second the server has sustained, as if it had had reserves at the start."""
        return (self.total + more) / (now - (self._first_at or 0.0) + tuning.RESERVES_S)

    def rate(self, since: float, until: float) -> float:
        """Return how many per second passed of those that started after `since` and not after `until`."""
        return sum(started <= until for started, _ in self._since(since)) / max(until - since, 0.05)

    def before(self, refused_at: float, seconds: float, in_flight: int) -> float:
        """Return how many passed that started in the last `seconds` before one that started at `refused_at`.

        So many were `in_flight` when it started, itself included: all others before the first that is refused pass.
        """
        ended = sum(ended <= refused_at for _, ended in self._since(refused_at - seconds - 1e-6))
        return ended + in_flight - 1

    def _since(self, since: float) -> Iterator[tuple[float, float]]:
        return takewhile(lambda one: one[0] > since, reversed(self._latest))


class Former:
    """A limit that was good for long and has fallen may come back soon: it is worth more refusals to find out."""

    def __init__(self) -> None:
        self.limit = 0.0
        """Requests per second."""
        self._until, self._changed_at = -inf, inf

    def replaced(self, known: float, by: float, now: float) -> None:
        """The limit was `known`, and is `by` now."""
        if abs(by - known) < tuning.SAME * known:
            self._changed_at = min(self._changed_at, now)  # it has been good since then at the latest
            return
        if now > self._until:
            self.limit = 0.0
        if now - self._changed_at >= tuning.HOLD_MIN_S and known > max(by, (1 - tuning.SAME) * self.limit):
            self.limit, self._until = known, now + tuning.FORMER_S
        self._changed_at = now

    def is_expected(self, known: float, now: float) -> bool:
        """Whether it may come back, and has not yet."""
        return now < self._until and known < tuning.RETURNED * self.limit


class Estimate:
    """The limit found so far, in requests per second, and how much is known of the server that sets it."""

    def __init__(self, known: float | None) -> None:
        self.known = known
        self.is_searching = known is None
        self.saves: bool | None = None
        """Whether the server saves up what is not used; None until it is found out."""
        self.former = Former()
        self._fell_at = -inf

    def guess(self, sustained: float, rate: float) -> None:
        """After the first refusal: the middle of what the limit can be, for it is just below `rate` at most."""
        self.known = sqrt(min(sustained, rate) * rate)

    def found(self, known: float) -> None:
        """The limit is `known`, as was found out otherwise."""
        self.known, self.is_searching = max(tuning.RATE_MIN, known), False

    def search_from(self, known: float) -> None:
        """The limit is above `known`."""
        self.known, self.is_searching = max(tuning.RATE_MIN, known), True

    def correct(self, known: float, rate: float, measured: Measured) -> float:
        """`rate` was refused, while the limit was believed to be `known`: return what it is believed to be now."""
        self.known = max(tuning.RATE_MIN, self._corrected(known, rate, measured))
        return self.known

    def held(self, seconds: float) -> None:
        """The limit was held for so long without a refusal."""
        if self.saves is None and not self.is_searching and seconds > tuning.PROVEN_S:
            self.saves = False

    def _corrected(self, known: float, rate: float, measured: Measured) -> float:
        if rate <= 1.01 * tuning.KEEP * known:
            return self._fallen(known, measured)
        optimistic = sqrt(max(measured.latest, known) * rate)
        if measured.average > 1.15 * known or rate > tuning.RISEN * known:
            self.saves = None
            self.is_searching = not self.is_searching  # far off: search once more, unless this was the search
            return optimistic
        was_searching, self.is_searching = self.is_searching, False
        if self.saves:
            return max(known, min(measured.average, rate))
        return optimistic if was_searching else max(known, measured.latest)

    def _fallen(self, known: float, measured: Measured) -> float:
        """The limit, after a refusal of a rate that was thought to be safe."""
        self.saves, self.is_searching = True, False
        again, self._fell_at = measured.until - self._fell_at < tuning.AGAIN_S, measured.until
        if measured.seconds < 0.9:
            return 0.9 * known  # too short a time to measure in
        lower = min(0.95 * known, measured.average if again else max(0.9 * known, measured.average))
        return max(0.5 * known, lower)
