"""What a run may spend on isolating records, and the size that it has learned."""

from __future__ import annotations

from math import inf

from engine.pipeline.isolation import FRUITLESS_MAX, FRUITLESS_PER_CHUNK_MAX, Isolation


def test_it_is_spent_after_so_many_fruitless_requests() -> None:
    isolation = Isolation()
    for _ in range(FRUITLESS_MAX):
        assert not isolation.is_spent
        isolation.spend()
    assert isolation.is_spent


def test_one_bad_chunk_leaves_something_to_the_others() -> None:
    assert FRUITLESS_PER_CHUNK_MAX <= FRUITLESS_MAX / 4


def test_a_run_knows_no_largest_size_until_one_was_refused() -> None:
    assert Isolation().lines_bytes_max == inf


def test_the_size_learned_lets_halves_through_that_are_not_even() -> None:
    isolation = Isolation()
    isolation.learn_size(1_000)
    assert 500 < isolation.lines_bytes_max < 1_000


def test_the_size_learned_only_falls() -> None:
    isolation = Isolation()
    isolation.learn_size(1_000)
    learned = isolation.lines_bytes_max
    isolation.learn_size(8_000)
    assert isolation.lines_bytes_max == learned
    isolation.learn_size(500)
    assert isolation.lines_bytes_max < learned
