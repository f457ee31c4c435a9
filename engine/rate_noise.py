"""Refusals (429) that have nothing to do with the rate: learned, tolerated, and told from those of a limit. Pure.

A rate limit refuses what exceeds it, so that slowing down ends its refusals. When the rate has been cut again and again
and the same small share is still refused, the cuts have bought nothing: the cause is another (a busy gateway, one bad
node of many), and slowing down only costs time. From then on that share is tolerated, and only more than it counts as
a limit. "More" is judged by a cumulative sum of log likelihoods (Page's CUSUM): every refusal adds to the suspicion,
every accepted request takes some of it away, and what remains of it is the evidence of the latest requests.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import log


@dataclass(slots=True)
class Test:
    """Do cuts help? Counts the requests at a rate far below what it was before them."""

    top: float
    """The limit before the cuts, in requests per second."""
    sent: int = 0
    refused: int = 0


class Noise:
    """The share of requests that is refused whatever the rate is."""

    DEPTH = 0.87
    """A rate is far below when it is this share of what it was ..."""
    DEEPER = 0.87
    """... and again by so much after every test whose result turned out to be wrong."""
    REFUSALS_MIN = 2
    """So many requests must be refused down there to prove that cuts do not help ..."""
    SHARE_MAX = 0.12
    """... but no more than this share: a limit that has really fallen refuses more."""
    SHARE_MIN = 0.005
    EXCESS = 0.10
    """A limit is suspected to refuse so much more than the tolerated share."""
    SUSPICION_MAX = 4.0
    """A limit is so much more likely than noise, as a natural logarithm, when it is believed."""
    MEMORY = 300.0
    """The tolerated share is that of about so many latest requests."""
    DRIFT = 1.5
    """It may grow to so many times what was proven; more has to be proven again."""
    GONE = 8.0
    """Without a refusal for so many times the usual distance between two, the noise is over."""
    TRIAL_REQUESTS = 100
    """A limit that shows so soon after the cuts were taken back is real: that was wrong."""

    def __init__(self) -> None:
        self.share = 0.0
        """Tolerated; 0 until it is proven that a share has to be."""
        self.suspects = 0
        """Refusals that the latest suspicion of a limit rests on."""
        self._proven = 0.0
        self._test: Test | None = None
        self._depth = self.DEPTH
        self._sent = self._refused = 0.0
        self._suspicion = 0.0
        self._since_refusal = self._since_proof = 0

    def passed(self, rate: float) -> None:
        """A request was not refused at `rate` requests per second."""
        self._sent += 1
        if self._test is not None:
            self._test.sent += rate <= self._depth * self._test.top
        if not self.share:
            return
        self._since_refusal += 1
        self._since_proof += 1
        self._suspicion = max(0.0, self._suspicion + log(1 - self.EXCESS / (1 - self.share)))
        self._estimate()
        if self._since_proof == self.TRIAL_REQUESTS:
            self._depth = self.DEPTH
        if self._since_refusal * self.share > self.GONE:
            self.share = 0.0

    def cut(self, before: float, after: float) -> None:
        """The limit was moved because of a refusal, from `before` to `after`, in requests per second."""
        if self._test is None and after < before:
            self._test = Test(before)
        elif self._test is not None and after >= self._test.top:
            self._test = None

    def proven_by(self, rate: float) -> float | None:
        """A request was refused at `rate`: if that proves that cuts do not help, return the limit before them."""
        self._sent += 1
        self._refused += 1
        test = self._test
        if test is None or rate > self._depth * test.top:
            return None
        test.sent += 1
        test.refused += 1
        if test.refused < self.REFUSALS_MIN or test.refused > self.SHARE_MAX * test.sent:
            return None
        self._test = None
        self._suspicion, self._since_refusal, self._since_proof = 0.0, 0, 0
        self._sent, self._refused = float(test.sent), float(test.refused)
        self._proven = self.SHARE_MAX
        self._estimate()
        self._proven = self.share
        return test.top

    def tolerates(self) -> bool:
        """Whether the refusal that was just told is one of those that have to be expected at any rate."""
        if not self.share:
            return False
        self._since_refusal = 0
        self.suspects = self.suspects + 1 if self._suspicion else 1
        self._suspicion += log(1 + self.EXCESS / self.share)
        if self._suspicion <= self.SUSPICION_MAX:
            self._estimate()
            return True
        self._suspicion = 0.0
        if self._since_proof < self.TRIAL_REQUESTS:
            self._depth *= self.DEEPER
            self._since_proof = self.TRIAL_REQUESTS
        return False

    def _estimate(self) -> None:
        fading = min(1.0, self.MEMORY / max(1.0, self._sent))
        self._sent *= fading
        self._refused *= fading
        share = (self._refused + 0.5) / (self._sent + 20)
        self.share = min(self.SHARE_MAX, self.DRIFT * self._proven, max(self.SHARE_MIN, share))
