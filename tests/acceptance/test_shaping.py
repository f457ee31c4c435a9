"""From an ugly export to a clean sync, without an editor other than for the configuration that `init` wrote."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.acceptance.engine_process import Engine, balanced

MakeEngine = Callable[..., Engine]

UGLY = """\
Sr No,Loan ID,First Name,EMI (INR),EMI Due Date,Paid,State
1,LN1 ,Asha,"₹ 1,25,000.00",28/11/2026,Y,KA
2,LN2,Ravi,NULL,01/12/2026,N,MH
3,LN3,Meena,"₹ 1,500",13/12/2026,N,KA
"""


@pytest.fixture
def ugly(make_engine: MakeEngine) -> Engine:
    engine: Engine = make_engine()
    (engine.home / "export.csv").write_text(UGLY, encoding="utf-8")
    engine.env["ENGINE_API__URL"] = engine.server.url
    return engine


def test_what_init_proposes_is_sent_right(ugly: Engine) -> None:
    (ugly.home / "config.toml").unlink()
    proposed = ugly.run("init", "export.csv", "-o", "config.toml", "--campaign", ugly.server.campaign_id)
    assert proposed.exit_code == 0, proposed.err
    done = ugly.run("sync", "--json")
    assert (done.exit_code, done.records) == (0, {"read": 3, "updated": 3}), done.err
    assert ugly.server.state() == {
        "LN1": record("1", "Asha", "2026-11-28", True, "KA", 125000.0),
        "LN2": record("2", "Ravi", "2026-12-01", False, "MH"),
        "LN3": record("3", "Meena", "2026-12-13", False, "KA", 1500),
    }


def record(number: str, name: str, due: str, paid: bool, state: str, *emi: float) -> dict[str, object]:
    amount = {"EMI (INR)": emi[0]} if emi else {}
    return {"Sr No": number, "first_name": name, **amount, "emi_due_date": due, "Paid": paid, "State": state}


def test_rows_left_out_stand_beside_the_accounts(ugly: Engine) -> None:
    shaped = {"where": {"State": ["KA"]}, "constants": {"language": "kn"}, "fields": ["First Name"]}
    ugly.configure(source={"path": "export.csv", "id": "Loan ID", **shaped})
    done = ugly.sync()
    assert (done.exit_code, done.records) == (0, {"read": 2, "filtered": 1, "updated": 2}), done.err
    assert balanced(done.report["records"])
    assert ugly.server.state() == {
        "LN1 ": {"First Name": "Asha", "language": "kn"},
        "LN3": {"First Name": "Meena", "language": "kn"},
    }
    assert "left out by source.where" in ugly.run("sync").out
    assert "left out by source.where" in ugly.run("sync", "--dry-run").out


def test_a_misspelt_exclude_sends_nothing(make_engine: MakeEngine) -> None:
    engine: Engine = make_engine()
    (engine.home / "loans.ndjson").write_text('{"loan_id": "LN1", "aadhaar_no": "0000"}\n')
    engine.configure(source={"path": "loans.ndjson", "id": "loan_id", "exclude": ["aadhar_no"]})
    for command in ("check", "sync"):
        done = engine.run(command)
        assert done.exit_code == 2
        assert (
            "no record has the key 'aadhar_no' (source.exclude); its keys are aadhaar_no, loan_id"
            in done.out + done.err
        )
    assert engine.server.state() == {}
    assert engine.server.stats()["requests"] == 0


def test_a_stripped_amount_is_exact_or_invalid(make_engine: MakeEngine) -> None:
    amounts = ["Rs. .50", "Rs.500", "-₹500", "₹ 1,500/-", "500-", "(500)"]
    engine: Engine = make_engine()
    rows = "".join(f'LN{n},"{amount}"\n' for n, amount in enumerate(amounts, 1))
    (engine.home / "export.csv").write_text(f"loan_id,emi\n{rows}", encoding="utf-8")
    shaped = {"emi": {"type": "number", "strip": "₹Rs. /-()", "thousands": ","}}
    engine.configure(source={"path": "export.csv", "id": "loan_id", "columns": shaped})
    assert engine.sync().exit_code == 3
    assert engine.server.state() == {
        "LN1": {"emi": 0.5},
        "LN2": {"emi": 500},
        "LN3": {"emi": -500},
        "LN4": {"emi": 1500},
    }
    assert [(line["source"]["row"], line["reason"]) for line in engine.rejects()] == [
        (5, "column 'emi' is not a number"),
        (6, "column 'emi' is not a number"),
    ]


def test_a_limit_counts_only_the_rows_up_to_its_last_record(ugly: Engine) -> None:
    ugly.configure(source={"path": "export.csv", "id": "Loan ID", "where": {"State": ["KA"]}})
    assert ugly.sync("--limit", "1", "--fresh").records == {"read": 1, "updated": 1}
    assert ugly.sync("--limit", "2", "--fresh").records == {"read": 2, "updated": 2, "filtered": 1}
