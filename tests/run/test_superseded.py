"""The guard against a wrong id column: what passes, what is held back, and what is said."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

import pytest

from engine.run import superseded
from engine.run.guards import GuardWords
from engine.run.superseded import SupersededGuard
from engine.settings.values import Threshold
from engine.values import Chunk
from engine.values.errors import ExitCode, Interrupted, SourceUntrusted
from tests.fakes import chunk_of

HALF = Threshold(percent=50.0)


def chunks_of(*seen_before: int, records: int = 100) -> list[Chunk]:
    """Chunks of some records each, of which so many have an id that came before."""
    chunks = []
    for number, repeated in enumerate(seen_before):
        chunk = chunk_of(*(f"{number}-{index}" for index in range(records)))
        chunk.seen_before, chunk.source_bytes = repeated, records
        chunks.append(chunk)
    return chunks


def guard(
    limit: Threshold = HALF, *, recounted: tuple[int, int] | None = None, size: int | None = None, kind: str = "sync"
) -> SupersededGuard:
    recount = None if recounted is None else (lambda: recounted)
    return SupersededGuard(limit, GuardWords(kind, "config.toml"), size=size, recount=recount)


def passed(judge: SupersededGuard, chunks: list[Chunk]) -> int:
    """How many of the chunks pass the guard."""
    count = 0
    with suppress(SourceUntrusted):
        for _ in judge.inspected(chunks):
            count += 1
    return count


@pytest.fixture(autouse=True)
def _few_are_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(superseded, "HELD_RECORDS", 300)


@pytest.mark.parametrize(
    ("limit", "repeated", "passes"),
    [
        (HALF, [50, 50], 2),  # exactly the limit is not above it
        (HALF, [50, 51], 0),
        (HALF, [0, 100], 2),  # not the chunk, the source is judged
        (Threshold(percent=0.0), [9, 0], 2),  # fewer than ten are no share
        (Threshold(percent=0.0), [10, 0], 0),
        (Threshold(count=3), [0, 4], 0),
        (Threshold(count=3), [0, 3], 2),
        (Threshold(percent=100.0), [100, 100], 2),
    ],
)
def test_a_small_source_is_judged_whole_before_anything_passes(
    limit: Threshold, repeated: list[int], passes: int
) -> None:
    assert passed(guard(limit, recounted=(0, 0)), chunks_of(*repeated)) == passes


def test_of_a_large_one_what_looks_wrong_is_counted_first() -> None:
    assert passed(guard(recounted=(1_000, 501), size=1_000), chunks_of(*[80] * 10)) == 0
    assert passed(guard(recounted=(1_000, 240), size=1_000), chunks_of(*[80] * 3, *[0] * 7)) == 10


def test_what_looks_right_at_first_stops_as_soon_as_it_is_certain() -> None:
    repeated = [0, 0, 0, *[100] * 7]  # after eight chunks, 500 of 1,000 would not be above the half; 501 are
    assert passed(guard(recounted=(0, 0), size=1_000), chunks_of(*repeated)) == 8


def test_a_source_that_can_be_read_once_is_judged_while_it_is_read_and_at_its_end() -> None:
    assert passed(guard(), chunks_of(90, 90, 90)) == 1  # 180 of 300 at least
    judge = guard()
    assert passed(judge, chunks_of(90)) == 1
    assert judge.exceeded() is not None


def test_nothing_is_held_back_longer_than_memory_allows(monkeypatch: pytest.MonkeyPatch) -> None:
    [first, *others] = chunks_of(0, 0, 0)
    monkeypatch.setattr(superseded, "HELD_BYTES_MAX", first.joined.size)

    def never_ending() -> Iterator[Chunk]:
        yield first
        raise AssertionError(f"nobody needs {others}")

    assert next(iter(guard(recounted=(0, 0)).inspected(never_ending()))) is first


def test_what_the_source_raises_comes_behind_what_was_held_back() -> None:
    def cut_off() -> Iterator[Chunk]:
        yield from chunks_of(0, 0)
        raise Interrupted("cut")

    inspected = guard(recounted=(0, 0)).inspected(cut_off())
    assert [len(next(inspected).ids) for _ in range(2)] == [100, 100]
    with pytest.raises(Interrupted, match="cut"):
        next(inspected)


def test_it_says_how_many_and_how_to_go_on() -> None:
    judge = guard()
    for chunk in chunks_of(100, 99):
        judge.add(chunk)
    tripped = judge.exceeded()
    assert tripped is not None
    assert tripped.exit_code == ExitCode.SOURCE_UNTRUSTED
    assert str(tripped) == (
        "199 of 200 records have an id that comes again later in the source: 1 different id. That is more than "
        "guard.max_superseded (50%) allows, as only the last values of each id stay: look at source.id (python -m "
        "engine check -c config.toml shows the ids), or accept it for this run: ENGINE_GUARD__MAX_SUPERSEDED=100%"
    )


def test_a_push_is_told_of_its_arguments() -> None:
    judge = guard(kind="push")
    for chunk in chunks_of(100):
        judge.add(chunk)
    assert str(judge.exceeded()).endswith(
        "more than max_superseded (50%) allows, as only the last values of each id stay: give each record its own, or "
        "accept it for this run: max_superseded='100%'"
    )


@pytest.mark.parametrize(("repeated", "is_doubtful"), [([9, 0], False), ([10, 0], True), ([10, *[0] * 10], False)])
def test_ids_that_come_again_are_a_doubt_from_one_in_a_hundred(repeated: list[int], is_doubtful: bool) -> None:
    judge = guard()
    for chunk in chunks_of(*repeated):
        judge.add(chunk)
    assert (judge.doubt() is not None) == is_doubtful
