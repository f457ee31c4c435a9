"""From what is configured to the files that are read."""

import gzip
import io
import os
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Generator
from pathlib import Path
from random import Random

import pyarrow as pa
import pytest
import zstandard
from pyarrow import parquet as pq

from engine.sources.files import FilesSource, open_source, text_facts
from engine.sources.formats import Format
from engine.sources.spec import SourceSpec
from engine.sources.stored.find import find_files
from engine.sources.stored.inputs import InputFile
from engine.values.errors import ConfigError, EngineError, SourceMissing, SourceUntrusted


def line(id_: str) -> bytes:
    return b'{"id":"%b","data":{"x":1}}\n' % id_.encode()


@pytest.fixture
def exports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with some exports."""
    folder = tmp_path / "exports"
    folder.mkdir()
    for name in ("b", "a", "c"):
        (folder / f"{name}.ndjson").write_bytes(line(name))
    (folder / "d.jsonl.gz").write_bytes(gzip.compress(line("d")))
    (folder / "e.NDJSON.ZST").write_bytes(zstandard.compress(line("e")))
    (folder / "old").mkdir()
    (folder / "old" / "z.ndjson").write_bytes(line("z"))
    (tmp_path / "nothing").mkdir()
    monkeypatch.chdir(tmp_path)
    return folder


def ids(*paths: str, format: Format | None = None) -> list[str]:
    return [id_ for block in open_source(SourceSpec(paths, format=format)).blocks() for id_ in block.ids]


def refusal(*paths: str, format: Format | None = None) -> EngineError:
    with pytest.raises(EngineError) as caught:
        open_source(SourceSpec(paths, format=format))
    return caught.value


@pytest.mark.usefixtures("exports")
class TestPaths:
    def test_globs_are_sorted_and_lists_keep_their_order(self) -> None:
        assert ids("exports/*.ndjson") == ["a", "b", "c"]
        assert ids("exports/c.ndjson", "exports/a.ndjson") == ["c", "a"]
        assert ids("exports/[bc].ndjson", "exports/a.ndjson") == ["b", "c", "a"]
        assert ids("exports/**/*.ndjson") == ["a", "b", "c", "z"]

    def test_a_file_named_twice_is_read_once_where_it_is_named_first(self) -> None:
        Path("link.ndjson").symlink_to("exports/a.ndjson")
        assert ids("exports/b.ndjson", "./exports/b.ndjson", "exports/*.ndjson", "link.ndjson") == ["b", "a", "c"]

    def test_folders_in_a_glob_are_passed_over(self) -> None:
        assert ids("exports/*") == ["a", "b", "c", "d", "e"]

    def test_a_name_that_looks_like_a_glob(self) -> None:
        Path("x[1].ndjson").write_bytes(line("literal"))
        assert ids("x[1].ndjson") == ["literal"]

    def test_what_the_source_says_of_itself(self) -> None:
        source = open_source(SourceSpec(("exports/*.ndjson", "exports/d.jsonl.gz")))
        assert source.label == "exports/*.ndjson, exports/d.jsonl.gz (4 files)"
        assert source.paths == tuple(f"exports/{name}" for name in ("a.ndjson", "b.ndjson", "c.ndjson", "d.jsonl.gz"))
        assert source.size() == sum(Path(path).stat().st_size for path in source.paths)
        assert sum(block.source_bytes for block in source.blocks()) == source.size()
        assert open_source(SourceSpec(("exports/a.ndjson",))).label == "exports/a.ndjson"

    @pytest.mark.parametrize(
        ("path", "message"),
        [
            ("exports/none.ndjson", "exports/none.ndjson does not exist"),
            ("exports/*.csv", "exports/*.csv matches no file"),
            ("exports/*l[d]", "exports/*l[d] matches only directories; exports/*l[d]/** means all files below them"),
            ("nothing", "nothing is a directory without any file to read (hidden ones are no parts)"),
        ],
    )
    def test_what_is_not_there_is_named(self, path: str, message: str) -> None:
        error = refusal("exports/a.ndjson", path)
        assert isinstance(error, SourceMissing)
        assert str(error) == message

    def test_a_dangling_link_does_not_exist(self) -> None:
        Path("link.ndjson").symlink_to("nowhere")
        assert str(refusal("link.ndjson")) == "link.ndjson does not exist"

    def test_a_pipe_is_refused_at_once(self) -> None:
        os.mkfifo("pipe.ndjson")
        error = refusal("pipe.ndjson")
        assert isinstance(error, SourceUntrusted)
        assert str(error) == 'pipe.ndjson is not a regular file; give it as standard input, with source.path = "-"'

    def test_an_unreadable_file_is_not_trusted(self, exports: Path) -> None:
        (exports / "a.ndjson").chmod(0)
        for folder in (exports, *exports.parents[:3]):
            folder.chmod(folder.stat().st_mode | stat.S_IXOTH | stat.S_IROTH)
        was_root = os.geteuid() == 0
        if was_root:
            os.seteuid(65534)  # root may read everything
        try:
            error = refusal("exports/a.ndjson")
        finally:
            if was_root:
                os.seteuid(0)
        assert isinstance(error, SourceUntrusted)
        assert str(error) == "exports/a.ndjson cannot be read: Permission denied"


@pytest.mark.usefixtures("exports")
class TestFormats:
    @pytest.mark.parametrize(
        ("name", "format"),
        [
            ("a.csv", "csv"),
            ("a.b.CSV", "csv"),
            ("a.tsv", "tsv"),
            ("a.jsonl", "ndjson"),
            ("a.ndjson", "ndjson"),
            ("a.parquet", "parquet"),
        ],
    )
    def test_the_name_tells_the_format(self, name: str, format: Format) -> None:
        Path(name).write_bytes(b"x")
        (file,) = find_files(SourceSpec((name,)))
        assert (file.format, file.compression) == (format, None)

    def test_a_format_that_is_set_wins_and_the_compression_is_still_seen(self) -> None:
        Path("export.dat.gz").write_bytes(gzip.compress(line("x")))
        Path("a.csv").write_bytes(line("y"))
        assert ids("export.dat.gz", "a.csv", format="ndjson") == ["x", "y"]

    @pytest.mark.parametrize("name", ["export", "export.txt", "export.json", "export.gz", "ndjson"])
    def test_a_name_that_tells_nothing_needs_a_format(self, name: str) -> None:
        Path(name).write_bytes(line("x"))
        error = refusal(name)
        assert isinstance(error, ConfigError)
        assert str(error).startswith(f"source.format: must be set, because the name of {name} does not tell it")

    @pytest.mark.parametrize("compress", [bytes, gzip.compress, zstandard.compress])
    def test_a_name_that_tells_nothing_is_read_by_its_content(self, compress: type[bytes]) -> None:
        Path("export.dat").write_bytes(compress(line("x")))
        assert ids("export.dat", format="ndjson") == ["x"]

    @pytest.mark.parametrize(
        ("name", "content", "message"),
        [
            ("x.ndjson", gzip.compress(b"", mtime=0), "x.ndjson is gzip data, which its name does not say"),
            ("x.csv", zstandard.compress(b""), "x.csv is zstd data, which its name does not say"),
            ("x.csv.gz", zstandard.compress(b""), "x.csv.gz is zstd data, which its name does not say"),
            ("x.ndjson.gz", b'{"id"', "x.ndjson.gz is not gzip data, as its name says"),
            ("x.ndjson.zst", b"\x28\xb5", "x.ndjson.zst is not zstd data, as its name says"),
            ("x.csv", b"PAR1\x15\x04", "x.csv is a Parquet file, not text"),
            ("x.csv", b"PK\x03\x04\x14", "x.csv is a ZIP archive; unzip it first"),
        ],
    )
    def test_a_name_that_lies_is_not_trusted(self, name: str, content: bytes, message: str) -> None:
        Path(name).write_bytes(content)
        error = refusal(name)
        assert isinstance(error, SourceUntrusted)
        assert message in str(error)

    def test_parquet_is_not_compressed_from_outside(self) -> None:
        Path("x.parquet.gz").write_bytes(gzip.compress(b"PAR1"))
        assert isinstance(refusal("x.parquet.gz"), ConfigError)

    @pytest.mark.parametrize("name", ["x.ndjson", "x.ndjson.gz", "x.ndjson.zst"])
    def test_an_empty_file_is_no_error_here(self, name: str) -> None:
        Path(name).touch()
        assert ids(name, "exports/a.ndjson") == ["a"]

    @pytest.mark.parametrize("name", ["d.jsonl.gz", "e.NDJSON.ZST"])
    def test_a_damaged_file_ends_the_source_after_what_was_good(self, exports: Path, name: str) -> None:
        whole = b"".join(line(f"{n * 7919 % 10007}") for n in range(10_000))
        compress = gzip.compress if name.endswith("gz") else zstandard.compress
        packed = compress(whole)
        (exports / name).write_bytes(packed[: len(packed) // 2])
        found: list[str] = []
        blocks = open_source(SourceSpec(("exports/a.ndjson", f"exports/{name}")), batch_size=100).blocks()
        with pytest.raises(SourceUntrusted, match="is damaged: it ends in the middle"):
            found.extend(id_ for block in blocks for id_ in block.ids)
        assert found[0] == "a"
        assert found[1:] == [f"{n * 7919 % 10007}" for n in range(len(found) - 1)]
        assert len(found) > (1_000 if name.endswith("gz") else 0)

    def test_a_name_with_odd_characters(self) -> None:
        name = "नाम 'x\" \udcff.ndjson"
        Path(name).write_bytes(line("x"))
        assert ids(name) == ["x"]


@pytest.mark.parametrize("format", ["ndjson", "csv", "parquet"])
def test_a_file_is_closed_only_when_nothing_reads_ahead_in_it_any_more(tmp_path: Path, format: Format) -> None:
    """Else a thread would read from what is closed, or from what was opened in its place."""
    path = tmp_path / "source"
    if format == "parquet":
        pq.write_table(pa.table({"id": [str(i) for i in range(100)], "x": [1] * 100}), path, row_group_size=10)
    else:
        path.write_bytes(b"".join(line(str(i)) for i in range(100)) if format == "ndjson" else b"id,x\n1,2\n" * 99)
    readers_at_close: list[list[str]] = []

    class Watched(io.FileIO):
        def close(self) -> None:
            if not self.closed:
                names = [thread.name for thread in threading.enumerate()]
                readers_at_close.append([name for name in names if "read-ahead" in name])
            super().close()

    file = InputFile(str(path), format, None, path.stat().st_size, lambda: Watched(path))
    spec = SourceSpec((str(path),), id=None if format == "ndjson" else "id")
    blocks = FilesSource(spec, [file], 10, 1_000).blocks()
    assert isinstance(blocks, Generator)
    assert next(blocks).ids
    assert readers_at_close == []
    blocks.close()
    assert readers_at_close == [[]] * (2 if format == "parquet" else 1)


class TestStandardInput:
    def test_it_is_read_like_a_file(self) -> None:
        for content in (line("a") + line("b"), gzip.compress(line("a") + line("b"))):
            source = open_source(SourceSpec(("-",), format="ndjson"), stdin=io.BytesIO(content))
            assert (source.label, source.paths, source.size()) == ("standard input", ("-",), None)
            (block,) = source.blocks()
            assert block.ids == ["a", "b"]
            assert block.spans[0].path == "-"
            assert block.source_bytes == len(content)

    def test_it_is_the_standard_input_of_the_process(self) -> None:
        program = (
            "from engine.sources import SourceSpec, open_source\n"
            "for block in open_source(SourceSpec(('-',), format='ndjson')).blocks(): print(list(block.ids))"
        )
        found = subprocess.run([sys.executable, "-c", program], input=line("ü"), capture_output=True, check=True)
        assert found.stdout.decode("utf-8") == "['ü']\n"

    @pytest.mark.parametrize(
        ("spec", "message"),
        [
            (SourceSpec(("-",)), "source.format: must be set"),
            (SourceSpec(("-",), format="parquet"), "source.format: Parquet cannot be read from standard input"),
            (SourceSpec(("-", "a.csv"), format="csv"), 'source.path: "-" (standard input) cannot be combined'),
        ],
    )
    def test_its_format_must_be_set(self, spec: SourceSpec, message: str) -> None:
        with pytest.raises(ConfigError) as caught:
            open_source(spec, stdin=io.BytesIO())
        assert str(caught.value).startswith(message)


def test_a_process_without_standard_input_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    for absent in (None, io.StringIO()):
        monkeypatch.setattr("sys.stdin", absent)
        with pytest.raises(SourceUntrusted, match=r"standard input .* source\.path"):
            open_source(SourceSpec(("-",), format="ndjson"))


def parquet_rows(stop: int, id: str = "id") -> bytes:
    names = [f"LN{number:07}" for number in range(stop)]
    table = pa.table({id: pa.array(names, pa.string()), "x": pa.array(range(stop), pa.int64())})
    return written_as_parquet(table)


def written_as_parquet(table: pa.Table) -> bytes:
    written = pa.BufferOutputStream()
    pq.write_table(table, written, row_group_size=10_000)
    return bytes(written.getvalue().to_pybytes())


class TestDirectories:
    def test_all_below_one_is_one_source(self, tmp_path: Path) -> None:
        out = tmp_path / "out.parquet"
        for part in ("_temporary/0", "state=KA", "state=__HIVE_DEFAULT_PARTITION__"):
            (out / part).mkdir(parents=True)
        (out / "_SUCCESS").touch()
        (out / "state=KA" / ".part-0.crc").write_bytes(b"crc")
        for part in ("_temporary/0/part-9", "state=KA/part-0", "state=__HIVE_DEFAULT_PARTITION__/part-1.snappy"):
            (out / part).write_bytes(parquet_rows(1))
        files = find_files(SourceSpec((str(out),), id="id"))
        assert [(file.path.removeprefix(f"{out}/"), file.format, file.keys) for file in files] == [
            ("state=KA/part-0", "parquet", {"state": "KA"}),
            ("state=__HIVE_DEFAULT_PARTITION__/part-1.snappy", "parquet", {"state": None}),
        ]

    def test_links_that_lead_in_circles_end(self, tmp_path: Path) -> None:
        (tmp_path / "a").mkdir()
        (tmp_path / "a" / "p.ndjson").write_bytes(line("x"))
        (tmp_path / "a" / "again").symlink_to(tmp_path / "a")
        (tmp_path / "b").symlink_to(tmp_path / "a")
        assert ids(str(tmp_path)) == ["x"]

    def test_formats_may_be_mixed(self, tmp_path: Path) -> None:
        (tmp_path / "a.parquet").write_bytes(parquet_rows(1))
        (tmp_path / "b.csv").write_bytes(b"id,x\nLN7,1\n")
        source = open_source(SourceSpec((str(tmp_path),), id="id"))
        assert [id_ for block in source.blocks() for id_ in block.ids] == ["LN0000000", "LN7"]


class TestKinds:
    @pytest.mark.parametrize("format", [None, "csv", "parquet"])
    def test_what_is_no_source_is_named_whatever_the_format_is_said_to_be(
        self, tmp_path: Path, format: Format | None
    ) -> None:
        for name, content, said in (
            ("p.csv.zip", b"PK\x03\x04" + bytes(30), "a ZIP archive; unzip it first"),
            ("p.csv.bz2", b"BZh91AY&SY", "compressed with bzip2; unpack it first (bzip2 -dk)"),
            ("p.csv", b"<!doctype html><title>Sign in", "a web page"),
        ):
            path = tmp_path / name
            path.write_bytes(content)
            error = refusal(str(path), format=format)
            assert isinstance(error, SourceUntrusted)
            assert f"{path} is {said}" in str(error)
            assert "source.format" not in str(error)

    def test_parquet_under_a_name_that_tells_nothing_needs_its_format(self, tmp_path: Path) -> None:
        path = tmp_path / "export"
        path.write_bytes(parquet_rows(1))
        assert isinstance(refusal(str(path)), ConfigError)
        assert [file.format for file in find_files(SourceSpec((str(path),), format="parquet"))] == ["parquet"]


class TestDoneMarker:
    def test_without_it_nothing_is_read(self, tmp_path: Path) -> None:
        (tmp_path / "p.ndjson").write_bytes(line("x"))
        spec = SourceSpec((f"{tmp_path}/*.ndjson",), done_marker=f"{tmp_path}/_DONE")
        with pytest.raises(SourceMissing, match=r"_DONE \(source\.done_marker\) does not exist: .* not complete yet"):
            open_source(spec)
        (tmp_path / "_DONE").touch()
        assert open_source(spec).paths == (f"{tmp_path}/p.ndjson",)


class TestEncodings:
    def test_a_file_of_another_encoding_is_read(self, tmp_path: Path) -> None:
        path = tmp_path / "p.csv"
        path.write_bytes("id,name\n1,Zoë\n".encode("utf-16"))
        blocks = list(open_source(SourceSpec((str(path),), id="id", encoding="utf-16")).blocks())
        assert [block.lines.decode() for block in blocks] == ['{"id":"1","data":{"name":"Zoë"}}']

    @pytest.mark.parametrize("encoding", ["utf-16", "utf-32"])
    @pytest.mark.parametrize("pack", [bytes, gzip.compress])
    @pytest.mark.parametrize(("format", "text"), [("csv", "id,name\n1,Zoë\n"), ("ndjson", '{"id":"1","name":"Zoë"}\n')])
    def test_a_byte_order_mark_proves_an_encoding_that_is_not_set(
        self, tmp_path: Path, format: str, text: str, pack: Callable[[bytes], bytes], encoding: str
    ) -> None:
        path = tmp_path / (f"p.{format}" + ".gz" * (pack is not bytes))
        path.write_bytes(pack(text.encode(encoding)))
        spec = SourceSpec((str(path),), id="id")
        source = open_source(spec)
        [block] = source.blocks()
        assert block.lines.decode() == '{"id":"1","data":{"name":"Zoë"}}'
        assert block.digests == source.digests()
        assert block.source_bytes == path.stat().st_size
        assert text_facts(spec)[0].endswith(f"in {encoding.upper()}, as its byte order mark says")

    def test_a_mark_in_standard_input_is_a_proof_too(self) -> None:
        stdin = io.BytesIO(line("ü").decode().encode("utf-16"))
        [block] = open_source(SourceSpec(("-",), format="ndjson"), stdin=stdin).blocks()
        assert block.ids == ["ü"]

    def test_each_file_has_its_own_mark(self, tmp_path: Path) -> None:
        for name, encoding in (("1.csv", "utf-16"), ("2.csv", "utf-8"), ("3.csv", "utf-8-sig")):
            (tmp_path / name).write_bytes(f"id,name\n{name},Zoë\n".encode(encoding))
        blocks = list(open_source(SourceSpec((f"{tmp_path}/*.csv",), id="id")).blocks())
        assert [block.lines.decode() for block in blocks] == [
            f'{{"id":"{n}.csv","data":{{"name":"Zoë"}}}}' for n in (1, 2, 3)
        ]

    def test_a_character_that_is_none_makes_its_row_invalid(self, tmp_path: Path) -> None:
        path = tmp_path / "p.csv"
        path.write_bytes(b"id,name\n1,a\x81\n2,b\x80\n")
        (block,) = open_source(SourceSpec((str(path),), id="id", encoding="cp1252")).blocks()
        assert block.lines.decode() == '{"id":"2","data":{"name":"b€"}}'
        assert [(refusal.place.row, refusal.reason) for refusal in block.refusals] == [(1, "not valid UTF-8")]

    def test_standard_input_is_read_in_its_encoding_too(self) -> None:
        stdin = io.BytesIO(line("ü").decode().encode("utf-16"))
        (block,) = open_source(SourceSpec(("-",), format="ndjson", encoding="utf-16"), stdin=stdin).blocks()
        assert block.ids == ["ü"]


@pytest.mark.parametrize("name", ["loans.ndjson", "loans.csv", "large.csv", "loans.ndjson.gz"])
def test_a_block_has_no_more_bytes_of_its_file_than_its_records_take(name: str, tmp_path: Path) -> None:
    """Far more is read at once than a block holds; a run would seem to be far on while it has hardly begun."""
    count, rng = 60_000 if name == "large.csv" else 20_000, Random(1)
    rows = [(f"loan_{number:06}", f"{rng.getrandbits(160):040x}") for number in range(count)]
    if name.endswith(".csv"):
        content = "id,note\n" + "".join(f"{id_},{note}\n" for id_, note in rows)
    else:
        content = "".join(f'{{"id":"{id_}","data":{{"note":"{note}"}}}}\n' for id_, note in rows)
    path = tmp_path / name
    path.write_bytes(gzip.compress(content.encode(), 1) if name.endswith(".gz") else content.encode())
    source = open_source(
        SourceSpec((str(path),), id="id" if name.endswith(".csv") else None), batch_size=100, record_bytes_max=10_000
    )
    records = read_bytes = 0
    for block in source.blocks():
        records, read_bytes = records + len(block.ids), read_bytes + block.source_bytes
        assert abs(read_bytes / path.stat().st_size - records / count) < 0.1
    assert read_bytes == path.stat().st_size
