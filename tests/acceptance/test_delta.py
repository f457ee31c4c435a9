"""Night after night with delta: only what changed is sent, and the server always equals the export."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.engine_process import Engine
from tests.acceptance.meddling import at_day, where_text_is_a_mapping
from tests.acceptance.nights import CHUNK, MakeEngine, changed, cut, held, night, server_has, texts, with_delta
from tests.acceptance.portfolios import Portfolio, portfolio, write_csv, write_ndjson, write_parquet

pytestmark = pytest.mark.nights


LOANS = portfolio(100)
SOME = [f"loan_{number:06d}" for number in (3, 42, 77)]


def ledger_files(engine: Engine) -> list[Path]:
    return [path for path in (engine.home / "engine-state").rglob("*ledger*") if path.is_file()]


@pytest.mark.parametrize(
    ("name", "write"), [("loans.ndjson", write_ndjson), ("loans.csv", write_csv), ("loans.parquet", write_parquet)]
)
def test_the_second_night_of_any_format_sends_what_changed_and_the_third_nothing(
    name: str, write: Callable[[Path, Portfolio], None], make_engine: MakeEngine
) -> None:
    source = {"path": name} | ({} if name.endswith("ndjson") else {"id": "loan_id"})
    typed = {"types": {"emi_amount": "integer"}} if name.endswith("csv") else {}
    engine = with_delta(make_engine(), source=source | typed)
    write(engine.home / name, LOANS)
    assert night(engine).counts == {"read": 100, "updated": 100}
    write(engine.home / name, changed(LOANS, SOME))
    second = night(engine)
    assert (second.exit_code, second.requests, second.records) == (0, 1, 3)
    assert second.counts == {"read": 100, "unchanged": 97, "updated": 3}
    third = night(engine)
    assert (third.exit_code, third.requests) == (0, 0)
    assert third.counts == {"read": 100, "unchanged": 100}
    assert server_has(engine, changed(LOANS, SOME))


def test_nights_end_well_where_python_has_come_to_take_text_for_mappings(make_engine: MakeEngine) -> None:
    engine = with_delta(make_engine(), source={"path": "loans.parquet", "id": "loan_id"})
    where_text_is_a_mapping(engine)
    for loans in (LOANS, changed(LOANS, SOME)):
        write_parquet(engine.home / "loans.parquet", loans)
        done = night(engine)
        assert done.exit_code == 0, done.outcome.err
        assert [json.loads(line)["level"] for line in done.outcome.err.splitlines()].count("error") == 0
    assert server_has(engine, changed(LOANS, SOME))
    assert engine.run("find", SOME[0]).exit_code == 0
    assert engine.run("status").exit_code == 0


def test_two_per_cent_of_thirty_thousand_are_one_request(make_engine: MakeEngine) -> None:
    loans = portfolio(30_000)
    engine = with_delta(make_engine(), upload={"batch_size": 10_000})
    night(engine, loans)
    second = night(engine, changed(loans, list(loans)[::50]))
    assert second.counts == {"read": 30_000, "unchanged": 29_400, "updated": 600}
    assert (second.requests, second.records) == (1, 600)
    assert server_has(engine, changed(loans, list(loans)[::50]))


def test_what_is_left_of_many_chunks_is_packed_into_full_requests(make_engine: MakeEngine) -> None:
    loans = portfolio(30 * CHUNK)
    engine = with_delta(make_engine())
    night(engine, loans)
    second = night(engine, changed(loans, list(loans)[::CHUNK]))
    assert second.counts == {"read": 300, "unchanged": 270, "updated": 30}
    assert (second.requests, second.records) == (3, 30)
    assert night(engine).requests == 0


def test_a_value_that_returns_is_sent_again(make_engine: MakeEngine) -> None:
    engine = with_delta(make_engine())
    other = changed(LOANS, SOME)
    night(engine, LOANS)
    for export in (other, LOANS, other, LOANS):
        done = night(engine, export)
        assert done.counts == {"read": 100, "unchanged": 97, "updated": 3}
        assert server_has(engine, export)


def test_new_loans_are_sent_and_the_order_of_the_export_does_not_count(make_engine: MakeEngine) -> None:
    engine = with_delta(make_engine())
    night(engine, LOANS)
    more = portfolio(105)
    done = night(engine, reversed(more.items()))
    assert done.counts == {"read": 105, "unchanged": 100, "updated": 5}
    assert server_has(engine, more)


def test_what_the_api_refuses_is_sent_again_and_so_is_the_old_value_after_it(make_engine: MakeEngine) -> None:
    engine = with_delta(make_engine())
    night(engine, LOANS)
    engine.server.change(reject=SOME[:1])
    other = changed(LOANS, SOME)
    for _ in range(2):
        refused = night(engine, other)
        assert (refused.exit_code, refused.counts["rejected"]) == (3, 1)
        assert server_has(engine, other, but=SOME[:1])
    engine.server.change(reject=[])
    back = night(engine, LOANS)
    assert back.counts == {"read": 100, "unchanged": 97, "updated": 3}
    assert server_has(engine, LOANS)


def test_a_field_that_tonight_lacks_is_a_change_and_stays_on_the_server(make_engine: MakeEngine) -> None:
    engine = with_delta(make_engine())
    night(engine, LOANS)
    less = {id_: {"emi_amount": data["emi_amount"]} if id_ in SOME else data for id_, data in LOANS.items()}
    done = night(engine, less)
    assert done.counts == {"read": 100, "unchanged": 97, "updated": 3}
    assert held(engine) == {id_: texts(data) for id_, data in LOANS.items()}
    assert night(engine).requests == 0


def test_an_empty_cell_clears_a_field_where_nulls_are_sent(make_engine: MakeEngine) -> None:
    engine = with_delta(make_engine(), source={"path": "loans.csv", "id": "loan_id", "nulls": "send"})
    write_csv(engine.home / "loans.csv", LOANS)
    night(engine)
    write_csv(engine.home / "loans.csv", changed(LOANS, SOME, phone_number=""))
    done = night(engine)
    assert done.counts == {"read": 100, "unchanged": 97, "updated": 3}
    assert {id_ for id_, data in held(engine).items() if data["phone_number"] == "null"} == set(SOME)


def test_the_report_says_what_the_ledger_knew(make_engine: MakeEngine) -> None:
    engine = with_delta(make_engine())
    first = night(engine, LOANS)
    assert (first.delta["mode"], first.delta["full"]) == ("changed", True)
    assert first.delta["full_reason"]
    second = night(engine, changed(LOANS, SOME))
    assert (second.delta["full"], second.delta["full_reason"]) == (False, None)
    assert second.delta["ledger_records"] == 100
    assert first.report["started_at"][:19] <= second.delta["last_full_at"][:19] <= second.report["finished_at"][:19]


def test_without_delta_nothing_is_kept_and_all_is_sent(make_engine: MakeEngine) -> None:
    engine = with_delta(make_engine(), delta={"mode": "off"})
    for _ in range(2):
        done = night(engine, LOANS)
        assert done.counts == {"read": 100, "updated": 100}
        assert done.delta["mode"] == "off"
        assert not ledger_files(engine)
    engine.configure(delta={"mode": "changed"})
    assert night(engine).counts == {"read": 100, "updated": 100}  # what was sent without it does not count


def test_full_sends_everything_and_says_so(make_engine: MakeEngine) -> None:
    engine = with_delta(make_engine())
    night(engine, LOANS)
    full = night(engine, None, "--full")
    assert full.counts == {"read": 100, "updated": 100}
    assert full.delta["full"] is True
    assert "--full" in full.delta["full_reason"]
    assert night(engine).requests == 0


def test_a_limit_sends_what_changed_of_the_first_records(make_engine: MakeEngine) -> None:
    engine = with_delta(make_engine())
    night(engine, LOANS)
    limited = night(engine, changed(LOANS), "--limit", "20")
    assert limited.counts == {"read": 20, "updated": 20}
    assert limited.gone.keys() == {"skipped"}
    rest = night(engine)
    assert rest.counts == {"read": 100, "unchanged": 20, "updated": 80}
    assert server_has(engine, changed(LOANS))


def test_a_dry_run_says_what_would_be_sent_and_changes_nothing(make_engine: MakeEngine) -> None:
    engine = with_delta(make_engine())
    night(engine, LOANS)
    before = {path: path.read_bytes() for path in ledger_files(engine)}
    write_ndjson(engine.home / "loans.ndjson", changed(LOANS, SOME))
    told = engine.run("sync", "--dry-run")
    assert told.exit_code == 0
    assert "unchanged" in told.out
    assert any(id_ in told.out for id_ in SOME)
    assert "payment_status" in told.out
    assert {path: path.read_bytes() for path in ledger_files(engine)} == before
    assert night(engine).counts == {"read": 100, "unchanged": 97, "updated": 3}


def test_a_resumed_night_goes_on_exactly(make_engine: MakeEngine) -> None:
    engine = with_delta(make_engine(), state={"resume_within": "6h"})
    night(engine, LOANS)
    other = changed(LOANS, list(LOANS)[::2])
    stopped = cut(engine, other, done=2)
    assert stopped.counts["pending"] > 0
    resumed = night(engine)
    assert (resumed.exit_code, resumed.report["run_id"]) == (0, stopped.report["run_id"])
    assert resumed.counts == {"read": 100, "unchanged": 50, "updated": 50}
    assert stopped.requests + resumed.requests == 5
    assert server_has(engine, other)
    assert night(engine).requests == 0


def test_fresh_forgets_nothing_that_was_acknowledged(make_engine: MakeEngine) -> None:
    engine = with_delta(make_engine(), state={"resume_within": "6h"})
    stopped = cut(engine, LOANS, done=4)
    acknowledged = stopped.counts["updated"]
    assert acknowledged >= 4 * CHUNK
    done = night(engine, None, "--fresh")
    assert done.counts == {"read": 100, "unchanged": acknowledged, "updated": 100 - acknowledged}
    assert server_has(engine, LOANS)


@pytest.mark.parametrize(
    "mapping", [{"exclude": ["phone_number"]}, {"constants": {"language": "hi"}}, {"rename": {"emi_amount": "emi"}}]
)
def test_another_mapping_is_a_full_send_that_says_so(mapping: dict[str, Any], make_engine: MakeEngine) -> None:
    engine = with_delta(make_engine(), source={"path": "loans.csv", "id": "loan_id"})
    write_csv(engine.home / "loans.csv", LOANS)
    night(engine)
    engine.configure(source=mapping)
    full = night(engine)
    assert full.counts == {"read": 100, "updated": 100}
    assert full.delta["full"] is True
    assert full.delta["full_reason"]
    assert night(engine).requests == 0


def test_another_path_or_pace_is_no_other_mapping(make_engine: MakeEngine) -> None:
    engine = with_delta(make_engine())
    night(engine, LOANS)
    (engine.home / "loans.ndjson").rename(engine.home / "tonight.ndjson")
    engine.configure(source={"path": "tonight.ndjson"}, upload={"concurrency": 3, "batch_size": 7})
    assert night(engine).counts == {"read": 100, "unchanged": 100}


def test_another_organisation_is_a_full_send(make_engine: MakeEngine) -> None:
    engine = with_delta(make_engine())
    night(engine, LOANS)
    engine.configure(api={"org_id": "org-2"})
    done = night(engine)
    assert (done.counts, done.delta["full"]) == ({"read": 100, "updated": 100}, True)


def test_campaigns_of_one_state_directory_do_not_mix(make_engine: MakeEngine) -> None:
    """The stand-in has one campaign at a time and keeps one state, so each campaign sends fields of its own."""
    engine = with_delta(make_engine())
    exports = {name: {id_: {name: 1} for id_ in LOANS} for name in ("first", "second")}
    for round_, sent in enumerate((100, 0, 0)):
        for name, export in exports.items():
            engine.server.change(campaign=name)
            engine.configure(api={"campaign_id": name}, delta={"feed": name})
            done = night(engine, export)
            assert done.counts.get("updated", 0) == sent, (round_, name)
    assert held(engine) == {id_: {"first": "1", "second": "1"} for id_ in LOANS}


def test_an_entry_is_sent_again_when_its_acknowledgement_is_as_old_as_full_every(make_engine: MakeEngine) -> None:
    engine = with_delta(make_engine(), delta={"full_every": "7d"})
    half = portfolio(50)
    at_day(engine, 0)
    night(engine, half)
    at_day(engine, 5)
    assert night(engine, LOANS).counts == {"read": 100, "unchanged": 50, "updated": 50}
    at_day(engine, 8)
    assert night(engine).counts == {"read": 100, "unchanged": 50, "updated": 50}
    assert night(engine).counts == {"read": 100, "unchanged": 100}
    at_day(engine, 2)  # the clock was set back: all of it lies in the future
    assert night(engine).counts == {"read": 100, "updated": 100}


def test_status_and_check_know_of_the_ledger(make_engine: MakeEngine) -> None:
    engine = with_delta(make_engine())
    night(engine, LOANS)
    night(engine)
    [_, second] = json.loads(engine.run("status", "--json").out)["runs"]
    assert second["records"]["unchanged"] == 100
    assert "unchanged" in engine.run("sync").out
    checked = engine.run("check")
    assert checked.exit_code == 0
    assert "ledger" in checked.out
