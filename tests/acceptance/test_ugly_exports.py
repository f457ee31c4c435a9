"""CSV and TSV as exports really are: what is no customer is refused, and everything else arrives."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from tests.acceptance.engine_process import Engine

MakeEngine = Callable[..., Engine]


def with_export(make_engine: MakeEngine, text: str, name: str = "export.csv", **source: Any) -> Engine:
    engine = make_engine()
    (engine.home / name).write_bytes(text.encode())
    engine.configure(source={"path": name, "id": "loan_id", **source})
    return engine


def rejected(engine: Engine) -> list[tuple[int, str]]:
    [path] = engine.home.rglob("rejected.ndjson")
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return [(line["source"]["row"], line["reason"]) for line in lines]


def test_a_stray_quote_costs_its_own_row(make_engine: MakeEngine) -> None:
    rows = "".join(f"LN{n},Nick {n},{n}\r\n" for n in range(2, 3_001))
    engine = with_export(make_engine, f'loan_id,nick,emi\r\nLN1,"Bunty,1\r\n{rows}')
    done = engine.sync()
    assert (done.exit_code, done.records) == (3, {"read": 3_000, "updated": 2_999, "invalid": 1})
    assert engine.server.state() == {f"LN{n}": {"nick": f"Nick {n}", "emi": str(n)} for n in range(2, 3_001)}
    assert [(row, reason[:32]) for row, reason in rejected(engine)] == [(1, "a quoted cell spans lines that l")]


def test_tsv_takes_quotes_for_text_and_spark_escapes_them(make_engine: MakeEngine) -> None:
    engine = with_export(make_engine, 'loan_id\tnick\nLN1\t"Bunty\nLN2\t15"\n', "export.tsv")
    assert engine.sync().exit_code == 0
    assert engine.server.state() == {"LN1": {"nick": '"Bunty'}, "LN2": {"nick": '15"'}}
    engine = with_export(make_engine, 'loan_id,address\nLN1,"Flat 12\\""\nLN2,"Flat 9, Pune"\n')
    assert engine.sync().exit_code == 0
    assert engine.server.state() == {"LN1": {"address": 'Flat 12"'}, "LN2": {"address": "Flat 9, Pune"}}


def test_titles_units_headers_and_footers_are_no_customers(make_engine: MakeEngine) -> None:
    part = "loan_id;emi;due\n;INR;yyyy-mm-dd\nLN1;1,50;2026-12-01\nLN2;2,00;2026-12-02\nTotal;3,50;\n"
    engine = with_export(make_engine, f"Portfolio as of 28-Nov-2026\n\n{part}\ufeff{part.replace('LN', 'LX')}")
    checked = engine.run("check")
    assert 'text      columns separated by semicolons, quoted by "' in checked.out
    assert "the header was found in line 3" in checked.out
    done = engine.sync()
    assert (done.exit_code, done.records) == (3, {"read": 9, "updated": 4, "invalid": 5})
    assert set(engine.server.state()) == {"LN1", "LN2", "LX1", "LX2"}
    assert [reason.partition(",")[0] for _, reason in rejected(engine)] == [
        "a line of units below the header",
        "a footer (total)",
        "the header again",
        "a line of units below the header",
        "a footer (total)",
    ]


def test_columns_that_change_in_mid_file_are_65(make_engine: MakeEngine) -> None:
    engine = with_export(make_engine, "loan_id,name,city\nLN1,Asha,Pune\nloan_id,city,name\nLN2,Delhi,Ravi\n")
    done = engine.sync()
    assert done.exit_code == 65
    assert "the columns change at data row 2" in done.out
    assert "LN2" not in engine.server.state()


def test_a_file_without_a_header_is_not_quoted_anywhere(make_engine: MakeEngine) -> None:
    engine = with_export(make_engine, "LN0000001,Asha Canary,9876500001\nLN0000002,Ravi Canary,9876500002\n")
    for command in ("sync", "check"):
        done = engine.run(command)
        assert done.exit_code == 2
        assert "is the header missing?" in done.out + done.err
        assert "Canary" not in done.out + done.err
    assert not [path for path in engine.home.rglob("*.json") if "Canary" in path.read_text(encoding="utf-8")]


def test_a_byte_order_mark_proves_utf_16(make_engine: MakeEngine) -> None:
    engine = with_export(make_engine, "")
    (engine.home / "export.csv").write_bytes("loan_id\tname\nLN1\tआशा\n".encode("utf-16"))
    checked = engine.run("check")
    assert 'columns separated by tabs, quoted by ", in UTF-16, as its byte order mark says' in checked.out
    assert engine.sync().exit_code == 0
    assert engine.server.state() == {"LN1": {"name": "आशा"}}
