"""Tags while a ledger is merged: numbers for those of the old ledger and for what becomes of them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from engine.ledger.columns import Tag

Array = NDArray[Any]


class TagNumbers:
    """Numbers tags in the order in which they come up; those of the old ledger keep theirs."""

    def __init__(self, tags: Iterable[Tag]) -> None:
        self.tags = list(tags)
        self._numbers = {tag: number for number, tag in enumerate(self.tags)}

    def number(self, tag: Tag) -> int:
        """Return the number of a tag."""
        number = self._numbers.setdefault(tag, len(self.tags))
        if number == len(self.tags):
            self.tags.append(tag)
        return number

    def acknowledged(self, numbers: Array, runs: Array) -> Array:
        """Return the numbers of tags that are as these, but for the run that acknowledged last."""
        if not len(numbers):
            return numbers
        pairs = numbers.astype(np.uint64) << np.uint64(32) | runs.astype(np.uint64)
        if (pairs == pairs[0]).all():
            return np.full(len(numbers), self._of_run(int(pairs[0])))
        different, which = np.unique(pairs, return_inverse=True)
        return np.array([self._of_run(pair) for pair in different.tolist()])[which]

    def _of_run(self, pair: int) -> int:
        return self.number(replace(self.tags[pair >> 32], run=pair & 0xFFFFFFFF))


class Marking:
    """What a complete run of a feed, which has met some of the entries, makes of the tags of an old ledger.

    What the feed held and holds no more is lost: void, and gone since this run if no other feed (of `others`) holds
    it. What is met is not gone any more, and what has been gone since before run `keep_since` is forgotten to be.
    """

    def __init__(self, numbers: TagNumbers, *, feed: int, others: int, run: int, keep_since: int) -> None:
        self._feed, self._others, self._run, self._keep_since = feed, others & ~feed, run, keep_since
        tags = list(numbers.tags)
        self.loses = np.array([tag.held_by & feed != 0 or tag.gone_since != 0 for tag in tags], np.bool_)
        """Of each tag: whether an entry that was not met is void: also one that was back for a run that was cut."""
        self.if_met = np.array([numbers.number(self._met(tag)) for tag in tags], np.int64)
        self.if_missed = np.array([numbers.number(self._missed(tag)) for tag in tags], np.int64)
        self.if_moved = np.array([numbers.number(self._moved(tag)) for tag in tags], np.int64)

    def _met(self, tag: Tag) -> Tag:
        return replace(tag, held_by=tag.held_by | self._feed, gone_since=0, gone_from=0)

    def _moved(self, tag: Tag) -> Tag:
        return replace(tag, held_by=tag.held_by & ~self._feed, gone_since=0, gone_from=0)

    def _missed(self, tag: Tag) -> Tag:
        held_by = tag.held_by & ~self._feed
        if tag.held_by & self._feed and not tag.held_by & self._others:
            return replace(tag, held_by=held_by, gone_since=self._run, gone_from=self._feed)
        if tag.gone_since < self._keep_since:
            return replace(tag, held_by=held_by, gone_since=0, gone_from=0)
        return replace(tag, held_by=held_by)
