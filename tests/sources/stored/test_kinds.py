"""What a file is that is no source: each kind by what real programs write, and no text by mistake."""

from __future__ import annotations

import bz2
import io
import lzma
import sqlite3
import tarfile
import zipfile
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, strategies as st
from pyarrow import feather, orc, parquet as pq

from engine.sources.stored.kinds import HEAD_BYTES, PARQUET, kind_of, refuse_other_kinds
from engine.values.errors import SourceUntrusted

TABLE = pa.table({"id": ["a"], "x": [1]})


def parquet() -> bytes:
    written = pa.BufferOutputStream()
    pq.write_table(TABLE, written)
    return bytes(written.getvalue().to_pybytes())


def zipped(*names: str) -> bytes:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as archive:
        for name in names:
            archive.writestr(zipfile.ZipInfo(name), "x")  # without the time of day
    return written.getvalue()


def tarred() -> bytes:
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("p.csv"))
    return written.getvalue()


def arrow() -> bytes:
    written = io.BytesIO()
    feather.write_feather(TABLE, written, compression="uncompressed")
    return written.getvalue()


def orc_file() -> bytes:
    written = pa.BufferOutputStream()
    orc.write_table(TABLE, written)
    return bytes(written.getvalue().to_pybytes())


def sqlite() -> bytes:
    with sqlite3.connect(":memory:") as db:
        db.execute("CREATE TABLE t (x)")
        return db.serialize()


KINDS = {
    "a Parquet file, not text": parquet(),
    "encrypted Parquet": b"PARE\x15\x00\x15\x1c",
    "a spreadsheet, not text": zipped("[Content_Types].xml", "xl/workbook.xml"),
    "a ZIP archive": zipped("p.csv"),
    "compressed with bzip2": bz2.compress(b"id,x\n"),
    "compressed with xz": lzma.compress(b"id,x\n"),
    "compressed with lz4": b"\x04\x22\x4d\x18\x64\x40\xa7",
    "compressed with snappy": b"\xff\x06\x00\x00sNaPpY\x01",
    "a 7z archive": b"7z\xbc\xaf\x27\x1c\x00\x04",
    "a RAR archive": b"Rar!\x1a\x07\x01\x00",
    "a tar archive": tarred(),
    "an old Office file, not text": b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(100),
    "an SQLite database": sqlite(),
    "an Avro file": b"Obj\x01\x04\x14avro.codec",
    "an ORC file": orc_file(),
    "an Arrow (Feather) file": arrow(),
    "a PDF document": b"%PDF-1.7\n",
    "a web page, not data": b"\n<!DOCTYPE html>\n<html lang=en><title>Sign in</title>",
    "an XML document": b'<?xml version="1.0"?>\n<rows>',
}


@pytest.mark.parametrize("what", KINDS)
def test_each_is_named_with_what_to_do(what: str) -> None:
    with pytest.raises(SourceUntrusted) as caught:
        refuse_other_kinds("p.csv", KINDS[what][:HEAD_BYTES])
    said = str(caught.value)
    assert said.startswith(f"p.csv is {what}; ")
    assert ("source.format" in said) == (what == "a Parquet file, not text")


@pytest.mark.parametrize(
    ("head", "what"),
    [
        (zipped(), "a ZIP archive"),  # an empty one
        (bz2.compress(b""), "compressed with bzip2"),
        (b"\xef\xbb\xbf<html>", "a web page, not data"),
        (b"<HTML><HEAD>", "a web page, not data"),
        (b"<!-- made by a gateway -->\n<html>", "a web page, not data"),
        (b'<table border="1">\n<tr><td>id', "a table of a web page, as programs write that save it as a spreadsheet"),
        (b'<meta charset="utf-8"><table>', "a table of a web page, as programs write that save it as a spreadsheet"),
        (b'<Workbook xmlns="urn:schemas-microsoft-com:office:spreadsheet">', "an XML document"),
        (bytes(4096), "nothing but zeros where it begins"),
        (zipped("mimetype")[:30] + b"mimetypeapplication/vnd.oasis.opendocument", "a spreadsheet, not text"),
    ],
)
def test_other_forms_of_these(head: bytes, what: str) -> None:
    kind = kind_of(head)
    assert kind is not None
    assert kind.what == what


@pytest.mark.parametrize(
    "header",
    [
        b"", b"PARENT_ID,x\n1,2\n", b"PAR1,PAR2\n1,2\n", b"ORC_ID,x\n", b"BZh9,x\n", b"PKey,x\n", b"Object,x\n",
        b"Rar!,x\n", b"7z,x\n", b"id,<html>\n", b"<id>,x\n", b"%PDF,x\n", b"SQLite,x\n", b'{"id":"ustar"}\n' * 40,
        b"<table,x\n", b"FEA1_x,y\n", "नाम,x\n".encode(), "id,x\n".encode("utf-16"),
    ],
)  # fmt: skip
def test_text_is_not_taken_for_something_else(header: bytes) -> None:
    assert kind_of(header) is None


@given(st.text(alphabet=st.characters(blacklist_categories=("Cc", "Cs"))))
def test_no_text_is_binary(text: str) -> None:
    kind = kind_of(text.encode())
    assert kind is None or not text.isprintable() or "<" in text or "%PDF-" in text


def test_one_kind_may_be_right() -> None:
    refuse_other_kinds("p", parquet(), but=PARQUET)
    with pytest.raises(SourceUntrusted, match="p is a ZIP archive"):
        refuse_other_kinds("p", zipped("a"), but=PARQUET)


def test_a_directory_of_real_files(tmp_path: Path) -> None:
    """What is written to a disk is told, too, by no more than its head."""
    for number, content in enumerate(KINDS.values()):
        (tmp_path / str(number)).write_bytes(content)
        with (tmp_path / str(number)).open("rb") as file:
            assert kind_of(file.read(HEAD_BYTES)) is not None
