"""Files that change while they are read, and what each file held."""

from __future__ import annotations

import gzip
import os
from collections.abc import Callable, Generator
from pathlib import Path

import pyarrow as pa
import pytest
import xxhash
import zstandard
from pyarrow import parquet as pq

from engine.sources.files import open_source
from engine.sources.spec import SourceSpec
from engine.values.errors import SourceUntrusted


def line(id_: str) -> bytes:
    return b'{"id":"%b","data":{"x":1}}\n' % id_.encode()


ROWS = 60_000
"""So many that no reader reads all of them at once."""


def csv_rows(start: int, stop: int) -> bytes:
    return b"".join(b"LN%07d,%0110d,%d\n" % (number, number, number) for number in range(start, stop))


def parquet_rows(stop: int, id: str = "id") -> bytes:
    names = [f"LN{number:07}" for number in range(stop)]
    table = pa.table({id: pa.array(names, pa.string()), "x": pa.array(range(stop), pa.int64())})
    return written_as_parquet(table)


def written_as_parquet(table: pa.Table) -> bytes:
    written = pa.BufferOutputStream()
    pq.write_table(table, written, row_group_size=10_000)
    return bytes(written.getvalue().to_pybytes())


CONTENTS: dict[str, bytes] = {
    "p.csv": b"id,x,y\n" + csv_rows(0, ROWS),
    "p.csv.gz": gzip.compress(b"id,x,y\n" + csv_rows(0, ROWS), 1),
    "p.csv.zst": zstandard.compress(b"id,x,y\n" + csv_rows(0, ROWS)),
    "p.ndjson": b"".join(line(f"LN{number:07}") for number in range(ROWS)),
    "p.parquet": parquet_rows(ROWS),
}


def grown(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"LN9999999,1,2\n")


def cut(path: Path) -> None:
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size - 10)


def replaced(path: Path) -> None:
    other, times = path.with_name("other"), path.stat()
    other.write_bytes(path.read_bytes())
    os.utime(other, ns=(times.st_atime_ns, times.st_mtime_ns))
    other.replace(path)


def written_again(path: Path) -> None:
    os.utime(path, ns=(0, 0))


class TestMovingFiles:
    @pytest.mark.parametrize("name", CONTENTS)
    @pytest.mark.parametrize(
        ("change", "how"),
        [(grown, "grew from"), (cut, "shrank from"), (replaced, "was replaced"), (written_again, "was written again")],
    )
    def test_a_file_that_changes_while_it_is_read_is_not_trusted(
        self, tmp_path: Path, name: str, change: Callable[[Path], None], how: str
    ) -> None:
        path = tmp_path / name
        path.write_bytes(CONTENTS[name])
        source = open_source(SourceSpec((str(path),), id=None if "ndjson" in name else "id"), batch_size=100)
        blocks = source.blocks()
        ids = list(next(blocks).ids)
        change(path)
        with pytest.raises(SourceUntrusted, match=f"{name} .*{how if name != 'p.parquet' else ''}.*") as caught:
            ids.extend(id_ for block in blocks for id_ in block.ids)
        assert ids == [f"LN{number:07}" for number in range(len(ids))]  # what was good came first, and nothing else
        if name != "p.parquet" or change in (grown, replaced, written_again):
            assert "while it was read; when it is complete, run the same command again, with --fresh" in str(
                caught.value
            )

    @pytest.mark.parametrize("name", ["p.csv", "p.ndjson"])
    def test_no_torn_row_at_the_end_of_what_was_there_is_taken_for_a_whole_one(self, tmp_path: Path, name: str) -> None:
        whole = CONTENTS[name]
        path = tmp_path / name
        path.write_bytes(whole[:-5])  # a writer is in the middle of a row
        source = open_source(SourceSpec((str(path),), id=None if "ndjson" in name else "id"), batch_size=1_000)
        blocks = source.blocks()
        found = [next(blocks)]
        with path.open("ab") as file:
            file.write(whole[-5:])
        with pytest.raises(SourceUntrusted, match="grew from"):
            found.extend(blocks)
        assert sum(len(block.ids) for block in found) == ROWS - 1
        assert not [refusal for block in found for refusal in block.refusals]

    def test_a_file_that_changes_after_it_was_read_while_others_are_read(self, tmp_path: Path) -> None:
        for name in ("a", "b"):
            (tmp_path / f"{name}.ndjson").write_bytes(line(name))
        blocks = open_source(SourceSpec((f"{tmp_path}/*.ndjson",))).blocks()
        assert next(blocks).ids == ["a"]
        (tmp_path / "a.ndjson").write_bytes(line("a") + line("late"))
        assert next(blocks).ids == ["b"]
        with pytest.raises(SourceUntrusted, match=r"a\.ndjson grew from"):
            next(blocks)

    def test_a_file_that_is_removed_while_others_are_read(self, tmp_path: Path) -> None:
        for name in ("a", "b"):
            (tmp_path / f"{name}.ndjson").write_bytes(line(name))
        blocks = open_source(SourceSpec((f"{tmp_path}/*.ndjson",))).blocks()
        assert next(blocks).ids == ["a"]
        (tmp_path / "b.ndjson").unlink()
        with pytest.raises(SourceUntrusted, match=r"b\.ndjson does not exist"):  # not 66: something was sent
            next(blocks)

    def test_with_the_first_records_alone_the_rest_may_change(self, tmp_path: Path) -> None:
        path = tmp_path / "p.ndjson"
        path.write_bytes(CONTENTS["p.ndjson"])
        blocks = open_source(SourceSpec((str(path),)), batch_size=10).blocks()
        next(blocks)
        grown(path)
        assert isinstance(blocks, Generator)
        blocks.close()


class TestDigests:
    @pytest.mark.parametrize("name", CONTENTS)
    def test_they_come_once_and_not_before_the_last_byte_was_read(self, tmp_path: Path, name: str) -> None:
        path = tmp_path / name
        path.write_bytes(CONTENTS[name])
        source = open_source(SourceSpec((str(path),), id=None if "ndjson" in name else "id"))
        first, *others = source.blocks()
        assert first.digests == {}
        digest = xxhash.xxh3_128_hexdigest(CONTENTS[name])
        assert [block.digests for block in others if block.digests] == [{str(path): digest}]

    def test_a_file_that_is_read_at_once_is_known_with_its_last_block(self, tmp_path: Path) -> None:
        path = tmp_path / "p.ndjson"
        path.write_bytes(b"".join(line(str(number)) for number in range(100)))
        *earlier, last = open_source(SourceSpec((str(path),)), batch_size=10).blocks()
        assert not any(block.digests for block in earlier)
        assert last.digests == {str(path): xxhash.xxh3_128_hexdigest(path.read_bytes())}
