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

from engine.pacing.learned import tuning


class LowRates:
    """What becomes of requests at rates well below what was accepted between two refusals."""

    def __init__(self) -> None:
        self.depth = tuning.DEPTH
        self.accepted: deque[float] = deque(maxlen=tuning.INTERVALS_KEPT)
        self._sent = self._refused = self._in_between = self._gap = 0

    def count(self, rate: float, *, refused: bool) -> bool:
        """Count a request at `rate`, if no limit of late can have forbidden it; whether that is so."""
        if refused and self._in_between < tuning.IN_BETWEEN_MIN:
            self.forget()  # noise strikes here and there, a limit that has fallen again and again
            self.accepted.clear()
        if refused:
            self._gap = self._in_between
        self._in_between = 0 if refused else self._in_between + 1
        is_low = bool(self.accepted) and rate <= self.depth * max(list(self.accepted)[-2:])  # for limits may change
        self._sent += is_low
        self._refused += is_low and refused
        return is_low

    def prove(self, share: float) -> tuple[int, int] | None:
        """Return requests sent and refused down there, if that is more than `share` explains, and less than a limit."""
        sent, refused = self._sent, self._refused
        if refused < tuning.NOISE_REFUSALS_MIN or refused > tuning.NOISE_MAX * sent:
            return None
        if self._gap < tuning.NOISE_GAP_MIN:
            return None  # a limit that has just fallen
        if share and refused <= share * sent * tuning.DRIFT:
            return None  # as expected
        self.forget()
        return sent, refused

    def forget(self) -> None:
        """Count anew."""
        self._sent = self._refused = 0


class Share:
    """The share of requests that is refused whatever the rate is, estimated; 0 until it is proven that there is one."""

    def __init__(self) -> None:
        self.value = 0.0
        self._proven = 0.0
        self._sent = self._refused = 0.0

    def count(self, *, refused: bool) -> None:
        """Count a request."""
        self._sent += 1
        self._refused += refused

    def prove(self, sent: int, refused: int) -> None:
        """Of so many requests, so many were refused whatever the rate."""
        self._sent, self._refused = float(sent), float(refused)
        self._proven = tuning.NOISE_MAX
        self.estimate()
        self._proven = self.value

    def assume(self) -> None:
        """Take it that a small share is refused whatever the rate."""
        self.value = self._proven = tuning.NOISE_ASSUMED

    def estimate(self) -> None:
        """Take the share of those counted; the latest tell most."""
        fading = min(1.0, tuning.MEMORY / max(1.0, self._sent))
        self._sent *= fading
        self._refused *= fading
        share = (self._refused + 0.5) / (self._sent + 20)
        self.value = min(tuning.NOISE_MAX, tuning.DRIFT * self._proven, max(tuning.NOISE_MIN, share))


class Noise:
    """Tells noise from a limit. Rates are in requests per second."""

    def __init__(self) -> None:
        self.suspects = 0
        """Refusals that the latest suspicion of a limit rests on."""
        self.is_tolerated = False
        """Whether the latest refusal was noise."""
        self._low_rates = LowRates()
        self._share = Share()
        self._suspicion = 0.0
        self._since_refusal = self._since_proof = 0

    @property
    def share(self) -> float:
        """The share that is tolerated."""
        return self._share.value

    def accepted_between(self, rate: float) -> None:
        """So much was accepted from one refusal to the next."""
        self._low_rates.accepted.append(rate)

    def assume(self) -> None:
        """Nothing speaks for a limit yet: take a refusal now and then for noise, as long as they are few."""
        if not self.share:
            self._share.assume()
            self._suspicion, self._since_refusal, self._since_proof = 0.0, 0, 0

    def passed(self, rate: float) -> None:
        """A request was not refused at `rate`."""
        self._share.count(refused=False)
        self._low_rates.count(rate, refused=False)
        if not self.share:
            return
        self._since_refusal += 1
        self._since_proof += 1
        self._suspicion = max(0.0, self._suspicion + log(1 - tuning.EXCESS / (1 - self.share)))
        self._share.estimate()
        if self._since_proof == tuning.TRIAL_REQUESTS:
            self._low_rates.depth = tuning.DEPTH
        if self._since_refusal * self.share > tuning.GONE:
            self._share.value = 0.0

    def proven_by(self, rate: float) -> float | None:
        """A request was refused at `rate`: if that proves noise, return a rate that no limit forbids."""
        self._share.count(refused=True)
        proof = self._low_rates.prove(self.share) if self._low_rates.count(rate, refused=True) else None
        if proof is None:
            return None
        self._share.prove(*proof)
        self._suspicion, self._since_refusal, self._since_proof = 0.0, 0, 0
        self.is_tolerated = True
        return max(self._low_rates.accepted)

    def tolerates(self) -> bool:
        """Whether the refusal that was just told is one of those that have to be expected at any rate."""
        if not self.share:
            self.suspects = 0
        self.is_tolerated = bool(self.share) and self._is_expected()
        return self.is_tolerated

    def _is_expected(self) -> bool:
        self._since_refusal = 0
        self.suspects = self.suspects + 1 if self._suspicion else 1
        self._suspicion += log(1 + tuning.EXCESS / self.share)
        if self._suspicion <= tuning.SUSPICION_MAX:
            self._share.estimate()
            return True
        self._suspicion = 0.0
        if self._since_proof < tuning.TRIAL_REQUESTS:  # the proof was wrong
            self._low_rates.depth *= tuning.DEEPER
            self._low_rates.forget()
            self._share.value = 0.0
        return False
