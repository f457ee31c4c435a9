"""Reading ahead: the same items in the same order, never more than one ahead, and nothing left running."""

import threading
from collections.abc import Iterator

import pytest

from engine.sources.stored.ahead import one_ahead


def counted(made: list[int], stop: int) -> Iterator[int]:
    for number in range(1, stop + 1):
        made.append(number)
        yield number


def test_all_items_in_their_order() -> None:
    assert list(one_ahead(counted([], 100))) == list(range(1, 101))


def test_never_more_than_one_ahead() -> None:
    made: list[int] = []
    for item in one_ahead(counted(made, 50)):
        assert made[-1] <= item + 1


def test_an_error_comes_behind_the_items_before_it() -> None:
    def failing() -> Iterator[int]:
        yield 1
        yield 2
        raise ValueError("third")

    items = one_ahead(failing())
    assert [next(items), next(items)] == [1, 2]
    with pytest.raises(ValueError, match="third"):
        next(items)


def test_leaving_early_leaves_no_thread() -> None:
    before = threading.active_count()
    items = one_ahead(counted([], 1000))
    assert next(items) == 1
    assert isinstance(items, Iterator)
    del items
    assert threading.active_count() == before
