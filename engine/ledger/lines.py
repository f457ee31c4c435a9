"""Some lines of many: a night picks a few of each block."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from engine.ledger.acceleration import accelerator

Numbers = Sequence[int] | NDArray[np.int64]


def pick_lines(lines: bytes, which: Numbers) -> list[bytes]:
    """Return those of the lines, joined by newlines, that have these numbers, which ascend; the first is number 0.

    Raises:
        ValueError: there are not so many lines.
    """
    if accelerator is None:
        return pick_in_python(lines, which)
    picked: list[bytes] = accelerator.pick(lines, np.asarray(which, np.int64))
    return picked


def pick_in_python(lines: bytes, which: Numbers) -> list[bytes]:
    """As `pick_lines`, without the accelerator."""
    every = lines.split(b"\n")
    try:
        return [every[number] for number in which]
    except IndexError:
        raise ValueError("there is no such line") from None
