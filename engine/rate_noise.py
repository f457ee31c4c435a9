"""Refusals (429) that have nothing to do with the rate: learned, tolerated, and told from those of a limit. Pure.

A rate limit refuses what exceeds it, so that slowing down ends its refusals. When the rate has been cut again and again
and the same small share is still refused, the cuts have bought nothing: the cause is another (a busy gateway, one bad
node of many), and slowing down only costs time. From then on that share is tolerated, and only more than it counts as
a limit. "More" is judged by a cumulative sum of log likelihoods (Page's CUSUM): every refusal adds to the suspicion,
every accepted request takes some of it away, and what remains of it is the evidence of the latest requests.
"""

from __future__ import annotations

from math import log


class Noise:
    """The share of requests that is refused whatever the rate is."""

    CUTS_TESTED = 0.87
    """The rate must have been cut to this share of what it was ..."""
    REFUSALS_MIN = 3
    """... and so many requests have been refused meanwhile ..."""
    SHARE_MAX = 0.12
    """... but no more than this share: a limit that has really fallen so far refuses more."""
    EXCESS = 0.15
    """A limit is suspected to refuse this share, or `EXCESS_TIMES` the tolerated one if that is more."""
    EXCESS_TIMES = 3.0
    SUSPICION_MAX = 4.0
    """A limit is so much more likely than noise, as a natural logarithm, when it is believed."""
    MEMORY = 300.0
    """The tolerated share is that of about so many latest requests."""
    GONE = 8.0
    """Without a refusal for so many times the usual distance between two, the noise is over."""
    ERROR_REQUESTS = 60
    """Who believes in a limit again so many requests after calling it noise was wrong to call it so."""

    def __init__(self) -> None:
        self.share = 0.0
        """Tolerated; 0 until it is proven that a share has to be."""
        self.tolerated = 0
        """Refusals that were taken for noise."""
        self._top: float | None = None
        self._refusals_min = self.REFUSALS_MIN
        self._forget()

    def _forget(self) -> None:
        self._top = None
        self._sent = self._refused = 0.0
        self._suspicion = 0.0
        self._suspects = 0
        self._since_refusal = 0
        self._since_proof = 0

    def passed(self) -> None:
        """A request was not refused."""
        self._sent += 1
        if not self.share:
            return
        self._since_refusal += 1
        self._since_proof += 1
        excess = self._excess
        self._suspicion = max(0.0, self._suspicion + log((1 - excess) / (1 - self.share)))
        if not self._suspicion:
            self._suspects = 0
        self._estimate()
        if self._since_refusal * self.share > self.GONE:
            self.share = 0.0
            self._forget()

    def cut(self, before: float, after: float) -> None:
        """The limit was moved because of a refusal, from `before` to `after`, in requests per second."""
        if self._top is None and after < before:
            self._top, self._sent, self._refused = before, 0.0, 0.0
        elif self._top is not None and after >= self._top and not self.share:
            self._forget()

    def proven_by(self, rate: float) -> float | None:
        """A request was refused at `rate`: if that proves that cuts do not help, return the limit before them."""
        self._sent += 1
        self._refused += 1
        top = self._top
        if self.share or top is None or rate > self.CUTS_TESTED * top or self._refused < self._refusals_min:
            return None
        if self._refused > self.SHARE_MAX * self._sent:
            return None
        self._top = None
        self._since_refusal = self._since_proof = 0
        self._estimate()
        return top

    def tolerates(self) -> bool:
        """Whether the refusal that was just told is one of those that have to be expected at any rate."""
        if not self.share:
            return False
        self._since_refusal = 0
        self._suspects += 1
        self._suspicion += log(self._excess / self.share)
        if self._suspicion <= self.SUSPICION_MAX:
            self.tolerated += 1
            self._estimate()
            return True
        self._refused = max(0.0, self._refused - self._suspects)
        if self._since_proof < self.ERROR_REQUESTS:
            self._refusals_min *= 2
            self.share = 0.0
            self._forget()
        self._suspicion, self._suspects = 0.0, 0
        return False

    @property
    def _excess(self) -> float:
        return max(self.EXCESS, self.EXCESS_TIMES * self.share)

    def _estimate(self) -> None:
        fading = min(1.0, self.MEMORY / max(1.0, self._sent))
        self._sent *= fading
        self._refused *= fading
        self.share = min(self.SHARE_MAX, max(0.005, (self._refused + 0.5) / (self._sent + 20)))
