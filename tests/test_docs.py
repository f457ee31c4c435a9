"""What the documents say is true: their names exist, their examples run. (Their commands: tests/acceptance.)"""

from __future__ import annotations

import ast
import asyncio
import json
import re
from functools import cache
from importlib import import_module
from pathlib import Path
from types import CodeType
from typing import Any

import pyarrow
import pytest

import engine
from engine.commands.cli import COMMANDS
from engine.sources import open_source
from tests.documents import BLOCKS, DOCUMENTS, ROOT, blocks, name_of, text_of
from tests.stand_in import stand_in

ROOMS = {path.parent.name for path in ROOT.glob("engine/*/__init__.py")}

PATHS = re.compile(r"`((?:engine|tests|benchmarks|docs)/[\w./-]*)`")
TESTS = re.compile(r"`(test_\w+)`")
LINKS = re.compile(r"\]\(([^)#:]+)(?:#[^)]*)?\)")


@cache
def names_of_tests() -> set[str]:
    texts = map(text_of, ROOT.glob("tests/**/test_*.py"))
    return {name for text in texts for name in re.findall(r"def (test_\w+)", text)}


def test_the_documents_are_there() -> None:
    assert {"README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "docs/operations.md"} <= set(map(name_of, DOCUMENTS))
    assert len(text_of(ROOT / "README.md").splitlines()) < 200


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_names_exist(document: Path) -> None:
    text = text_of(document)
    assert not [path for path in PATHS.findall(text) if not (ROOT / path).exists()]
    assert not [link for link in LINKS.findall(text) if not (document.parent / link).exists()]
    assert not set(TESTS.findall(text)) - names_of_tests()


def test_every_room_has_its_paragraph_and_its_floor() -> None:
    text = text_of(ROOT / "ARCHITECTURE.md")
    assert set(re.findall(r"^\*\*`engine/(\w+)`\*\*: ", text, re.MULTILINE)) == ROOMS
    drawn = [set(names.split(" · ")) for names in re.findall(r"^ \d  (.+)$", text, re.MULTILINE)]
    linted = re.search(r"^layers =\n((?: +.+\n)+)", text_of(ROOT / ".importlinter"), re.MULTILINE)
    assert linted
    floors = [set(re.findall(r"\w+", line)) for line in linted[1].splitlines()]
    assert drawn == [floor for floor in floors if floor <= ROOMS]


def test_blocks_are_in_languages_that_tests_know() -> None:
    found = {language for document in DOCUMENTS for language, _ in BLOCKS.findall(text_of(document))}
    assert found == {"", "python", "sh", "toml"}


def test_every_command_is_documented() -> None:
    text = "".join(map(text_of, DOCUMENTS))
    assert not [command.name for command in COMMANDS if not re.search(rf"\b{command.name}\b", text)]


@pytest.mark.parametrize(("document", "text"), list(blocks("toml")))
def test_configurations_load(document: str, text: str, tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text(text, encoding="utf-8")
    assert engine.load_config(path).source.id, document


def test_the_shaping_example_says_what_it_does(tmp_path: Path) -> None:
    [text] = [text for name, text in blocks("toml") if name == "docs/sources.md"]
    export = tmp_path / "portfolio.csv"
    header = "Loan No,Name,EMI (INR),Due,Paid,Status"
    rows = [' LN1,Asha,"₹ 1,25,000.00",28-11-2026,Y,NPA', "LN2,N/A,NULL,1-2-2027,,ACTIVE", "LN3,x,1,1-2-2027,Y,CLOSED"]
    export.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    (tmp_path / "config.toml").write_text(text.replace("exports/portfolio.csv", str(export)), encoding="utf-8")
    [block] = open_source(engine.load_config(tmp_path / "config.toml").source.spec()).blocks()
    always = {"language": "hi", "attempts": 0}
    first = {
        "Name": "Asha",
        "emi_amount": 125000.0,
        "emi_due_date": "2026-11-28",
        "payment_status": "paid",
        "Status": "NPA",
    }
    second = {"emi_due_date": "2027-02-01", "payment_status": "unpaid", "Status": "ACTIVE"}
    assert [json.loads(line) for line in block.lines.splitlines()] == [
        {"id": "LN1", "data": {**first, **always}},
        {"id": "LN2", "data": {**second, **always}},
    ]
    assert (sum(span.count for span in block.filtered), block.refusals) == (1, [])


@pytest.mark.parametrize(("document", "text"), list(blocks("python")))
def test_the_library_examples_run(document: str, text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with stand_in() as server:
        for shown, real in (("https://api.agents.timepay.ai/api/v1", server.url), ("camp_abc123", server.campaign_id)):
            assert shown in text
            text = text.replace(shown, real)
        names: dict[str, Any] = {"pairs": [("loan_1", {"amount": 1})], "token": server.token}
        code = compile(text, document, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        asyncio.run(awaited(code, names))
        assert names["report"].records.updated == 1
        assert server.state() == {"loan_1": {"amount": 1}}


def test_what_the_library_page_shows_is_what_is_there(tmp_path: Path) -> None:
    [shown, call, columns] = [text for name, text in blocks("") if name == "docs/library.md"]
    pairs = [(f"loan_{number}", {"amount": 1} if number < 4 else {}) for number in range(1, 5)]
    with stand_in(reject="loan_2") as server:
        target: dict[str, Any] = {"url": server.url, "campaign_id": server.campaign_id, "token": server.token}
        report = asyncio.run(engine.push(pairs, **target, state_dir=tmp_path / "state"))
    lines = shown.splitlines()
    for typed, answer in zip(lines[::2], lines[1::2], strict=True):
        assert repr(eval(typed.removeprefix(">>> "), {"report": report})) == answer  # noqa: S307  (our own document)
    loans = pyarrow.table({"loan_no": ["loan_1"], "emi": [1], "branch": ["Pune"]})
    for refused, *mistakes in (call.splitlines(), columns.splitlines()):
        code = compile(refused.removeprefix(">>> "), "docs/library.md", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        with pytest.raises(engine.ConfigError) as caught:
            asyncio.run(awaited(code, {"engine": engine, "loans": loans}))
        assert f"engine.values.errors.ConfigError: {caught.value}" == "\n".join(mistakes)


async def awaited(code: CodeType, names: dict[str, Any]) -> None:
    await eval(code, names)  # noqa: S307  (our own document)


def test_the_functions_that_are_named_exist() -> None:
    for name in re.findall(r"`(?:await )?engine\.([\w.]+)\(", "".join(map(text_of, DOCUMENTS))):
        module, _, function = f"engine.{name}".rpartition(".")
        assert callable(getattr(import_module(module), function))
