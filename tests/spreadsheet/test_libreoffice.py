"""`rejected.csv` opened by a real spreadsheet: every value is still what the source holds, nothing is calculated."""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from engine.state.rejected_csv import write_rejected_csv

PROGRAM = shutil.which("soffice")

UTF_8 = "44,34,76,1"
"""Commas, double quotes, UTF-8, from the first line on: what people confirm in the window that opens."""

IDS = ["00417", "1E5", "3-4", "12345678901234567890", "=cmd|' /C calc'!A0", "LN-00017", "लोन-७", "'x", "  00417"]
TEXTS = {
    "phone_number": "919876543210",
    "with_plus": "+919876543210",
    "zeros": "0091",
    "formula": "=1+2",
    "minus": "-5",
    "at": "@SUM(A1)",
    "date": "2026-05-01",
    "date_of_here": "01-02-2026",
    "month": "JAN-1",
    "word": "TRUE",
    "error": "#N/A",
    "share": "5%",
    "fraction": "1/2",
    "time": "10:30",
    "lakhs": "1,25,000.00",
    "quotes": 'a "b", c;d',
    "lines": "one\ntwo",
    "name": "रमेश कुमार 😀",
}
NUMBERS = {"emi_amount": 12.5, "dpd": 42}


def converted(file: Path, to: str, place: Path, *options: str) -> None:
    """Have LibreOffice open a file and save it as another."""
    command = [str(PROGRAM), "--headless", *options, "--convert-to", to, "--outdir", str(place), str(file)]
    home = place / "home"
    home.mkdir(exist_ok=True)
    subprocess.run(command, env=os.environ | {"HOME": str(home)}, check=True, capture_output=True, timeout=300)


@pytest.mark.skipif(PROGRAM is None, reason="apt-get install libreoffice-calc")
def test_every_value_is_what_it_was(tmp_path: Path) -> None:
    lines = [
        {"id": each, "data": {**TEXTS, **NUMBERS}, "outcome": "rejected", "reason": "no such loan", "http_status": 422}
        for each in IDS
    ]
    rejected = tmp_path / "rejected.ndjson"
    rejected.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    write_rejected_csv(tmp_path, rejected.stat().st_size)
    saved = tmp_path / "saved"
    saved.mkdir()
    converted(tmp_path / "rejected.csv", "ods", saved, f"--infilter=CSV:{UTF_8}")
    converted(saved / "rejected.ods", f"csv:Text - txt - csv (StarCalc):{UTF_8}", saved)
    with (saved / "rejected.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [unmarked(row["id"]) for row in rows] == IDS
    for row in rows:
        assert {name: unmarked(row[name]) for name in TEXTS} == TEXTS
        assert {name: float(row[name]) for name in NUMBERS} == NUMBERS


def unmarked(cell: str) -> str:
    """Return the text of a cell without the apostrophe that keeps it from being a formula, which people see."""
    return cell.removeprefix("'")
