"""Ids that look unlike all others are told by their rows; ids that have no form, or several, are not."""

from __future__ import annotations

import pytest

from engine.commands.id_forms import IdForms, form_of
from engine.values import Span


def doubt(*ids: str) -> str | None:
    forms = IdForms()
    for start in range(0, len(ids), 7):
        some = ids[start : start + 7]
        forms.add(some, [Span("export.csv", start + 1, len(some))])
    return forms.doubt()


LOANS = [f"LN{n:05d}" for n in range(100)]


def test_an_id_has_a_form() -> None:
    assert form_of("LN00123") == form_of("é7") == "A0"
    assert form_of("KA/12-3") == "A/0-0"


def test_a_footer_that_passed_for_a_record_is_told_by_its_row() -> None:
    said = doubt(*LOANS, "Grand Total")
    assert said == "1 id unlike all others (export.csv row 101): are these records?"


def test_rare_ones_are_counted_and_the_first_of_each_form_is_named() -> None:
    said = doubt("12", *LOANS, "13", "x y")
    assert said is not None
    assert said.startswith("3 ids unlike all others (export.csv row 1, export.csv row 103)")


@pytest.mark.parametrize(
    "ids",
    [
        LOANS,
        [*LOANS, *[str(n) for n in range(50)]],  # two systems, two forms
        [*LOANS[:10], "Total"],  # so few records prove nothing
        ["/" * n + "a" for n in range(100)],  # no form at all
        [],
    ],
)
def test_what_is_usual_is_no_doubt(ids: list[str]) -> None:
    assert doubt(*ids) is None
