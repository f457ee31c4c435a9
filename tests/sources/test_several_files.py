"""Several files: each is looked at before any is read, empty ones are passed over, and codes stay true."""

from __future__ import annotations

import gzip
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet as pq

from engine.sources.files import open_source
from engine.sources.ndjson.reader import LineRows
from engine.sources.spec import SourceSpec
from engine.sources.stored.inputs import InputFile
from engine.values import Span
from engine.values.errors import ConfigError, EngineError, SourceMissing, SourceUntrusted


def line(id_: str) -> bytes:
    return b'{"id":"%b","data":{"x":1}}\n' % id_.encode()


def parquet_rows(stop: int, id: str = "id") -> bytes:
    names = [f"LN{number:07}" for number in range(stop)]
    table = pa.table({id: pa.array(names, pa.string()), "x": pa.array(range(stop), pa.int64())})
    return written_as_parquet(table)


def written_as_parquet(table: pa.Table) -> bytes:
    written = pa.BufferOutputStream()
    pq.write_table(table, written, row_group_size=10_000)
    return bytes(written.getvalue().to_pybytes())


class TestSeveralFiles:
    @pytest.mark.parametrize(
        ("name", "content", "error", "message"),
        [
            ("2.csv", b"LN2,Ravi,1600\n", ConfigError, "2.csv has no column 'id'"),
            ("2.csv", b"id,name\n1,x\n", ConfigError, "2.csv has no column 'x'"),
            ("2.csv", b'id,"x\n1,2\n', SourceUntrusted, "2.csv has no header"),
            ("2.csv", "id,x\n1,2\n".encode("utf-16-le"), SourceUntrusted, "2.csv is UTF-16"),
            ("2.ndjson", "{}\n".encode("utf-16-le"), SourceUntrusted, "2.ndjson is UTF-16"),
            ("2.csv.gz", gzip.compress(b"id,x\n1,2\n", mtime=0)[:12], SourceUntrusted, "2.csv.gz is damaged"),
            (
                "2.csv.gz",
                gzip.compress(gzip.compress(b"id,x\n", mtime=0), mtime=0),
                SourceUntrusted,
                "gzip inside gzip",
            ),
            ("2.parquet", b"PAR1garbage", SourceUntrusted, "2.parquet cannot be read as Parquet"),
            ("2.parquet", parquet_rows(3, id="ix"), ConfigError, "2.parquet has no column 'id'"),
        ],
    )
    def test_the_beginning_of_each_is_looked_at_before_any_is_read(
        self, tmp_path: Path, name: str, content: bytes, error: type[EngineError], message: str
    ) -> None:
        (tmp_path / "1.csv").write_bytes(b"id,x\n1,2\n")
        (tmp_path / name).write_bytes(content)
        (tmp_path / "3.csv").write_bytes(b"id,x\n3,2\n")
        paths = (f"{tmp_path}/1.csv", f"{tmp_path}/{name}", f"{tmp_path}/3.csv")
        blocks = open_source(SourceSpec(paths, id="id", fields=("x",)), batch_size=1).blocks()
        with pytest.raises(error) as caught:
            next(blocks)
        assert type(caught.value) is error
        assert message in str(caught.value)

    @pytest.mark.parametrize(
        ("name", "content"),
        [
            ("2.csv", b""),
            ("2.csv", b"\xef\xbb\xbf"),
            ("2.csv", b"\xef\xbb\xbf\r\n\n"),
            ("2.csv", b"id,x\n"),
            ("2.csv", b"id,x"),
            ("2.csv.gz", gzip.compress(b"", mtime=0)),
            ("2.ndjson", b"\n" * 10_000),
            ("2.parquet", b""),
            ("2.parquet", parquet_rows(0)),
            ("2.parquet", written_as_parquet(pa.table({"id": [], "x": []}))),  # as pandas: without types
        ],
    )
    def test_an_empty_one_is_passed_over_and_named(self, tmp_path: Path, name: str, content: bytes) -> None:
        (tmp_path / "1.csv").write_bytes(b"id,x\n1,2\n")
        (tmp_path / name).write_bytes(content)
        (tmp_path / "3.csv").write_bytes(b"id,x\n3,2\n")
        source = open_source(SourceSpec((f"{tmp_path}/*",), id="id"))
        blocks = list(source.blocks())
        assert [id_ for block in blocks for id_ in block.ids] == ["1", "3"]
        assert [note for block in blocks for note in block.notes] == [f"{tmp_path}/{name} is empty: it holds no record"]
        assert {path for block in blocks for path in block.digests} == set(source.paths)

    def test_if_all_are_empty_nothing_is_there(self, tmp_path: Path) -> None:
        for name in ("1.csv", "2.csv"):
            (tmp_path / name).touch()
        with pytest.raises(SourceMissing, match=r"1\.csv is empty"):
            list(open_source(SourceSpec((f"{tmp_path}/*",), id="id")).blocks())

    def test_what_does_not_fit_behind_its_beginning_is_no_mistake_of_the_configuration(self, tmp_path: Path) -> None:
        """An exit code of 2 or 66 would say that nothing was sent."""

        class Reader:
            def look(self, *_: object) -> None:
                pass

            def read_rows(self, file: InputFile, *_: object) -> Generator[Any]:
                if file.path.endswith("b.ndjson"):
                    raise ConfigError("does not fit")
                yield LineRows(1, ["a"], line("a")[:-1], [Span(file.path, 1, 1)], []), file.size

        (tmp_path / "a.ndjson").write_bytes(line("a"))
        (tmp_path / "b.ndjson").write_bytes(line("b"))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("engine.sources.files.import_module", lambda _: Reader())
            blocks = open_source(SourceSpec((f"{tmp_path}/*",))).blocks()
            assert next(blocks).ids == ["a"]
            with pytest.raises(SourceUntrusted, match="does not fit"):
                next(blocks)
