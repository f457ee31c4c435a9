"""What the learned pacing takes for granted, in one place: found by trial on modelled servers.

Rates are in requests per second.
"""

# Where a run starts.
RATE_AT_START = 10.0
FEW_IN_FLIGHT = 8  # with so few at most, a faster start risks little, and a slow server is busy at once
FASTER_START = 4.0
IN_FLIGHT_AT_START = 16.0
SHARE_OF_LEARNED = 0.7  # a run starts with this share of the rate that the last one learned
ROUND_TRIP_S = 0.2  # until one has been measured
RATE_MIN = 0.1

# The rate until the first refusal.
FASTER = 2.0  # so much faster than the rate while what the server has saved up is used
AT_RISK = 6.0  # requests that may be refused before the first refusal is heard of ...
AT_RISK_SHARE = 0.04  # ... or this share of all that were accepted, if that is more
REFUSAL_S = 0.2  # until a refusal is heard of at most, however long an accepted request takes
RESERVES_S = 1.0  # a server is assumed to have reserves for so many seconds at the start
WORTH_TELLING = 1.25  # a rate that has grown to so many times the one told last is told
TRUSTED = 0.9  # the limit is no lower than this share of a ceiling at which only one request was refused

# The rate since the last refusal: dip, hold, probe.
DIP = 0.85  # after a refusal, this share of the rate ...
DIP_REQUESTS = 2.0  # ... until so many requests were spared
KEEP = 0.98  # the share of the known limit that is used, so that a server that saves has some reserve
HOLD_MIN_S = 3.0
HOLD_MAX_S = 20.0
REFUSED_SHARE = 0.017  # the hold is so long that the refusals before it are about this share of it
STEP = 0.02  # growth in the first second after the hold; it is twice as much in each second that follows
STEP_SEARCHING = 0.1
USED = 0.7  # if no more than this share of the rate starts, something else is the limit

# What a refusal says about the limit.
FORMER_S = 120.0  # a limit that has fallen is expected back for so long,
FORMER_HOLD_S = 5.0  # is tried again so often,
SAME = 0.04  # a limit that has moved by a smaller share is the same
RETURNED = 0.75  # and has come back, or never fell far, at this share of what it was
WINDOW_S = 5.0
LATEST_S = 1.2
RISEN = 1.5  # a refusal at more than so many times the known limit means that the limit has risen
PROVEN_S = 1.5  # an estimate that was not refused so long after the dip is right
AGAIN_S = 6.0  # two falls within this time: the limit has fallen far

# Where a refusal costs a silence (`Retry-After`).
FIRST_GUESS = 0.72  # the limit is here in the range that the first refusal leaves: 0 is its lower end, 1 its upper
LATER_GUESS = 0.5  # and here in that of a refusal that came soon
COUNTED_MIN = 10  # fewer requests before the first refusal say nothing about windows by the clock
NARROWING_S = 3.6  # the rate comes nearer to what cannot be with this time constant
EARLIER_S = 2.0  # what was sent so long before a refusal was right ...
ENOUGH_S = 2.3  # ... if no refusal came for so long
SPAN_S = 2.0  # in so much more time than before the first refusal, it tells what the limit adds to reserves ...
SPAN_RETURNED_S = 0.5  # ... and in so much more, whether a limit that is expected back has come
SPAN_STEP_S = 0.25
SPANS = 40
FALLEN = 0.92  # this share of a limit is left if it is refused while it is held; less if that happens again ...
FALLS_MAX = 3  # ... this power of it at the least
KEEP_CAREFUL = 0.984
HOLD_CAREFUL_S = 28.0
STEP_BOLD = 0.08  # growth where more than the rate is expected
SAVED_UP = 0.8  # a server is assumed to save up what it allows in this share of a silence

# Refusals that have nothing to do with the rate.
DEPTH = 0.97  # a rate is well below what was accepted when it is this share of it ...
DEEPER = 0.85  # ... and again by so much after every proof that turned out to be wrong
NOISE_REFUSALS_MIN = 3  # so many must be refused down there to prove that the rate is not the reason ...
NOISE_MAX = 0.12  # ... but no more than this share: a limit that has fallen refuses more
NOISE_GAP_MIN = 15
IN_BETWEEN_MIN = 2  # requests between two refusals; a limit that has fallen refuses nearly all of them
INTERVALS_KEPT = 8  # between refusals: the fastest is where the rate goes back to when noise is proven
NOISE_MIN = 0.005
NOISE_ASSUMED = 0.03  # at a ceiling that somebody has set, so much is noise until more is refused
EXCESS = 0.10  # a limit is suspected to refuse so much more than the tolerated share
SUSPICION_MAX = 4.0  # so much likelier than noise is a limit when it is believed, as a natural logarithm
MEMORY = 300.0  # the tolerated share is that of about so many latest requests
DRIFT = 1.5  # it may grow to so many times what was proven; more has to be proven again
GONE = 8.0  # without a refusal for so many times the usual distance between two, the noise is over
TRIAL_REQUESTS = 100  # a limit that shows so soon after noise was proven is real, and the proof was wrong

# Requests in flight.
FIRST_ROUND = 8
ROUND_MIN = 12  # requests that are judged together
LATENCY_RISEN = 1.35  # latency so many times its best means that requests wait in the server's queue
CALM = 1.15
QUEUE = 1.2  # so much more than is served at once is kept in flight, so that the server never waits for us
FAR = 1.5  # so far above what was once too much, the limit grows faster: the server has changed
FAILING = 0.3
DRAIN = 0.7
DRAIN_EVERY_S = 30.0
IN_FLIGHT_MIN = 2

# Times in which everything is refused.
BLOCK_REFUSALS_MIN = 3  # so many refusals in a row are such a time
BLOCK_MIN_S = 1.0  # if it lasts so long, it tells the limit
PROBE_S = 0.25  # until the next probe, or ...
PROBE_SHARE = 0.3  # ... this share of the time since it began, if that is longer, but ...
PROBE_MAX_S = 4.0  # ... never longer than this
