"""From an export nobody prepared to a proven configuration: `init`, then `check`, as somebody types them."""

from __future__ import annotations

import csv
import gzip
import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest

from tests.acceptance.engine_process import Engine, Outcome
from tests.acceptance.listeners import tls_server
from tests.acceptance.portfolios import portfolio, write_ndjson

MakeEngine = Callable[..., Engine]

ROWS = [{"Account No": f"A{n:04d}", "Amount": n * 10, "Status": "paid"} for n in range(50)]


def write_csv_gz(path: Path) -> None:
    with gzip.open(path, "wt", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(ROWS[0]))
        writer.writeheader()
        writer.writerows(ROWS)


def write_flat(path: Path) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in ROWS), encoding="utf-8")


def write_parquet(path: Path) -> None:
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(ROWS), path)


@pytest.mark.parametrize(
    ("name", "write"),
    [("export.csv.gz", write_csv_gz), ("export.ndjson", write_flat), ("export.parquet", write_parquet)],
)
def test_what_init_writes_is_ready(name: str, write: Callable[[Path], None], make_engine: MakeEngine) -> None:
    engine = make_engine()
    write(engine.home / name)
    (engine.home / "config.toml").unlink()
    engine.env["ENGINE_API__URL"] = engine.server.url
    looked = engine.run("init", name, "-o", "config.toml", "--campaign", engine.server.campaign_id)
    assert looked.exit_code == 0, looked.err
    checked = engine.run("check")
    assert (checked.exit_code, checked.out.count("✗")) == (0, 0), checked.out
    assert "50 records in 1 request," in checked.out
    done = engine.sync()
    assert (done.exit_code, done.records) == (0, {"read": 50, "updated": 50})
    assert set(engine.server.state()) == {row["Account No"] for row in ROWS}


def test_semicolons_are_understood(make_engine: MakeEngine) -> None:
    engine = make_engine()
    (engine.home / "config.toml").unlink()
    engine.env["ENGINE_API__URL"] = engine.server.url
    (engine.home / "export.csv").write_text("id;amount\n1;2,50\n2;3,00\n", encoding="utf-8")
    campaign = engine.server.campaign_id
    assert engine.run("init", "export.csv", "-o", "config.toml", "--campaign", campaign).exit_code == 0
    assert engine.sync().exit_code == 0
    assert engine.server.state() == {"1": {"amount": 2.5}, "2": {"amount": 3.0}}


def cross(checked: Outcome, what: str) -> str:
    """Return the text of the one line that is crossed out; it must be about `what`."""
    [line] = re.findall(r"^  ✗ (.*)$", checked.out, re.MULTILINE)
    assert line.startswith(what), line
    return str(line)


@pytest.fixture
def ready(make_engine: MakeEngine) -> Engine:
    engine = make_engine()
    write_ndjson(engine.home / "loans.ndjson", portfolio(40))
    engine.configure(upload={"batch_size": 10, "concurrency": 2})
    return engine


def test_check_tells_of_a_run_to_resume_and_of_one_under_way(ready: Engine) -> None:
    ready.server.change(hold="before-reply")
    process = ready.start("sync")
    ready.server.wait(held=2)
    busy = ready.run("check")
    assert busy.exit_code == 69
    assert "another run" in cross(busy, "state")
    process.kill()
    process.communicate()
    waiting = ready.run("check")
    assert (waiting.exit_code, "was interrupted; the next sync resumes it" in waiting.out) == (0, True)


def test_check_warns_of_a_wrong_clock(ready: Engine) -> None:
    ready.server.change(clock_skew_s=3600.0)
    checked = ready.run("check")
    assert checked.exit_code == 0
    assert re.search(r"^  ! clock .* 3,(5[5-9]|6[0-4])\d s apart$", checked.out, re.MULTILINE), checked.out


def test_check_of_an_api_that_is_not_there(ready: Engine) -> None:
    ready.configure(api={"url": "http://127.0.0.1:9/api/v1"})
    checked = ready.run("check")
    assert checked.exit_code == 75
    assert "gives no reply" in cross(checked, "api")
    ready.configure(api={"url": "https://no-such-host.invalid/api/v1", "timeout_s": 5.0})
    assert ready.run("check").exit_code == 75


def test_check_of_a_state_directory_that_cannot_be(ready: Engine) -> None:
    (ready.home / "occupied").write_text("a file", encoding="utf-8")
    ready.configure(state={"dir": "occupied"})
    checked = ready.run("check")
    assert checked.exit_code == 74
    assert "occupied" in cross(checked, "state")


def test_check_does_not_trust_a_self_signed_certificate(ready: Engine, tmp_path: Path) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    make = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=localhost"]
    subprocess.run([*make, "-keyout", str(key), "-out", str(certificate)], check=True, capture_output=True)
    with tls_server(certificate, key) as port:
        ready.configure(api={"url": f"https://localhost:{port}/api/v1"})
        checked = ready.run("check")
    assert checked.exit_code == 77
    assert "certificate" in cross(checked, "api")
