"""Lines in another order: the same with the accelerator as without, and no line is lost or read beyond."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest

from engine.sources.ndjson import acceleration
from engine.sources.ndjson.acceleration import lines_in_order


@pytest.mark.parametrize("seed", range(20))
def test_each_line_stands_where_it_is_wanted(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    print("seed", seed)
    rng = Random(seed)
    lines = [rng.randbytes(rng.randrange(0, 40)).replace(b"\n", b"x") for _ in range(rng.randrange(1, 50))]
    order = np.array(rng.sample(range(len(lines)), len(lines)), np.int64)
    text, begins = lines_in_order(b"\n".join(lines), order)
    ordered = [text[start : stop - 1] for start, stop in zip(begins.tolist(), begins.tolist()[1:], strict=False)]
    assert ordered == [lines[number] for number in order.tolist()]
    monkeypatch.setattr(acceleration, "accelerator", None)
    pure, pure_begins = lines_in_order(b"\n".join(lines), order)
    assert (pure, pure_begins.tolist()) == (text, begins.tolist())


@pytest.mark.skipif(acceleration.accelerator is None, reason="there is no accelerator")
@pytest.mark.parametrize("order", [[0, 1], [0, 1, 2, 3], [0, 1, 3], [0, 1, -1], [0, 0, 0], [2, 2, 2], [1 << 62, 0, 1]])
def test_what_is_no_order_of_them_is_an_error(order: list[int]) -> None:
    with pytest.raises(ValueError, match=r"lines|named once"):
        lines_in_order(b"a\nbb\nccc", np.array(order, np.int64))
