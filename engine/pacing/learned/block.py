"""Times in which a server refuses everything, because a quota is used up. Pure; the clock comes in."""

from __future__ import annotations

from math import inf

from engine.pacing.learned import tuning


class Block:
    """A time in which everything is refused: a quota is used up, and however slow one goes, only time helps.

    Windows by the clock end so, and gateways' tables that count the requests of the last seconds, refused ones too. So
    one request at a time probes, ever more rarely. What passed from one block's end to the next one's is the quota.
    """

    def __init__(self) -> None:
        self.rate_max = inf
        """Requests that may start per second: probes."""
        self.period_s = 0.0
        """From the end of one block to the end of the next."""
        self._in_a_row = 0
        self._began_at = self._refused_at = inf
        self._last_ended_at: float | None = None

    def refused(self, started_at: float) -> bool:
        """A request was refused; return whether that is one of a block."""
        self._in_a_row += 1
        self._began_at, self._refused_at = min(self._began_at, started_at), started_at
        if self._in_a_row < tuning.BLOCK_REFUSALS_MIN:
            return False
        probe_s = max(tuning.PROBE_S, tuning.PROBE_SHARE * (started_at - self._began_at))
        self.rate_max = 1 / min(tuning.PROBE_MAX_S, probe_s)
        return True

    def forget(self) -> None:
        """The server asked for silence, or the block is over."""
        self._in_a_row, self._began_at, self.rate_max = 0, inf, inf

    def accepted(self, started_at: float, first_at: float) -> tuple[float, float] | None:
        """A request was accepted: if it ends a long block, return when the last one ended, and when this one did.

        That is between the latest probe that was refused and this one.
        """
        if started_at < self._began_at:
            return None
        is_long = self.rate_max < inf and started_at - self._began_at >= tuning.BLOCK_MIN_S
        ended_at = (self._refused_at + started_at) / 2
        self.forget()
        if not is_long:
            return None
        since = max(first_at, self._last_ended_at or first_at)
        self.period_s, self._last_ended_at = ended_at - since, ended_at
        return since, ended_at
