"""Is it the API that answers? Judged by the replies until the first one in the documented form. Pure.

In front of the API, or in its place, stand gateways, portals and proxies. What they say is about no record, and two
alike are enough to believe that nothing else will come; only a refusal may be for the sake of a single record, so a few
parts of what was refused are tried first.
"""

from __future__ import annotations

from collections import Counter

from engine.api import Fatal, RefusedWhole, Settled, TryAgain, Unproven, Verdict, not_the_api
from engine.pipeline.sending import Doubted

ALIKE_MAX = 2
"""So many successes that are none, alike in status and kind, end the run."""
REFUSALS_MAX = 12
"""So many refusals in no documented form end it; with what is in flight beside them they are 20 requests at most."""


class Recognition:
    """What the replies of this process have proven so far."""

    def __init__(self) -> None:
        self.is_api = False
        """Whether a reply was in the documented form."""
        self._oddities: Counter[str] = Counter()
        self._refusals = 0

    def judge(self, verdict: Verdict | Doubted) -> Verdict | Doubted:
        """Return `verdict`, or what it means if nobody there knows the API."""
        if isinstance(verdict, (Settled, Unproven)) or (isinstance(verdict, RefusedWhole) and not verdict.oddity):
            self.is_api = True
        if self.is_api or isinstance(verdict, (Settled, Unproven, Fatal, Doubted)) or not verdict.oddity:
            return verdict
        if isinstance(verdict, TryAgain):
            self._oddities[verdict.oddity] += 1
            is_over = self._oddities[verdict.oddity] >= ALIKE_MAX
        elif verdict.too_large:
            return verdict  # that is for a gateway to say, and does speak of the records
        else:
            self._refusals += 1
            is_over = self._refusals >= REFUSALS_MAX
        if is_over:
            return Fatal(not_the_api(verdict.oddity), verdict.http_status or 0)
        return Doubted(verdict.reason, verdict.http_status) if isinstance(verdict, RefusedWhole) else verdict
