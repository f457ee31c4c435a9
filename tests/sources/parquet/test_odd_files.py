"""Parquet files that no proper writer makes, or that only old ones do: exact, or refused; never a value of its own."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from math import nan
from pathlib import Path
from random import Random
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow.parquet.encryption import CryptoFactory, EncryptionConfiguration, KmsClient, KmsConnectionConfig

from engine.sources import ColumnShape, SourceSpec, open_source
from engine.sources.parquet import few_texts
from engine.values.errors import ConfigError, SourceUntrusted
from tests.sources.parquet.footers import (
    BINARY,
    CODEC,
    ELEMENT_NAME,
    GROUP_ROWS,
    I32,
    I64,
    NUM_ROWS,
    NUM_VALUES,
    Struct,
    change_footer,
    chunk_of,
    row_groups_of,
    schema_of,
)
from tests.sources.tables import TableReading, read_file


@pytest.fixture(autouse=True, params=[False, True], ids=["as they are", "columns of few texts are looked for"])
def looks_for_few_texts(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Small files, as these are, are otherwise not looked at for them."""
    if request.param:
        monkeypatch.setattr(few_texts, "_ROWS_MIN", 1)
        monkeypatch.setattr(few_texts, "_VALUE_BYTES_MAX", 1e9)


def write(folder: Path, columns: dict[str, Any], **options: Any) -> Path:
    path = folder / "source.parquet"
    pq.write_table(pa.table(columns), path, **options)
    return path


def read(path: Path, **mapping: Any) -> TableReading:
    return read_file(path, id="id", **mapping)


def moments(*texts: str, unit: str = "us", tz: str | None = None) -> pa.Array:
    return pa.array(texts, pa.string()).cast(pa.timestamp(unit)).cast(pa.timestamp(unit, tz))


class TestMoments:
    FAR = ("9999-12-31 00:00:00", "0001-01-01 00:00:00", "2300-06-01 12:30:15.250000", "1969-12-31 23:59:59.999999")

    def test_of_96_bits_are_exact_in_all_years(self, tmp_path: Path) -> None:
        path = write(
            tmp_path, {"id": ["1", "2", "3", "4"], "at": moments(*self.FAR)}, use_deprecated_int96_timestamps=True
        )
        assert "int96" in str(pq.ParquetFile(path).schema)
        assert [each["at"] for each in read(path).data] == [
            "9999-12-31T00:00:00",
            "0001-01-01T00:00:00",
            "2300-06-01T12:30:15.250000000",
            "1969-12-31T23:59:59.999999000",
        ]

    def test_of_96_bits_keep_their_nanoseconds_and_nulls(self, tmp_path: Path) -> None:
        at = pa.array([1, None, -1, 2**62 + 123_456_789], pa.timestamp("ns"))
        path = write(tmp_path, {"id": ["1", "2", "3", "4"], "at": at}, use_deprecated_int96_timestamps=True)
        found = read(path, nulls="send", columns={"at": ColumnShape(null_values=("never",))})
        expected = read(write(tmp_path, {"id": ["1", "2", "3", "4"], "at": at}), nulls="send")
        assert found.data == expected.data
        assert found.data[1] == {"at": None}

    def test_at_the_ends_of_64_bits_of_nanoseconds_do_not_wrap(self, tmp_path: Path) -> None:
        at = pa.array([2**63 - 1, -(2**63)], pa.timestamp("ns", "Asia/Kolkata"))
        assert [each["at"] for each in read(write(tmp_path, {"id": ["1", "2"], "at": at})).data] == [
            "2262-04-12T05:17:16.854775807+05:30",
            "1677-09-21T06:06:11.145224192+05:53:28",
        ]

    def test_whose_local_year_is_beyond_9999_are_invalid(self, tmp_path: Path) -> None:
        at = moments("9999-12-31 23:00:00", "9999-12-31 12:00:00", tz="Asia/Kolkata")
        found = read(write(tmp_path, {"id": ["1", "2"], "at": at}))
        assert found.ids == ["2"]
        assert found.reasons == [(1, "column 'at' is not a date in the years 0 to 9999")]

    @pytest.mark.parametrize("type_", [pa.time32("ms"), pa.time32("s"), pa.time64("us"), pa.time64("ns")])
    def test_times_that_no_day_has_are_invalid(self, tmp_path: Path, type_: pa.DataType) -> None:
        per_second = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[type_.unit]
        counts = [-1, 0, 86_400 * per_second - 1, 86_400 * per_second, -13_899 * per_second]
        integers = pa.int32() if type_.bit_width == 32 else pa.int64()
        found = read(write(tmp_path, {"id": list("abcde"), "at": pa.array(counts, integers).view(type_)}))
        assert found.ids == ["b", "c"]
        assert [each["at"][:8] for each in found.data] == ["00:00:00", "23:59:59"]
        assert found.reasons == [(row, "column 'at' is not a time of day") for row in (1, 4, 5)]


class TestFooters:
    @pytest.fixture
    def path(self, tmp_path: Path) -> Path:
        return write(tmp_path, {"id": [str(n) for n in range(8)], "x": range(8)}, row_group_size=4)

    @pytest.mark.parametrize(
        ("change", "words"),
        [
            (lambda footer: footer.update({NUM_ROWS: (I64, 0)}), "its footer says 0 rows, its parts 8"),
            (lambda footer: footer.update({NUM_ROWS: (I64, 9)}), "its footer says 9 rows, its parts 8"),
            (
                lambda footer: chunk_of(row_groups_of(footer)[1], 1).update({NUM_VALUES: (I64, 0)}),
                "behind row 4: its footer says that a part of 4 rows follows, but 0 can be read",
            ),
        ],
    )
    def test_counts_that_differ_hide_no_rows(self, path: Path, change: Callable[[Struct], None], words: str) -> None:
        change_footer(path, change)
        assert re.search(words, read(path).damage or "")

    def test_what_a_column_lacks_is_not_filled_from_behind(self, path: Path) -> None:
        change_footer(path, lambda footer: chunk_of(row_groups_of(footer)[0], 1).update({NUM_VALUES: (I64, 0)}))
        found = read(path)
        assert found.ids == []
        assert re.search(
            "behind row 0: its footer says that a part of 4 rows follows, but 0 can be read", found.damage or ""
        )

    def test_fewer_rows_than_every_count_says_are_noticed(self, path: Path) -> None:
        def promise_more(footer: Struct) -> None:
            footer[NUM_ROWS] = (I64, 10)
            group = row_groups_of(footer)[1]
            group[GROUP_ROWS] = (I64, 6)
            for column in range(2):
                chunk_of(group, column)[NUM_VALUES] = (I64, 6)

        change_footer(path, promise_more)
        assert re.search(r"damaged", read(path).damage or "")

    def test_an_encrypted_file_is_called_what_it_is(self, tmp_path: Path) -> None:
        path = tmp_path / "source.parquet"
        path.write_bytes(b"PARE" + bytes(100) + b"\x40\0\0\0PARE")
        with pytest.raises(SourceUntrusted, match="is encrypted Parquet; decrypt it"):
            read(path)

    def test_an_encrypted_column_is_called_what_it_is(self, tmp_path: Path) -> None:
        """Its footer can be read, but Arrow ends the process where it is asked for what is encrypted."""
        path = tmp_path / "source.parquet"
        keys = CryptoFactory(lambda _: OpenKeys())
        configuration = EncryptionConfiguration("footer", column_keys={"secret": ["x"]}, plaintext_footer=True)
        properties = keys.file_encryption_properties(KmsConnectionConfig(), configuration)
        table = pa.table({"id": ["1", "2"], "x": [1, 2], "y": [3, 4]})
        with pq.ParquetWriter(path, table.schema, encryption_properties=properties) as writer:
            writer.write_table(table)
        assert "is encrypted Parquet; decrypt it" in (read(path).damage or "")
        assert read(path, exclude=frozenset({"x"})).ids == ["1", "2"]

    def test_an_unknown_compression_is_no_damage_for_sure(self, path: Path) -> None:
        change_footer(path, lambda footer: chunk_of(row_groups_of(footer)[0], 1).update({CODEC: (I32, LZO)}))
        assert "its encoding or compression is not known here" in (read(path).damage or "")


LZO = 3


class OpenKeys(KmsClient):  # type: ignore[misc]  # pyarrow has no types
    """Keeps keys in the file, as good as open."""

    def wrap_key(self, key_bytes: bytes, _master_key: str) -> bytes:
        return base64.b64encode(key_bytes)

    def unwrap_key(self, wrapped_key: bytes, _master_key: str) -> bytes:
        return base64.b64decode(wrapped_key)


def _two(type_: pa.DataType) -> pa.Array:
    return pa.array([Decimal(1), Decimal(0)], type_) if pa.types.is_decimal(type_) else pa.array([1, 0]).cast(type_)


class TestTypes:
    def test_a_condition_needs_a_column_that_has_text(self, tmp_path: Path) -> None:
        path = tmp_path / "source.parquet"
        schema = pa.schema([("id", pa.string()), ("x", pa.map_(pa.float64(), pa.string()))])
        pq.write_table(pa.table([["1", "2"], [[(1.5, "a")], None]], schema=schema), path)
        assert len(read(path, fields=("id",)).ids) == 2
        with pytest.raises(ConfigError, match=r"source\.where: column 'x' holds"):
            read(path, where={"x": ("1",)}, fields=("id",))

    def test_whole_decimals_are_ids(self, tmp_path: Path) -> None:
        ids = pa.array([10**37, -5, None], pa.decimal128(38, 0))
        found = read(write(tmp_path, {"id": ids, "x": ["a", "b", "c"]}))
        assert found.ids == [str(10**37), "-5"]
        assert found.reasons == [(3, "id is null")]

    @pytest.mark.parametrize("type_", [pa.decimal128(10, 2), pa.float64(), pa.bool_(), pa.timestamp("s")])
    def test_what_is_no_id_is_refused_by_name(self, tmp_path: Path, type_: pa.DataType) -> None:
        with pytest.raises(ConfigError, match=r"column 'id' holds .*; ids must be text or integers"):
            read(write(tmp_path, {"id": _two(type_), "x": ["a", "b"]}))

    def test_bytes_are_text_where_that_is_declared(self, tmp_path: Path) -> None:
        path = write(tmp_path, {"id": pa.array([b"1", b"\xff"], pa.binary()), "x": pa.array([b"\xc3\xa9", b"b"])})
        as_text = ColumnShape(type="string")
        found = read(path, columns={"id": as_text, "x": as_text})
        assert (found.ids, found.data) == (["1"], [{"x": "é"}])
        assert found.reasons == [(2, "id is not valid UTF-8")]
        with pytest.raises(ConfigError, match="read it as text"):
            read(path)

    def test_a_key_that_comes_twice_is_invalid(self, tmp_path: Path) -> None:
        maps = pa.array([[("k", 1), ("k", 2)], [("k", 1), ("l", 2)], None], pa.map_(pa.string(), pa.int64()))
        found = read(write(tmp_path, {"id": ["1", "2", "3"], "m": maps, "x": ["a", "b", "c"]}))
        assert found.data == [{"m": {"k": 1, "l": 2}, "x": "b"}, {"x": "c"}]
        assert found.reasons == [(1, "column 'm' holds a key twice")]

    def test_small_decimals_have_no_exponent(self, tmp_path: Path) -> None:
        amounts = pa.array([1, 12_345], pa.int64()).cast(pa.decimal128(38, 0))
        scaled = pa.Array.from_buffers(pa.decimal128(38, 10), 2, amounts.buffers())
        path = write(tmp_path, {"id": ["1", "2"], "x": scaled})
        lines = b"".join(read(path).lines)
        assert b'"x":0.0000000001}' in lines
        assert b'"x":0.0000012345}' in lines

    def test_fields_of_one_name_are_refused(self, tmp_path: Path) -> None:
        path = write(tmp_path, {"id": ["1"], "x": [[{"a": 1, "b": 2}]]}, store_schema=False)

        def rename(footer: Struct) -> None:
            next(element for element in schema_of(footer) if element[ELEMENT_NAME][1] == b"b")[ELEMENT_NAME] = (
                BINARY,
                b"a",
            )

        change_footer(path, rename)
        with pytest.raises(ConfigError, match="column 'x' holds an object with two fields 'a'"):
            read(path)

    def test_uuids_are_text_also_where_they_are_refused(self, tmp_path: Path) -> None:
        ids = pa.array([bytes(range(16)), b"\xff" * 16, None], pa.uuid())
        found = read(write(tmp_path, {"id": ids, "x": [1.5, nan, 1.0]}))
        assert found.ids == ["00010203-0405-0607-0809-0a0b0c0d0e0f"]
        assert [refusal.id for refusal in found.refusals] == ["ffffffff-ffff-ffff-ffff-ffffffffffff", None]

    def test_text_as_views_is_text_also_where_rows_are_left_out(self, tmp_path: Path) -> None:
        x = pa.array([b"a", b"long enough to be a view", b"\xff", None]).view(pa.string()).cast(pa.string_view())
        lists = pa.ListArray.from_arrays(pa.array(range(5), pa.int32()), x)
        folded = {
            "objects": pa.StructArray.from_arrays([x], ["key"]),
            "lists": lists,
            "large": lists.cast(pa.large_list(pa.string_view())),
            "maps": pa.MapArray.from_arrays(lists.offsets, pa.array(list("abcd"), pa.string_view()), x),
        }
        path = write(tmp_path, {"id": pa.array(list("1234"), pa.string_view()), "x": x, **folded})
        found = read(path, where={"x": ("a", "long enough to be a view", "")})
        assert found.ids == ["1", "2", "4"]
        assert found.data[1]["large"] == ["long enough to be a view"]
        assert found.data[2] == {"objects": {"key": None}, "lists": [None], "large": [None], "maps": {"d": None}}
        assert found.reasons == [(3, "column 'x' is not valid UTF-8")]

    def test_booleans_of_8_bits_are_booleans(self, tmp_path: Path) -> None:
        truths = pa.array([1, 0], pa.int8()).cast(pa.bool8())
        assert read(write(tmp_path, {"id": ["1", "2"], "x": truths})).data == [{"x": True}, {"x": False}]

    @pytest.mark.parametrize(
        ("type_", "value", "sent"),
        [
            (pa.bool8(), 1, True),
            (pa.uuid(), bytes(range(16)), "00010203-0405-0607-0809-0a0b0c0d0e0f"),
            (pa.json_(), '{"a": 1}', '{"a": 1}'),
            (pa.opaque(pa.string(), "type", "vendor"), "a", "a"),
            (pa.fixed_shape_tensor(pa.int32(), [2]), [1, 2], [1, 2]),
        ],
        ids=lambda value: value.extension_name if isinstance(value, pa.DataType) else "",
    )
    def test_extensions_are_what_they_store_also_in_lists_of_nothing(
        self, tmp_path: Path, type_: pa.DataType, value: Any, sent: Any
    ) -> None:
        values = pa.ExtensionArray.from_storage(type_, pa.array([value, value, None, None], type_.storage_type))
        offsets = pa.array([0, 0, 2], pa.int32())
        for x, first, second in (
            (pa.ListArray.from_arrays(offsets, values), [], [sent, sent]),
            (pa.LargeListArray.from_arrays(offsets.cast(pa.int64()), values), [], [sent, sent]),
            (pa.FixedSizeListArray.from_arrays(values, 2, mask=pa.array([True, False])), None, [None, None]),
            (pa.MapArray.from_arrays(offsets, pa.array(list("abcd")), values), {}, {"a": sent, "b": sent}),
            (pa.StructArray.from_arrays([values], ["y"], mask=pa.array([True, False, True, True])), None, {"y": sent}),
        ):
            folded = pa.ListArray.from_arrays(pa.array([None, 0, 2], pa.int32()), x[:2])
            path = write(tmp_path, {"id": ["0", "1"], "x": x[:2], "folded": folded}, row_group_size=1)
            assert read(path, nulls="send").data == [
                {"x": first, "folded": None},
                {"x": second, "folded": [first, second]},
            ]
            assert read(path, nulls="send", where={"id": ("0",)}).data == [{"x": first, "folded": None}]

    def test_tensors_of_several_dimensions_have_no_json_form(self, tmp_path: Path) -> None:
        storage = pa.array([[1, 2, 3, 4]], pa.list_(pa.int32(), 4))
        tensors = pa.ExtensionArray.from_storage(pa.fixed_shape_tensor(pa.int32(), [2, 2]), storage)
        path = write(tmp_path, {"id": ["1"], "x": pa.ListArray.from_arrays(pa.array([0, 1], pa.int32()), tensors)})
        with pytest.raises(ConfigError, match=r"column 'x' holds .*fixed_shape_tensor"):
            read(path)

    def test_lists_as_views_may_hold_text_as_views(self, tmp_path: Path) -> None:
        texts = pa.array(["a", "b", None], pa.string_view())
        offsets, sizes = pa.array([1, 0], pa.int32()), pa.array([2, 1], pa.int32())
        found = read(write(tmp_path, {"id": ["1", "2"], "x": pa.ListViewArray.from_arrays(offsets, sizes, texts)}))
        assert found.data == [{"x": ["b", None]}, {"x": ["a"]}]

    def test_a_time_that_no_day_has_is_shown_as_its_number(self, tmp_path: Path) -> None:
        found = read(write(tmp_path, {"id": ["1"], "x": pa.array([86_400_000], pa.int32()).cast(pa.time32("ms"))}))
        assert found.refusals[0].data == b'{"x":"86400000"}'


def test_columns_of_directories_need_no_others(tmp_path: Path) -> None:
    folder = tmp_path / "branch=7"
    folder.mkdir()
    write(folder, {"id": ["1", "2"], "x": [1, 2]})
    blocks = list(open_source(SourceSpec((str(tmp_path),), id="branch", fields=("branch",))).blocks())
    assert [block.ids for block in blocks] == [["7", "7"]]


def test_a_damaged_file_never_sends_another_value(tmp_path: Path) -> None:
    """Bytes are flipped and the end is cut: what arrives is what was written, or the file is refused."""
    rows = 400
    table = pa.table(
        {
            "id": [f"LN{n}" for n in range(rows)],
            "emi": [n * 1_000 + 7 for n in range(rows)],
            "at": [datetime(2026, 1, 1 + n % 28) for n in range(rows)],
        }
    )
    out = io.BytesIO()
    pq.write_table(table, out, row_group_size=100, write_page_checksum=True, compression="none")
    content, random, path = out.getvalue(), Random(20261128), tmp_path / "source.parquet"
    path.write_bytes(content)
    whole = dict(zip(read(path).ids, read(path).data, strict=True))
    data_end = len(content) - 8 - int.from_bytes(content[-8:-4], "little")
    refused = 0
    for _ in range(150):
        damaged = bytearray(content)
        damaged[random.randrange(4, data_end)] ^= 1 << random.randrange(8)
        path.write_bytes(damaged[: random.choice([None, None, random.randrange(len(content))])])
        found = read(path)
        refused += found.damage is not None
        arrived = dict(zip(found.ids, found.data, strict=True))
        assert all(whole[id_] == data for id_, data in arrived.items()) if found.damage else arrived == whole
    assert refused > 100
