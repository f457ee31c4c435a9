"""Is it the API that answers? Judged by whether replies have the documented form. Pure.

In front of the API, or in its place, stand gateways, portals and proxies. What they say is about no record, and two
successes alike that are none are enough to believe that nothing else will come. Only a refusal may be for the sake of a
single record, at any time: so parts of what was refused are tried first, and if none passes, no record is blamed.
"""

from __future__ import annotations

from collections import Counter

from engine.api import Fatal, RefusedWhole, Settled, TryAgain, Unproven, Verdict, not_the_api
from engine.pipeline.sending import Doubted

ALIKE_MAX = 2
"""So many successes that are none, alike in status and kind, end the run."""
REFUSALS_MAX = 12
"""So many refusals in no documented form, with no success between them, end it; with what is in flight beside them they
are 20 requests at most."""


class Recognition:
    """What the replies of this process have proven so far."""

    def __init__(self) -> None:
        self.is_api = False
        """Whether a reply was in the documented form."""
        self._oddities: Counter[str] = Counter()
        self._refusals = 0

    def judge(self, verdict: Verdict | Doubted) -> Verdict | Doubted:
        """Return `verdict`, or what it means if nobody there knows the API."""
        match verdict:
            case Settled() | Unproven():
                self.is_api, self._refusals = True, 0
            case RefusedWhole(oddity=""):
                self.is_api = True
            case RefusedWhole(too_large=False, oddity=oddity, http_status=status):
                self._refusals += 1
                if self._refusals >= REFUSALS_MAX:
                    return Fatal(not_the_api(oddity), status)
                return Doubted(verdict.reason, status, f"{verdict.reason}, and others pass")
            case TryAgain(oddity=oddity, http_status=status) if oddity and not self.is_api:
                self._oddities[oddity] += 1
                if self._oddities[oddity] >= ALIKE_MAX:
                    return Fatal(not_the_api(oddity), status or 0)
        return verdict  # a 413 is for a gateway to say, and does speak of the records
