"""How a text is written: what is found in its head, and what a setting says instead."""

from pathlib import Path
from typing import Any

import pytest

from engine.sources.csv.dialect import HEAD_BYTES, detect_dialect
from engine.sources.csv.text import Dialect
from engine.sources.files import text_facts
from engine.sources.formats import Format
from engine.sources.spec import SourceSpec
from engine.values.errors import ConfigError
from tests.sources.tables import read_text


def found(text: str, format_: Format = "csv", **spec: Any) -> Dialect:
    return detect_dialect(text.encode(), format_, SourceSpec(("source",), **spec))


ROWS = "1{0}Asha{0}5\n2{0}Ravi{0}6\n"


@pytest.mark.parametrize("mark", [",", ";", "\t", "|"])
@pytest.mark.parametrize("format_", ["csv", "tsv"])
def test_any_of_the_usual_marks_may_separate(format_: Format, mark: str) -> None:
    assert found(f"id{mark}name{mark}emi\n{ROWS.format(mark)}", format_).delimiter == mark
    assert found(f"id{mark}name{mark}emi", format_).delimiter == mark


@pytest.mark.parametrize(
    ("text", "mark"),
    [
        ('id;"name, first";emi\n1;"Rao, Asha";5\n2;"Das, Mia";6\n', ";"),
        ("id;Name (last, first);emi\n1;Rao, Asha;5\n2;Das, Mia;6\n", ";"),
        ("id;Name (last, first);emi\n1;Rao;5\n2;Das, Mia;6\n3;Li;7\n", ";"),
        ('"id"\t"name, first"\n"1"\t"x"\n', "\t"),
        ('"id"|"a, b, c"\n"1"|"x"\n', "|"),
        ("id;emi;due\n1;1234,56;1.234,50\n2;99,10;12,00\n", ";"),
        ("id;name;emi\n1;Rao, Asha;1,25,000.00\n2;Das, Mia;2,25,000.00\n", ";"),
        ("id,tags,emi\n1,a;b;c;d,5\n2,a;b;c;d,6\n", ","),
        ('id,"a;b;c;d;e",emi\n1,x,5\n2,y,6\n', ","),
        ("id,note\n1,a|b\n2,a|b\n3,c\n", ","),
        ("Portfolio as of Nov 28, 2026\n\nid;name;emi\n1;Asha;5\n2;Ravi;6\n", ";"),
        ("Portfolio\nid|name|emi\n1|Asha|5\n", "|"),
        ("id,name,emi\n1,Asha\n2,Ravi,6\n3,Mia,7,8\n", ","),
        ("id\n1\n2\n", ","),
        ("", ","),
    ],
)
def test_header_and_rows_together_show_the_delimiter(text: str, mark: str) -> None:
    assert found(text).delimiter == mark
    assert found("\ufeff" + text.replace("\n", "\r\n")).delimiter == mark


@pytest.mark.parametrize("line", ["sep=;\n", "SEP=;\r\n", '"sep=;"\n', "\ufeffsep=;\n"])
def test_a_line_that_names_the_delimiter_is_believed_and_no_data(tmp_path: Path, line: str) -> None:
    text = line + "id;a,b\n1;x,y\n"
    assert found(text).delimiter == ";"
    assert read_text(tmp_path, text).data == [{"a,b": "x,y"}]
    assert found(text, delimiter=",").delimiter == ","


@pytest.mark.parametrize("mark", ["~", "^", "\x01"])
def test_an_odd_delimiter_is_seen_where_it_divides_the_first_line(tmp_path: Path, mark: str) -> None:
    text = "id~name~emi\nL1~Rao, Asha~1,500\nL2~Das, Ravi~2,500\n".replace("~", mark)
    read = read_text(tmp_path, text)
    assert read.data == [{"name": "Rao, Asha", "emi": "1,500"}, {"name": "Das, Ravi", "emi": "2,500"}]
    assert found(f"id,a{mark}b\n1,x{mark}y\n2,x{mark}y\n").delimiter == ","
    assert found(f"id\nL{mark}1\nL{mark}2\n").delimiter == ","


def test_a_delimiter_that_nobody_can_see_is_asked_for(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"has no column 'id' .* set source\.delimiter"):
        read_text(tmp_path, "name#id\nAsha#1\n")
    with pytest.raises(ConfigError) as caught:
        read_text(tmp_path, "David Rao\nid\n")
    assert "source.delimiter" not in str(caught.value)
    assert read_text(tmp_path, "name#id\nAsha#1\n", delimiter="#").data == [{"name": "Asha"}]


def test_what_is_set_is_not_looked_for() -> None:
    text = "id;a;b\n1;x,y;z\n"
    assert found(text, delimiter=",") == Dialect(",", '"', "")
    assert found(text, quote="'", escape="^") == Dialect(";", "'", "^")
    assert found(text, quote="") == Dialect(";", "", "")
    assert found(text, quote='"', escape='"') == Dialect(";", '"', "")


def test_tsv_has_no_quotes_unless_one_is_set(tmp_path: Path) -> None:
    text = 'id\tnick\temi\nL1\t"Bunty\t1\nL2\tAsha\t2\nL3\t15"\t3\n'
    read = read_text(tmp_path, text, name="s.tsv")
    assert [data["nick"] for data in read.data] == ['"Bunty', "Asha", '15"']
    assert read_text(tmp_path, 'id\ta\n1\t"p\tq"\n', name="s.tsv", quote='"').data == [{"a": "p\tq"}]
    assert read_text(tmp_path, 'id\ta\n1\t"p\tq"\n', name="s.csv").data == [{"a": "p\tq"}]


def test_single_quotes_are_seen_where_the_whole_header_stands_in_them(tmp_path: Path) -> None:
    assert found("'id','a'\n'1','x, y'\n").quote == "'"
    assert found("'id',a\n'1',x\n").quote == '"'
    assert read_text(tmp_path, "'id','a'\n'1','it''s, y'\n").data == [{"a": "it's, y"}]


@pytest.mark.parametrize(
    ("rows", "escape"),
    [
        ('1,"Flat 12\\"",5\n2,Pune,6\n3,"Flat 9, Pune",7\n', "\\"),
        ('1,"he said \\"hi, all\\"",5\n2,x,6\n', "\\"),
        ('1,"a\\"b",5\n2,ragged\n', "\\"),
        ('1,"C:\\dir\\",5\n2,"x",6\n', ""),
        ('1,"a\\"b",5\n2,"C:\\dir\\",6\n3,z,8\n', ""),
        ('1,a\\"b,5\n2,x,6\n', ""),
        ('1,"say ""hi""",5\n2,"x\\\\y",6\n', ""),
    ],
)
def test_backslashes_escape_where_only_that_makes_sense(rows: str, escape: str) -> None:
    assert found(f"id,address,emi\n{rows}").escape == escape
    assert found(f"id,address,emi\n{rows}", escape="").escape == ""


def test_escaped_quotes_are_read_exactly(tmp_path: Path) -> None:
    text = 'id,address,emi\nL1,"Flat 12\\"",1\nL2,Pune,2\nL3,C:\\temp,3\nL4,"a\\\\b \\"c\\"\nd",4\nL5,"x""y",5\n'
    read = read_text(tmp_path, text)
    assert [data["address"] for data in read.data] == ['Flat 12"', "Pune", "C:\\temp", 'a\\b "c"\nd', 'x"y']
    assert not read.refusals


def test_an_escape_without_quotes_takes_delimiters_and_line_breaks(tmp_path: Path) -> None:
    text = "id\ta\tb\n1\tx\\\ty\\\nz\t\\N\n2\tp\\\\\tq\n"
    read = read_text(tmp_path, text, name="s.tsv", escape="\\", null_values=("\\N",))
    assert read.data == [{"a": "x\ty\nz"}, {"a": "p\\", "b": "q"}]


def test_only_the_head_is_looked_at() -> None:
    head = b"id,a;b\n" + b"1,x\n" * (HEAD_BYTES // 4)
    spec = SourceSpec(("source",))
    assert detect_dialect(head, "csv", spec) == detect_dialect(head[:HEAD_BYTES], "csv", spec)
    assert detect_dialect(head + b'1,"x\\""\n', "csv", spec).escape == ""


def test_a_dialect_is_told_in_words(tmp_path: Path) -> None:
    for name, text in [("a.csv", "id;b\n1;2\n"), ("b.csv", "id;b\n1;2\n"), ("c.tsv", "id\tb\n1\t2\n")]:
        (tmp_path / name).write_text(text, encoding="utf-8")
    one, all_ = str(tmp_path / "*.csv"), str(tmp_path / "?.*")
    assert text_facts(SourceSpec((one,))) == ['columns separated by semicolons, quoted by "']
    assert text_facts(SourceSpec((one,), escape="\\", delimiter="#")) == [
        "columns separated by '#', quoted by \", escaped by \\"
    ]
    assert text_facts(SourceSpec((all_,))) == [
        f'{tmp_path / "a.csv"}: columns separated by semicolons, quoted by "',
        f"{tmp_path / 'c.tsv'}: columns separated by tabs, not quoted",
    ]
    assert text_facts(SourceSpec((one,), format="ndjson")) == []
