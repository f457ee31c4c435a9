"""The servers that pacing is measured against: what each allows, and how fast it could be done at best."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

RECORDS_PER_REQUEST = 100
"""Small requests: it is their number and timing that matters here, not their bytes."""

CEILINGS_FAR_TOO_HIGH: Mapping[str, Any] = {"requests_per_second": 1_000.0, "concurrency": 64}

_STEP_S = 0.01


@dataclass(frozen=True, slots=True)
class Scenario:
    """A server and a number of requests.

    `rates` are the requests a second that it allows from a time on, in seconds (none: no such limit); `capacity` is how
    many requests it serves at a time (0: any number), `service_s` how long one takes. Some gateways refuse with 503.
    `upload` is what the engine is told. `target` is what the engine should reach, in words.
    """

    name: str
    title: str
    requests: int = 400
    service_s: float = 0.1
    upload: Mapping[str, Any] = field(default_factory=lambda: CEILINGS_FAR_TOO_HIGH)
    target: str = "≥ 90 %"
    rates: Sequence[tuple[float, float]] = ()
    burst: float = 1.0
    capacity: int = 0
    outage: tuple[float, float] = (0.0, 0.0)
    refuses_with_503: bool = False
    more_flags: Sequence[str] = ()

    def flags(self) -> list[str]:
        """Return the flags of the stand-in."""
        flags = ["--count-only", "--latency-ms", f"{self.service_s * 1000:g}", "--burst", f"{self.burst:g}"]
        if len(self.rates) == 1:
            flags += ["--rate", f"{self.rates[0][1]:g}"]
        elif self.rates:
            flags += ["--rate-schedule", ",".join(f"{at:g}:{rate:g}" for at, rate in self.rates)]
        if self.capacity:
            flags += ["--capacity", str(self.capacity)]
        if self.refuses_with_503:
            flags += ["--rate-status", "503"]
        if self.outage[1]:
            flags += ["--outage", f"{self.outage[0]:g}:{self.outage[1]:g}"]
        return [*flags, *self.more_flags]

    def rate_at(self, t_s: float) -> float:
        """Return how many requests a second could be served at that time."""
        if self.outage[0] <= t_s < self.outage[1]:
            return 0.0
        by_rate = next((rate for at, rate in reversed(self.rates) if at <= t_s), float("inf"))
        by_capacity = self.capacity / self.service_s if self.capacity else float("inf")
        return min(by_rate, by_capacity, float(self.upload["requests_per_second"]))

    def best_s(self, accepted: int, failed: int) -> float:
        """Return the least time in which the server can have accepted so many requests and answered so many with 503.

        A 503 takes its turn under a rate, unless that is how the rate refuses, but no time of a server that is bound by
        its capacity, or in an outage.
        """
        takes_turns = not (self.capacity or self.outage[1] or self.refuses_with_503)
        wanted = accepted + (failed if takes_turns else 0)
        t_s, passed = 0.0, 0.0 if self.capacity else self.burst
        while passed < wanted:
            passed += self.rate_at(t_s) * _STEP_S
            t_s += _STEP_S
        return t_s if self.capacity else t_s + self.service_s


_TOLD_20 = {"requests_per_second": 20.0, "concurrency": 8}
_ONE_IN_A_HUNDRED_503 = ("--error-share", "0.01", "--seed", "7")

SCENARIOS = {
    scenario.name: scenario
    for scenario in (
        Scenario(
            "capacity",
            "A: known capacity, 8 at a time, 1 s each; 1 % 503",
            requests=200,
            service_s=1.0,
            upload={"requests_per_second": 1_000.0, "concurrency": 8},
            target="≥ 97 %, < 0.5 % refused",
            capacity=8,
            more_flags=_ONE_IN_A_HUNDRED_503,
        ),
        Scenario(
            "rate",
            "B: known rate, 10/s, burst 10; 1 % 503",
            requests=200,
            upload={"requests_per_second": 10.0, "concurrency": 8},
            target="≥ 97 %, < 0.5 % refused",
            rates=((0, 10),),
            burst=10,
            more_flags=_ONE_IN_A_HUNDRED_503,
        ),
        Scenario(
            "unknown-rate",
            "unknown rate, 20/s, Retry-After",
            target="≥ 90 %, warm ≥ 95 %, < 3 % refused",
            rates=((0, 20),),
            burst=5,
        ),
        Scenario(
            "unknown-rate-silent",
            "unknown rate, 20/s, no Retry-After",
            target="≥ 90 %, warm ≥ 95 %, < 3 % refused",
            rates=((0, 20),),
            burst=5,
            more_flags=("--retry-after", "none"),
        ),
        Scenario(
            "unknown-window",
            "unknown rate, 20 in each second by the clock",
            target="≥ 90 %, warm ≥ 95 %, < 3 % refused",
            rates=((0, 20),),
            burst=20,
            more_flags=("--rate-window-s", "1"),
        ),
        Scenario(
            "unknown-window-2s",
            "unknown rate, 20 in each two seconds by the clock",
            rates=((0, 10),),
            burst=20,
            more_flags=("--rate-window-s", "2"),
        ),
        Scenario(
            "small-reserves",
            "unknown rate, 10/s, reserves of 3, Retry-After",
            rates=((0, 10),),
            burst=3,
        ),
        Scenario(
            "no-reserves",
            "unknown rate, 10/s, no reserves, no Retry-After",
            rates=((0, 10),),
            more_flags=("--retry-after", "none"),
        ),
        Scenario(
            "gateway-503",
            "a gateway's limit, 10/s, reserves of 3, that says 503",
            rates=((0, 10),),
            burst=3,
            refuses_with_503=True,
            more_flags=("--retry-after", "none"),
        ),
        Scenario(
            "stick-table",
            "a gateway's stick table: 100 in the last 10 s, refused ones too",
            target="≥ 60 %",
            rates=((0, 10),),
            burst=100,
            more_flags=("--retry-after", "none", "--rate-sliding-s", "10"),
        ),
        Scenario(
            "unknown-capacity",
            "unknown capacity, 6 at a time, 0.3 s each, the others queue",
            service_s=0.3,
            target="≥ 90 %, warm ≥ 95 %",
            capacity=6,
        ),
        Scenario(
            "changes",
            "unknown rate that halves and doubles back, twice: 10, 5, 10, 5, 10/s",
            requests=850,
            target="found within 10 s, both ways, twice",
            rates=((0, 10), (20, 5), (40, 10), (60, 5), (80, 10)),
            burst=3,
        ),
        Scenario(
            "outage",
            "an outage of 10 s (503); known rate, 20/s",
            upload=_TOLD_20,
            target="rate back within 10 s",
            rates=((0, 20),),
            burst=5,
            outage=(8.0, 18.0),
        ),
        Scenario(
            "random-503",
            "1 % random 503; known rate, 20/s",
            upload=_TOLD_20,
            target="≥ 97 %",
            rates=((0, 20),),
            burst=5,
            more_flags=_ONE_IN_A_HUNDRED_503,
        ),
        Scenario(
            "random-429",
            "3 % random 429, Retry-After none; known rate, 20/s",
            requests=900,
            upload=_TOLD_20,
            more_flags=("--fault", "429:0.03", "--seed", "7"),
        ),
    )
}
