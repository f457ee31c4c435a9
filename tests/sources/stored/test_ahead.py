"""Reading with several threads: the same results in the same order, few in memory, and nothing left running."""

import threading
from collections.abc import Iterator
from contextlib import closing

import pytest

from engine.sources.stored.ahead import READERS_MAX, READERS_VARIABLE, in_order, readers

THREADS = [0, 1, 2, 4]


def counted(taken: list[int], stop: int) -> Iterator[int]:
    for number in range(1, stop + 1):
        taken.append(number)
        yield number


def as_it_is(number: int) -> int:
    return number


@pytest.mark.parametrize("threads", THREADS)
def test_all_results_in_the_order_of_their_items(threads: int) -> None:
    assert list(in_order(counted([], 300), str, threads)) == [str(number) for number in range(1, 301)]


@pytest.mark.parametrize("threads", THREADS)
def test_nothing_comes_of_no_items(threads: int) -> None:
    assert list(in_order(iter([]), as_it_is, threads)) == []


def test_results_that_are_made_in_another_order_come_in_that_of_their_items() -> None:
    second_is_made = threading.Event()

    def work(number: int) -> int:
        if number == 1:
            assert second_is_made.wait(60)
        elif number == 2:
            second_is_made.set()
        return number

    assert list(in_order(counted([], 10), work, 2)) == list(range(1, 11))


def test_several_threads_work_at_the_same_time() -> None:
    all_at_work = threading.Barrier(3, timeout=60)

    def work(number: int) -> int:
        all_at_work.wait()
        return number

    assert list(in_order(counted([], 6), work, 3)) == list(range(1, 7))


@pytest.mark.parametrize("threads", THREADS)
def test_no_more_items_are_in_memory_than_said(threads: int) -> None:
    taken: list[int] = []
    for result in in_order(counted(taken, 50), as_it_is, threads):
        assert taken[-1] < result + threads + 2


@pytest.mark.parametrize("threads", THREADS)
def test_an_item_that_cannot_be_read_is_raised_behind_the_results_before_it(threads: int) -> None:
    def failing() -> Iterator[int]:
        yield 1
        yield 2
        raise ValueError("third")

    results = in_order(failing(), as_it_is, threads)
    assert [next(results), next(results)] == [1, 2]
    with pytest.raises(ValueError, match="third"):
        next(results)


@pytest.mark.parametrize("threads", THREADS)
def test_work_that_fails_is_raised_behind_the_results_before_it_and_nothing_follows(threads: int) -> None:
    def work(number: int) -> int:
        if number == 3:
            raise ValueError("third")
        return number

    before = {*threading.enumerate()}
    results = in_order(counted([], 1000), work, threads)
    assert [next(results), next(results)] == [1, 2]
    with pytest.raises(ValueError, match="third"):
        next(results)
    assert next(results, None) is None
    assert {*threading.enumerate()} <= before


@pytest.mark.parametrize("threads", THREADS)
def test_leaving_early_leaves_no_thread(threads: int) -> None:
    before = {*threading.enumerate()}
    with closing(in_order(counted([], 1000), as_it_is, threads)) as results:
        assert next(results) == 1
    assert {*threading.enumerate()} <= before


@pytest.mark.parametrize(("given", "expected"), [("1", 1), ("3", 3), ("16", 16)])
def test_a_variable_says_how_many_threads_read(monkeypatch: pytest.MonkeyPatch, given: str, expected: int) -> None:
    monkeypatch.setenv(READERS_VARIABLE, given)
    assert readers() == expected


@pytest.mark.parametrize("given", [None, "", "0", "-1", "many"])
def test_else_the_cores_do(monkeypatch: pytest.MonkeyPatch, given: str | None) -> None:
    monkeypatch.delenv(READERS_VARIABLE, raising=False)
    if given is not None:
        monkeypatch.setenv(READERS_VARIABLE, given)
    for cores, expected in ((1, 1), (2, 2), (64, READERS_MAX)):
        monkeypatch.setattr("os.sched_getaffinity", lambda _pid, cores=cores: set(range(cores)), raising=False)
        assert readers() == expected
