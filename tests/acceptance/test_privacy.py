"""Servers that quote what they refuse, and input that is bad in every way: only the reject file tells of records."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.acceptance.engine_process import Engine
from tests.acceptance.listeners import HealthCheck
from tests.acceptance.portfolios import ndjson_line

pytestmark = pytest.mark.nights

MakeEngine = Callable[..., Engine]

VALUES = {
    "first_name": "Tirumala Kanarienvogel",
    "hindi_name": "कनारी पुणेकर",
    "phone_number": "+919876598765",
    "email": "canary.bird@example.in",
    "due_date": "2031-07-19",
    "emi_amount": 73519.25,
    "loan_number": 8844221177,
    "address": {"lines": ["Chidiya Ghar", "Nariman"]},
}
CANARIES = (
    "tirumala", "kanarienvogel", "कनारी", "पुणेकर", "98765", "canary.bird", "2031-07", "73519", "8844221177",
    "chidiya", "ghar", "nariman",
)  # fmt: skip
IDS = [f"CANID-{number:03}-Q" for number in range(1, 13)]


@pytest.fixture
def check() -> Iterator[HealthCheck]:
    with HealthCheck() as check:
        yield check


def prepared(engine: Engine, check: HealthCheck) -> Engine:
    lines = [ndjson_line(record_id, VALUES) for record_id in IDS]
    (engine.home / "loans.ndjson").write_bytes(b"\n".join(lines) + b"\n")
    engine.configure(
        source={"path": "loans.ndjson"},
        log={"level": "debug"},
        notify={"healthcheck_url": check.url, "prometheus_textfile": "sync.prom"},
        guard={"max_rejected": "100%"},
    )
    return engine


def all_that_is_told(engine: Engine, check: HealthCheck) -> str:
    """Return whatever the engine leaves or says, but for the reject file."""
    said = said_by(engine, "sync", "sync --json --log-format console", "status", "replay", "status --json")
    return "\n".join([said, *(ping.body for ping in check.pings), left_by(engine, but="loans.ndjson")])


def said_by(engine: Engine, *commands: str) -> str:
    outputs = [engine.run(*command.split()) for command in commands]
    return "\n".join(text for done in outputs for text in (done.out, done.err))


def left_by(engine: Engine, but: str) -> str:
    """Return what all files hold that the engine has left, but for the reject file, its table and the source."""
    left_out = ("rejected.ndjson", "rejected.csv", but)
    files = [path for path in engine.home.rglob("*") if path.is_file() and path.name not in left_out]
    return "\n".join(path.read_bytes().decode("utf-8", "replace") for path in files)


@pytest.mark.parametrize(
    "flags",
    [
        {"reject": IDS, "error_shape": "id"},
        {"reject": IDS, "error_shape": "text"},
        {"reject": IDS, "error_shape": "index"},
        {"reject": IDS[:2], "error_shape": "unknown-id"},
        {"reject": IDS, "partial_status": 422, "error_shape": "nested"},
        {"poison": IDS[:2]},
    ],
    ids=lambda flags: flags.get("error_shape", "poison"),
)
def test_a_server_that_quotes_is_quoted_nowhere(
    flags: dict[str, Any], make_engine: MakeEngine, check: HealthCheck
) -> None:
    engine = prepared(make_engine(quote=True, **flags), check)
    told = all_that_is_told(engine, check).casefold()
    assert not [canary for canary in CANARIES if canary in told]
    assert "phone_number …" in told  # what is wrong can still be read
    assert not [ping.body for ping in check.pings if "CANID" in ping.body]
    reasons = {reject["reason"] for reject in engine.rejects()}
    assert len(reasons) == 1, reasons


def test_different_words_about_one_trouble_are_one_reason(make_engine: MakeEngine, check: HealthCheck) -> None:
    engine = prepared(make_engine(quote=True, reject=IDS), check)
    [reason] = engine.sync().report["reasons"]
    assert (reason["count"], reason["reason"][:65]) == (
        len(IDS),
        "Record … refused: first_name … is invalid; hindi_name … is invali",
    )


SHAPES: dict[str, Any] = {
    "emi": {"type": "number", "strip": "₹Rs. -()", "thousands": ","},
    "due": {"date_format": "%d-%m-%Y"},
    "paid": {"type": "boolean", "true": "Y", "false": "N"},
    "age": {"type": "integer", "trim": True, "default": 0},
    "doc": {"type": "json"},
    "kind": {"type": "integer", "map": {"A": 1, "B": "2"}},
}
NAMES = f"loan_id,name,{','.join(SHAPES)}"
MISFITS = [
    "L1,x,Canary,,,,,", "L2,x,₹ 7351942-,,,,,", "L3,x,(7351942),,,,,", "L4,x,--7351942,,,,,", "L5,x,,Canary,,,,",
    "L6,x,,31-02-7351942,,,,", "L7,x,,,Canary,,,", "L8,x,,,,7351942.5,,", "L9,x,,,,,{Canary,", "L10,x,,,,,,Canary",
]  # fmt: skip
NO_RECORDS = [
    'N1,"Canary,,,,,,', "N2,Canary,5", "N3,Canary,,,,,,,Canary", ",Canary,,,,,,", 'N4,"Canary"x,,,,,,',
    "N5,\udce9Canary,,,,,,", NAMES, "Total,,7351942,,,,,", "(7351942 rows affected)",
]  # fmt: skip
GOOD = "L0,x,5,28-11-2026,Y,1,{},A"
LINES = [
    '{"loan_id":"L0","age":1,"doc":{}}',
    '{"loan_id":"L1","emi":"7351942-"}', '{"loan_id":"L2","due":"Canary"}', '["Canary"]',
    '{"loan_id":"L3","name":"Canary', '{"loan_id":7351942.5,"name":"Canary"}', '{"name":"Canary"}', "Canary",
    '{"loan_id":"L4","loan_id":"Canary"}', '{"loan_id":"L5","name":"Canary\\ud800"}', '{"loan_id":["Canary"],"a":1}',
    '{"loan_id":"L6","kind":"Canary"}', '{"loan_id":"L7","paid":"Canary"}', '{"loan_id":"L8","emi":{"Canary":7351942}}',
]  # fmt: skip


def as_parquet() -> bytes:
    columns = {
        "loan_id": ["L0", "L1", "L2", "L3", "L4", None],
        "name": pa.array([b"x", b"\xffCanary", b"x", b"x", b"x", b"Canary"]).view(pa.string()),
        "emi": ["5", "5", "7351942-", "5", "5", "Canary"],
        "due": [None, None, None, "Canary", None, None],
        "paid": ["Y", "N", "Y", "Y", "Canary", None],
        "rate": [1.0, 1.0, 1.0, 1.0, float("nan"), 7351942.5],
        "told": pa.MapArray.from_arrays(pa.array([0, 0, 0, 0, 0, 0, 2], pa.int32()), ["Canary", "Canary"], [1, 2]),
        "on": pa.array([1, 1, 1, 1, 1, 7_351_942], pa.int32()).cast(pa.date32()),
    }
    written = io.BytesIO()
    pq.write_table(pa.table(columns), written)
    return written.getvalue()


@pytest.mark.parametrize(
    ("name", "format", "content", "invalid"),
    [
        ("misfits.csv", "csv", "\n".join([NAMES, GOOD, *MISFITS]).encode(), len(MISFITS)),
        ("rows.csv", "csv", "\n".join([NAMES, GOOD, *NO_RECORDS]).encode(errors="surrogateescape"), len(NO_RECORDS)),
        ("misfits.txt", "csv", "\n".join([NAMES, GOOD, *MISFITS]).replace(",", "~").encode("utf-16"), len(MISFITS)),
        ("lines.ndjson", "ndjson", "\n".join(LINES).encode(), len(LINES) - 1),
        ("odd.parquet", "parquet", as_parquet(), 5),
    ],
)
def test_bad_records_are_quoted_nowhere(
    make_engine: MakeEngine, name: str, format: str, content: bytes, invalid: int
) -> None:
    engine = make_engine()
    (engine.home / name).write_bytes(content)
    columns = {column: SHAPES[column] for column in ("emi", "due", "paid")}
    engine.configure(
        source={"path": name, "id": "loan_id", "format": format, "columns": columns if format == "parquet" else SHAPES},
        log={"level": "debug"},
        guard={"max_invalid": "100%"},
    )
    said = said_by(engine, "check", "sync --log-format console", "sync --json", "status", "status --json")
    rejects = engine.rejects()
    told = "\n".join([said, said_by(engine, f"init {name}", "replay"), left_by(engine, but=name)])
    assert [canary for canary in ("canary", "7351942") if canary in told.casefold()] == []
    assert len(rejects) == invalid
    assert "canary" in str(rejects).casefold()


@pytest.mark.parametrize(
    ("text", "exit_code"),
    [
        ("L1,Canary Bird,7351942\nL2,Canary Bai,7351943\n", 2),
        ("L1~Canary Bird~7351942\nL2~Canary Bai~7351943\n", 2),
        ("L1#Canary Bird#7351942\nL2#Canary Bai#7351943\n", 2),
        ('loan_id,"name\nL1,Canary\nL2,Canary\n', 65),
        ("loan_id,,name\nL1,Canary,7351942\n", 65),
        ("loan_id,name,name\nL1,Canary,7351942\n", 2),
        ('loan_id,name\nL1,"Canary\n7351942\n', 65),
        ("loan_id,name,city\nL1,x,Pune\nloan_id,city,name\nL2,Canary,7351942\n", 65),
    ],
)
def test_files_that_cannot_be_read_are_quoted_nowhere(make_engine: MakeEngine, text: str, exit_code: int) -> None:
    engine = make_engine()
    (engine.home / "loans.csv").write_text(text, encoding="utf-8")
    engine.configure(source={"path": "loans.csv", "id": "loan_id"}, log={"level": "debug"})
    assert engine.sync().exit_code == exit_code
    told = (
        f"{said_by(engine, 'check', 'status --json', 'init loans.csv')}\n{left_by(engine, but='loans.csv')}".casefold()
    )
    assert [canary for canary in ("canary", "7351942") if canary in told.casefold()] == []
