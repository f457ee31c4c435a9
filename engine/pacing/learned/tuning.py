"""What the learned pacing takes for granted, in one place: found by trial on modelled servers."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Tuning:
    """The constants of the learned pacing. Rates are in requests per second."""

    # Where a run starts.
    rate_at_start: float = 10.0
    few_in_flight: int = 8  # with so few at most, a faster start risks little, and a slow server is busy at once
    faster_start: float = 4.0
    in_flight_at_start: float = 16.0
    share_of_learned: float = 0.7  # a run starts with this share of the rate that the last one learned
    round_trip_s: float = 0.2  # until one has been measured

    # The rate until the first refusal.
    at_risk: float = 6.0  # requests that may be refused before the first refusal is heard of ...
    at_risk_share: float = 0.04  # ... or this share of all that were accepted, if that is more
    refusal_s: float = 0.2  # until a refusal is heard of at most, however long an accepted request takes
    reserves_s: float = 1.0  # a server is assumed to have reserves for so many seconds at the start
    worth_telling: float = 1.25  # a rate that has grown to so many times the one told last is told

    # The rate since the last refusal: dip, hold, probe.
    dip: float = 0.85  # after a refusal, this share of the rate ...
    dip_requests: float = 2.0  # ... until so many requests were spared
    keep: float = 0.98  # the share of the known limit that is used, so that a server that saves has some reserve
    hold_min_s: float = 3.0
    hold_max_s: float = 20.0
    refused_share: float = 0.022  # the hold is so long that the refusals before it are about this share of it ...
    lost_share: float = 0.05  # ... and the silence that can't be made up for about this share
    step: float = 0.02  # growth in the first second after the hold; it is twice as much in each second that follows
    step_searching: float = 0.1
    used: float = 0.7  # if no more than this share of the rate starts, something else is the limit

    # What a refusal says about the limit.
    former_s: float = 60.0  # a limit that has fallen is expected back for so long,
    former_hold_s: float = 5.0  # is tried again so often,
    returned: float = 0.75  # and has come back, or never fell far, at this share of what it was
    window_s: float = 5.0
    latest_s: float = 1.2
    risen: float = 1.5  # a refusal at more than so many times the known limit means that the limit has risen
    proven_s: float = 1.5  # an estimate that was not refused so long after the dip is right
    again_s: float = 6.0  # two falls within this time: the limit has fallen far

    # What a server saves up in a silence.
    faster: float = 2.0  # how much faster than usual a silence is made up for
    worth_s: float = 1.0
    worth_min_s: float = 0.2
    doubt_s: float = 1.0  # a refusal so soon after the savings were spent is blamed on them

    # Refusals that have nothing to do with the rate.
    depth: float = 0.95  # a rate is well below what was accepted when it is this share of it ...
    deeper: float = 0.85  # ... and again by so much after every proof that turned out to be wrong
    noise_refusals_min: int = 4  # so many must be refused down there to prove that the rate is not the reason ...
    noise_max: float = 0.12  # ... but no more than this share: a limit that has fallen refuses more
    intervals_kept: int = 8  # between refusals: the fastest is where the rate goes back to when noise is proven
    noise_min: float = 0.005
    excess: float = 0.10  # a limit is suspected to refuse so much more than the tolerated share
    suspicion_max: float = 4.0  # so much likelier than noise is a limit when it is believed, as a natural logarithm
    memory: float = 300.0  # the tolerated share is that of about so many latest requests
    drift: float = 1.5  # it may grow to so many times what was proven; more has to be proven again
    gone: float = 8.0  # without a refusal for so many times the usual distance between two, the noise is over
    trial_requests: int = 100  # a limit that shows so soon after noise was proven is real, and the proof was wrong

    # Requests in flight.
    first_round: int = 8
    round_min: int = 12  # requests that are judged together
    latency_risen: float = 1.35  # latency so many times its best means that requests wait in the server's queue
    calm: float = 1.15
    queue: float = 1.2  # so much more than is served at once is kept in flight, so that the server never waits for us
    far: float = 1.5  # so far above what was once too much, the limit grows faster: the server has changed
    failing: float = 0.3
    drain: float = 0.7
    drain_every_s: float = 30.0
    in_flight_min: int = 2


USUAL = Tuning()
