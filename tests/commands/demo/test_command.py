"""The parts of the demo: where it works, and that its proof would notice. The whole is in acceptance/test_demo.py."""

from __future__ import annotations

import argparse
import tomllib
from pathlib import Path
from typing import Any

import pytest

from engine.commands.demo import command as demo
from engine.commands.demo.command import MARKER, Place, Proof, compare, prepare, read_portfolio
from engine.commands.demo.portfolio import write
from engine.simulator.process import StandInProcess
from engine.values.errors import ConfigError
from tests.stand_in import put, stand_in


def deliver(server: StandInProcess, rows: list[tuple[str, dict[str, Any]]]) -> None:
    assert put(server, [{"id": id_, "data": data} for id_, data in rows]).json["success"] is True


def test_the_proof_sees_what_is_missing_different_or_too_much(tmp_path: Path) -> None:
    path = tmp_path / "portfolio.csv"
    write(path, 50, seed=1)
    records = list(read_portfolio(path))
    with stand_in() as server:
        deliver(server, records[:49])
        missing = compare(path, server)
        assert (missing.expected, missing.equal, missing.held) == (50, 49, 49)
        assert missing.different == [records[49][0]]
        assert not missing.holds
        deliver(server, [(records[49][0], records[49][1] | {"loan_period": str(records[49][1]["loan_period"])})])
        different = compare(path, server)
        assert (different.equal, different.held, different.holds) == (49, 50, False)
        deliver(server, records[49:])
        assert compare(path, server).holds
        deliver(server, [("one too many", {"a": 1})])
        assert not compare(path, server).holds


def test_the_proof_sees_who_was_not_told_to_be_gone(tmp_path: Path) -> None:
    path = tmp_path / "portfolio.csv"
    write(path, 50, seed=1)
    everybody = dict(read_portfolio(path))
    gone = write(path, 50, seed=1, night=2)
    assert len(gone) == 5
    with stand_in() as server:
        deliver(server, list((everybody | dict(read_portfolio(path))).items()))
        untold = compare(path, server, gone)
        assert (untold.equal, untold.expected, untold.gone, untold.told, untold.holds) == (45, 45, 5, 0, False)
        deliver(server, [(each, {"payment_status": "closed"}) for each in gone])
        told = compare(path, server, gone)
        assert (told.told, told.holds) == (5, True)
        assert told.verdict()[1] == "Of the 5 that are gone from the portfolio, 5 are closed there."


def test_an_id_twice_in_flight_spoils_the_proof() -> None:
    assert Proof(expected=1, equal=1, held=1).holds
    proof = Proof(expected=1, equal=1, held=1, overlaps=2)
    assert not proof.holds
    assert "2 times" in proof.verdict()[1]


def test_the_portfolio_is_read_as_the_api_should_hold_it(tmp_path: Path) -> None:
    path = tmp_path / "p.csv"
    path.write_text(
        'loan_id,last_name,emi_amount,loan_period,emi_due_date\n007,"Nair, Jr.",10.50,,2026-11-05\n', encoding="utf-8"
    )
    assert list(read_portfolio(path)) == [
        ("007", {"last_name": "Nair, Jr.", "emi_amount": 10.5, "emi_due_date": "2026-11-05"})
    ]


def test_a_directory_of_somebody_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(ConfigError, match="something else"):
        prepare(tmp_path)
    with pytest.raises(ConfigError, match="cannot write"):
        prepare(tmp_path / "thesis.tex" / "x")
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_directory_of_an_earlier_demo_is_used_again_without_its_state(tmp_path: Path) -> None:
    directory = prepare(tmp_path / "demo")
    (directory / "state" / "runs").mkdir(parents=True)
    (directory / "portfolio.csv").touch()
    assert prepare(tmp_path / "demo") == directory
    assert sorted(path.name for path in directory.iterdir()) == [MARKER, "portfolio.csv"]


def test_where_the_working_directory_cannot_be_written_it_takes_a_temporary_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demo, "DIRECTORY", tmp_path / "file" / "engine-demo")
    (tmp_path / "file").touch()
    directory = prepare(None)
    assert directory.is_dir()
    directory.rmdir()


def test_the_configuration_names_absolute_paths_whatever_they_hold(tmp_path: Path) -> None:
    place = Place(tmp_path / 'a "quoted" \\ name')
    place.config.parent.mkdir()
    with stand_in(sink=True) as server:
        place.write_config(server)
        config = tomllib.loads(place.config.read_text(encoding="utf-8"))
        assert config["api"]["url"] == server.url
        assert Path(config["api"]["token_file"]).read_text(encoding="utf-8") == server.token
    assert config["source"]["path"] == str(place.portfolio)
    assert server.token not in place.config.read_text(encoding="utf-8")


@pytest.mark.parametrize("text", ["0", "-1", "x", "1e6", ""])
def test_a_number_of_records_that_is_none_is_refused(text: str) -> None:
    parser = argparse.ArgumentParser(exit_on_error=False)
    demo.add_arguments(parser)
    with pytest.raises(argparse.ArgumentError):
        parser.parse_args([f"--records={text}"])
