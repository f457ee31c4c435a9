"""The made-up portfolio: hard where real exports are hard, the same for the same seed."""

from __future__ import annotations

import csv
import unicodedata
from pathlib import Path

import pytest

from engine.commands.demo import portfolio
from engine.commands.demo.command import read_portfolio
from engine.commands.demo.portfolio import CSV_TYPES, ID_COLUMN, NAMES_PER_LANGUAGE, PEOPLE, generate, write


def read_csv(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, str]]:
    path = tmp_path_factory.mktemp("portfolio") / "p.csv"
    write(path, 2_000, seed=1)
    return read_csv(path)


def test_it_has_as_many_different_ids_as_records(rows: list[dict[str, str]]) -> None:
    assert len({row[ID_COLUMN] for row in rows}) == len(rows) == 2_000


def test_ids_and_lead_ids_begin_with_zeros_and_phone_numbers_with_a_plus(rows: list[dict[str, str]]) -> None:
    assert any(row[ID_COLUMN].startswith("000") for row in rows)
    assert any(row[ID_COLUMN].startswith("LN-MUM-") for row in rows)
    assert all(row["lead_id"].startswith("00") for row in rows if row["lead_id"])
    assert all(row["phone_number"].startswith("+91") and len(row["phone_number"]) == 13 for row in rows)


def test_names_come_in_five_scripts_and_need_quoting(rows: list[dict[str, str]]) -> None:
    scripts = {unicodedata.name(row["first_name"][0]).split()[0] for row in rows}
    assert scripts == {"LATIN", "DEVANAGARI", "TAMIL", "BENGALI", "ARABIC"}
    last_names = "".join(row["last_name"] for row in rows)
    assert '"' in last_names
    assert "," in last_names


def test_each_language_has_its_own_names(rows: list[dict[str, str]]) -> None:
    assert all(len(names) == NAMES_PER_LANGUAGE for both in PEOPLE.values() for names in both)
    assert all(row["first_name"] in PEOPLE[row["language"]][0] for row in rows)
    assert all(row["last_name"] in ("", *PEOPLE[row["language"]][1]) for row in rows)


def test_some_cells_are_empty_but_never_the_id(rows: list[dict[str, str]]) -> None:
    empty = {name for row in rows for name, value in row.items() if not value}
    assert empty == {"last_name", "current_emi", "lead_id", "lead_date"}


def test_values_make_sense(rows: list[dict[str, str]]) -> None:
    for row in rows:
        assert 15_000 <= int(row["loan_amount"]) < 1_500_000
        assert float(row["emi_amount"]) * int(row["loan_period"]) >= int(row["loan_amount"]) - 1
        assert 1 <= int(row["current_emi"] or 1) <= int(row["loan_period"])
        assert "2026-11-01" <= row["emi_due_date"] <= "2026-12-30"


def test_the_same_seed_makes_the_same_portfolio_and_another_one_another() -> None:
    once, again, other = (next(generate(500, seed)) for seed in (7, 7, 8))
    assert once.equals(again)
    assert not once.equals(other)


def test_blocks_make_one_portfolio_with_one_header(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(portfolio, "BLOCK_RECORDS", 30)
    write(tmp_path / "p.csv", 100, seed=1)
    assert [int(row[ID_COLUMN][-7:]) for row in read_csv(tmp_path / "p.csv")] == list(range(100))


def test_the_declared_types_are_those_of_the_columns() -> None:
    kinds = {"integer": int, "number": float}
    [table] = generate(10, seed=1)
    for column, kind in CSV_TYPES.items():
        [value, *_] = table[column].drop_null().to_pylist()
        assert isinstance(value, kinds[kind]) if kind in kinds else value.isoformat()


def test_in_the_second_night_one_in_fifty_has_changed_and_a_few_are_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(portfolio, "BLOCK_RECORDS", 130)
    before, after = tmp_path / "1.csv", tmp_path / "2.csv"
    assert portfolio.write(before, 500, seed=1) == []
    gone = portfolio.write(after, 500, seed=1, night=2)
    first, second = dict(read_portfolio(before)), dict(read_portfolio(after))
    assert (len(gone), set(first) - set(second)) == (5, set(gone))
    changed = [each for each, data in second.items() if data != first[each]]
    assert len(changed) == 10
    assert all(second[each] | {"payment_status": ""} == first[each] | {"payment_status": ""} for each in changed)
