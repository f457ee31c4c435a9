"""Templates of the commands: what they are given, how it is escaped, and what becomes of a mistake in them."""

from __future__ import annotations

import tomllib

import pytest
from hypothesis import given, strategies as st
from jinja2 import UndefinedError

from engine.commands.templates import templates_of, toml_text

PACKAGE = "engine.commands.service"


def shout(text: str) -> str:
    return text.upper()


def test_a_template_has_its_escapes_and_constants() -> None:
    environment = templates_of(PACKAGE, shout, greeting="hello")
    assert environment.from_string("{{ greeting | shout }} {{ name }}\n").render(name="<&>") == "HELLO <&>\n"


def test_a_misspelt_name_is_an_error() -> None:
    with pytest.raises(UndefinedError, match="'nmae' is undefined"):
        templates_of(PACKAGE).from_string("{{ nmae }}").render(name="x")


def test_lines_that_only_decide_leave_no_line() -> None:
    text = "a\n{% if yes %}\nb\n{% endif %}\nc\n"
    assert templates_of(PACKAGE).from_string(text).render(yes=True) == "a\nb\nc\n"


@given(st.text())
def test_toml_reads_any_text_back(text: str) -> None:
    assert tomllib.loads(f"key = {toml_text(text)}") == {"key": text}
