"""The table of what was not accepted: whole, for spreadsheets, and made of nothing but the lines that count."""

from __future__ import annotations

import csv
import stat
import tracemalloc
from pathlib import Path

import orjson
import pytest

from engine.state.rejected_csv import FIELDS_MAX, write_rejected_csv
from engine.values.errors import StateFailed


def line(record_id: str, data: object, outcome: str = "rejected", **extra: object) -> bytes:
    tail = {"outcome": outcome, "reason": "locked", "http_status": 207, "source": {"path": "loans.csv", "row": 7}}
    return orjson.dumps({"id": record_id, "data": data, **tail, **extra}) + b"\n"


def table(run_dir: Path, *lines: bytes, counted: int | None = None) -> list[list[str]]:
    content = b"".join(lines)
    (run_dir / "rejected.ndjson").write_bytes(content)
    write_rejected_csv(run_dir, len(content) if counted is None else counted)
    with (run_dir / "rejected.csv").open(encoding="utf-8-sig", newline="") as file:
        return list(csv.reader(file))


def test_each_reject_is_a_row_with_all_fields_that_any_has(tmp_path: Path) -> None:
    unreadable = (
        b'{"raw":"{oops","outcome":"invalid","reason":"not JSON","http_status":null,"source":{"path":"b","row":2}}\n'
    )
    rows = table(tmp_path, line("a", {"x": 1, "y": "é"}), line("b", {"z": None, "x": 2.50}), unreadable)
    assert rows == [
        ["id", "outcome", "reason", "http_status", "file", "row", "raw", "x", "y", "z"],
        ["a", "rejected", "locked", "207", "loans.csv", "7", "", "1", "é", ""],
        ["b", "rejected", "locked", "207", "loans.csv", "7", "", "2.5", "", ""],
        ["", "invalid", "not JSON", "", "b", "2", "{oops", "", "", ""],
    ]


def test_a_spreadsheet_knows_its_encoding_and_nobody_else_reads_it(tmp_path: Path) -> None:
    table(tmp_path, line("a", {"x": "é"}))
    path = tmp_path / "rejected.csv"
    assert path.read_bytes().startswith(b"\xef\xbb\xbfid,outcome,")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_names_of_fields_may_be_those_of_columns_or_formulas(tmp_path: Path) -> None:
    [header, row] = table(tmp_path, line("a", {"id": "x", "data.id": "y", "row": "z", "=1+1": "f", "00": "g"}))
    assert header[6:] == ["data.id", "data.data.id", "data.row", "'=1+1", '="00"']
    assert row[6:] == ["x", "y", "z", "f", "g"]


def test_fields_beyond_number_share_a_column(tmp_path: Path) -> None:
    first = {f"f{number}": number for number in range(FIELDS_MAX)}
    [header, _, row] = table(tmp_path, line("a", first), line("b", {"f3": 1, "more": 2, "most": "x"}))
    assert len(header) == 6 + FIELDS_MAX + 1
    assert (header[-1], row[9], row[-1]) == ("other fields", "1", '{"more":2,"most":"x"}')


def test_what_was_never_committed_is_left_out(tmp_path: Path) -> None:
    counts = line("a", {"x": 1})
    assert [row[0] for row in table(tmp_path, counts, line("b", {"y": 1}), counted=len(counts))] == ["id", "a"]


def test_half_a_character_spoils_nothing(tmp_path: Path) -> None:
    spoilt = line("b", {"x": "?"}).replace(b"?", rb"\ud800")
    rows = table(tmp_path, line("a", {"x": 1}), spoilt, b"not a line of ours\n")
    assert [row[0] for row in rows] == ["id", "a", "", ""]
    assert r"\ud800" in rows[2][rows[0].index("raw")]


def test_without_rejects_there_is_no_table(tmp_path: Path) -> None:
    (tmp_path / "rejected.ndjson").write_bytes(b"")
    assert write_rejected_csv(tmp_path, 0)
    assert write_rejected_csv(tmp_path / "gone", 10)
    assert not (tmp_path / "rejected.csv").exists()


@pytest.mark.parametrize(
    ("reject", "is_replayable"),
    [
        (line("a", {"x": 1}), True),
        (b'{"id":"a","outcome":"unknown","reason":"r","http_status":500,"source":{"path":"f","row":1}}\n', False),
        (b'{"id":"a","outcome":"invalid","reason":"r","http_status":null,"source":{"path":"f","row":1}}\n', True),
    ],
)
def test_it_tells_whether_all_can_be_sent_again(tmp_path: Path, reject: bytes, is_replayable: bool) -> None:
    (tmp_path / "rejected.ndjson").write_bytes(line("b", {"x": 1}) + reject)
    assert write_rejected_csv(tmp_path, 1 << 20) == is_replayable


def test_a_table_that_cannot_be_written_leaves_the_one_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = table(tmp_path, line("a", {"x": 1}))

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(StateFailed, match=r"rejected\.csv: cannot write the file: No space left"):
        table(tmp_path, line("b", {"x": 1}))
    monkeypatch.undo()
    with (tmp_path / "rejected.csv").open(encoding="utf-8-sig", newline="") as file:
        assert list(csv.reader(file)) == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["rejected.csv", "rejected.ndjson"]


def test_a_hundred_thousand_rejects_take_no_more_memory_than_some(tmp_path: Path) -> None:
    content = line("a", {"x": "é" * 100, "y": 1}) * 100_000
    (tmp_path / "rejected.ndjson").write_bytes(content)
    size = len(content)
    del content
    tracemalloc.start()
    write_rejected_csv(tmp_path, size)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (tmp_path / "rejected.csv").stat().st_size > 10_000_000
    assert peak_bytes < 5_000_000
