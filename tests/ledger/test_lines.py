"""Some lines of many: the accelerator and Python pick the same."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, strategies as st

from engine.ledger.lines import pick_in_python, pick_lines


@given(st.lists(st.binary(max_size=6).filter(lambda line: b"\n" not in line), min_size=1, max_size=40), st.data())
def test_the_lines_that_are_wanted_are_picked(lines: list[bytes], data: st.DataObject) -> None:
    wanted = sorted(data.draw(st.sets(st.integers(0, len(lines) - 1))))
    expected = [lines[number] for number in wanted]
    text = b"\n".join(lines)
    assert pick_lines(text, wanted) == pick_lines(text, np.array(wanted, np.int64)) == expected
    assert pick_in_python(text, wanted) == expected


@pytest.mark.parametrize("wanted", [[2], [0, 2], [1, 5]])
@pytest.mark.parametrize("pick", [pick_lines, pick_in_python])
def test_a_line_that_there_is_not_is_a_mistake(pick: object, wanted: list[int]) -> None:
    assert callable(pick)
    with pytest.raises(ValueError, match="there is no such line"):
        pick(b"a\nb", wanted)
