"""The reject file: lines that a later run can read again, and reasons that hold nobody's data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given, strategies as st

from engine.state.masking import without_record_data
from engine.state.rejects import OTHER_REASONS, REASONS_MAX, add_reason, read_reject_ids, reasons, reject_lines
from engine.values import Chunk, ChunkResult, Failure, JoinedLines, Outcome, Place, Refusal, Span
from engine.values.counts import EXAMPLE_IDS_MAX, Reason


def result(*lines: bytes, failures: list[Failure] | None = None, refusals: list[Refusal] | None = None) -> ChunkResult:
    ids = [orjson.loads(line)["id"] for line in lines]
    spans = [Span("north.csv", 7, 1), Span("south.csv", 1, len(lines) - 1)] if lines else []
    return ChunkResult(Chunk(0, ids, JoinedLines(b"\n".join(lines)), spans, refusals or []), failures or [])


def lines_of(result: ChunkResult) -> list[Any]:
    return [orjson.loads(line) for line in reject_lines(result)]


def test_a_failure_keeps_the_bytes_of_its_record_and_says_why_and_where() -> None:
    line = rb'{"id":"b","data":{"exact":1.10,"big":184467440737095516160001,"text":"\u00e9\/","gone":null}}'
    one = result(b'{"id":"a","data":{"n":1}}', line, failures=[Failure(1, Outcome.REJECTED, "no such loan", 207)])
    [written] = reject_lines(one)
    assert written.startswith(line[:-1] + b",")
    document = orjson.loads(written)
    assert (document["id"], document["outcome"], document["reason"]) == ("b", "rejected", "no such loan")
    assert (document["http_status"], document["source"]) == (207, {"path": "south.csv", "row": 1})


def test_refusals_come_with_what_could_be_read_of_them() -> None:
    place = Place("f", 3)
    refusals = [
        Refusal("not valid JSON", place, raw="{oops"),
        Refusal("data has no fields", place, id="a", data=b"{}"),
        Refusal("data is missing", place, id="b", raw='{"id":"b"}'),
        Refusal("empty line?", place),
    ]
    documents = lines_of(result(refusals=refusals))
    assert [document["outcome"] for document in documents] == ["invalid"] * 4
    assert [document["reason"] for document in documents] == [refusal.reason for refusal in refusals]
    assert [document["http_status"] for document in documents] == [None] * 4
    assert [document["source"] for document in documents] == [{"path": "f", "row": 3}] * 4
    assert documents[0]["raw"] == "{oops"
    assert "id" not in documents[0]
    assert (documents[1]["id"], documents[1]["data"]) == ("a", {})
    assert (documents[2]["id"], documents[2]["raw"]) == ("b", '{"id":"b"}')
    assert documents[3]["raw"] == ""


@given(st.text(), st.text(), st.text(), st.text())
def test_no_text_breaks_the_file(id_: str, raw: str, path: str, reason: str) -> None:
    """Lone surrogates, newlines, NULs, quotes: every line is one line of valid UTF-8 JSON."""
    with_data = Refusal(reason, Place(path, 1), id=id_ + "\ud800", data=b'{"n":1}')
    for refusal in (with_data, Refusal(reason, Place(path + "\udcff", 1), raw=raw + "\ud800")):
        [line] = reject_lines(result(refusals=[refusal]))
        assert b"\n" not in line
        assert orjson.loads(line)["source"]["row"] == 1


def test_ids_are_read_again_whatever_stands_beside_them(tmp_path: Path) -> None:
    path = tmp_path / "rejected.ndjson"
    assert list(read_reject_ids(path)) == []
    path.write_bytes(
        b'{"id":"a","data":{"x":1e999},"outcome":"rejected"}\n'
        b'{"raw":"{oops","outcome":"invalid"}\n'
        b"not a line of ours\n"
        b"\xff\xfe\n"
        b'{"id":7}\n'
        b'{"id":"\\u00e9","data":{},"campaign_id":"camp_b"}\n'
        b'{"id":"torn","da'
    )
    assert list(read_reject_ids(path)) == [("a", None), ("é", "camp_b")]


# Reasons.


def test_reasons_are_grouped_over_records_and_outcomes() -> None:
    lines = [orjson.dumps({"id": f"loan_{n}", "data": {"n": n}}) for n in range(20)]
    failures = [Failure(n, Outcome.REJECTED, "phone is invalid", 207) for n in range(19)]
    refusals = [
        Refusal("not valid JSON", Place("f", 9), raw="?"),
        Refusal("id is empty", Place("f", 10), id=""),
        Refusal("data has no fields", Place("f", 11), id="loan_20", data=b"{}"),
    ]
    found = reasons(
        result(*lines, failures=[*failures, Failure(19, Outcome.UNKNOWN, "HTTP 500", 500)], refusals=refusals)
    )
    by_reason = {(reason.outcome, reason.reason): reason for reason in found}
    assert {key: reason.count for key, reason in by_reason.items()} == {
        ("invalid", "not valid JSON"): 1,
        ("invalid", "id is empty"): 1,
        ("invalid", "data has no fields"): 1,
        ("rejected", "phone is invalid"): 19,
        ("unknown", "HTTP 500"): 1,
    }
    assert by_reason["rejected", "phone is invalid"].example_ids == [f"loan_{n}" for n in range(EXAMPLE_IDS_MAX)]
    assert [reason.example_ids for reason in found if reason.outcome == "invalid"] == [[], [], ["loan_20"]]


def test_reasons_are_masked_then_grouped_and_codes_that_differ_stay_apart() -> None:
    """Whatever a record has for values, and however much its API says before it comes to the point."""
    lines = [orjson.dumps({"id": f"loan_{n}", "data": {"phone": f"98{n:08}", "emi": n}}) for n in range(60)]
    page = "what is wrong with it: " * 40
    said = [f"loan_{n}: 98{n:08} is on DNC list {(4, 39)[n % 2]}; {page}{'ab'[n % 2]}" for n in range(60)]
    failures = [Failure(n, Outcome.REJECTED, reason, 207) for n, reason in enumerate(said)]
    found = reasons(without_record_data(result(*lines, failures=failures)))
    assert [(reason.reason, reason.count) for reason in found] == [
        (f"… is on DNC list 4; {page}a", 30),
        (f"… is on DNC list 39; {page}b", 30),
    ]


@pytest.mark.parametrize("index", [0, 1])
def test_a_line_without_data_says_which_why_and_where(index: int) -> None:
    one = result(b'{"id":"a","data":{"n":1}}', b'{"id":"b","data":{"n":2}}')
    failed = ChunkResult(one.chunk, [Failure(index, Outcome.UNKNOWN, "HTTP 500", 500)])
    [line] = reject_lines(failed, with_data=False)
    place = [{"path": "north.csv", "row": 7}, {"path": "south.csv", "row": 1}][index]
    told = {"outcome": "unknown", "reason": "HTTP 500", "http_status": 500, "source": place}
    assert orjson.loads(line) == {"id": "ab"[index], **told}


def test_refusals_without_data_have_an_id_if_they_have_one() -> None:
    place = Place("f", 3)
    refusals = [Refusal("no JSON", place, raw="{oops"), Refusal("no fields", place, id="a\ud800", data=b"{}")]
    lines = [orjson.loads(line) for line in reject_lines(result(refusals=refusals), with_data=False)]
    told = {"outcome": "invalid", "http_status": None, "source": {"path": "f", "row": 3}}
    assert lines == [{"reason": "no JSON", **told}, {"id": "a?", "reason": "no fields", **told}]


def test_reasons_without_end_are_counted_together() -> None:
    groups: dict[tuple[str, str], Reason] = {}
    for number in range(3 * REASONS_MAX):
        add_reason(groups, Reason("rejected", f"reason {number}", 2, [f"loan_{number}"]))
    assert len(groups) == REASONS_MAX + 1
    assert groups["rejected", OTHER_REASONS].count == 4 * REASONS_MAX
    assert len(groups["rejected", OTHER_REASONS].example_ids) == EXAMPLE_IDS_MAX
    assert sum(group.count for group in groups.values()) == 6 * REASONS_MAX
