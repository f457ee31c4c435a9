"""How large a request may be: what is learned from refusals and from those who do not wait, and what is not."""

from __future__ import annotations

from math import inf

from engine.pipeline.request_size import RequestSize


def test_there_is_no_largest_size_until_one_was_refused() -> None:
    size = RequestSize()
    size.passed(10_000, 1.0)
    assert size.bytes_max == inf


def test_the_size_learned_lets_halves_through_that_are_not_even() -> None:
    size = RequestSize()
    size.too_large(1_000)
    assert 500 < size.bytes_max < 1_000


def test_the_size_learned_only_falls() -> None:
    size = RequestSize()
    size.too_large(1_000)
    learned = size.bytes_max
    size.too_large(8_000)
    assert size.bytes_max == learned
    size.too_large(500)
    assert size.bytes_max < learned


def test_what_is_not_waited_for_teaches_the_size_that_is_done_in_time() -> None:
    size = RequestSize()
    size.gave_up(1_000, 60.0)
    assert size.bytes_max == inf  # it may be an outage
    size.passed(250, 30.0)
    assert 250 < size.bytes_max <= 350  # what takes 42 of the 60 seconds


def test_what_passes_easily_may_be_doubled() -> None:
    size = RequestSize()
    size.gave_up(1_000, 60.0)
    size.passed(500, 40.0)
    assert 500 <= size.bytes_max <= 625


def test_what_passed_may_pass_again() -> None:
    size = RequestSize()
    size.gave_up(1_000, 60.0)
    size.passed(500, 59.0)
    assert size.bytes_max == 500


def test_a_larger_one_that_passes_shows_that_it_was_not_the_size() -> None:
    size = RequestSize()
    size.gave_up(1_000, 60.0)
    size.passed(1_000, 50.0)
    size.passed(500, 40.0)
    assert size.bytes_max == inf


def test_a_server_that_was_down_and_is_quick_again_teaches_nothing_the_first_time() -> None:
    size = RequestSize()
    size.gave_up(1_000, 60.0)
    size.passed(500, 0.1)
    assert size.bytes_max == inf
    size.gave_up(1_000, 60.0)
    size.passed(500, 0.1)
    assert size.bytes_max == 625
