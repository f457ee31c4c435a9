"""Until when a copy of a chunk may land: the latest that is known of it, and no longer."""

from __future__ import annotations

from math import inf

from engine.pipeline.late_copies import ALL_SEQS, LateCopies


def test_a_copy_may_land_for_so_long_after_it_was_sent() -> None:
    late = LateCopies(60.0)
    assert late.until(3) == -inf
    late.note(3, sent_at=100.0)
    late.note(3, sent_at=40.0)  # an earlier one is over earlier
    assert late.until(3) == 160.0
    assert late.until(4) == -inf


def test_what_is_open_is_what_may_still_land() -> None:
    late = LateCopies(60.0, before={1: 50.0})
    late.note(3, sent_at=100.0)
    assert late.open(now=49.0) == {1: 50.0, 3: 160.0}
    assert late.open(now=50.0) == {3: 160.0}
    assert late.open(now=160.0) == {}


def test_what_a_killed_process_may_have_sent_is_known_only_of_what_is_sent_again() -> None:
    late = LateCopies(60.0, before={ALL_SEQS: 30.0})
    late.sent_again(7)
    assert (late.until(7), late.until(8)) == (30.0, -inf)
    undisturbed = LateCopies(60.0)
    undisturbed.sent_again(7)
    assert undisturbed.until(7) == -inf
