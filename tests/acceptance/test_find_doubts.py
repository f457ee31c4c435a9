"""`find` tried hard: histories after which a plausible answer would be wrong. What is in doubt must be told as that."""

from __future__ import annotations

import gzip
import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.engine_process import Engine
from tests.acceptance.nights import (
    CHUNK,
    CLOSED,
    MakeEngine,
    changed,
    cut,
    killed,
    night,
    pushed,
    run_dir,
    with_delta,
    without,
)
from tests.acceptance.portfolios import ndjson_line, portfolio, write_csv, write_ndjson
from tests.acceptance.test_find import about, asked, without_delta

pytestmark = pytest.mark.nights

LOANS = portfolio(50)
LOAN = "loan_000017"
BAD = "loan_000023"

both = pytest.mark.parametrize("prepare", [with_delta, without_delta], ids=["delta", "no delta"])
Prepare = Callable[..., Engine]


def notes(found: dict[str, Any]) -> str:
    return "\n".join(found["notes"])


def title(engine: Engine, record_id: str, *arguments: str) -> str:
    """Return the answer as a person reads it: the first lines, which are not indented by a name and two columns."""
    lines = engine.run("find", record_id, *arguments).out.splitlines()
    return " ".join([lines[0], *(line.strip() for line in lines[1:2])])


@both
def test_rejected_then_delivered_by_a_later_run(prepare: Prepare, make_engine: MakeEngine) -> None:
    engine = prepare(make_engine(reject=BAD))
    night(engine, LOANS)
    engine.server.change(reject=[])
    second = night(engine, changed(LOANS, [BAD]))
    found = about(engine, BAD)
    assert found["answer"] == "arrived"
    assert found["source"]["sent"][0]["run_id"] == second.report["run_id"]
    assert [each["waits"] for each in found["not_accepted"]] == [False]
    quick = about(engine, BAD, "--no-source")
    assert quick["answer"] == "acknowledged"


@both
def test_delivered_then_rejected_by_a_later_run(prepare: Prepare, make_engine: MakeEngine) -> None:
    engine = prepare(make_engine())
    night(engine, LOANS)
    engine.server.change(reject=[BAD])
    night(engine, changed(LOANS, [BAD]))
    assert about(engine, BAD)["answer"] == "not_accepted"
    assert about(engine, BAD, "--no-source")["answer"] == "not_accepted"
    write_ndjson(engine.home / "loans.ndjson", LOANS)
    assert about(engine, BAD)["answer"] == "not_accepted", "the older values are in the source again, but were not sent"


@both
def test_a_rejection_whose_file_is_lost_or_damaged_is_still_one(prepare: Prepare, make_engine: MakeEngine) -> None:
    engine = prepare(make_engine())
    night(engine, LOANS)
    engine.server.change(reject=[BAD])
    second = night(engine, changed(LOANS, [BAD]))
    rejected = run_dir(engine, second.report["run_id"]) / "rejected.ndjson"
    kept = rejected.read_bytes()
    rejected.write_bytes(kept.replace(b'"outcome"', b"'outcome'"))
    assert about(engine, BAD)["answer"] == "not_accepted"
    rejected.write_bytes(kept[: len(kept) // 2])
    assert about(engine, BAD)["answer"] == "not_accepted"
    rejected.unlink()
    found = about(engine, BAD)
    assert found["answer"] == "not_accepted"
    assert "rejected.ndjson" in notes(found)
    assert about(engine, LOAN)["answer"] == "arrived"


@both
def test_two_rejections_of_which_the_later_file_is_lost(prepare: Prepare, make_engine: MakeEngine) -> None:
    engine = prepare(make_engine(reject=BAD))
    night(engine, LOANS)
    second = night(engine, changed(LOANS, [BAD]))
    (run_dir(engine, second.report["run_id"]) / "rejected.ndjson").unlink()
    assert about(engine, BAD, "--no-source")["answer"] == "not_accepted"


@both
def test_an_answer_of_the_api_that_proves_nothing(prepare: Prepare, make_engine: MakeEngine) -> None:
    flags = {"fault": "counts-lie:after=1"}
    engine = prepare(make_engine(**flags), upload={"batch_size": CHUNK, "concurrency": 1, "retry_window_s": 2})
    done = night(engine, portfolio(CHUNK + 1))
    assert (done.exit_code, done.counts.get("unknown")) == (3, 1), done.outcome.err
    last = f"loan_{CHUNK:06d}"
    found = about(engine, last)
    assert (found["answer"], found["not_accepted"][0]["outcome"]) == ("not_accepted", "unknown")
    assert found["source"]["sent"][0]["outcome"] == "unknown"
    assert "NOT PROVEN" in title(engine, last), "nobody has refused it"
    assert about(engine, last, "--no-source")["answer"] == "not_accepted"
    assert about(engine, "loan_000000")["answer"] == "arrived"


@both
def test_the_last_row_of_an_id_is_invalid(prepare: Prepare, make_engine: MakeEngine) -> None:
    engine = prepare(make_engine(), source={"path": "loans.csv", "id": "id", "types": {"amount": "integer"}})
    rows = [f"x{number},{number}" for number in range(30)]
    export = engine.home / "loans.csv"
    export.write_text("\n".join(["id,amount", *rows, "x5,many"]) + "\n", encoding="utf-8")
    night(engine)
    found = about(engine, "x5")
    assert found["answer"] == "not_accepted", "the values that count in the source were not sent"
    assert about(engine, "x6")["answer"] == "arrived"


def test_it_was_delivered_but_is_invalid_by_now(make_engine: MakeEngine) -> None:
    engine = with_delta(make_engine(), source={"path": "loans.csv", "id": "id", "types": {"amount": "integer"}})
    rows = [f"x{number},{number}" for number in range(30)]
    export = engine.home / "loans.csv"
    export.write_text("\n".join(["id,amount", *rows]) + "\n", encoding="utf-8")
    night(engine)
    rows[5] = "x5,many"
    export.write_text("\n".join(["id,amount", *rows]) + "\n", encoding="utf-8")
    second = night(engine)
    found = about(engine, "x5")
    assert found["answer"] == "not_accepted"
    assert found["ledger"] is not None, "an older version has arrived, which is told, too"
    quick = about(engine, "x5", "--no-source")
    assert quick["answer"] == "not_accepted", "no later run has read anything else"
    assert quick["not_accepted"][0]["run_id"] == second.report["run_id"]
    night(engine)
    quick = about(engine, "x6", "--no-source")
    assert quick["answer"] == "acknowledged"


def test_invalid_once_and_mended_since_is_told_as_far_as_it_is_known(make_engine: MakeEngine) -> None:
    engine = without_delta(make_engine(), source={"path": "loans.csv", "id": "id", "types": {"amount": "integer"}})
    export = engine.home / "loans.csv"
    export.write_text("id,amount\nx5,many\nx6,6\n", encoding="utf-8")
    night(engine)
    export.write_text("id,amount\nx5,5\nx6,6\n", encoding="utf-8")
    night(engine)
    assert about(engine, "x5")["answer"] == "arrived"
    quick = about(engine, "x5", "--no-source")
    assert "may have" in notes(quick), "the second night has left no trace of single ids"


def test_the_same_row_of_another_file_was_invalid(make_engine: MakeEngine) -> None:
    engine = without_delta(make_engine(), source={"path": "part-*.csv", "id": "id", "types": {"amount": "integer"}})
    (engine.home / "part-1.csv").write_text("id,amount\ny,1\nx,many\n", encoding="utf-8")
    (engine.home / "part-2.csv").write_text("id,amount\nz,1\nx,2\n", encoding="utf-8")
    assert night(engine).exit_code == 3
    found = about(engine, "x")
    assert found["source"]["sent"][0]["outcome"] == "updated"
    assert found["answer"] == "arrived"


@both
def test_the_latest_of_two_versions_was_never_tried(prepare: Prepare, make_engine: MakeEngine) -> None:
    engine = prepare(make_engine(), upload={"batch_size": CHUNK, "concurrency": 1})
    pairs = [*LOANS.items(), (LOAN, {"payment_status": "closed"})]
    night(engine, pairs, "--limit", "45")
    found = about(engine, LOAN)
    assert found["answer"] in ("acknowledged", "not_sent", "changed_since")
    night(engine)
    assert about(engine, LOAN)["answer"] == "arrived"


def test_an_earlier_row_has_a_field_more(make_engine: MakeEngine) -> None:
    """Last night's only row is today's last one, but today an earlier row brings a field that was never sent."""
    engine = with_delta(make_engine())
    night(engine, LOANS)
    pairs = [(LOAN, {"note": "call back"}), *LOANS.items()]
    write_ndjson(engine.home / "loans.ndjson", pairs)
    found = about(engine, LOAN)
    assert found["answer"] != "arrived"
    night(engine)
    assert about(engine, LOAN)["answer"] == "arrived"


@both
def test_under_limit_an_older_row_may_have_come_last(prepare: Prepare, make_engine: MakeEngine) -> None:
    engine = prepare(make_engine())
    pairs = [(LOAN, {"payment_status": "older"}), *LOANS.items()]
    night(engine, pairs)
    assert about(engine, LOAN)["answer"] == "arrived"
    night(engine, None, "--limit", "5", *(["--full"] if prepare is with_delta else []))
    found = about(engine, LOAN)
    assert found["answer"] == "acknowledged", "the older row was sent once more, alone"
    assert notes(found)


@both
def test_interrupted_before_it(prepare: Prepare, make_engine: MakeEngine) -> None:
    engine = prepare(make_engine(), upload={"batch_size": CHUNK, "concurrency": 1})
    night(engine, LOANS)
    later = changed(LOANS)
    cut(engine, later, done=2)
    first, last = asked(engine, "loan_000000", "loan_000049")
    assert first["answer"] == "arrived"
    assert last["answer"] in ("changed_since", "not_sent")
    write_ndjson(engine.home / "loans.ndjson", LOANS)
    first, last = asked(engine, "loan_000000", "loan_000049")
    assert first["answer"] != "arrived"
    assert last["answer"] in ("arrived", "acknowledged"), "its other values have never left"


@both
def test_killed_with_it_in_flight(prepare: Prepare, make_engine: MakeEngine) -> None:
    engine = prepare(make_engine(), upload={"batch_size": CHUNK, "concurrency": 1})
    night(engine, LOANS)
    killed(engine, changed(LOANS), done=1, at="before-reply")
    assert about(engine, LOAN)["answer"] in ("unproven", "not_sent")
    write_ndjson(engine.home / "loans.ndjson", LOANS)
    found = about(engine, LOAN)
    assert found["answer"] in ("unproven", "acknowledged")
    assert found["answer"] == "unproven" or "may have" in notes(found)


@both
def test_a_source_that_is_torn_does_not_tell_what_follows(prepare: Prepare, make_engine: MakeEngine) -> None:
    engine = prepare(make_engine(), source={"path": "loans.ndjson.gz"})
    pairs = [*LOANS.items(), *portfolio(3000, first=1000).items(), (LOAN, {"payment_status": "closed"})]
    whole = gzip.compress(b"".join(ndjson_line(*pair) + b"\n" for pair in pairs), mtime=0)
    (engine.home / "loans.ndjson.gz").write_bytes(whole)
    engine.configure(upload={"batch_size": 1000})
    night(engine)
    assert about(engine, LOAN)["answer"] == "arrived"
    (engine.home / "loans.ndjson.gz").write_bytes(whole[: len(whole) // 2])
    found = about(engine, LOAN)
    assert found["answer"] != "arrived", "the row that counts is behind the tear"
    assert "not read to its end" in notes(found)
    assert "the source was not read to its end" in title(engine, "loan_004000")


@pytest.mark.parametrize("how", ["missing", "--no-source"])
def test_nothing_is_said_of_a_source_that_was_not_read(how: str, make_engine: MakeEngine) -> None:
    engine = with_delta(make_engine())
    night(engine, LOANS)
    (engine.home / "loans.ndjson").unlink()
    flags = ["--no-source"] if how == "--no-source" else []
    assert about(engine, "loan_nobody", *flags, exit_code=66)["source_read"] is False
    assert "the source was not read" in title(engine, "loan_nobody", *flags)


def test_it_stands_in_the_source_no_more(make_engine: MakeEngine) -> None:
    engine = with_delta(make_engine())
    night(engine, LOANS)
    write_ndjson(engine.home / "loans.ndjson", without(LOANS, LOAN))
    found = about(engine, LOAN)
    assert (found["answer"], found["source"]) == ("acknowledged", None)
    assert "does not hold it" in notes(found)


def test_only_listed_as_gone(make_engine: MakeEngine) -> None:
    engine = with_delta(make_engine())
    night(engine, LOANS)
    night(engine, without(LOANS, LOAN))
    found = about(engine, LOAN)
    assert found["answer"] == "gone"
    assert "the API was not told so" in title(engine, LOAN)
    assert about(engine, LOAN, "--no-source")["answer"] == "gone"


def test_gone_and_its_constants_were_refused(make_engine: MakeEngine) -> None:
    engine = with_delta(make_engine(), delta={"mode": "changed", "gone": CLOSED})
    night(engine, LOANS)
    engine.server.change(reject=[LOAN])
    night(engine, without(LOANS, LOAN))
    found = about(engine, LOAN)
    assert (found["answer"], found["gone"][0]["outcome"]) == ("gone", "rejected")
    assert "told so is rejected" in title(engine, LOAN)


def test_gone_and_back(make_engine: MakeEngine) -> None:
    engine = with_delta(make_engine(), delta={"mode": "changed", "gone": CLOSED})
    night(engine, LOANS)
    night(engine, without(LOANS, LOAN))
    write_ndjson(engine.home / "loans.ndjson", LOANS)
    assert about(engine, LOAN)["answer"] == "not_sent", "closed on the server, open in the source"
    night(engine)
    assert about(engine, LOAN)["answer"] == "arrived"
    assert about(engine, LOAN, "--no-source")["answer"] == "acknowledged"


def test_rejected_once_and_gone_since(make_engine: MakeEngine) -> None:
    engine = with_delta(make_engine(), delta={"mode": "changed", "gone": CLOSED})
    night(engine, LOANS)
    engine.server.change(reject=[LOAN])
    night(engine, changed(LOANS, [LOAN]))
    engine.server.change(reject=[])
    night(engine, without(LOANS, LOAN))
    found = about(engine, LOAN)
    assert (found["answer"], found["gone"][0]["outcome"]) == ("gone", "updated")
    assert about(engine, LOAN, "--no-source")["answer"] == "gone"


def test_gone_and_its_list_is_lost(make_engine: MakeEngine) -> None:
    engine = with_delta(make_engine(), delta={"mode": "changed", "gone": CLOSED})
    night(engine, LOANS)
    second = night(engine, without(LOANS, LOAN))
    (run_dir(engine, second.report["run_id"]) / "gone.ndjson").unlink()
    assert "gone.ndjson" in notes(about(engine, LOAN, exit_code=66))


def test_gone_and_pushed_since(make_engine: MakeEngine) -> None:
    engine = with_delta(make_engine(), delta={"mode": "changed", "gone": CLOSED})
    night(engine, LOANS)
    night(engine, without(LOANS, LOAN))
    pushed(engine, [(LOAN, {"payment_status": "partial"})])
    assert "may have" in notes(about(engine, LOAN))


@both
def test_pushed_since(prepare: Prepare, make_engine: MakeEngine) -> None:
    engine = prepare(make_engine())
    night(engine, LOANS)
    pushed(engine, [(LOAN, {"emi_amount": 1})])
    found = about(engine, LOAN)
    assert found["answer"] in ("acknowledged", "unproven")
    other = about(engine, BAD)
    assert other["answer"] == ("arrived" if prepare is with_delta else "acknowledged")


@both
def test_replayed_and_newer_in_the_source_since(prepare: Prepare, make_engine: MakeEngine) -> None:
    engine = prepare(make_engine(reject=BAD))
    night(engine, LOANS)
    engine.server.change(reject=[])
    night(engine, None, command="replay")
    assert about(engine, BAD)["answer"] in ("arrived", "acknowledged")
    write_ndjson(engine.home / "loans.ndjson", changed(LOANS, [BAD]))
    assert about(engine, BAD)["answer"] in ("changed_since", "acknowledged")


def test_two_feeds_of_one_campaign(make_engine: MakeEngine) -> None:
    engine = with_delta(make_engine())
    night(engine, LOANS)
    write_ndjson(engine.home / "other.ndjson", changed(LOANS, [LOAN]))
    engine.configure(source={"path": "other.ndjson"})
    night(engine)
    assert about(engine, LOAN)["answer"] == "arrived"
    engine.configure(source={"path": "loans.ndjson"})
    assert about(engine, LOAN)["answer"] == "changed_since", "the other feed came later"
    assert about(engine, BAD)["answer"] == "arrived"


def test_two_feeds_without_delta(make_engine: MakeEngine) -> None:
    engine = without_delta(make_engine())
    night(engine, LOANS)
    write_ndjson(engine.home / "other.ndjson", changed(LOANS, [LOAN]))
    engine.configure(source={"path": "other.ndjson"})
    night(engine)
    engine.configure(source={"path": "loans.ndjson"})
    found = about(engine, LOAN)
    assert found["answer"] == "acknowledged"
    assert "may have" in notes(found)


def test_two_campaigns_in_one_state_directory(make_engine: MakeEngine) -> None:
    engine = without_delta(make_engine(reject=BAD))
    first = engine.server.campaign_id
    night(engine, LOANS)
    engine.server.change(campaign="second", reject=[])
    engine.configure(api={"campaign_id": "second"})
    night(engine)
    assert about(engine, BAD)["answer"] == "arrived"
    engine.configure(api={"campaign_id": first})
    assert about(engine, BAD)["answer"] == "not_accepted"
    assert about(engine, LOAN)["answer"] == "arrived", "the other campaign is another story"


def test_a_later_run_that_was_deleted_leaves_a_doubt(make_engine: MakeEngine) -> None:
    """The first run is kept, because a record of it waits; the second, with other values, is deleted by keep_days."""
    engine = without_delta(make_engine(reject=BAD), state={"keep_days": 1})
    night(engine, LOANS)
    engine.server.change(reject=[])
    night(engine, changed(without(LOANS, BAD), [LOAN]))
    engine.server.change(campaign="second")
    engine.configure(api={"campaign_id": "second"})
    with closing(sqlite3.connect(engine.home / "engine-state" / "journal.sqlite3")) as db, db:
        db.execute("UPDATE run SET started_at = '2025-01-01T00:00:00Z'")
    for _ in range(8):
        night(engine)
    assert len(list((engine.home / "engine-state" / "runs").iterdir())) == 9, "the second run is gone"
    engine.server.change(campaign=engine.server.campaign_id)
    engine.configure(api={"campaign_id": engine.server.campaign_id})
    write_ndjson(engine.home / "loans.ndjson", LOANS)
    found = about(engine, LOAN)
    assert found["answer"] == "acknowledged"
    assert "deleted" in notes(found)


def test_a_damaged_ledger_proves_nothing(make_engine: MakeEngine) -> None:
    engine = with_delta(make_engine())
    night(engine, LOANS)
    engine.configure(state={"dir": "engine-state"})
    for path in sorted((engine.home / "engine-state").glob("ledger*")):
        content = bytearray(path.read_bytes())
        for at in range(len(content) // 2, len(content) // 2 + 64):
            if at < len(content):
                content[at] ^= 255
        path.write_bytes(content)
    write_ndjson(engine.home / "loans.ndjson", changed(LOANS, [LOAN]))
    for found in asked(engine, LOAN, BAD, "loan_000049"):
        assert found["ledger"] is None
        assert "damaged" in notes(found)
        assert found["answer"] == "not_sent"


@both
def test_a_damaged_journal_is_74(prepare: Prepare, make_engine: MakeEngine) -> None:
    engine = prepare(make_engine())
    night(engine, LOANS)
    journal = engine.home / "engine-state" / "journal.sqlite3"
    journal.write_bytes(b"\xff" * journal.stat().st_size)
    done = engine.run("find", LOAN)
    assert (done.exit_code, done.out) == (74, "")
    assert "journal.sqlite3" in done.err
    assert "Traceback" not in done.err
    journal.unlink()
    done = engine.run("find", LOAN)
    assert (done.exit_code, "missing though there are runs" in done.err) == (74, True)


def test_without_reject_data_the_ids_are_known(make_engine: MakeEngine) -> None:
    engine = without_delta(make_engine(reject=BAD), state={"reject_data": False})
    night(engine, LOANS)
    found = about(engine, BAD)
    assert (found["answer"], found["source"]["sent"][0]["outcome"]) == ("not_accepted", "rejected")
    told = engine.run("find", BAD).out
    assert "replay" not in told, "a replay of it is refused"


def test_forgotten_and_erased_ids(make_engine: MakeEngine) -> None:
    engine = with_delta(make_engine())
    night(engine, LOANS)
    assert engine.run("ledger", "forget", LOAN).exit_code == 0
    assert about(engine, LOAN)["answer"] == "arrived"
    assert engine.run("ledger", "forget", "--erase", LOAN).exit_code == 0
    found = about(engine, LOAN)
    assert (found["answer"], found["ledger"]) == ("arrived", None), "the chunk of the run is proof enough"
    assert about(engine, LOAN, "--no-source", exit_code=66)["answer"] == "unknown"
    assert engine.run("ledger", "forget", "--all").exit_code == 0
    quick = about(engine, BAD, "--no-source")
    assert quick["answer"] == "unproven"


def test_another_mapping_than_that_of_the_ledger(make_engine: MakeEngine) -> None:
    engine = with_delta(make_engine(), source={"path": "loans.csv", "id": "loan_id"})
    write_csv(engine.home / "loans.csv", LOANS)
    night(engine)
    engine.configure(source={"constants": {"channel": "voice"}})
    found = about(engine, LOAN)
    assert found["answer"] == "acknowledged"
    assert "cannot be compared" in notes(found)


def test_integer_ids_cases_and_blanks(make_engine: MakeEngine) -> None:
    import pyarrow
    import pyarrow.parquet

    engine = with_delta(make_engine(), source={"path": "loans.parquet", "id": "id"})
    table = pyarrow.table({"id": [417, 7], "amount": [1, 2]})
    pyarrow.parquet.write_table(table, engine.home / "loans.parquet")
    night(engine)
    found = asked(engine, "417", "00417", " 417", "417 ", exit_code=66)
    assert [each["answer"] for each in found] == ["arrived", "unknown", "unknown", "unknown"]
    assert "blank" in notes(found[2])
    assert "blank" in notes(found[3])


def test_a_file_of_ids_as_people_have_them(make_engine: MakeEngine) -> None:
    engine = with_delta(make_engine())
    night(engine, LOANS)
    lines = ["", LOAN, "   ", BAD, LOAN, "\t", ""]
    (engine.home / "asked.txt").write_bytes(b"\xef\xbb\xbf" + "\r\n".join(lines).encode())
    assert [each["id"] for each in asked(engine, "--ids", "asked.txt")] == [LOAN, BAD]
    (engine.home / "asked.txt").write_bytes(b"\r\n \r\n")
    assert engine.run("find", "--ids", "asked.txt").exit_code == 2
    (engine.home / "asked.txt").write_bytes(f"{LOAN}\n".encode("utf-16"))
    done = engine.run("find", "--ids", "asked.txt")
    assert (done.exit_code, "UTF-8" in done.err) == (2, True)
    done = engine.run("find", "--ids", ".")
    assert done.exit_code == 2
    assert "Traceback" not in done.err


def test_a_configuration_that_is_wrong_is_2(make_engine: MakeEngine) -> None:
    engine = with_delta(make_engine(), source={"nothing": 1})
    done = engine.run("find", LOAN)
    assert (done.exit_code, done.out) == (2, "")


def test_a_row_left_out_today_that_was_delivered_once(make_engine: MakeEngine) -> None:
    engine = with_delta(make_engine(), source={"path": "loans.csv", "id": "id", "where": {"status": "open"}})
    export = engine.home / "loans.csv"
    export.write_text("id,status,amount\nx,open,1\ny,open,2\n", encoding="utf-8")
    night(engine)
    export.write_text("id,status,amount\nx,closed,1\ny,open,2\n", encoding="utf-8")
    found = about(engine, "x")
    assert found["answer"] == "acknowledged"
    assert "source.where" in notes(found)
    night(engine)
    assert about(engine, "x")["answer"] in ("acknowledged", "unproven")


def test_known_and_unknown_ids_in_one_answer(make_engine: MakeEngine) -> None:
    engine = with_delta(make_engine())
    night(engine, LOANS)
    found = asked(engine, "nobody", LOAN, exit_code=66)
    assert [each["known"] for each in found] == [False, True]
    assert json.loads(json.dumps(found)) == found


@both
def test_it_is_found_where_blocks_of_the_source_end(prepare: Prepare, make_engine: MakeEngine) -> None:
    """Chunks are found by how many records stand before, invalid ones among them, in a run of two processes, too."""
    engine = prepare(make_engine(count_only=True), upload={"batch_size": 1000})
    path: Path = engine.home / "loans.ndjson"
    with path.open("wb") as file:
        for number in range(90_000):
            if number % 997 == 0:
                file.write(b"{damaged}\n")
            file.write(ndjson_line(f"loan_{number}", {"note": "x" * 200, "number": number}) + b"\n")
    assert path.stat().st_size > 16 << 20
    night(engine)
    ids = ["loan_0", "loan_996", "loan_997", "loan_44444", "loan_89999"]
    for found in asked(engine, *ids):
        assert found["answer"] == "arrived"
        [sent] = found["source"]["sent"]
        if prepare is without_delta:
            assert sent["chunk"] == int(found["id"][5:]) // 1000
            continue
        assert sent["chunk"] <= int(found["id"][5:]) * 998 // 997 + 1 < sent["chunk"] + sent["chunk_records"] + 2


@both
def test_the_source_is_a_database(prepare: Prepare, make_engine: MakeEngine) -> None:
    engine = make_engine()
    rows = [(f"loan {number}", number) for number in range(30)]
    with closing(sqlite3.connect(engine.home / "bank.db")) as db, db:
        db.execute("CREATE TABLE loans (id TEXT, amount INTEGER)")
        db.executemany("INSERT INTO loans VALUES (?, ?)", rows)
    engine.tables["source"] = {"database": f"sqlite:///{engine.home}/bank.db", "table": "loans", "id": "id"}
    prepare(engine)
    night(engine)
    found = about(engine, "loan 17")
    assert found["answer"] == "arrived"
    assert [row["row"] for row in found["source"]["rows"]] == [18]
    with closing(sqlite3.connect(engine.home / "bank.db")) as db, db:
        db.execute("UPDATE loans SET amount = 99 WHERE id = 'loan 17'")
    assert about(engine, "loan 17")["answer"] in ("changed_since", "not_sent")
    (engine.home / "bank.db").unlink()
    gone = about(engine, "loan 17", exit_code=0 if prepare is with_delta else 66)
    assert gone["source_read"] is False


@both
def test_the_source_is_standard_input(prepare: Prepare, make_engine: MakeEngine) -> None:
    engine = prepare(make_engine(reject=BAD), source={"path": "-", "format": "ndjson"})
    done = engine.sync(stdin=b"\n".join(ndjson_line(*pair) for pair in LOANS.items()))
    assert done.exit_code == 3
    found = about(engine, BAD)
    assert (found["answer"], found["source_read"]) == ("not_accepted", False)
    assert "cannot be read again" in notes(found)


@both
def test_the_same_bytes_by_another_name_and_one_file_more(prepare: Prepare, make_engine: MakeEngine) -> None:
    engine = prepare(make_engine(reject=BAD), source={"path": "part-*.ndjson"}, delta={"feed": "nightly"})
    write_ndjson(engine.home / "part-1.ndjson", portfolio(20))
    write_ndjson(engine.home / "part-2.ndjson", portfolio(30, first=20))
    night(engine)
    for name in ("part-1.ndjson", "part-2.ndjson"):
        (engine.home / name).rename(engine.home / name.replace("part", "part-x"))
    assert [each["answer"] for each in asked(engine, LOAN, BAD)] == ["arrived", "not_accepted"]
    assert about(engine, BAD)["source"]["sent"][0]["outcome"] == "rejected"
    write_ndjson(engine.home / "part-y.ndjson", [(LOAN, {"payment_status": "closed"})])
    found = about(engine, LOAN)
    assert found["answer"] in ("acknowledged", "not_sent", "changed_since")


def test_a_file_named_twice(make_engine: MakeEngine) -> None:
    engine = without_delta(make_engine(), source={"path": ["loans.ndjson", "loans.ndjson"]})
    night(engine, LOANS)
    found = about(engine, LOAN)
    assert (found["answer"], found["source"]["count"]) == ("arrived", 1)
