"""What a task leaves of its partition: every block as it was, and nothing of a part that is not whole."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.run.partitioned.parts import Part, PartsSource, write_part
from engine.values.errors import SourceUntrusted, StateFailed
from engine.values.records import Block, Place, Refusal, Span

LINES = [b'{"id":"a","data":{"x":1}}', '{"id":"b","data":{"name":"आशा"}}'.encode(), b'{"id":"c","data":{"x":null}}']
FIRST = Block(
    ["a", "b"],
    b"\n".join(LINES[:2]),
    [Span("partition 3", 1, 1), Span("partition 3", 4, 1)],
    [
        Refusal("id is empty", Place("partition 3", 2), raw='{"id":"","data":{}}'),
        Refusal("column 'x' is not a finite number", Place("partition 3", 3), "no", b'{"x":"nan"}'),
    ],
    filtered=[Span("partition 3", 5, 2)],
    notes=["odd"],
)
SECOND = Block(["c"], LINES[2], [Span("partition 3", 7, 1)])


def kept(directory: Path, number: int = 3, *blocks: Block) -> Part:
    return write_part(iter(blocks or (FIRST, SECOND)), directory / f"{number}.zst", number)


def told(blocks: list[Block]) -> list[object]:
    return [(list(b.ids), b.lines, list(b.spans), b.refusals, list(b.filtered), list(b.notes)) for b in blocks]


def test_blocks_come_back_as_they_were(tmp_path: Path) -> None:
    part = kept(tmp_path)
    assert (part.number, part.name, part.rows) == (3, "3.zst", 7)
    assert stat.S_IMODE((tmp_path / part.name).stat().st_mode) == 0o600
    source = PartsSource(tmp_path, [part])
    blocks = list(source.blocks())
    assert told(blocks) == told([FIRST, SECOND])
    assert told(list(source.blocks())) == told(blocks)


def test_parts_come_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    parts = [kept(tmp_path, number, Block([f"{number}"], b'{"id":"%d","data":{}}' % number, [])) for number in (10, 2)]
    source = PartsSource(tmp_path, [*parts, kept(tmp_path, 7, Block([], b"", []))])
    assert [list(block.ids) for block in source.blocks()] == [["2"], ["10"]]
    assert (source.label, PartsSource(tmp_path, parts[:1]).label) == ("3 partitions", "1 partition")
    assert (source.sizes(), source.digests()) == ({}, {})


@pytest.mark.parametrize("how", ["missing", "cut", "longer"])
def test_a_part_that_is_not_there_whole_is_told_before_any_other_is_read(tmp_path: Path, how: str) -> None:
    parts = [kept(tmp_path, 1), kept(tmp_path, 2)]
    path = tmp_path / parts[1].name
    data = path.read_bytes()
    path.unlink()
    if how != "missing":
        path.write_bytes(data[:-1] if how == "cut" else data + b"x")
    with pytest.raises(StateFailed, match="partition 2 has kept is not there: state_dir must be one directory"):
        next(PartsSource(tmp_path, parts).blocks())


def test_a_damaged_part_is_never_taken_for_whole(tmp_path: Path) -> None:
    """Whichever byte is another, its blocks are what they were, or are refused."""
    part = kept(tmp_path)
    path = tmp_path / part.name
    data = path.read_bytes()
    noticed = 0
    for index in range(len(data)):
        path.write_bytes(data[:index] + bytes([data[index] ^ 0x41]) + data[index + 1 :])
        try:
            blocks = list(PartsSource(tmp_path, [part]).blocks())
        except SourceUntrusted:
            noticed += 1
        else:
            assert told(blocks) == told([FIRST, SECOND])
    assert noticed > len(data) * 0.9


def test_a_task_that_fails_leaves_nothing(tmp_path: Path) -> None:
    def torn() -> Iterator[Block]:
        yield FIRST
        raise SourceUntrusted("the rows cannot be read")

    with pytest.raises(SourceUntrusted):
        write_part(torn(), tmp_path / "1.zst", 1)
    assert list(tmp_path.iterdir()) == []
