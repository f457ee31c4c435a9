"""What is said about the ids of a chunk and of those before it is never wrong, and says enough where it matters."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from typing import Any

import msgspec
import pytest

from engine.reading.recent_ids import RecentIds, RecentNumbers, RecentTexts
from engine.sources import accelerator

Make = Callable[[int], RecentIds]


def lines_of(ids: Sequence[str]) -> bytes:
    return b"\n".join(b'{"id":%b,"data":{"a":1}}' % msgspec.json.encode(each) for each in ids)


def take(recent: RecentIds, seq: int, ids: Sequence[str]) -> int | None:
    return recent.take(seq, lines_of(ids), ids)


@pytest.fixture(params=["texts", "numbers"])
def make(request: pytest.FixtureRequest) -> Make:
    if request.param == "texts":
        return RecentTexts
    if accelerator is None:
        pytest.skip("there is no accelerator")
    return lambda chunks: RecentNumbers(chunks, accelerator, seed=7)


@pytest.mark.parametrize("seed", range(300))
def test_what_is_said_is_true(make: Make, seed: int) -> None:
    print(f"seed {seed}")
    rng = Random(seed)
    recent = make(rng.randint(1, 4))
    names = [str(number) for number in range(rng.choice((8, 40, 1_000)))]
    before: list[set[str]] = []
    for seq in range(30):
        ids = [rng.choice(names) for _ in range(rng.randint(0, 4))]
        if rng.random() < 0.6:
            ids = sorted(set(ids))
        apart_from = take(recent, seq, ids)
        if apart_from is None:
            assert len(set(ids)) < len(ids)
            ids = list(dict.fromkeys(ids))
            apart_from = take(recent, seq, ids)
        assert len(set(ids)) == len(ids)
        assert apart_from is not None
        assert 0 <= apart_from <= seq
        assert all(before[other].isdisjoint(ids) for other in range(apart_from, seq))
        before.append(set(ids))


@pytest.mark.parametrize("ascending", [True, False])
def test_different_ids_are_known_to_be_different_as_far_back_as_asked_for(make: Make, ascending: bool) -> None:
    recent = make(5)
    for seq in range(50):
        ids = [f"{number:05}" for number in range(10 * seq, 10 * seq + 10)]
        apart_from = take(recent, seq, ids if ascending else ids[::-1])
        assert apart_from is not None
        assert apart_from <= max(0, seq - 5)


def test_an_id_met_again_makes_everything_before_unknown(make: Make) -> None:
    recent = make(5)
    assert take(recent, 0, ["b", "a"]) == 0
    assert take(recent, 1, ["d", "c"]) == 0
    assert take(recent, 2, ["e", "a"]) == 2


def test_chunks_without_ids_share_none(make: Make) -> None:
    recent = make(1)
    assert [take(recent, seq, []) for seq in range(3)] == [0, 0, 1]


def test_overlapping_ranges_say_nothing() -> None:
    recent = RecentTexts(5)
    assert take(recent, 0, ["a", "z"]) == 0
    assert take(recent, 1, ["b", "c"]) == 1


class EqualNumbers:
    """An accelerator whose numbers say nothing: any two may be equal."""

    def __init__(self, real: Any, numbers: int) -> None:
        self.NumberSet = real.NumberSet
        self._numbers = numbers

    def numbers_of_lines(self, lines: bytes, count: int, seed: int) -> bytes:
        ids = [line.id for line in msgspec.json.Decoder(_Line).decode_lines(lines)]
        assert len(ids) == count
        return b"".join((1 + len(each) % self._numbers).to_bytes(8, "little") for each in ids)


class _Line(msgspec.Struct):
    id: str


@pytest.mark.parametrize("seed", range(50))
def test_equal_numbers_are_only_a_doubt(seed: int) -> None:
    if accelerator is None:
        pytest.skip("there is no accelerator")
    rng = Random(seed)
    recent = RecentNumbers(3, EqualNumbers(accelerator, rng.choice((1, 3))), seed)  # type: ignore[arg-type]
    before: list[set[str]] = []
    for seq in range(20):
        ids = rng.sample(["a", "bb", "ccc", "dddd", "eeeee", "ffffff"], rng.randint(0, 4))
        apart_from = take(recent, seq, ids)
        assert apart_from is not None
        assert all(before[other].isdisjoint(ids) for other in range(apart_from, seq))
        before.append(set(ids))
    assert take(recent, 20, ["a", "a"]) is None


def test_an_id_is_the_same_however_it_is_written(make: Make) -> None:
    recent = make(5)
    assert take(recent, 0, ["ab", "\u0905"]) == 0
    assert recent.take(1, rb'{"id":"\u0061b","data":{"a":1}}', ["ab"]) == 1
    assert recent.take(2, '{ "id" : "\u0905", "data":{"a":1}}'.encode(), ["\u0905"]) == 2
    assert recent.take(3, b'{"data":{"a":1},"id":"ab"}', ["ab"]) == 3
    assert recent.take(4, b'{"data":{"a":1},"id":"new"}', ["new"]) is not None
