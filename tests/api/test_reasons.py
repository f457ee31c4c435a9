"""Reasons are found wherever they stand, in the API's own words, and never longer than is kept."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, strategies as st

from engine.api.reasons import REASON_CHARACTERS_MAX, REASON_KEYS, message_of, reason_of


@pytest.mark.parametrize(
    ("item", "reason"),
    [
        ("plain", "plain"),
        ({"update": {"_id": "L1", "error": {"type": "x", "reason": "y"}}}, "y"),
        ({"update": {"_id": "L1", "status": 400, "error": {"type": "x", "reason": "y"}}}, "y"),
        ({"record": {"id": "L1"}, "error": {"message": "m"}}, "m"),
        ({"record": {"id": "L1", "name": "Asha"}, "error": {"code": 11000, "message": "m"}}, "m"),
        ({"id": "L1", "errors": ["a", "b", "a"]}, "a; b"),
        ({"id": "L1", "errors": [{"field": "phone", "message": "bad"}, {"message": "worse"}]}, "bad; worse"),
        ({"id": "L1", "errors": {"phone": ["invalid"], "emi": "too big"}}, "phone: invalid; emi: too big"),
        ({"id": "L1", "details": [{"message": "bad"}]}, "bad"),
        ({"id": "L1", "detail": "d"}, "d"),
        ({"type": "about:blank", "title": "T", "detail": "D", "status": 422}, "D"),
        ({"type": "about:blank", "title": "T", "status": 422}, "T"),
        ({"error": {"errors": [{"reason": "deep"}]}}, "deep"),
        ({"error": "  ", "message": "m"}, "m"),
        ({"error": 7, "message": "m"}, "m"),
        ({"error": True, "message": "m"}, "m"),
        ({"id": "L1", "code": 409}, "409"),
        ({"errors": ["1", "2", "3", "4"]}, "1; 2; 3; 4"),
        ({"errors": list("abcdefghijklm")}, "a; b; c; d; e; f; g; h; i; j; …"),
    ],
)
def test_the_reason_is_what_a_person_would_read(item: Any, reason: str) -> None:
    assert reason_of(item) == reason


@pytest.mark.parametrize(
    "item",
    [None, True, 2.5, "", {}, [], {"id": "L1"}, {"update": {"_id": "L1"}}, {"id": "L1", "data": {"message": "hi"}}],
)
def test_what_gives_no_reason_has_none(item: Any) -> None:
    assert reason_of(item) is None


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"success": False, "error": "validation", "message": "phone is invalid"}, "phone is invalid"),
        ({"error": {"message": "inside"}}, "inside"),
        ({"detail": [{"loc": ["body", 3], "msg": "field required", "type": "value_error"}]}, "field required"),
        ({"title": "Unprocessable", "status": 422}, "Unprocessable"),
        ({"success": False}, None),
        ([], None),
        (None, None),
    ],
)
def test_a_reply_says_of_itself(document: Any, message: str | None) -> None:
    assert message_of(document) == message


@pytest.mark.parametrize("key", REASON_KEYS)
def test_reasons_are_cut_wherever_they_stand(key: str) -> None:
    page = "bad " * 10_000
    for item in (page, {key: page}, {key: {"x": page}}, {key: [page] * 9}, {"update": {key: page}}):
        reason = reason_of(item)
        assert reason is not None
        assert len(reason) <= REASON_CHARACTERS_MAX
        assert reason.endswith("…")


def test_a_reason_of_one_page_is_kept_whole() -> None:
    page = " ".join(f"line {number} of what is wrong" for number in range(100))
    assert reason_of({"error": page}) == page


Json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from([*REASON_KEYS, "x", "data"]), inner),
)


@given(Json)
def test_no_json_makes_it_fall_over(item: Any) -> None:
    assert reason_of(item) != ""
    assert message_of(item) != ""
