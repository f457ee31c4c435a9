"""The figures in the documents come from the commands above them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from benchmarks.__main__ import main
from benchmarks.document import PLACE, pictures, with_figures
from tests.documents import BLOCKS, ROOT

MARKS = "<!-- figures -->\n<!-- end of figures -->"
TEXT = """\
# Figures

```sh
python -m benchmarks startup
```

<!-- figures -->
old
<!-- end of figures -->

```sh
python -m benchmarks throughput --records 20 --runs 1 --kinds ndjson --peers none
```

<!-- figures -->
<!-- end of figures -->

End.
"""


def test_figures_stand_below_their_command_and_nothing_else_changes() -> None:
    once = with_figures(TEXT, "startup", "\n| a |\n| - |\n\nabsent: b\n", 0.25)
    before, after = TEXT.split("old\n")
    assert once.startswith(before)
    assert once.endswith(after)
    added = once.removeprefix(before).removesuffix(after)
    assert re.fullmatch(
        r"\n\| a \|\n\| - \|\n\nabsent: b\n\n\(\d{4}-\d\d-\d\d, \d+ CPUs with a load of 0\.2 before, .+\)\n\n", added
    )
    twice = with_figures(once, "startup", "| c |\n", 0.25)
    assert ("| a |" in twice, "| c |" in twice) == (False, True)


def test_only_what_is_named_is_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    document = tmp_path / "figures.md"
    document.write_text(TEXT, encoding="utf-8")
    assert main(["document", "--file", str(document), "--only", "kinds ndjson"]) == 0
    text = document.read_text(encoding="utf-8")
    assert "<!-- figures -->\nold\n<!-- end" in text
    assert "| NDJSON | engine |" in re.sub(" +", " ", text)


def test_a_picture_below_figures_shows_these() -> None:
    document = ROOT / "docs/benchmarks.md"
    text = document.read_text(encoding="utf-8")
    shown = {
        picture: place["figures"] for place in PLACE.finditer(text) for picture in pictures(text, place["arguments"])
    }
    assert shown
    for picture, figures in shown.items():
        drawn = re.findall(r"([0-9.]+) M/s", (document.parent / picture).read_text(encoding="utf-8"))
        rows = [row for row in figures.splitlines() if row.startswith("|")][2:]
        assert drawn == [f"{int(row.split('|')[3].replace(',', '')) / 1e6:.2f}" for row in rows]


def test_the_picture_is_taken_from_what_was_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    document = tmp_path / "figures.md"
    document.write_text(TEXT.replace("<!-- figures -->\n<!-- end of figures -->", f"{MARKS}\n\n![x](throughput.svg)"))
    assert main(["document", "--file", str(document), "--only", "kinds ndjson"]) == 0
    assert " M/s, " in (tmp_path / "throughput.svg").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("text", "only", "says"),
    [
        (TEXT, "scale", "no place for figures"),
        (TEXT.replace("--kinds ndjson", "--kinds xml"), "xml", "--kinds xml --peers none: ended with 1"),
    ],
)
def test_what_cannot_be_run_is_said(
    text: str, only: str, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    document = tmp_path / "figures.md"
    document.write_text(text, encoding="utf-8")
    with pytest.raises(SystemExit, match=says):
        main(["document", "--file", str(document), "--only", only])
    assert document.read_text(encoding="utf-8") == text


def test_every_command_of_the_benchmarks_document_has_a_place() -> None:
    text = (ROOT / "docs" / "benchmarks.md").read_text(encoding="utf-8")
    commands = [block.strip() for language, block in BLOCKS.findall(text) if language == "sh"]
    assert [f"python -m benchmarks {place['arguments']}" for place in PLACE.finditer(text)] == commands
    assert len(set(commands)) == len(commands) > 5
