"""The documents, and the commands that stand in them."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

from engine.commands.cli import COMMANDS

ROOT = Path(__file__).parent.parent
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])

BLOCKS = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
SPANS = re.compile(r"`([^`]+)`")
SHOWN = re.compile(r"^\$ (.+)$|(python -m engine .+|python -m benchmarks.*)$", re.MULTILINE)
"""Commands in a block that shows a terminal: what is typed, and what the engine advises."""

BENCHMARK = "python -m benchmarks "
TOOLS = {"mypy", "lint-imports"}
"""Commands of one word."""
NO_COMMANDS = {
    "await engine.sync(settings)",
    "from engine.state import Journal",
    "kill -9",
    "mypy --strict",
}
"""What has several words in a text, begins like a command, and is none."""


def text_of(document: Path) -> str:
    return document.read_text(encoding="utf-8")


def name_of(document: Path) -> str:
    return str(document.relative_to(ROOT))


def blocks(language: str) -> Iterator[tuple[str, str]]:
    """Yield each block in this language with the name of its document."""
    for document in DOCUMENTS:
        for found, text in BLOCKS.findall(text_of(document)):
            if found == language:
                yield name_of(document), text


def commands() -> dict[str, str]:
    """Return each command that stands in a document, with the name of the first such document."""
    found: dict[str, str] = {}
    for document in DOCUMENTS:
        for command in _commands_in(text_of(document)):
            found.setdefault(command, name_of(document))
    return found


def benchmarks() -> list[list[str]]:
    """Return the arguments of each `python -m benchmarks …` that stands in a document and names a benchmark."""
    found = [shlex.split(command.removeprefix(BENCHMARK)) for command in commands() if command.startswith(BENCHMARK)]
    return [arguments for arguments in found if not arguments[0].startswith("-")]


def _commands_in(text: str) -> Iterator[str]:
    for language, block in BLOCKS.findall(text):
        if language == "sh":
            for line in block.splitlines():
                yield from (part.removeprefix(".venv/bin/") for part in line.split(" && "))
        elif not language:
            yield from (typed or advised for typed, advised in SHOWN.findall(block))
    for span in SPANS.findall(BLOCKS.sub("", text)):
        yield from _commands_of(" ".join(span.split()))


def _commands_of(span: str) -> Iterator[str]:
    """Yield the command that a piece of code in a text is, if it is one; `a|b` stands for two commands."""
    first, *rest = span.split(" ")
    if rest[:1] == ["="]:  # a setting, an equation
        return
    if span in TOOLS or (rest and re.fullmatch(r"[a-z.][\w./-]*", first) and span not in NO_COMMANDS):
        whole = f"python -m engine {span}" if first in {command.name for command in COMMANDS} else span
        choices = re.search(r"\S+\|\S+", whole)
        for choice in choices[0].split("|") if choices else [""]:
            yield whole.replace(choices[0], choice) if choices else whole
