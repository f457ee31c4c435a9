"""Where ids stand in a source: every row of each, and the chunk that takes the last one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from engine.ledger import keys_and_digests
from engine.outlets import NoProgress
from engine.run.finding.in_source import ROWS_KEPT_MAX, Survey, survey_source
from engine.run.finding.rows_of_campaigns import NOWHERE
from tests.run.finding.settings_of import settings_of

KEY = 5


def survey(home: Path, text: str, ids: list[str], *, upload: dict[str, Any] | None = None, **source: Any) -> Survey:
    path = home / "loans.csv"
    path.write_text(text, encoding="utf-8")
    settings = settings_of(home, {"path": str(path), "id": "id", **source}, upload=upload or {})
    return survey_source(settings, ids, lambda _: KEY, NoProgress())


def states(found: Survey, record_id: str) -> list[tuple[int | None, str]]:
    return [(row.row, row.state) for row in found.met[record_id]["camp"].rows]


def test_every_row_of_an_id_is_told_and_the_last_one_counts(tmp_path: Path) -> None:
    text = "id,amount,open\na,1,yes\nb,1,yes\na,x,yes\na,2,no\na,3,yes\nc,1,yes\n"
    found = survey(tmp_path, text, ["a", "c", "d"], types={"amount": "integer"}, where={"open": "yes"})
    assert not found.problem
    assert states(found, "a") == [(None, "filtered"), (1, "record"), (3, "invalid"), (5, "record")]
    record = found.met["a"]["camp"].record
    assert record is not None
    assert (record.place.row, record.chunk.seq if record.chunk else None) == (5, 0)
    assert "d" not in found.met


@pytest.mark.parametrize(
    ("rows", "upload", "line", "all_merged"),
    [
        ("a,1,Pune\na,2,\n", {}, b'{"id":"a","data":{"amount":"2","city":"Pune"}}', True),
        ("a,1,Pune\na,2,\n", {"batch_size": 1}, b'{"id":"a","data":{"amount":"2"}}', False),
        ("a,1,Pune\nb,1,Goa\nc,1,Goa\na,2,\na,3,\n", {"batch_size": 3}, b'{"id":"a","data":{"amount":"3"}}', False),
        ("a,2,\n", {}, b'{"id":"a","data":{"amount":"2"}}', False),
    ],
)
def test_the_digest_is_that_of_what_the_rows_of_an_id_are_merged_into(
    rows: str, upload: dict[str, int], line: bytes, all_merged: bool, tmp_path: Path
) -> None:
    record = survey(tmp_path, f"id,amount,city\n{rows}", ["a"], upload=upload).met["a"]["camp"].record
    assert record is not None
    assert record.digest == int.from_bytes(keys_and_digests(line, 1, KEY)[1], "little")
    assert record.all_merged is all_merged


def test_a_record_is_in_the_chunk_that_a_run_would_cut(tmp_path: Path) -> None:
    text = "id,amount\n" + "".join(f"loan {number},1\n" for number in range(10))
    found = survey(tmp_path, text, ["loan 0", "loan 7"], upload={"batch_size": 3})
    records = [found.met[each]["camp"].record for each in ("loan 0", "loan 7")]
    assert [(each.position, each.chunk.seq) for each in records if each and each.chunk] == [(0, 0), (7, 2)]


def test_a_record_that_is_too_large_is_none(tmp_path: Path) -> None:
    found = survey(tmp_path, f"id,note\na,{'x' * 3000}\nb,y\n", ["a", "b"], upload={"max_body_bytes": 1000})
    assert states(found, "a") == [(1, "invalid")]
    assert found.met["a"]["camp"].record is None
    assert found.met["b"]["camp"].record is not None


def test_of_an_id_in_a_thousand_rows_few_are_kept_and_all_are_counted(tmp_path: Path) -> None:
    found = survey(tmp_path, "id,amount\n" + "".join(f"a,{number}\n" for number in range(1000)), ["a"])
    met = found.met["a"]["camp"]
    assert (met.count, len(met.rows), met.rows[0].row, met.rows[-1].row) == (1000, ROWS_KEPT_MAX, 1, 1000)


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ({"path": "-", "format": "csv", "id": "id"}, "the source is standard input, which cannot be read again"),
        ({"path": "missing.csv", "id": "id"}, "the source was not read: missing.csv does not exist"),
    ],
)
def test_a_source_that_cannot_be_read_is_a_problem_and_no_error(
    source: dict[str, Any], problem: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert survey_source(settings_of(tmp_path, source), ["a"], lambda _: KEY, NoProgress()).problem == problem


def test_of_a_damaged_source_what_was_read_is_known(tmp_path: Path) -> None:
    found = survey(tmp_path, 'id,amount\na,1\nb,"2', ["a"])
    assert states(found, "a") == [(1, "record")]
    assert found.problem.startswith("the source was not read to its end:")


def test_with_a_route_each_campaign_has_its_own_record_of_an_id(tmp_path: Path) -> None:
    path = tmp_path / "loans.csv"
    rows = ["a,x", "b,y", "a,y", "c,x", "a,", "b,x", "a,x"]
    path.write_text("id,to\n" + "\n".join(rows) + "\n", encoding="utf-8")
    settings = settings_of(tmp_path, {"path": str(path), "id": "id"}, route={"column": "to"}, upload={"batch_size": 2})
    found = survey_source(settings, ["a", "d"], {"x": 1, "y": 2}.__getitem__, NoProgress())
    assert list(found.met) == ["a"]
    told = {
        campaign_id: ([(row.row, row.state) for row in met.rows], met.record and met.record.position)
        for campaign_id, met in found.met["a"].items()
    }
    assert told == {
        "x": ([(1, "record"), (7, "record")], 3),
        "y": ([(3, "record")], 1),
        NOWHERE: ([(5, "invalid")], None),
    }
    x, y = (found.met["a"][each].record for each in "xy")
    assert x is not None
    assert y is not None
    assert (x.chunk and x.chunk.seq, y.chunk and y.chunk.seq) == (1, 0)
    for record, line, key in ((x, b'{"id":"a","data":{"to":"x"}}', 1), (y, b'{"id":"a","data":{"to":"y"}}', 2)):
        assert record.digest == int.from_bytes(keys_and_digests(line, 1, key)[1], "little")
