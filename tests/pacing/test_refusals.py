"""503 as a gateway's word for "too fast": quick, and among successes; an outage is neither."""

from __future__ import annotations

from engine.pacing.refusals import QuickRefusals


class Story:
    """Attempts one after another, ten in a second, each of which takes so long."""

    def __init__(self) -> None:
        self.refusals = QuickRefusals()
        self.now = 0.0

    def succeeds(self, took_s: float = 0.1, *, times: int = 1) -> None:
        for _ in range(times):
            self.now += 0.1
            self.refusals.succeeded(self.now - took_s, self.now)

    def refused(self, took_s: float = 0.02, *, times: int = 1, in_flight: int = 1) -> list[bool]:
        """Refusals; for each, whether it is taken for one because of the rate."""
        told = []
        for _ in range(times):
            self.now += 0.1
            told.append(self.refusals.refused(self.now - took_s, self.now, in_flight))
        return told


def mixed() -> Story:
    story = Story()
    for _ in range(2):
        story.succeeds()
        story.refused()
    story.succeeds()
    return story


def test_quick_refusals_among_successes_mean_too_fast() -> None:
    story = mixed()
    assert story.refused(times=3) == [True, True, True]
    story.succeeds()
    assert story.refused() == [True]


def test_the_first_ones_are_taken_for_an_outage() -> None:
    story = Story()
    assert story.refused(times=3) == [False] * 3
    story.succeeds()
    assert story.refused() == [False]
    story.succeeds()
    assert story.refused() == [False]


def test_a_slow_one_is_none() -> None:
    story = mixed()
    assert story.refused(took_s=0.5) == [False]
    assert story.refused(took_s=0.02) == [True]


def test_where_successes_take_long_a_refusal_may_take_as_long() -> None:
    story = mixed()
    story.succeeds(took_s=2.0, times=50)
    assert story.refused(took_s=1.5) == [True]


def test_many_in_a_row_are_an_outage_and_what_was_found_is_forgotten() -> None:
    story = mixed()
    assert story.refused(times=6) == [True, True, True, True, False, False]
    story.succeeds()
    assert story.refused() == [False]


def test_as_many_as_are_in_flight_may_be_refused_at_once() -> None:
    story = mixed()
    assert story.refused(times=9, in_flight=8) == [True] * 8 + [False]


def test_an_outage_that_lasts_is_no_refusal_because_of_the_rate() -> None:
    story = Story()
    for _ in range(3):
        story.succeeds()
        story.refused()
        story.now += 30.0
    story.succeeds()
    assert story.refused() == [False]
