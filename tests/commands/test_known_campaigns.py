"""Which campaigns are missing, and how many records that would leave behind."""

from __future__ import annotations

from engine.commands.known_campaigns import SHOWN_MAX, missing_campaigns, routed_text


def test_those_that_are_missing_are_named_the_largest_first() -> None:
    assert missing_campaigns({"a": 5, "b": 7, "c": 0, "d": 1}, ["a", "x"]) == [
        "the token is valid, but there is no b among its 2 campaigns; the source has 7 records for it",
        "the token is valid, but there is no d among its 2 campaigns; the source has 1 record for it",
        "the token is valid, but there is no c among its 2 campaigns",
    ]
    assert missing_campaigns({"a": 5}, ["a"]) == []


def test_of_very_many_the_first_are_named() -> None:
    lines = missing_campaigns({f"camp_{n}": 1 for n in range(SHOWN_MAX + 3)}, [])
    assert len(lines) == SHOWN_MAX + 1
    assert lines[-1] == "and 3 campaigns more that there are none of"


def test_what_is_routed_is_told() -> None:
    assert routed_text({"a": 5, "b": 1_000}, "bucket") == "1,005 records for 2 campaigns by 'bucket'"
    assert routed_text({"a": 5, "b": 0}, "bucket") == (
        "5 records for 1 campaign by 'bucket'; 1 campaign of route.campaigns without any"
    )
