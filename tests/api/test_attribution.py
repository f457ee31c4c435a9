"""Who an item of `errors` speaks of: every shape of the API's page, and nobody when it could be somebody else."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, strategies as st

from engine.api.attribution import ID_KEYS, INDEX_KEYS, STATUS_KEYS, TEXT_CHARACTERS_MAX, WITHOUT_REASON, attribute

IDS = ["loan_1", "loan_2", "loan_12", "100200", "00123", "кредит-7", "two words", "7", "loan_1."]


def blamed(*errors: Any, ids: list[str] = IDS) -> list[str]:
    return [ids[index] for index in sorted(attribute(errors, ids).reasons)]


@pytest.mark.parametrize("key", ID_KEYS)
@pytest.mark.parametrize("id_", IDS)
def test_an_object_names_a_record_by_its_id(key: str, id_: str) -> None:
    assert blamed({key: id_, "error": "bad"}) == [id_]
    assert blamed({"update": {key: id_}, "message": "bad"}) == [id_]


@pytest.mark.parametrize("key", INDEX_KEYS)
@pytest.mark.parametrize("base", [0, 1])
@pytest.mark.parametrize("index", range(len(IDS)))
def test_an_object_names_a_record_by_its_index_once_it_is_known_from_where_they_count(
    key: str, base: int, index: int
) -> None:
    for item in ({key: index + base}, {"writeError": {key: index + base}}):
        found = attribute([item], IDS, base)
        assert list(found.reasons) == [index]


@pytest.mark.parametrize("index", range(1, len(IDS)))
def test_a_lone_index_may_count_from_0_or_from_1(index: int) -> None:
    assert attribute([{"index": index}], IDS).reasons == {}


@pytest.mark.parametrize(
    ("errors", "base", "found"),
    [
        ([{"index": 0}, {"index": 3}], 0, [0, 3]),  # only from 0 on there is a 0
        ([{"index": len(IDS)}, {"index": 3}], 1, [2, len(IDS) - 1]),
        ([{"id": "loan_2", "index": 1}, {"index": 3}], 0, [1, 3]),
        ([{"id": "loan_2", "index": 2}, {"index": 3}], 1, [1, 2]),
        ([{"update": {"_id": "loan_2", "index": 2}}, {"index": 3}], 1, [1, 2]),
    ],
)
def test_the_indexes_of_a_reply_may_tell_from_where_they_count(errors: list[Any], base: int, found: list[int]) -> None:
    proven = attribute(errors, IDS)
    assert (proven.index_base, sorted(proven.reasons)) == (base, found)


@pytest.mark.parametrize(
    "errors",
    [
        [{"index": 0}, {"index": len(IDS)}],
        [{"index": 0}, {"index": -1}],
        [{"index": 0}, {"index": len(IDS) + 1}],
        [{"index": 0}, {"index": "3"}],
        [{"index": 0}, {"index": 7, "id": "loan_1"}],
        [{"index": 0}, {"index": 0}],
        [{"index": 0}, {"error": "and another one"}],
        [{"index": len(IDS)}, {"id": "nobody"}],
        [{"index": 0, "id": "nobody"}, {"index": 3}],
    ],
)
def test_indexes_that_contradict_each_other_are_not_believed(errors: list[Any]) -> None:
    found = attribute(errors, IDS)
    assert found.index_base is None
    assert all(index == 0 and "id" in errors[1] for index in found.reasons)


def test_an_index_that_contradicts_what_was_known_is_not_believed() -> None:
    assert attribute([{"index": 0}], IDS, 1).reasons == {}
    assert attribute([{"index": len(IDS)}], IDS, 0).reasons == {}
    assert attribute([{"index": 1, "id": "loan_1"}, {"index": 3}], IDS, 0).reasons == {0: WITHOUT_REASON}


def test_numbers_in_the_records_own_data_are_no_index_and_no_status() -> None:
    found = attribute([{"id": "loan_1", "data": {"index": 0, "status": 503}, "error": "bad"}], IDS)
    assert (found.index_base, found.reasons, found.again) == (None, {0: "bad"}, {})


@pytest.mark.parametrize("key", STATUS_KEYS)
@pytest.mark.parametrize("status", [429, "429", 502, 503, 504])
def test_a_record_that_was_only_not_dealt_with_is_not_refused(key: str, status: int | str) -> None:
    for item in ({"id": "loan_2", key: status, "error": "later"}, {"update": {"_id": "loan_2", key: status}}):
        found = attribute([item], IDS)
        assert (found.reasons, found.again) == ({}, {1: int(status)})


@pytest.mark.parametrize("status", [400, 409, 422, 500, True, None, 4290, "429x"])
def test_every_other_status_refuses_it(status: Any) -> None:
    assert attribute([{"id": "loan_2", "status": status}], IDS).again == {}


def test_a_refusal_goes_before_another_item_that_says_later() -> None:
    found = attribute([{"id": "loan_2", "status": 503}, {"id": "loan_2", "error": "bad"}], IDS)
    assert (found.reasons, found.again) == ({1: "bad"}, {})


@pytest.mark.parametrize(
    ("text", "id_"),
    [
        ("loan_1: phone_number is invalid", "loan_1"),
        ("Record loan_12 could not be updated.", "loan_12"),
        ("Failed: 'кредит-7'", "кредит-7"),
        ('no such loan "loan_2"', "loan_2"),
        ("100200: invalid", "100200"),
        ("Failed to update 100200", "100200"),
        ("record #100200 is locked", "100200"),
        ("loan_id=100200, amount is negative", "100200"),
        ("record 00123 is locked", "00123"),
        ("id 7 is locked", "7"),
        ("customer id: 7", "7"),
        ("loan_1 ".ljust(TEXT_CHARACTERS_MAX, "x"), "loan_1"),
    ],
)
def test_a_text_names_a_record_by_its_id(text: str, id_: str) -> None:
    assert blamed(text) == [id_]
    assert blamed({"error": text}) == [id_]


@pytest.mark.parametrize(
    "item",
    [
        {},
        {"error": "version conflict"},
        {"id": "nobody"},
        {"id": None},
        {"id": True},
        {"id": 1.0},
        {"id": ["loan_1"]},
        {"id": {"$oid": "loan_1"}},
        {"id": "nobody", "index": 1},  # it contradicts itself
        {"id": "loan_1", "loan_id": "loan_2"},
        {"index": -1},
        {"index": len(IDS) + 1},
        {"index": True},
        {"index": "1"},
        {"index": 1.0},
        {"index": None},
        {"index": 1, "recordIndex": 2},
        "3 records failed",
        "7 records failed",
        "item 7 is invalid",  # a position?
        "loan_1 and loan_2 have the same phone number",
        "loan_123 is unknown",
        "xloan_1 is unknown",
        "loan_amount 100200 is too large",  # an amount, not the id
        "limit of 100200 exceeded",
        "two words",  # an id with a space is no word
        "",
        None,
        0,
        1,
        2.5,
        [],
        ["loan_1"],
        [{"id": "loan_1"}],
        {"a": {"b": {"id": "loan_1"}}},
        "loan_1 ".ljust(TEXT_CHARACTERS_MAX + 1, "x"),
    ],
)
def test_nobody_is_blamed_on_a_guess(item: Any) -> None:
    assert blamed(item) == []


def test_an_id_that_is_a_number_may_be_written_as_one() -> None:
    assert blamed({"id": 100200}) == ["100200"]
    assert blamed({"id": 123}) == []  # 00123 is another one


@pytest.mark.parametrize("value", [None, True, 1.0, ["a"], {"a": 1}])
def test_what_is_neither_text_nor_a_whole_number_is_no_id_however_it_is_written(value: Any) -> None:
    assert blamed({"id": value}, ids=[str(value), "other"]) == []


@pytest.mark.parametrize(("number", "ids"), [("0", []), ("1", []), ("3", []), ("4", ["4"]), ("02", ["02"])])
def test_a_number_in_a_text_that_may_be_a_position_is_no_id(number: str, ids: list[str]) -> None:
    """Of three records the positions are 0 to 2, or 1 to 3; nobody writes them with zeros in front."""
    assert blamed(f"item {number} is invalid", ids=["a", "b", number]) == ids


def test_digits_that_make_no_number_are_an_id_like_any_other() -> None:
    assert blamed("item ² is invalid", ids=["a", "²"]) == ["²"]


def test_all_texts_of_an_object_are_looked_at_and_each_by_itself() -> None:
    assert blamed({"error": "no such loan", "message": "loan_1"}) == ["loan_1"]
    assert blamed({"error": "invalid: loan_1", "message": "see the manual"}) == ["loan_1"]
    assert blamed({"error": "loan_1", "message": "loan_2"}) == []


def test_the_first_reason_about_a_record_counts_and_the_first_about_nobody_is_kept() -> None:
    found = attribute(
        [{"id": "loan_1", "error": "first"}, {"id": "loan_1", "error": "second"}, "who knows", {"message": "not me"}],
        IDS,
    )
    assert found.reasons == {0: "first"}
    assert found.unnamed_reason == "who knows"


@pytest.mark.parametrize(
    ("item", "reason"),
    [
        ({"id": "7", "error": "a", "message": "b"}, "a"),
        ({"id": "7", "error": {"message": "inside"}}, "inside"),
        ({"id": "7", "code": 409}, "409"),
        ({"update": {"_id": "7", "error": {"type": "x", "reason": "y"}}}, "y"),
        ({"id": "7", "error": None}, WITHOUT_REASON),
        ({"id": "7"}, WITHOUT_REASON),
    ],
)
def test_reasons_are_the_words_of_the_api(item: Any, reason: str) -> None:
    assert attribute([item], IDS).reasons == {IDS.index("7"): reason}


Json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.sampled_from(IDS),
    lambda inner: (
        st.lists(inner) | st.dictionaries(st.sampled_from([*ID_KEYS, *INDEX_KEYS, "status", "error", "x"]), inner)
    ),
    max_leaves=8,
)


@given(st.lists(Json))
def test_whatever_the_items_are_only_records_of_the_chunk_are_blamed(errors: list[Any]) -> None:
    found = attribute(errors, IDS)
    assert found.reasons.keys() <= set(range(len(IDS)))
    assert len(found.reasons) <= len(errors)
    assert all(isinstance(reason, str) for reason in found.reasons.values())
