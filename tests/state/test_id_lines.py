"""Lines of single ids in a file of many: whatever else is in it, and wherever its blocks end."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings, strategies as st

from engine.state import id_lines, lines_of_ids

ids = st.text(st.sampled_from('ab"\\/ \nä😀0'), min_size=1, max_size=4)


def written(record_id: str, *, is_ascii: bool) -> bytes:
    return json.dumps({"id": record_id, "reason": 'says "a"'}, ensure_ascii=is_ascii).encode()


@settings(max_examples=200)
@given(st.lists(st.tuples(ids, st.booleans()), max_size=30), st.sets(ids, max_size=20), st.integers(1, 200))
def test_the_lines_of_an_id_are_found_with_their_places(
    tmp_path_factory: pytest.TempPathFactory, some: list[tuple[str, bool]], wanted: set[str], block_bytes: int
) -> None:
    path = tmp_path_factory.mktemp("rejects") / "rejected.ndjson"
    lines = [written(record_id, is_ascii=is_ascii) for record_id, is_ascii in some]
    path.write_bytes(b"".join(line + b"\n" for line in lines))
    starts = [sum(len(line) + 1 for line in lines[:index]) for index in range(len(lines))]
    expected = [
        (record_id, start, line)
        for (record_id, _), start, line in zip(some, starts, lines, strict=True)
        if record_id in wanted
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(id_lines, "BLOCK_BYTES", block_bytes)
        assert list(lines_of_ids(path, wanted)) == expected


def test_damaged_lines_are_passed_over_and_a_tail_that_does_not_count_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "rejected.ndjson"
    good = written("a", is_ascii=True) + b"\n"
    path.write_bytes(b'{"id":"a",\n"a"\n' + good + good)
    assert [start for _, start, _ in lines_of_ids(path, ["a"], 15 + len(good))] == [15]
    assert [start for _, start, _ in lines_of_ids(path, ["a"])] == [15, 15 + len(good)]


def test_a_file_that_is_gone_has_no_lines(tmp_path: Path) -> None:
    assert not list(lines_of_ids(tmp_path / "rejected.ndjson", ["a"]))
