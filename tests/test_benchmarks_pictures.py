"""The pictures in the documents: small, and without a word of the machine that they were made on.

That one command makes them all is shown in tests/browser.
"""

from __future__ import annotations

import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from benchmarks import pictures
from benchmarks.__main__ import main
from benchmarks.terminal import COLUMNS, ERASED, drawn, on_terminal
from tests.documents import ROOT

KEPT = ROOT / "docs" / "pictures"
PNG = b"\x89PNG\r\n\x1a\n"
LARGEST_KB = 200


@pytest.mark.parametrize("file", sorted(KEPT.iterdir()), ids=lambda file: str(file.name))
def test_a_picture_is_small_and_names_no_machine(file: Path) -> None:
    held = file.read_bytes()
    assert len(held) < LARGEST_KB * 1000
    if file.suffix == ".png":
        assert held.startswith(PNG)
        return
    assert ElementTree.fromstring(held).tag == "{http://www.w3.org/2000/svg}svg"  # noqa: S314 - our own picture
    assert not [path for path in (b"/tmp", b"/home", b"/root", b"url(http", b"@import") if path in held]


def test_bars_are_the_figures_that_stand_above_them() -> None:
    head = "```sh\npython -m benchmarks throughput --kinds ndjson\n```\n\n<!-- figures -->\n"
    table = "| source | client | records/s |\n| - | - | -: |\n| NDJSON | engine | 2,000 |\n| NDJSON | script | 500 |\n"
    picture = pictures.figures_drawn(f"{head}\n{table}\n<!-- end of figures -->\n")
    assert [picture.count(word) for word in ("NDJSON", ">engine<", ">script<", ">2,000 records/s<")] == [1, 1, 1, 1]


def test_without_a_browser_it_is_said_how_to_get_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures, "PROGRAM", None)
    with pytest.raises(SystemExit, match="apt-get install chromium"):
        main(["pictures", "--to", str(tmp_path / "pictures")])
    assert not (tmp_path / "pictures").exists()


def test_a_screen_is_what_is_left_of_what_was_drawn_over(tmp_path: Path) -> None:
    program = r"print('\x1b[?25lone\ntwo'); print('\r\x1b[2K\x1b[1A\x1b[2Kthree', end='\x1b[?25h'); print(); exit(3)"
    with on_terminal([sys.executable, "-c", program], cwd=tmp_path, env={}) as running:
        screen = running.screen()
    assert (screen.frames, screen.text, screen.exit_code) == (["one\ntwo\n", "three"], "\n", 3)
    assert not ERASED.search(screen.text)


def test_lines_that_are_too_long_are_broken_as_in_a_terminal() -> None:
    picture = drawn("x" * COLUMNS + "yz & <more>", "a title")
    assert f">{'x' * COLUMNS}</text>" in picture
    assert ">yz&#160;&amp;&#160;&lt;more&gt;</text>" in picture
