"""Refusals (429) that have nothing to do with the rate: learned, tolerated, and told from those of a limit. Pure.

A rate limit refuses what exceeds it. So at a rate that is well below what was accepted between two refusals (when a
server has no reserves left, neither at the first nor at the second) it refuses nothing. If a small share of requests is
refused even there, slowing down has bought nothing: the cause is another (a busy gateway, one bad node of many). From
then on that share is tolerated, and only more than it counts as a limit. "More" is judged by a cumulative sum of log
likelihoods (Page's CUSUM): every refusal adds to the suspicion, every accepted request takes some of it away.
"""

from __future__ import annotations

from collections import deque
from math import log


class Noise:
    """The share of requests that is refused whatever the rate is. Rates are in requests per second."""

    DEPTH = 0.95
    """A rate is well below what was accepted when it is this share of it ..."""
    DEEPER = 0.85
    """... and again by so much after every proof that turned out to be wrong."""
    REFUSALS_MIN = 4
    """So many requests must be refused down there to prove that the rate is not the reason ..."""
    SHARE_MAX = 0.12
    """... but no more than this share: a limit that has fallen refuses more."""
    INTERVALS_KEPT = 8
    """Between refusals: the fastest of them is where the rate goes back to when noise is proven."""
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
    """A limit that shows so soon after noise was proven is real, and the proof was wrong."""

    def __init__(self) -> None:
        self.share = 0.0
        """Tolerated; 0 until it is proven that a share has to be."""
        self.suspects = 0
        """Refusals that the latest suspicion of a limit rests on."""
        self._depth = self.DEPTH
        self._proven = 0.0
        self._suspicion = 0.0
        self._since_refusal = self._since_proof = 0
        self._sent = self._refused = 0.0
        self._accepted: deque[float] = deque(maxlen=self.INTERVALS_KEPT)
        self._forget_test()

    def _forget_test(self) -> None:
        self._test_sent = self._test_refused = 0

    def accepted_between(self, rate: float) -> None:
        """So much was accepted from one refusal to the next."""
        self._accepted.append(rate)

    def passed(self, rate: float) -> None:
        """A request was not refused at `rate`."""
        self._sent += 1
        self._test_sent += self._is_low(rate)
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

    def proven_by(self, rate: float) -> float | None:
        """A request was refused at `rate`: if that proves noise, return a rate that no limit forbids."""
        self._sent += 1
        self._refused += 1
        if not self._is_low(rate):
            return None
        self._test_sent += 1
        self._test_refused += 1
        if self._test_refused < self.REFUSALS_MIN:
            return None
        if self._test_refused > self.SHARE_MAX * self._test_sent:
            return None
        if self.share and self._test_refused <= self.share * self._test_sent * self.DRIFT:
            return None  # as expected
        self._suspicion, self._since_refusal, self._since_proof = 0.0, 0, 0
        self._sent, self._refused = float(self._test_sent), float(self._test_refused)
        self._forget_test()
        self._proven = self.SHARE_MAX
        self._estimate()
        self._proven = self.share
        return max(self._accepted)

    def tolerates(self) -> bool:
        """Whether the refusal that was just told is one of those that have to be expected at any rate."""
        if not self.share:
            self.suspects = 0
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
            self.share = 0.0
            self._forget_test()
        return False

    def _is_low(self, rate: float) -> bool:
        """Whether no limit of late can have forbidden it; only the latest intervals tell, for limits may change."""
        return bool(self._accepted) and rate <= self._depth * max(list(self._accepted)[-2:])

    def _estimate(self) -> None:
        fading = min(1.0, self.MEMORY / max(1.0, self._sent))
        self._sent *= fading
        self._refused *= fading
        share = (self._refused + 0.5) / (self._sent + 20)
        self.share = min(self.SHARE_MAX, self.DRIFT * self._proven, max(self.SHARE_MIN, share))
