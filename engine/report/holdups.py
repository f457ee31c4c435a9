"""What held a run up, and when: stretches of time in which it sent nothing, or not what it came to send."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

HOLDUPS_MAX = 200
"""The most that a report keeps: when there are more, neighbours of a kind become one."""

OUTAGE = "outage"
SILENCE = "silence"
ISOLATING = "isolating"
LATE_COPIES = "late_copies"
STOPPING = "stopping"

HOLDUP_WORDS = {
    OUTAGE: ("outage", "request after request failed, and none succeeded"),
    SILENCE: ("asked to wait", "the API had asked for silence (Retry-After, or a quota that was used up)"),
    ISOLATING: ("isolating", "parts of requests were sent, to find the records that spoil them"),
    LATE_COPIES: ("waiting", "an older copy of the next values might still have been applied (upload.late_copy_s)"),
    STOPPING: ("stopping", "nothing new was sent; what was in flight was finished"),
}
"""How each kind is called, and what it means."""

_JOINED_S = 1.0
"""What begins so soon after the end of its like is taken as its continuation."""

_SAME_S = 0.01
"""What begins so soon is the same, seen again."""


@dataclass(frozen=True, slots=True)
class Holdup:
    """Something held the run up, from `t_s` to `end_s` seconds of work after its start.

    `kind` is a key of `HOLDUP_WORDS`, or one that another version knows. It may stand for several that were `times`
    apart only a little; `held_s` is how long they lasted together.
    """

    kind: str
    t_s: float
    end_s: float
    times: int = 1
    held_s: float = 0.0


class HoldupRecorder:
    """Collects what holds a run up, in bounded space.

    A resumed run starts with what its earlier processes have seen.
    """

    def __init__(self, earlier: Iterable[Holdup] = ()) -> None:
        self.holdups = list(earlier)
        """What was seen so far, at most `HOLDUPS_MAX`, in the order in which they began."""
        self._joined_s = _JOINED_S

    def saw(self, kind: str, since_s: float, until_s: float) -> None:
        """Note that something of this kind has held the run up since then, and still did at `until_s`."""
        since_s, until_s = round(since_s, 2), round(until_s, 2)
        self._add(Holdup(kind, since_s, until_s, held_s=round(until_s - since_s, 2)))
        while len(self.holdups) > HOLDUPS_MAX:
            self._joined_s *= 2
            fine, self.holdups = self.holdups, []
            for each in fine:
                self._add(each)

    def _add(self, new: Holdup) -> None:
        place = next((n for n in reversed(range(len(self.holdups))) if self.holdups[n].kind == new.kind), None)
        if place is None or new.t_s - self.holdups[place].end_s > self._joined_s:
            self.holdups.append(new)
            return
        old = self.holdups[place]
        overlap_s = max(0.0, min(old.end_s, new.end_s) - max(old.t_s, new.t_s))
        self.holdups[place] = replace(
            old,
            end_s=max(old.end_s, new.end_s),
            times=old.times + new.times - (new.t_s - old.end_s <= _SAME_S),
            held_s=round(old.held_s + new.held_s - overlap_s, 2),
        )
