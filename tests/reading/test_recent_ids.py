"""What is said about the ids of a chunk and of those before it is never wrong, and says enough where it matters."""

from __future__ import annotations

from random import Random

import pytest

from engine.reading.recent_ids import RecentIds


@pytest.mark.parametrize("seed", range(300))
def test_what_is_said_is_true(seed: int) -> None:
    print(f"seed {seed}")
    rng = Random(seed)
    recent = RecentIds(rng.randint(1, 4))
    names = [str(number) for number in range(rng.choice((8, 40, 1_000)))]
    before: list[set[str]] = []
    for seq in range(30):
        ids = [rng.choice(names) for _ in range(rng.randint(0, 4))]
        if rng.random() < 0.6:
            ids = sorted(set(ids))
        apart_from = recent.take(seq, ids)
        if apart_from is None:
            assert len(set(ids)) < len(ids)
            ids = list(dict.fromkeys(ids))
            apart_from = recent.take(seq, ids)
        assert len(set(ids)) == len(ids)
        assert apart_from is not None
        assert 0 <= apart_from <= seq
        assert all(before[other].isdisjoint(ids) for other in range(apart_from, seq))
        before.append(set(ids))


@pytest.mark.parametrize("ascending", [True, False])
def test_different_ids_are_known_to_be_different_as_far_back_as_asked_for(ascending: bool) -> None:
    recent = RecentIds(5)
    for seq in range(50):
        ids = [f"{number:05}" for number in range(10 * seq, 10 * seq + 10)]
        apart_from = recent.take(seq, ids if ascending else ids[::-1])
        assert apart_from is not None
        assert apart_from <= max(0, seq - 5)


def test_an_id_met_again_makes_everything_before_unknown() -> None:
    recent = RecentIds(5)
    assert recent.take(0, ["b", "a"]) == 0
    assert recent.take(1, ["d", "c"]) == 0
    assert recent.take(2, ["e", "a"]) == 2


def test_chunks_without_ids_share_none() -> None:
    recent = RecentIds(1)
    assert [recent.take(seq, []) for seq in range(3)] == [0, 0, 1]


def test_overlapping_ranges_say_nothing() -> None:
    recent = RecentIds(5)
    assert recent.take(0, ["a", "z"]) == 0
    assert recent.take(1, ["b", "c"]) == 1
